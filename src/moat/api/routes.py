"""The routes of the management API: all there are."""

from moat.api import (
    alerts,
    audit,
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
    tool_approvals,
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
    *tool_approvals.ENDPOINTS,
    *audit.ENDPOINTS,
)
