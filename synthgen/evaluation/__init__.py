"""What rows are worth, how close they are to real ones, and the pages that say so. Knows neither files nor recipes."""
