"""Finished rows as files that others read: Parquet, COCO, the dataset card. Knows nothing of how rows are made."""
