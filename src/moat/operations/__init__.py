"""Sampling, drift, alerts, canary control, review, incidents, drills. Comes later."""
