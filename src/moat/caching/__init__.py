"""Answers that are given again: which ones, to whom, for how long, and in what form."""
