"""Detectors and policies: what may go to a model, and what may come back."""
