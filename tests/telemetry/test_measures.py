"""What metrics count, from records to numbers."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.telemetry.counting import Counting, SegmentCounter
from moat.telemetry.histograms import LATENCY, SHARE, Histogram
from moat.telemetry.labels import MAX_PLAIN, MAX_SERIES, MAX_TENANTS, OTHER, Known, Labels, Whose
from moat.telemetry.measures import Measures, Opinion, Seen

KNOWN = Known(
    frozenset({"production"}),
    frozenset({"search"}),
    frozenset({"assistant"}),
    frozenset({"rel_1"}),
    frozenset({"acme"}),
)
START = 1_700_000_000 * 10**9


def measures() -> Measures:
    return Measures(Labels(lambda: KNOWN))


def a_span(kind: str = "call", **more: object) -> Span:
    fields = {
        "span_id": "s",
        "trace_id": "t",
        "kind": kind,
        "name": "chat",
        "started_ns": START,
        "duration_ns": 2 * 10**9,
        "environment": "production",
        "tenant": "acme",
        "feature": "search",
        "release": "rel_1",
        "model": "assistant" if kind == "call" else "large",
        "alias": "assistant",
        "provider": "openai",
        "input_tokens": 100,
        "output_tokens": 11,
        "cost": 5 * 10**9,
        "price_version": "1",
    }
    return msgspec.convert(fields | more, Span)


def seen(*spans: Span) -> list[Seen]:
    return [msgspec.json.decode(msgspec.json.encode(span), type=Seen) for span in spans]


WHOSE = Whose("production", "search", "assistant", "rel_1", "acme")


def test_a_call_and_its_attempts_are_counted_once_each() -> None:
    found = measures()
    failed = a_span("attempt", error="provider_down", output_tokens=0, input_tokens=0, cost=0, duration_ns=10**9)
    found.add(seen(a_span(cached_tokens=40), failed, a_span("attempt", cached_tokens=40, reasoning_tokens=5)))
    assert found.requests == {(*WHOSE, ""): 1}
    assert found.tokens == {(*WHOSE, "input"): 100, (*WHOSE, "output"): 11}
    assert found.parts == {(*WHOSE, "cached"): 40, (*WHOSE, "reasoning"): 5}
    assert found.cost == {WHOSE: 5 * 10**9}
    assert not found.unpriced
    assert {labels: series.total for labels, series in found.latency.series.items()} == {WHOSE[:4]: 2.0}
    by = ("chat", "openai", "large")
    assert {labels: series.total for labels, series in found.client_seconds.series.items()} == {
        (*by, "provider_down"): 1.0,
        (*by, ""): 2.0,
    }
    assert found.server_seconds.series["chat", "assistant", ""].total == 2.0


def test_calls_that_are_asked_again_are_no_traffic() -> None:
    found = measures()
    again = {"environment": "", "feature": "rerun"}
    found.add(seen(a_span(**again), a_span("attempt", **again), a_span(environment="eval")))
    assert not found.requests
    assert not found.cost
    assert not found.client_seconds.series
    found.add(seen(a_span(feature="rerun"), a_span(environment="")))
    assert sum(found.requests.values()) == 2


def test_what_fails_at_once_has_no_latency_and_what_nobody_answered_has() -> None:
    found = measures()
    refused = [a_span(error="circuit_open", duration_ns=200_000) for _ in range(40)]
    found.add(seen(*refused, a_span(error="provider_timeout", duration_ns=9 * 10**9), a_span()))
    series = found.latency.series[WHOSE[:4]]
    assert (sum(found.requests.values()), series.total) == (42, 11.0)
    assert found.server_seconds.series["chat", "assistant", "circuit_open"].total == pytest.approx(0.008)


def test_a_stream_has_a_first_token_and_a_pace() -> None:
    found = measures()
    found.add(seen(a_span(stream=True, first_token_ns=10**9)))
    assert found.first_token.series[WHOSE[:4]].total == 1.0
    assert (found.streamed_tokens[WHOSE[:3]], found.streaming_ns[WHOSE[:3]]) == (11, 10**9)
    assert found.server_next.series["chat", "assistant"].total == pytest.approx(0.1)


@pytest.mark.parametrize(
    "span",
    [
        a_span("app"),
        a_span(environment="eval"),
        a_span("attempt", environment="eval"),
    ],
)
def test_what_no_client_asked_for_is_no_call(span: Span) -> None:
    found = measures()
    found.add(seen(span))
    assert not (found.requests)
    assert not (found.tokens)
    assert not (found.cost)
    assert not (found.latency.series)


def test_a_copy_for_a_release_on_trial_costs_and_nobody_waited_for_it() -> None:
    found = measures()
    found.add(seen(a_span(shadow_of="req_1"), a_span("attempt", shadow_of="req_1")))
    assert not found.requests
    assert not found.latency.series
    assert found.cost == {WHOSE: 5 * 10**9}


def test_a_batch_has_no_latency() -> None:
    found = measures()
    found.add(seen(a_span(price_version="1+batch"), a_span("attempt", price_version="1+batch")))
    assert found.requests
    assert found.cost
    assert not (found.latency.series)
    assert not (found.client_seconds.series)


def test_names_of_callers_are_no_labels() -> None:
    found = measures()
    found.add(seen(a_span(environment="x", feature="y", model="z", release="u", tenant="v")))
    assert found.requests == {(OTHER,) * 5 + ("",): 1}


def test_what_has_no_name_has_none() -> None:
    found = measures()
    found.add(seen(a_span(feature="", release="", tenant="")))
    assert found.requests == {("production", "", "assistant", "", "", ""): 1}


def test_labels_are_bounded_whatever_the_project_holds() -> None:
    many = frozenset(f"n{number}" for number in range(3000))
    labels = Labels(lambda: Known(frozenset({"production"}), many, frozenset({"assistant"}), many, many))
    labels.refresh()
    found = {labels.of(Whose("production", f"n{n}", "assistant", f"n{n}", f"n{n}")) for n in range(3000)}
    assert len(found) <= MAX_SERIES + 1
    assert len({whose.tenant for whose in found}) <= MAX_TENANTS + 1
    assert len({labels.plain("provider", f"p{n}") for n in range(1000)}) == MAX_PLAIN + 1


def test_what_was_known_stays_known() -> None:
    now = [Known(releases=frozenset({"rel_1"}))]
    labels = Labels(lambda: now[0])
    labels.refresh()
    now[0] = Known(releases=frozenset({"rel_2"}))
    assert labels.of(Whose("", "", "", "rel_2", "")).release == OTHER
    labels.refresh()
    assert [labels.of(Whose("", "", "", release, "")).release for release in ("rel_1", "rel_2")] == ["rel_1", "rel_2"]


def test_opinions_are_a_distribution() -> None:
    found = measures()
    said = [("feedback", "person", 1.0), ("feedback", "person", 0.0), ("Mrs. Smith", "person", 0.4)]
    said += [("faithfulness", "scorer", 0.9), ("feedback", "x", 1.0)]
    found.hear(
        Opinion(id=str(at), name=name, source=source, value=value) for at, (name, source, value) in enumerate(said)
    )
    found.hear([Opinion(value=None), Opinion(value=1.0, environment="eval")])
    assert {labels: sum(series.counts) for labels, series in found.score.series.items()} == {
        ("feedback", "person", ""): 2,
        (OTHER, "person", ""): 1,
        ("faithfulness", "scorer", ""): 1,
        ("feedback", OTHER, ""): 1,
    }
    assert found.low_scores == {("feedback", "person", ""): 1, (OTHER, "person", ""): 1}


@given(st.lists(st.floats(0, 400), min_size=1))
def test_a_histogram_has_every_value_once_and_on_the_right_side_of_each_bound(values: list[float]) -> None:
    histogram = Histogram(("x",), LATENCY)
    for value in values:
        histogram.add(("a",), value, ("t", value, 0.0))
    series = histogram.series["a",]
    for index, bound in enumerate(LATENCY):
        assert sum(series.counts[: index + 1]) == sum(value <= bound for value in values)
    assert sum(series.counts) == len(values)
    assert series.total == pytest.approx(sum(values))
    for index, exemplar in enumerate(series.exemplars):
        assert (exemplar is not None) == bool(series.counts[index])


def test_bounds_that_alerts_need() -> None:
    assert {5.0, 30.0} <= set(LATENCY)
    assert {0.5, 1.0} <= set(SHARE)


def write(path: Path, *spans: object) -> Path:
    path.write_bytes(msgspec.json.Encoder().encode_lines(list(spans)))
    return path


def counting(folder: Path) -> Counting:
    (folder / "feedback").mkdir()
    return Counting(folder, folder / "feedback", measures())


def test_a_segment_is_counted_once_though_it_is_seen_often(tmp_path: Path) -> None:
    found = counting(tmp_path)
    found.open()
    segment = write(tmp_path / "1-1-a.ndjson", a_span(), a_span("attempt"))
    found.look()
    found.calls.count([segment])
    found.look()
    segment.unlink()
    found.look()
    assert found.measures.requests.total() == 1
    assert found.measures.tokens.total() == 111


def test_what_lay_there_at_the_start_is_not_news(tmp_path: Path) -> None:
    found = counting(tmp_path)
    write(tmp_path / "1-1-a.ndjson", a_span())
    open_one = write(tmp_path / "2-2-b.open", a_span())
    found.open()
    open_one.rename(tmp_path / "2-2-b.ndjson")  # its writer was dead, and it is recovered
    write(tmp_path / "3-3-c.ndjson", a_span())
    found.look()
    assert found.measures.requests.total() == 1


def test_opinions_are_counted_in_their_own_folder(tmp_path: Path) -> None:
    found = counting(tmp_path)
    found.open()
    segment = write(tmp_path / "feedback" / "1-1-a.ndjson", Feedback(id="a", at_ns=1, value=0.75))
    found.feedback.count([segment])
    assert found.measures.score.series["feedback", "person", ""].total == 0.75
    assert not found.measures.requests


def test_lines_that_are_no_spans_hinder_no_others(tmp_path: Path) -> None:
    found = counting(tmp_path)
    found.open()
    good = msgspec.json.encode(a_span())
    bad = (b"{", b"\xff\xfe", b"[" * 100_000, b'{"kind": 3}', b'"x"', b"", good[:-1], b'{"duration_ns":1e400}')
    for number, line in enumerate(bad):
        (tmp_path / f"{number}-1-a.ndjson").write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    found.look()
    assert found.measures.requests.total() == 2 * len(bad)


def test_a_large_segment_is_taken_in_pieces(tmp_path: Path) -> None:
    adds: list[int] = []
    counter = SegmentCounter(tmp_path, msgspec.json.Decoder(Seen), lambda found: adds.append(len(list(found))))
    counter.open()
    write(tmp_path / "1-1-a.ndjson", *(a_span(input={"text": "x" * 2000}) for _ in range(200)))
    counter.look()
    assert sum(adds) == 200
    assert max(adds) < 50


def test_a_segment_that_is_gone_is_no_error(tmp_path: Path) -> None:
    found = counting(tmp_path)
    found.calls.count([tmp_path / "1-1-a.ndjson"])
    assert not found.measures.requests


def test_the_lag_is_what_is_not_shipped(tmp_path: Path) -> None:
    found = counting(tmp_path)
    assert tuple(found.calls.lag()) == (0, 0, 0.0, 0)
    size = write(tmp_path / "1-1-a.ndjson", a_span()).stat().st_size
    (tmp_path / "rejected").mkdir()
    write(tmp_path / "rejected" / "0-1-a.ndjson", a_span())
    lag = found.calls.lag()
    assert (lag.segments, lag.bytes, lag.rejected) == (1, size, 1)
    assert 0 <= lag.oldest < 600


@given(
    st.lists(st.tuples(st.sampled_from(["call", "attempt", "app"]), st.sampled_from(["", "eval", "x"])), max_size=30)
)
def test_counts_add_up(said: list[tuple[str, str]]) -> None:
    """However records are divided, the sums are the same."""
    spans = seen(*(a_span(kind, environment=environment) for kind, environment in said))
    whole, parts = measures(), measures()
    whole.add(spans)
    for span in spans:
        parts.add([span])
    assert whole.requests == parts.requests
    assert whole.tokens == parts.tokens
    expected = Counter(kind for kind, environment in said if environment != "eval")
    assert whole.requests.total() == expected["call"]
    assert whole.tokens.total() == 111 * expected["attempt"]


def test_an_exemplar_names_a_trace_and_when_it_ended() -> None:
    found = measures()
    found.add(seen(a_span()))
    [exemplar] = [one for one in found.latency.series[WHOSE[:4]].exemplars if one]
    assert exemplar == ("t", 2.0, START / 1e9 + 2)


def test_what_is_said_again_counts_once() -> None:
    found = measures()
    found.hear([Opinion(id="a", value=1.0), Opinion(id="a", value=0.0), Opinion(id="a", tenant="acme", value=1.0)])
    found.hear([Opinion(id="a", value=1.0)])
    assert [sum(series.counts) for series in found.score.series.values()] == [2]
