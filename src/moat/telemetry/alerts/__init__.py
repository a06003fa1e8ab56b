"""Alerts as rules: what is measured, what is usual, what fires, and what is said about it."""
