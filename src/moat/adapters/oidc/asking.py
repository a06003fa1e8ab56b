"""Requests to a provider of identities: bounded in time and size, and where redirects lead is not followed."""

import base64
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from moat.domain.errors import AccessError, ConfigError, Unavailable

TIMEOUT = 10.0
"""Seconds."""
MAX_ANSWER = 2**20
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is no answer."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nowhere."""
        return


_OPENER = urllib.request.build_opener(_Stay())


def check_address(url: str, where: str) -> None:
    """Raise `ConfigError` for an address that secrets may not go to: no https, and not on this machine."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    except ValueError:
        raise ConfigError(f"{url!r} is no address", where=where) from None
    if not (parts.hostname and (parts.scheme == "https" or plain)):
        raise ConfigError(f"{url!r} is no https address", where=where, remedy="Identities are not asked for in plain.")


def get(url: str, token: str = "") -> dict[str, Any]:
    """A JSON object. Raises `Unavailable`."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return _ask(urllib.request.Request(url, headers=headers | {"accept": "application/json"}))


def exchange(url: str, form: Mapping[str, str], client: tuple[str, str], *, basic: bool) -> dict[str, Any]:
    """What a code is worth. `client`: id and secret. Raises `AccessError` when it is worth nothing, `Unavailable`."""
    headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    id, secret = client
    sent = {**form, "client_id": id}
    if secret and basic:  # RFC 6749, 2.3.1: both are form-encoded first
        pair = f"{quote_plus(id)}:{quote_plus(secret)}".encode()
        headers["authorization"] = "Basic " + base64.b64encode(pair).decode()
    elif secret:
        sent["client_secret"] = secret
    return _ask(urllib.request.Request(url, urlencode(sent).encode(), headers, method="POST"))


def _ask(request: urllib.request.Request) -> dict[str, Any]:
    host = urlsplit(request.full_url).netloc.rpartition("@")[2]
    try:
        with _OPENER.open(request, timeout=TIMEOUT) as response:
            body = response.read(MAX_ANSWER + 1)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (400, 401, 403):
            raise AccessError(f"the provider of identities at {host} refused, with {error.code}") from None
        raise Unavailable(f"it answered {error.code}", where=host) from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unavailable(
            f"the provider of identities cannot be reached ({type(error).__name__})", where=host
        ) from None
    if len(body) > MAX_ANSWER:
        raise Unavailable("the answer is longer than 1 MiB", where=host)
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unavailable("the answer is no JSON object", where=host) from None
