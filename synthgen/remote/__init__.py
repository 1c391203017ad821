"""A run's folder at a URL: addresses, what lies there, who works there, and the copy on this machine."""
