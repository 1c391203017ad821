"""The mathematics of diffusion: torch and numpy only. Knows nothing of tasks, data or files."""
