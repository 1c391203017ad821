"""What to draw (the conditions of candidate rows) and what follows from a row (its objects). Knows no image."""
