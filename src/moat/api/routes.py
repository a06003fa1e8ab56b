"""The routes of the management API: all there are."""

from moat.api import caches, keys, limits, prompts, providers, records, releases, spend, webhooks

ENDPOINTS = (
    *prompts.ENDPOINTS,
    *releases.ENDPOINTS,
    *records.ENDPOINTS,
    *spend.ENDPOINTS,
    *limits.ENDPOINTS,
    *caches.ENDPOINTS,
    *providers.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *keys.ENDPOINTS,
)
