"""The steps that make and change the job store's tables, for alembic."""
