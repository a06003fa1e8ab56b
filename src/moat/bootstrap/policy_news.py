"""Tells the log when other guard policies are in force than before."""

import logging
from collections.abc import Iterable

from moat.domain.policies import PolicyConfig

log = logging.getLogger("moat.policies")


class PolicyNews:
    """What one server said last."""

    def __init__(self) -> None:
        self._told: list[str] | None = None

    def tell(self, policies: Iterable[PolicyConfig]) -> None:
        """Which are in force from now on: a warning when one is gone or changed, with the digests of both."""
        before, now = self._told, sorted(each.id for each in policies if each.guards)
        self._told = now
        if before is None or before == now:
            return
        gone = [name for name in before if name not in now]
        level = logging.WARNING if gone else logging.INFO
        shown = ", ".join(now) or "none: nothing is guarded"
        log.log(level, "guard policies in force: %s; no longer: %s", shown, ", ".join(gone) or "none")
