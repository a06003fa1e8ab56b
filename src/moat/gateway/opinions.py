"""What people and scorers say of answers: checked, given an identity, and kept before anybody is told so."""

import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from moat.domain.errors import NotFound, RequestError, StorageError, Unavailable
from moat.domain.feedback import Feedback, Source, opinion_id
from moat.domain.keys import Key, check_text
from moat.ports.clock import Clock
from moat.ports.handling import Capture
from moat.ports.spool import FeedbackSpool
from moat.ports.traces import TraceFilter, TraceReader

MAX_COMMENT = 10_000
"""Characters."""
MAX_CORRECTION = 64 * 1024
"""Bytes of its JSON."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]
"""What the filter language can ask for: `score.NAME`."""
Categories = Annotated[tuple[str, ...], Meta(max_length=20)]
Comment = Annotated[str, Meta(max_length=MAX_COMMENT)]
Rating = Annotated[int, Meta(ge=1, le=5)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An opinion of an answer, as it is sent."""

    request_id: str = ""
    """`x-request-id` of the answer ..."""
    trace_id: str = ""
    """... or the trace it belongs to: one of both at least."""
    id: str = ""
    """Of the opinion, where the sender has one; else request, `name` and `by` are its identity."""
    name: Name = "feedback"
    """What is judged."""
    thumbs: Literal["up", "down"] | None = None
    rating: Rating | None = None
    """1 (bad) to 5 (good)."""
    value: Share | None = None
    """0 (bad) to 1 (good): at most one of thumbs, rating and value."""
    categories: Categories = ()
    comment: Comment = ""
    correction: Any = None
    """What the answer should have been: text or JSON."""
    by: str = ""
    """Who says it: a user's id, or what scored it."""


class Opinions:
    """Takes what is said into a spool."""

    def __init__(
        self,
        spool: FeedbackSpool,
        traces: TraceReader,
        clock: Clock,
        content: Callable[[], bool] = lambda: True,
        last_ns: int = 0,
    ) -> None:
        """`traces` knows whose a call is; `content`: are comments and corrections kept, which quote what was said?
        `last_ns`: time of the newest opinion there is.
        """
        self._last_ns = last_ns
        self._timing = threading.Lock()
        self._content = content
        self._spool = spool
        self._traces = traces
        self._clock = clock

    def take(
        self, said: list[Said], key: Key, source: Source = "person", *, via: str = "", where: str = ""
    ) -> list[Feedback]:
        """Keep all of it, or nothing; from now on it survives the death of this process.

        What is said of a request that nobody knows yet is kept too: its call may be on its way to the store. Said
        again, it takes the place of what was said before.

        `via`: how it came, when not by the key itself. `where`: JSON path of the list, when it came as one.

        Raises `RequestError` with the JSON path of what is wrong, `NotFound` for a call that is not the key's, and
        `StorageError`.
        """
        found, content = [], self._content()
        for index, one in enumerate(said):
            _check(one, f"{where}[{index}]" if where else "$")
            self.check_own(one, key)
            kept = one if content else replace(one, comment="", correction=None)
            found.append(_opinion(kept, key, source, via or f"key {key.id}", self._now_ns()))
        self._spool.append(found)
        return found

    def _now_ns(self) -> int:
        """Later than any opinion before, wherever the clock was set to: the latest of one identity counts."""
        with self._timing:
            self._last_ns = max(self._clock.now_ns(), self._last_ns + 1)
            return self._last_ns

    def check_own(self, said: Said, key: Key) -> None:
        """Raise `NotFound` when the call is known and not the key's.

        Where the store cannot be asked now nothing is raised: a tenant's opinions are found with its own calls only.
        """
        if not key.tenant and not key.environment:
            return
        try:
            asked = [self._traces.search(TraceFilter(request_id=said.request_id), 1)] if said.request_id else []
            if said.trace_id:
                spans = self._traces.trace(said.trace_id)
                # Applications may report spans of any trace: its calls say whose it is.
                asked.append([span for span in spans if span.kind != "app"] or spans)
        except (StorageError, Unavailable):
            return
        for about in asked:
            own = [s for s in about if key.tenant in ("", s.tenant) and key.environment in ("", s.environment)]
            if about and not own:
                raise NotFound.for_this_key()


def to_keep(said: Said, capture: Capture) -> Said:
    """The opinion as it may be kept."""
    correction = said.correction
    if correction is not None:
        text = capture.text(msgspec.json.encode(correction).decode())
        try:
            correction = msgspec.json.decode(text)
        except msgspec.DecodeError:  # a placeholder stands where a number was
            correction = text
    return replace(said, comment=capture.text(said.comment) if said.comment else "", correction=correction)


def _check(said: Said, where: str) -> None:
    """Raise `RequestError` for what no opinion is."""
    if not said.request_id and not said.trace_id:
        raise RequestError("says not what it is about", where=where, remedy="Give `request_id` or `trace_id`.")
    for name in ("request_id", "trace_id", "id", "by"):
        check_text(getattr(said, name), where=f"{where}.{name}")
    for number, category in enumerate(said.categories):
        check_text(category, where=f"{where}.categories[{number}]")
    given = [name for name in ("thumbs", "rating", "value") if getattr(said, name) is not None]
    if len(given) > 1:
        raise RequestError(f"{' and '.join(given)} say the same thing", where=where, remedy="Give one of them.")
    if not given and not said.categories and not said.comment and said.correction is None:
        what = "thumbs, rating, value, categories, comment, correction"
        raise RequestError("says nothing", where=where, remedy=f"Give one of {what} at least.")
    if len(msgspec.json.encode(said.correction)) > MAX_CORRECTION:
        raise RequestError(f"is longer than {MAX_CORRECTION // 1024} KiB", where=f"{where}.correction")


def _opinion(said: Said, key: Key, source: Source, via: str, now_ns: int) -> Feedback:
    by = key.user or said.by
    named = (
        (said.id, key.user, key.environment, source)
        if said.id
        else (said.request_id, said.trace_id, said.name, by, source)
    )
    return Feedback(
        id=opinion_id(key.tenant, *named),
        at_ns=now_ns,
        name=said.name,
        source=source,
        request_id=said.request_id,
        trace_id=said.trace_id,
        value=_value(said),
        rating=said.rating,
        categories=tuple(dict.fromkeys(said.categories)),
        comment=said.comment,
        correction=said.correction,
        by=by,
        environment=key.environment,
        tenant=key.tenant,
        attributes={"via": via},
    )


def _value(said: Said) -> float | None:
    if said.thumbs is not None:
        return 1.0 if said.thumbs == "up" else 0.0
    return (said.rating - 1) / 4 if said.rating is not None else said.value
