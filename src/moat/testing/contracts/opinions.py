"""What the trace store promises of opinions, of sessions and users, and of what is old."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.domain.feedback import Feedback
from moat.ports.traces import Retention, TraceFilter, Visit
from moat.testing.contracts.traces import START, OpenTraces, TraceStore, ingest, new_call, segments


def new_opinion(number: int, **changes: Any) -> Feedback:
    """Of the request with that number."""
    opinion = Feedback(id=f"f{number}", at_ns=START + number, request_id=f"req_{number}", value=1.0)
    return replace(opinion, **changes)


def hear(store: TraceStore, *contents: Iterable[Feedback] | bytes) -> int:
    """Put segments with these lines into the store; how many opinions were new."""
    with segments(*contents) as paths:
        return store.ingest_feedback(paths)


def opinions_are_read_back_as_written(open_store: OpenTraces) -> None:
    """Every field; by request, by trace; before and after their call is there; bad lines do not stop the rest; those
    of another tenant or environment than the call's are of no call.
    """
    full = new_opinion(
        1, name="tone", source="scorer", value=0.25, rating=2, categories=("rude", "long"), comment="„so“\n\x00",
        correction={"text": ["x", None, 0.5]}, by="ada", environment="production", attributes={"a": {"b": 1}},
    )  # fmt: skip
    of_trace = new_opinion(2, id="t", request_id="", trace_id=new_call(1).trace_id, value=None, comment="all of it")
    other = new_opinion(3)
    with open_store() as store:
        bad = [b"no", b"{}", b"\xff", b"[" * 100_000, b'{"id":"x","at_ns":1,"value":2}', b'{"id":"","at_ns":1}']
        good = [msgspec.json.encode(opinion) for opinion in (full, of_trace)]
        assert hear(store, b"\n".join([good[0], *bad, good[1]]) + b"\n", [other]) == 3
        assert store.feedback("req_1") == [full]
        ingest(store, [new_call(1, environment="production"), new_call(2, environment="staging")])
        elsewhere = [
            new_opinion(9, request_id="req_2", environment="production"),
            new_opinion(8, request_id="req_1", tenant="acme"),
        ]
        assert hear(store, elsewhere) == 2
    with open_store() as store:
        assert store.feedback("req_1") == store.feedback(new_call(1).trace_id) == [full, of_trace]
        assert store.feedback("req_3") == [other]
        assert store.feedback("req_2") == []
        assert (store.kept().opinions, store.kept().spans, store.kept().rejects) == (5, 2, 6)


def the_later_opinion_stands(open_store: OpenTraces) -> None:
    """However often and in whatever order they come; an id belongs to its tenant."""
    first, second = new_opinion(1, value=0.0), new_opinion(1, value=1.0, at_ns=START + 50)
    with open_store() as store:
        ingest(store, [new_call(1, tenant="acme")])
        assert hear(store, [first, second, first]) == 1
        assert hear(store, [first], [second]) == 0
        assert hear(store, [replace(second, tenant="other", at_ns=START + 99, value=0.5)]) == 1
        assert store.feedback("req_1") == [second]
        third = replace(second, at_ns=START + 70, value=0.75)
        assert hear(store, [third]) == 0
        assert store.feedback("req_1") == [third]


def opinions_are_summed_by_call(open_store: OpenTraces) -> None:
    """By what the call is, and when it was; of a trace's opinion once; of another tenant's nothing."""
    two = [new_call(1, tenant="a"), new_call(9, tenant="a", trace_id=new_call(1).trace_id)]
    said = [
        new_opinion(1, value=0.0),
        new_opinion(2, value=1.0, tenant="b"),
        new_opinion(3, request_id="", trace_id=new_call(1).trace_id, value=0.5),
        new_opinion(4, request_id="req_2", tenant="a"),
        new_opinion(5, request_id="req_2", value=None, comment="no value"),
        new_opinion(6, request_id="req_2", name="tone", source="scorer", value=0.25),
        new_opinion(7, request_id="unknown"),
    ]
    with open_store() as store:
        ingest(store, [*two, new_call(2, tenant="b")])
        hear(store, said)
        rows = [(row.name, row.source, row.group, row.count, row.total, row.squares, row.low) for row in
                store.scores(["tenant"], TraceFilter())]  # fmt: skip
        assert rows == [
            ("feedback", "person", ("a",), 2, 0.5, 0.25, 1),
            ("feedback", "person", ("b",), 1, 1.0, 1.0, 0),
            ("tone", "scorer", ("b",), 1, 0.25, 0.0625, 1),
        ]
        assert [row.count for row in store.scores([], TraceFilter(tenant="a"))] == [2]
        assert store.scores([], TraceFilter(tenant="a"))[0].bins == (1, 0, 0, 0, 0, 1, 0, 0, 0, 0)
        assert store.scores([], TraceFilter(tenant="b"))[0].bins == (0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
        minute = 60 * 10**9
        assert {row.slot_ns for row in store.scores([], TraceFilter(), minute)} == {START - START % minute}
        assert store.search(TraceFilter(q="score.feedback < 0.6")) == [two[0]]
        assert store.search(TraceFilter(q="score.tone")) == store.search(TraceFilter(q="score.feedback = 1")) == [
            new_call(2, tenant="b")
        ]  # fmt: skip


def sessions_and_users_are_seen_by_their_calls(open_store: OpenTraces) -> None:
    """The last active first; a session of another tenant is another; opinions of people alone."""
    spans = [
        new_call(1, session="s", user="u", tenant="a"),
        new_call(2, session="s", user="u", tenant="a", error="x", cost=None),
        new_call(3, session="s", user="v", tenant="b"),
        new_call(4, session="r", user="u", tenant="a"),
        new_call(5),
        new_call(6, session="s", tenant="a", kind="attempt"),
    ]
    with open_store() as store:
        ingest(store, spans)
        hear(store, [new_opinion(1, value=0.0), new_opinion(2), new_opinion(4, source="scorer")])
        r, b, a = store.sessions(TraceFilter())
        assert (r.id, r.tenant, r.user, r.calls, r.score) == ("r", "a", "u", 1, None)
        assert (b.id, b.tenant, b.user, b.sessions) == ("s", "b", "v", 1)
        assert a == Visit(
            id="s", tenant="a", user="u", sessions=1, calls=2, errors=1, input_tokens=20, output_tokens=10, cost=7,
            first_ns=START + 1, last_ns=START + 2, score=0.5,
        )  # fmt: skip
        assert store.sessions(TraceFilter(), limit=1) == [r]
        assert [(v.id, v.user, v.sessions, v.calls, v.score) for v in store.users(TraceFilter())] == [
            ("u", "u", 2, 3, 0.5),
            ("v", "v", 1, 1, None),
        ]
        assert [v.calls for v in store.users(TraceFilter(failed=True))] == [1]


def what_is_old_goes(open_store: OpenTraces) -> None:
    """Content first, then the span; again changes nothing; nothing that is not older."""
    spans = [new_call(number, input="in", output="out") for number in range(1, 7)]
    said = [new_opinion(number, comment="c", correction="better") for number in (1, 3, 6)]
    with open_store() as store:
        ingest(store, spans, b"bad\n")
        hear(store, said)
        assert store.expire(Retention()) == 0
        retention = Retention(content_ns=START + 5, spans_ns=START + 3)
        assert store.expire(retention) == 4
        assert store.expire(retention) == 0
    with open_store() as store:
        assert store.search(TraceFilter()) == [replace(span, input=None, output=None) for span in reversed(spans[2:])]
        contents = [(span.input, span.output) for page in store.pages(TraceFilter()) for span in page]
        assert contents == [(None, None)] * 2 + [("in", "out")] * 2
        assert store.feedback("req_1") == []
        assert store.feedback("req_3") == [replace(said[1], comment="", correction=None)]
        assert store.feedback("req_6") == [said[2]]
        assert store.kept().first_ns == START + 3
        assert ingest(store, spans[2:]) == 0


CHECKS: tuple[Callable[[OpenTraces], None], ...] = (
    opinions_are_read_back_as_written,
    the_later_opinion_stands,
    opinions_are_summed_by_call,
    sessions_and_users_are_seen_by_their_calls,
    what_is_old_goes,
)
