"""What a provider leaves us, by the rate-limit headers of its answers, less what was sent since."""

from moat.domain.quotas import Quota, Window

LONGEST = 3600.0
"""Seconds that a provider's word is taken for: then it is asked again, whatever it said."""


class Remaining:
    """What is left of one of a provider's limits. Nothing is known before the first answer, and after its reset."""

    def __init__(self) -> None:
        self.left: int | None = None
        self._until = 0.0

    def report(self, now: float, window: Window) -> None:
        """As an answer said just now."""
        self.left = max(0, window.remaining)
        self._until = now + min(max(0.0, window.reset_s), LONGEST)

    def take(self, amount: int) -> None:
        """So much is sent."""
        if self.left is not None:
            self.left = max(0, self.left - amount)

    def wait(self, now: float, amount: int) -> float:
        """Seconds until there may be room for so much; 0 when there is, as far as it is known."""
        if self.left is None or self.left >= max(1, amount):
            return 0.0
        if now >= self._until:
            self.left = None
            return 0.0
        return self._until - now


class Quotas:
    """Requests and tokens of one deployment, and a pause that it asked for."""

    def __init__(self) -> None:
        self.requests = Remaining()
        self.tokens = Remaining()
        self._until = 0.0

    def report(self, now: float, quota: Quota) -> None:
        """As an answer said just now."""
        if quota.requests is not None:
            self.requests.report(now, quota.requests)
        if quota.tokens is not None:
            self.tokens.report(now, quota.tokens)

    def pause(self, now: float, seconds: float) -> None:
        """It asked to be left alone (Retry-After)."""
        self._until = max(self._until, now + min(max(0.0, seconds), LONGEST))

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until a call with so many input tokens may go; 0 when it may go now."""
        pause = max(0.0, self._until - now)
        return max(pause, self.requests.wait(now, 1), self.tokens.wait(now, tokens))

    def take(self, tokens: int) -> None:
        """A call goes."""
        self.requests.take(1)
        self.tokens.take(tokens)
