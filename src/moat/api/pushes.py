"""Pushes to the git repository, as forges announce them: who may, and the sync that follows."""

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Lock

import msgspec

from moat.domain.errors import AccessError, MoatError, Overloaded
from moat.ports.releases import Sync

log = logging.getLogger("moat.sync")

BRANCHES = "refs/heads/"
READ_AT_ONCE = 4
"""Bodies of pushes in memory: until the whole of one is there, anybody may have sent it."""
READ_SECONDS = 10.0
"""For the body to come; a forge waits no longer for its answer."""
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")


class Push(msgspec.Struct, frozen=True):
    """What GitHub, Gitea and GitLab say alike in a push event; the rest of it is theirs."""

    ref: str = ""
    """`refs/heads/main`."""
    deleted: bool = False


class Pushes:
    """Checks signatures, and syncs in the background, one at a time."""

    def __init__(self, sync: Sync, branch: str, secret: str) -> None:
        """`sync` keeps its own record; `branch` is the one that releases; without a `secret` every push is refused."""
        self.branch = branch
        self._sync = sync
        self._secret = secret.encode()
        self._worker = ThreadPoolExecutor(1, "moat-sync")
        self._lock = Lock()
        self._waiting = False
        self._reading: list[asyncio.Timeout] = []

    @asynccontextmanager
    async def reading(self, headers: Mapping[str, str]) -> AsyncIterator[None]:
        """Around the reading of a push that may be signed: anybody can claim that. Who has read the longest makes room
        for who comes, so that slow strangers keep no forge waiting.

        Raises `AccessError` as `verify` does where no body could help, and `Overloaded` when it takes too long.
        """
        signed = _SIGNATURE.fullmatch(headers.get("x-hub-signature-256", ""))
        known = _same(headers.get("x-gitlab-token", ""), self._secret)
        if not self._secret or not (signed or known):
            raise _refused()
        try:
            async with asyncio.timeout(READ_SECONDS) as mine:
                if len(self._reading) >= READ_AT_ONCE:
                    self._reading.pop(0).reschedule(asyncio.get_running_loop().time())
                self._reading.append(mine)
                try:
                    yield
                finally:
                    if mine in self._reading:
                        self._reading.remove(mine)
        except TimeoutError:
            raise Overloaded("the push did not come in time", remedy="Let the forge send it again.") from None

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise `AccessError` (401), always in the same words, unless the forge knows the secret.

        GitHub and Gitea sign: `X-Hub-Signature-256` is `sha256=` and the hex HMAC-SHA-256 of the body
        (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries). GitLab sends the secret
        itself in `X-Gitlab-Token`.
        """
        signature = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        signed = _same(headers.get("x-hub-signature-256", ""), signature.encode())
        known = _same(headers.get("x-gitlab-token", ""), self._secret)
        if not self._secret or not (signed or known):
            raise _refused()

    def announce(self, push: Push) -> bool:
        """Sync soon, if the push was to the branch that releases; a push while one waits already adds nothing."""
        if push.ref != f"{BRANCHES}{self.branch}" or push.deleted:
            return False
        with self._lock:
            if not self._waiting:
                self._waiting = True
                self._worker.submit(self._work)
        return True

    def close(self) -> None:
        """Wait for the sync under way, and begin no other."""
        self._worker.shutdown(cancel_futures=True)

    def _work(self) -> None:
        with self._lock:
            self._waiting = False
        try:
            self._sync.sync(self.branch)
        except MoatError as error:
            log.error("a push was not released: %s", error)
        except Exception:  # process edge: nobody waits for this thread, and the next push shall find it ready
            log.exception("unexpected error in a sync")


def _refused() -> AccessError:
    return AccessError.unauthenticated(
        "the push is not signed with this server's secret",
        remedy="Give the forge and git.webhook_secret in moat.yaml the same one.",
    )


def _same(given: str, expected: bytes) -> bool:
    return hmac.compare_digest(given.encode("latin-1", "replace"), expected)
