"""Rows <-> tensors. Know nothing of networks, files or training."""
