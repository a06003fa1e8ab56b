"""Batches: files of requests, answered within a day, by the gateway or by a provider's own batch API."""
