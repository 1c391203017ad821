"""The HTTP service: rows and runs of recipes that the server already has, for callers with a key."""
