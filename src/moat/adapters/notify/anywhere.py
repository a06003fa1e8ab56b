"""Messages to whatever apprise knows: Slack, PagerDuty, Teams, Telegram and a hundred more (the extra `notify`)."""

from typing import Any

from moat.domain.alerting import Message
from moat.domain.errors import ConfigError, Unavailable

_KINDS = {"critical": "failure", "warning": "warning", "info": "info"}


class AppriseChannel:
    """Implements `moat.ports.alerts.Channel`."""

    def __init__(self, url: str, *, where: str = "") -> None:
        """Raises `ConfigError` for an address that apprise does not know, without showing it."""
        try:
            import apprise  # takes a second, and few have it
        except ImportError:
            raise ConfigError(
                "apprise is not installed", where=where, remedy="`pip install 'moat[notify]'`, or use a webhook."
            ) from None
        self._service: Any = apprise.Apprise()
        self._where = where
        if not self._service.add(url):
            raise ConfigError(
                "apprise does not know such an address",
                where=f"{where}.url",
                remedy="See https://github.com/caronc/apprise/wiki for how it is written.",
            )

    def send(self, message: Message) -> None:
        """Apprise tells only whether it went well: any failure is tried again."""
        kind = "success" if message.kind == "resolved" else _KINDS[message.severity]
        if not self._service.notify(title=message.title, body=message.text, notify_type=kind):
            raise Unavailable("apprise could not deliver it", where=self._where)
