"""The routes of the management API: all there are."""

from moat.api import prompts, records, releases, webhooks

ENDPOINTS = (*prompts.ENDPOINTS, *releases.ENDPOINTS, *records.ENDPOINTS, *webhooks.ENDPOINTS)
