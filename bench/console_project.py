"""A project with much in it, for `bench.console`: the example's prompts, a million spans, and 1,000 eval runs."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec
from msgspec.structs import replace

from bench.peers.moat import PROGRAM
from bench.process import run
from bench.trace_spans import END, spans
from moat.adapters.duckdb import DuckTraces
from moat.adapters.sqlite.runs import SqliteRuns
from moat.adapters.sqlite.state import SqliteState
from moat.domain.feedback import Feedback
from moat.domain.guards import Finding, Verdict
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "support-assistant"
PROMPT = "support/answer"
VERSIONS = ("1.0.0", "1.1.0")
"""Evaluated for real; the other runs are copies of these."""
RELEASED, ENVIRONMENT = "support/prompt-0", "staging"
"""Traffic of this made-up prompt is the example's, where it is released."""
BATCH = 50_000
FOUND_EVERY, JUDGED_EVERY = 50, 25
"""Of so many calls one has a finding of a guard, and one an opinion of a person."""
HOUR_NS = 3600 * 10**9


class Places(msgspec.Struct, frozen=True):
    """What some addresses of pages name."""

    request_id: str
    user: str
    session: str
    runs: tuple[str, str]
    """The newest run and the one before: of different versions."""


def fill(folder: Path, count: int, runs: int) -> Places:
    """Make the project in an empty folder; its calls, opinions and runs end now. Raises `Unavailable`."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    author = {"GIT_CONFIG_GLOBAL": os.devnull}
    for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "The example")):
        who = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org")
        run(("env", *(f"{name}={value}" for name, value in author.items()), "git", *who, *words), folder, 60)
    for version in VERSIONS:
        run((PROGRAM, "eval", "run", f"{PROMPT}@{version}"), folder, 120)
    _copies(folder / ".moat" / "state.db", runs)
    run((PROGRAM, "release", "create", f"{PROMPT}@{VERSIONS[0]}", "--to", ENVIRONMENT), folder, 60)
    with closing(DuckTraces.open(folder / ".moat" / "traces.duckdb")) as store:
        _ingest(store, folder, _calls(count, time.time_ns() - END))
        (newest,) = store.search(TraceFilter(environment="production"), 1)
    with closing(SqliteState.open(folder / ".moat" / "state.db")) as state:
        newer, older = (one.id for one in SqliteRuns(state).runs(suite="support", limit=2))
    return Places(newest.request_id, newest.user, newest.session, (newer, older))


def _copies(path: Path, count: int) -> None:
    """Runs as those that there are, one an hour before them each."""
    with closing(SqliteState.open(path)) as state:
        runs = SqliteRuns(state)
        kept = [(one, runs.results(one.id)) for one in runs.runs()]
        for number in range(len(kept), count):
            one, results = kept[number % len(kept)]
            copy = replace(one, id=f"{one.id}-{number}", created_ns=one.created_ns - number * HOUR_NS, status="running")
            runs.start(copy)
            runs.add(copy.id, results, one.spent)
            runs.finish(copy.id, "finished", one.finished_ns - number * HOUR_NS, one.score, one.provider)


def _calls(count: int, later: int) -> Iterator[tuple[Span, Feedback | None]]:
    """The spans of `bench.trace_spans` that much later; some with a finding or an opinion."""
    for number, span in enumerate(spans(count)):
        moved = replace(span, started_ns=span.started_ns + later)
        if span.prompt == RELEASED:
            moved = replace(moved, prompt=PROMPT, version=VERSIONS[0], environment=ENVIRONMENT)
        call = number // 2 if span.kind == "call" else -1
        if call >= 0 and call % FOUND_EVERY == 0:
            moved = _found(moved, call // FOUND_EVERY)
        yield moved, _opinion(moved, call // JUDGED_EVERY) if call >= 0 and call % JUDGED_EVERY == 0 else None


def _found(span: Span, number: int) -> Span:
    kind = ("email", "phone", "api_key")[number % 3]
    guard, action = ("secrets", "block") if kind == "api_key" else ("pii", "redact")
    finding = Finding(guard=guard, kind=kind, place="input", path="messages.1.content", start=0, end=9, score=1.0)
    verdict = Verdict(guard=guard, action="block" if action == "block" else "redact", findings=(finding,))
    return replace(span, guard=action, attributes={"moat.guards": msgspec.to_builtins([verdict])})


def _opinion(span: Span, number: int) -> Feedback:
    value = float(number % 5 != 0)
    return Feedback(
        id=f"fb_{number}",
        at_ns=span.started_ns,
        request_id=span.request_id,
        value=value,
        by=span.user,
        environment=span.environment,
        tenant=span.tenant,
    )


def _ingest(store: DuckTraces, folder: Path, made: Iterable[tuple[Span, Feedback | None]]) -> None:
    encoder, path, every = msgspec.json.Encoder(), folder / "more.ndjson", iter(made)
    while batch := list(islice(every, BATCH)):
        path.write_bytes(encoder.encode_lines([span for span, _ in batch]))
        store.ingest([path])
        path.write_bytes(encoder.encode_lines([said for _, said in batch if said is not None]))
        store.ingest_feedback([path])
    path.unlink(missing_ok=True)
