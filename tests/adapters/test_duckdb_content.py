"""After its time nothing of what was said is in the store, wherever a span had it; the rest stays as it was."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces, retention
from moat.domain.spans import Span
from moat.ports.traces import Retention
from moat.telemetry import conventions
from tests.telemetry.test_otlp_sending import CANARIES, EVENTS, FAILED, taken

HOUR = 3600 * 10**9
LONG: Any = [("e", [("input.value", "canary" * 5_000)])]


def stored(folder: Path, spans: list[Span]) -> DuckTraces:
    """A store with each of these in a trace of its own, an hour apart."""
    apart = [
        msgspec.structs.replace(span, trace_id=f"{number:032x}", started_ns=number * HOUR)
        for number, span in enumerate(spans, start=1)
    ]
    segment = folder / "segment.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines(apart))
    store = DuckTraces.open(folder / "traces.duckdb")
    store.ingest([segment])
    return store


def of(store: DuckTraces, number: int) -> Span:
    (span,) = store.trace(f"{number:032x}")
    return span


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize("portion", [1, 8 * 2**20])
def test_content_goes_wherever_it_is(tmp_path: Path, portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STRIPPED_BYTES", portion)
    (whole,) = taken([*CANARIES, ("user.id", "u"), ("n", 1)], events=EVENTS, status=FAILED)
    beside = [taken([(name, "canary"), ("n", 1)])[0] for name, _ in CANARIES]
    happened = [taken([("n", 1)], events=[("e", [(name, "canary"), ("n", 1)])])[0] for name, _ in CANARIES]
    failed = msgspec.structs.replace(whole, kind="call", input=None, output=None, attributes={}, error_message="canary")
    spans = [whole, *beside, *happened, failed, *taken([("n", 1)], events=LONG)]
    with closing(stored(tmp_path, spans)) as store:
        late = len(spans) * HOUR
        older = sum(span.input is not None or "canary" in str(span) for span in spans) - 1
        assert older > len(CANARIES) * 2 - 9, "definitions of tools are not kept without messages"
        assert store.expire(Retention(content_ns=late), dry_run=True) == older
        assert store.expire(Retention(content_ns=late)) == older
        assert "canary" in str(of(store, len(spans))), "that one is younger"
        assert store.expire(Retention(content_ns=late + 1)) == 1
        assert store.expire(Retention(content_ns=late + 1)) == 0
        found = [of(store, number) for number in range(1, len(spans) + 1)]
        assert ["canary" in str(span) for span in found] == [False] * len(spans)
        assert (found[0].user, found[0].error, found[0].attributes["n"]) == ("u", "E", 1)
        assert [event["name"] for event in found[0].attributes[conventions.EVENTS]] == [name for name, _ in EVENTS]
        for span in found[1 + len(beside) : 1 + len(beside) + len(happened)]:
            (event,) = span.attributes[conventions.EVENTS]
            assert (event["name"], event["attributes"]) == ("e", {"n": 1})
        dump = str(store._ask("SELECT * FROM spans", []))
        assert "canary" not in dump


def test_what_only_looks_like_content_stays(tmp_path: Path) -> None:
    kept = {"note": '"input.value": x', "deep": {"gen_ai.prompt": "of the application's own"}, "gen_ai.prompts": 1}
    (span,) = taken(list(kept.items()))
    with closing(stored(tmp_path, [span])) as store:
        before = of(store, 1).attributes
        assert store.expire(Retention(content_ns=5 * HOUR)) == 0
        assert of(store, 1).attributes == before
        assert before.items() >= kept.items()
