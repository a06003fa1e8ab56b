"""Detectors and policies. Comes with its own issue; its stages will join `moat.pipeline.recipe`."""
