"""One file a task. They import the stages' parts that they pair, and never each other."""
