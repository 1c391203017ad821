"""Fitting a denoiser. Knows nothing of recipes, sampling or what the rows mean."""
