"""A week or a month in a page: how fast, how expensive, how reliable, how good, and what explains the changes."""
