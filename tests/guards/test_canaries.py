"""200 values that may be kept nowhere go through a real server in every way there is: none is found in any sink."""

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from moat.guards.handling.finding import Finder
from tests.adapters.test_collector import Receiver
from tests.adapters.test_notify import receiving
from tests.bootstrap.projects import DEADLINE, Project, Server, eventually
from tests.guards.canaries import Parrot, canaries

COUNT, OWN = 200, 400
CONFIG = """
providers:
  parrot: {{kind: openai, base_url: {parrot}}}
models:
  parrot: {{use: [parrot/parrot], cache: {{ttl: 60, semantic: {{mode: shadow}}}}}}
  caller: {{use: [parrot/caller]}}
  angry: {{use: [parrot/angry]}}
  moody: {{use: [parrot/moody], retries: 1}}
alerts: {{every: 1, channels: {{ops: {{kind: webhook, url: "{channel}"}}}}}}
telemetry:
  otlp: [{{endpoint: "http://127.0.0.1:{collector}", content: true}}]
{policy}
"""
BY_CLASS = "data: {capture: {personal: KEEPING, secret: KEEPING}}"
BY_GUARD = """
policies:
  - name: nothing-goes-out
    guards:
      - {use: pii, action: redact}
      - {use: secrets, action: redact}
"""


def requests(values: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths and bodies: every client format, streamed or not, in each place that a text may be in."""
    for value in values:
        text = f"Please note {value} , thank you."
        for model in ("parrot", "moody"):
            for stream in (False, True):
                yield (
                    "/v1/chat/completions",
                    {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]},
                )
        parts = [{"type": "text", "text": f"It is {next(values, value)} ."}]
        tool_call = {
            "id": "c0",
            "type": "function",
            "function": {"name": "f", "arguments": json.dumps({"x": f"see {next(values, value)} ."})},
        }
        told = {"role": "tool", "tool_call_id": "c0", "content": f'{{"found": "at {next(values, value)} ."}}'}
        messages = [{"role": "user", "content": parts}, {"role": "assistant", "tool_calls": [tool_call]}, told]
        extra = {"metadata": {"note": f"for {next(values, value)} ."}, "user": "u1"}
        yield "/v1/chat/completions", {"model": "caller", "messages": messages, **extra}
        yield "/v1/chat/completions", {"model": "caller", "stream": True, "messages": messages}
        yield (
            "/v1/chat/completions",
            {"model": "angry", "messages": [{"role": "user", "content": f"No {next(values, value)} ?"}]},
        )
        asked = f"Hello {next(values, value)} ."
        yield "/v1/responses", {"model": "parrot", "input": asked}
        yield "/v1/responses", {"model": "caller", "stream": True, "input": asked}
        asked = f"Hello {next(values, value)} ."
        message = {
            "model": "parrot",
            "max_tokens": 99,
            "system": f"Know {next(values, value)} .",
            "messages": [{"role": "user", "content": asked}],
        }
        yield "/v1/messages", message
        yield "/v1/messages", {**message, "stream": True}
        content = {"contents": [{"role": "user", "parts": [{"text": f"Hi {next(values, value)} ."}]}]}
        yield "/v1beta/models/parrot:generateContent", content
        yield "/v1beta/models/parrot:streamGenerateContent?alt=sse", content
        yield "/v1/embeddings", {"model": "parrot", "input": f"Embed {next(values, value)} ."}
        yield from others(values, value)


def others(values: Iterator[str], value: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Operations other than chat, and questions so similar that a semantic cache compares their answers."""
    for stream in (False, True):
        prompt = f"Go on from {next(values, value)} ."
        yield "/v1/completions", {"model": "parrot", "prompt": prompt, "stream": stream, "logprobs": 2}
    yield "/v1/moderations", {"model": "parrot", "input": f"Is {next(values, value)} fine?"}
    yield "/v1/rerank", {"model": "parrot", "query": "who?", "documents": [f"It is {next(values, value)} ."]}
    yield "/v1/images/generations", {"model": "parrot", "prompt": f"A plate of {next(values, value)} ."}
    yield "/v1/audio/transcriptions", {"model": "parrot", "prompt": f"As {next(values, value)} said."}
    for end in ("well", "very well"):
        asked = f"Would you be so kind as to write down {next(values, value)} for all of us, and do so {end}?"
        yield "/v1/chat/completions", {"model": "parrot", "messages": [{"role": "user", "content": asked}]}


def send(server: Server, key: str, path: str, body: dict[str, Any]) -> bytes:
    data, kind = json.dumps(body).encode(), "application/json"
    if "/audio/" in path:
        data, kind = form(body), "multipart/form-data; boundary=b"
    request = urllib.request.Request(f"{server.url}{path}", data)
    for name, value in {"authorization": f"Bearer {key}", "content-type": kind}.items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            answer: bytes = response.read()
    except urllib.error.HTTPError as error:
        with error:
            answer = error.read()
    return answer


def form(fields: dict[str, str]) -> bytes:
    """With a file."""
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    return (
        "".join(parts) + '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--'
    ).encode()


def sinks(project: Project, *more: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that is on disk, with what compressed files hold."""
    for folder in (project.root / ".moat", project.root / "serve.log", *more):
        for path in [folder] if folder.is_file() else folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                yield path.name, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
                if path.suffix == ".duckdb" and ".moat" not in str(path):
                    with duckdb.connect(str(path), read_only=True) as store:
                        for (table,) in store.execute("SELECT table_name FROM information_schema.tables").fetchall():
                            yield f"{path.name}:{table}", repr(store.table(table).fetchall()).encode()


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize(
    "policy", [BY_CLASS.replace("KEEPING", "redacted"), BY_GUARD], ids=["kept redacted", "redacted by guards"]
)
def test_no_canary_reaches_a_sink(project: Project, tmp_path: Path, policy: str) -> None:
    assert found_in_sinks(project, tmp_path, policy) == []


def test_the_search_finds_what_is_kept(project: Project, tmp_path: Path) -> None:
    policy = BY_CLASS.replace("KEEPING", "full")
    found = found_in_sinks(project, tmp_path, policy, count=60)
    assert {"traces", "otlp", "traces.duckdb:spans"} <= {name for name, _ in found}
    assert len({value for _, value in found}) > 60


def found_in_sinks(project: Project, tmp_path: Path, policy: str, count: int = COUNT) -> list[tuple[str, str]]:
    """Send everything, and look everywhere: sinks, and what was found in them."""
    known, own = list(canaries(count, 1)), list(canaries(OWN, 2))
    finder = Finder([])
    blind = [value for value in known + own if not finder.look(f"Please note {value} , thank you.")]
    assert not blind, "canaries must be data that is found at all"
    with Parrot(iter(own)).running() as parrot, Receiver().running() as collector, receiving() as channel:
        config = CONFIG.format(parrot=parrot.url, collector=collector.port, channel=channel.url, policy=policy)
        (project.root / "moat.yaml").write_text(config, "utf-8")
        key = project.key()
        answers, asked = b"", list(requests(iter(known)))
        with project.serving("--access-log", "--log-level", "debug") as server:
            for path, body in asked:
                answers += send(server, key, path, body)
            about = {"request_id": "req_1", "thumbs": "down"}
            for value in own[-20:] if "data:" in policy else ():  # guards are about calls alone
                said = {**about, "comment": f"It told {value} !", "correction": {"text": f"Not {value} ."}}
                assert b"id" in send(server, key, "/v1/feedback", {**said, "name": f"n{own.index(value)}"})
            traces = eventually(lambda: _all_traces(project, len(asked)))
            metrics = send_get(server, "/metrics")
            eventually(lambda: channel.got)
            compared = json.loads(send_get(server, "/api/v1/cache"))
            exported = tmp_path / "spans.jsonl"
            project.ok("traces", "export", "--out", str(exported))
            project.ok("backup", str(tmp_path / "backup"))
    assert sum(value.encode() in answers for value in known) > count * 0.2, "callers get back what is theirs"
    places = [
        *sinks(project, tmp_path / "backup", exported),
        ("traces", traces),
        ("metrics", metrics),
        ("alerts", repr(channel.got).encode()),
        ("cache", json.dumps(compared).encode()),
        ("otlp", "".join(map(str, collector.requests)).encode()),
    ]
    assert len(collector.requests) > 0
    return [(name, value) for name, data in places for value in known + own if value.encode() in data]


def _all_traces(project: Project, count: int) -> bytes:
    """What is said of every call, once it is there; else nothing."""
    out = project.ok("traces", "--limit", "1000", "--json").out
    return b"" if len(json.loads(out)) < count else out.encode()


def send_get(server: Server, path: str) -> bytes:
    request = urllib.request.Request(f"{server.url}{path}")
    request.add_header("authorization", f"Bearer {server.token}")
    with urllib.request.urlopen(request, timeout=DEADLINE) as response:
        answer: bytes = response.read()
    return answer
