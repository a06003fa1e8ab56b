"""Messages as JSON, posted and signed.

`x-moat-signature: sha256=HEX` is the HMAC-SHA256, with the channel's secret, of `x-moat-timestamp`, a full stop and the
body; a receiver that refuses old timestamps and known ids is safe from replays. Redirects are not followed: they would
lead messages where nobody wrote.
"""

import hashlib
import hmac
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

import msgspec

from moat.adapters.notify.places import parts, shown
from moat.adapters.notify.reaching import reaching
from moat.domain.alerting import Message
from moat.domain.errors import RequestError, Unavailable

TIMEOUT = 10.0
"""Seconds."""
AGAIN = (408, 425, 429)
"""Of the 4xx: those that say "later"."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other that is no 2xx."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nowhere."""
        return


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())


class Webhook:
    """Implements `moat.ports.alerts.Channel`."""

    def __init__(self, url: str, secret: str = "", *, private: bool = False, where: str = "") -> None:
        self._url = url
        self._private = private
        self._secret = secret
        self._shown = shown(parts(url, ("https", "http"), where))

    def send(self, message: Message) -> None:
        """Until a 2xx comes back."""
        with reaching(self._shown, private=self._private):
            self._post(message)

    def _post(self, message: Message) -> None:
        body = msgspec.json.encode(message)
        stamp = str(int(time.time()))
        headers = {"content-type": "application/json", "user-agent": "moat", "x-moat-id": message.id}
        if self._secret:
            headers |= {"x-moat-timestamp": stamp, "x-moat-signature": signature(self._secret, stamp, body)}
        try:
            request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")
            with _OPENER.open(request, timeout=TIMEOUT):
                return
        except urllib.error.HTTPError as error:
            error.close()
            later = error.code >= 500 or error.code in AGAIN
            raise (Unavailable if later else RequestError)(f"it answered {error.code}", where=self._shown) from None
        except urllib.error.URLError as error:
            raise Unavailable(f"it cannot be reached: {_reason(error.reason)}", where=self._shown) from None
        except (OSError, HTTPException) as error:
            raise Unavailable(f"it cannot be reached: {_reason(error)}", where=self._shown) from None
        except ValueError:  # an address that only fails when it is used
            raise RequestError("the address cannot be used", where=self._shown) from None


def signature(secret: str, stamp: str, body: bytes) -> str:
    """The value of `x-moat-signature`."""
    return "sha256=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _reason(error: object) -> str:
    """In the system's words, which name no address."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
