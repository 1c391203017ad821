"""Denoisers and the small vision models of judges and learners. Know nothing of recipes, files or runs."""
