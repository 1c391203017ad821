"""Reasons to refuse a row. Knows descriptors, classes and a judge's opinion; nothing of files or tasks."""
