"""The routes of the management API: all there are."""

from moat.api import (
    alerts,
    caches,
    feedback,
    keys,
    limits,
    observed,
    prompts,
    providers,
    records,
    releases,
    spend,
    upkeep,
    webhooks,
)

ENDPOINTS = (
    *prompts.ENDPOINTS,
    *releases.ENDPOINTS,
    *records.ENDPOINTS,
    *observed.ENDPOINTS,
    *feedback.ENDPOINTS,
    *alerts.ENDPOINTS,
    *spend.ENDPOINTS,
    *upkeep.ENDPOINTS,
    *limits.ENDPOINTS,
    *caches.ENDPOINTS,
    *providers.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *keys.ENDPOINTS,
)
