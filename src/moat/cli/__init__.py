"""The `moat` command: one file for each group of commands."""
