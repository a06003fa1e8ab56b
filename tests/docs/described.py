"""`web/openapi.json`: the management API as the console's client is generated from it."""

import msgspec

from moat import __version__
from moat.api.openapi import openapi
from moat.api.routes import ENDPOINTS
from tests.docs.pages import ROOT

PAGE = ROOT / "web" / "openapi.json"


def description() -> str:
    """The file as it should be. The version is left out: a release changes no type."""
    text = msgspec.json.format(msgspec.json.encode(openapi(ENDPOINTS)), indent=1).decode()
    return text.replace(f'"version": "{__version__}"', '"version": ""', 1) + "\n"
