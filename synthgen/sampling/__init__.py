"""Turning noise and conditions into rows. Knows nothing of labels, gates or files."""
