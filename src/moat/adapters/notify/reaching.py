"""Where messages may lead: the rules of `moat.adapters.providers.addresses`, at the moment of each connection.

Messages go out through libraries that look names up and connect by themselves (smtplib, urllib, requests below
apprise), follow redirects, and may look up a second time. All of them pass the interpreter's audit events
`socket.getaddrinfo` and `socket.connect` (PEP 578): there the address is looked at that is about to be connected to.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from moat.adapters.providers.addresses import Reach, refusal
from moat.domain.errors import AddressRefused, RequestError, Unavailable

_LOOKED_UP = ("socket.getaddrinfo", "socket.gethostbyname")
_CONNECTED = ("socket.connect", "socket.sendto")
UNNAMED = "unnamed.invalid"
"""A host that nobody looked up says nothing of itself."""


class _Watch:
    """Connections of one message."""

    def __init__(self, private: bool) -> None:
        self.refused: tuple[str, str] | None = None
        self._reach = Reach.PRIVATE if private else Reach.NAMED
        self._host = UNNAMED

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raises `OSError` instead of a connection that may not be: the next address of the host is tried then."""
        if event in _LOOKED_UP:
            host = arguments[0]
            self._host = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or UNNAMED)
        elif event in _CONNECTED and isinstance(arguments[1], tuple):  # a path is a socket on this machine
            found = refusal(str(arguments[1][0]), self._host, self._reach)
            if found is not None:
                self.refused = found
                raise OSError(found[0])


_watch: ContextVar[_Watch | None] = ContextVar("_watch", default=None)


@contextmanager
def reaching(shown: str, *, private: bool) -> Iterator[None]:
    """Connections made within lead to public addresses, and to private ones that their host names itself; `private`:
    to those that any host resolves to. Never to metadata services.

    Raises `AddressRefused` when a message failed since such a connection was not made.
    """
    _listen()
    watch = _Watch(private)
    token = _watch.set(watch)
    try:
        yield
    except (Unavailable, RequestError):
        if watch.refused is None:
            raise
        why, remedy = watch.refused
        raise AddressRefused(f"it is not connected to: {why}", where=shown, remedy=remedy) from None
    finally:
        _watch.reset(token)


@cache
def _listen() -> None:
    """Once a process: what listens to audit events cannot be taken away again."""
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith("socket.") and (watch := _watch.get()) is not None:
        watch.see(event, arguments)
