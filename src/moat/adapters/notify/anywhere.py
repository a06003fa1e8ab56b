"""Messages to whatever apprise knows: Slack, PagerDuty, Teams, Telegram and a hundred more (the extra `notify`)."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any
from urllib.parse import unquote

from moat.adapters.notify.reaching import reaching
from moat.domain.alerting import Message
from moat.domain.errors import ConfigError, Unavailable

_KINDS = {"critical": "failure", "warning": "warning", "info": "info"}
_PART = re.compile(r"[/:@?&=,#]+")
SHORTEST = 4
"""Letters of a part of an address that may be a secret."""
LONGEST = 300
"""Letters of a reason."""


class AppriseChannel:
    """Implements `moat.ports.alerts.Channel`."""

    def __init__(self, url: str, *, private: bool = False, where: str = "") -> None:
        """Raises `ConfigError` for an address that apprise does not know, without showing it."""
        try:
            import apprise  # takes a second, and few have it
        except ImportError:
            raise ConfigError(
                "apprise is not installed", where=where, remedy="`pip install 'moat[notify]'`, or use a webhook."
            ) from None
        # In this thread, so that connections are looked at.
        self._service: Any = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
        self._url = url
        self._private = private
        self._where = where
        with _said() as lines:
            known = self._service.add(url)
        if not known:
            raise ConfigError(
                f"apprise does not know such an address{self._reason(lines)}",
                where=f"{where}.url",
                remedy="See https://github.com/caronc/apprise/wiki for how it is written.",
            )

    def send(self, message: Message) -> None:
        """Apprise tells only whether it went well, and why not in its log: any failure is tried again."""
        kind = "success" if message.kind == "resolved" else _KINDS[message.severity]
        with reaching(self._where, private=self._private), _said() as lines:
            if not self._service.notify(title=message.title, body=message.text, notify_type=kind):
                raise Unavailable(f"apprise could not deliver it{self._reason(lines)}", where=self._where)

    def _reason(self, lines: list[str]) -> str:
        """Its words, without any part of the address, which may be a token."""
        parts = {part for raw in _PART.split(self._url)[1:] for part in (raw, unquote(raw)) if len(part) >= SHORTEST}
        said = " ".join(" ".join(lines).split())
        for part in sorted(parts, key=len, reverse=True):
            said = said.replace(part, "***")
        return f": {said[:LONGEST]}" if said else ""


_lines: ContextVar[list[str] | None] = ContextVar("_lines", default=None)


class _Collector(logging.Handler):
    """Keeps what is said while somebody listens."""

    def emit(self, record: logging.LogRecord) -> None:
        """Without tracebacks, which show addresses."""
        if (lines := _lines.get()) is not None:
            lines.append(record.getMessage())


@contextmanager
def _said() -> Iterator[list[str]]:
    """Warnings and errors of apprise meanwhile."""
    _listen()
    lines: list[str] = []
    token = _lines.set(lines)
    try:
        yield lines
    finally:
        _lines.reset(token)


@cache
def _listen() -> None:
    """Once. What apprise logs goes nowhere else: there are tokens in it."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(_Collector(logging.WARNING))
