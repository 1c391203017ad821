"""The HTTP service: rows at once, jobs, and pages to look at what was made."""
