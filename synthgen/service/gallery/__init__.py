"""The page at `/` and what it asks for under `/v1/runs`: finished runs, row by row, kept and rejected."""
