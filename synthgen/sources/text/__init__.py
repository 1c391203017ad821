"""Real texts: phrases and facts that CLDR gives, a user's files, the Hub. Importing the package loads nothing."""
