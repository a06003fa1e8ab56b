"""Requests to the server on this machine."""

import urllib.request

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Goes to no proxy, whatever the environment says: it would not find the server, and would read its admin key."""
