"""The HTTP service: rows on request, jobs, and a page to look at what was made."""
