"""Where alerts, silences and messages about them are kept."""

from collections.abc import Sequence
from typing import Protocol

from moat.domain.alerting import Delivery, Event, Message, Silence, Standing


class AlertReader(Protocol):
    """Questions."""

    def standing(self) -> Standing:
        """The alerts and outages of the last evaluation, and all silences that were not over then."""
        ...

    def events(self, rule: str = "", limit: int = 50) -> list[Event]:
        """What began and ended, newest first."""
        ...

    def deliveries(self, status: str = "", limit: int = 50) -> list[Delivery]:
        """Messages to channels, newest first."""
        ...


class AlertStore(AlertReader, Protocol):
    """Questions and changes."""

    def commit(self, standing: Standing, events: Sequence[Event], deliveries: Sequence[Delivery]) -> None:
        """What an evaluation found, together: its alerts and outages replace the ones before; an event or a delivery
        that is there already changes nothing but that an event may now be told. Silences stay as they are. Raises
        `StorageError`.
        """
        ...

    def queue(self, deliveries: Sequence[Delivery]) -> None:
        """Messages to send; one that is there already changes nothing."""
        ...

    def due(self, now_ns: int, limit: int = 20) -> list[Delivery]:
        """Messages that wait and may be sent now, the oldest first; of each channel at most `limit`."""
        ...

    def backlog(self) -> dict[str, int]:
        """How many messages wait, by channel."""
        ...

    def record(self, delivery: Delivery) -> None:
        """How a try went."""
        ...

    def silence(self, silence: Silence) -> None:
        """Add one, or put another in its place."""
        ...

    def lift(self, silence_id: str, now_ns: int, *, actor: str) -> Silence:
        """End a silence now. Raises `NotFound`. Silences have their entries in the audit log."""
        ...

    def prune(self, before_ns: int) -> int:
        """Forget events and finished deliveries of before; how many."""
        ...


class Channel(Protocol):
    """Somewhere that messages can be sent."""

    def send(self, message: Message) -> None:
        """Until somebody has taken it. Raises `Unavailable` when a later try may go better, `RequestError` when none
        will; neither holds a secret.
        """
        ...
