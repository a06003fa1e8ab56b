"""`telemetry.capture_content: false`: what was asked and answered is in nothing that a server writes or sends."""

import http.server
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from moat.bootstrap.project import Project as Files
from moat.bootstrap.traces import open_traces
from moat.ports.traces import TraceFilter
from tests.adapters.test_collector import Receiver
from tests.adapters.test_notify import receiving
from tests.bootstrap.projects import Project, Server, eventually


class Canaries:
    """Words that occur nowhere else."""

    def __init__(self) -> None:
        self._numbers = count(1000)
        self.sung: list[str] = []

    def __call__(self) -> str:
        self.sung.append(f"kanarek{next(self._numbers)}x")
        return self.sung[-1]


@contextmanager
def echo() -> Iterator[str]:
    """A provider that answers, or refuses, with what it was sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            heard = json.dumps(body.get("messages", body.get("input")))
            status = 400 if "refuse" in heard else 500 if "break" in heard else 200
            answer: Any = {"error": {"message": f"cannot take {heard}", "type": "invalid_request_error"}}
            if status == 200 and "embeddings" in self.path:
                answer = {"object": "list", "model": "m", "data": [{"index": 0, "embedding": [0.5]}]}
            elif status == 200:
                message = {"role": "assistant", "content": f"You said {heard}"}
                answer = {"id": "a", "model": "m", "choices": [{"index": 0, "message": message}]}
            data = json.dumps(answer).encode()
            if status == 200 and body.get("stream"):
                chunk = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": {"content": heard}}]}
                end = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
                data = b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in (chunk, end))
                data += b"data: [DONE]\n\n"
            self.send_response(status)
            kind = "text/event-stream" if status == 200 and body.get("stream") else "application/json"
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sing(server: Server, sing: Canaries, key: str) -> None:
    """Once through everything that takes content."""
    tool = {"name": "find", "description": sing(), "parameters": {"type": "object", "properties": {sing(): {}}}}
    called = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": json.dumps({"q": sing()})}}
    talk: list[dict[str, Any]] = [
        {"role": "system", "content": sing()},
        {"role": "user", "content": [{"type": "text", "text": sing()}]},
        {"role": "assistant", "content": sing(), "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": sing()},
        {"role": "user", "content": sing()},
    ]
    whole = {"model": "echo", "messages": talk, "tools": [{"type": "function", "function": tool}], "stop": [sing()]}
    assert server.send("POST", "/v1/chat/completions", whole, key)[0] == 200

    def ask(path: str, body: dict[str, Any], *expected: int) -> None:
        status, _ = server.send("POST", path, body, key, content_type="application/json")
        assert status in expected, (path, status)

    def said(words: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": f"{words} {sing()}"}]

    chat = "/v1/chat/completions"
    connection = server.connection()
    headers = {"authorization": f"Bearer {key}"}
    streamed = {"model": "echo", "messages": said("stream"), "stream": True}
    connection.request("POST", chat, json.dumps(streamed), headers)
    assert b"[DONE]" in connection.getresponse().read()
    connection.request("POST", chat, '{"model": "echo", "messages": [' + sing(), headers)
    assert connection.getresponse().read()
    connection.request("POST", f"{chat}?{sing()}={sing()}", json.dumps(streamed | {"stream": sing()}), headers)
    assert connection.getresponse().read()
    connection.close()
    ask(chat, {"model": "echo", "messages": said("refuse")}, 400)
    ask(chat, {"model": "echo", "messages": said("break")}, 500, 502, 503)
    ask(chat, {"model": "echo", "messages": [{"role": sing(), "content": sing()}]}, 200, 400)
    ask(chat, {"model": "echo", "messages": said("x"), "temperature": sing()}, 200, 400)
    ask(chat, {"model": "echo", "messages": said("x"), "response_format": {"type": sing()}}, 200, 400)
    ask("/v1/embeddings", {"model": "echo", "input": [sing()]}, 200)
    ask("/v1/embeddings", {"model": "echo", "input": [f"refuse {sing()}"]}, 400)
    ask("/v1/responses", {"model": "echo", "input": sing(), "instructions": sing()}, 200)
    ask("/v1/messages", {"model": "echo", "max_tokens": 9, "system": sing(), "messages": said("x")}, 200)
    prompt = {"id": "support/answer@staging", "variables": {"question": sing()}}
    ask(chat, {"prompt": prompt}, 200)
    ask(chat, {"prompt": prompt | {"variables": {"question": [sing()], sing(): 1}}}, 400)
    opinion = {"request_id": "req_none", "rating": 1, "comment": sing(), "correction": {"text": sing()}, "by": "ada"}
    ask("/v1/feedback", opinion, 200)
    ask("/v1/traces", spans(sing), 200)


def spans(sing: Canaries) -> dict[str, Any]:
    """What an instrumented application sends, in the words of several instrumentations."""
    texts = {
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": sing()}]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": sing()}]}]),
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": sing()}]),
        "gen_ai.tool.call.arguments": sing(),
        "gen_ai.tool.call.result": sing(),
        "input.value": sing(),
        "output.value": sing(),
        "llm.input_messages.0.message.content": sing(),
        "gen_ai.prompt.0.content": sing(),
        "gen_ai.completion.0.content": sing(),
        "traceloop.entity.input": sing(),
        "traceloop.entity.output": sing(),
        "retrieval.documents.0.document.content": sing(),
        "exception.message": sing(),
    }

    def told(pairs: dict[str, str]) -> list[Any]:
        return [{"key": name, "value": {"stringValue": value}} for name, value in pairs.items()]

    number = len(sing.sung)
    events = [
        {"name": "gen_ai.user.message", "timeUnixNano": "1", "attributes": told({"content": sing()})},
        {
            "name": "exception",
            "timeUnixNano": "1",
            "attributes": told({"exception.type": "E", "exception.message": sing(), "exception.stacktrace": sing()}),
        },
    ]
    span = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        "attributes": told({"gen_ai.operation.name": "chat", **texts}),
        "events": events,
        "status": {"code": 2, "message": sing()},
    }
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}


def written(project: Project, folder: Path) -> str:
    """All that lies there, and all that the trace store says, which packs what it keeps."""
    project.ok("backup", str(folder / "backup"))
    found = []
    for root in (project.root / ".moat", folder / "backup", project.root / "serve.log"):
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file():
                found.append(path.read_bytes().decode("latin-1"))
    for path in (folder / "backup").rglob("*.tar*"):
        with tarfile.open(path) as archive:
            found += [str(archive.getnames())]
    with open_traces(Files(project.root)) as traces:
        for page in traces.pages(TraceFilter()):
            found.append(repr(page))
        found.append(repr(traces.opinions(TraceFilter(), 1000)))
    return "\n".join(found)


def watched(project: Project, *, content: bool, folder: Path, rounds: int) -> tuple[list[str], str]:
    """The canaries, and everything in which one could be."""
    sung = Canaries()
    with echo() as provider, receiving() as channel, Receiver().running() as collector:
        collected = f"[{{endpoint: '{collector.url.removesuffix('/v1/traces')}', content: true}}]"
        settings = (
            f"telemetry: {{capture_content: {str(content).lower()}, otlp: {collected}}}\n"
            f"alerts: {{every: 1, channels: {{ops: {{kind: webhook, url: '{channel.url}'}}}}}}\n"
            f"providers:\n  echo: {{kind: openai, base_url: '{provider}'}}\n"
        )
        models = "models:\n  echo: {use: [echo/m], retries: 0}\n"
        project.replace("moat.yaml", {"providers:\n": settings, "models:\n": models})
        key = project.key("--tenant", "acme")
        project.release("1.0.0")
        with project.serving("--access-log", "--log-level", "debug") as server:
            for _ in range(rounds):
                sing(server, sung, key)
            eventually(lambda: any(b"failed-calls" in body for _, body in channel.got))
            metrics = server.project.root / "metrics.txt"
            connection = server.connection()
            connection.request("GET", "/metrics", headers={"authorization": f"Bearer {server.token}"})
            metrics.write_bytes(connection.getresponse().read())
            connection.close()
            alerts_said = json.dumps(
                [server.get(f"/api/v1/alerts{path}")[1] for path in ("", "/history", "/deliveries")]
            )
        sent = repr(collector.requests) + repr(channel.got) + alerts_said + metrics.read_text("utf-8")
    return sung.sung, written(project, folder) + sent


@pytest.mark.promise("guard-2")
def test_what_was_asked_and_answered_is_nowhere(project: Project, tmp_path: Path) -> None:
    canaries, all_of_it = watched(project, content=False, folder=tmp_path, rounds=4)
    assert len(canaries) >= 200
    assert [canary for canary in canaries if canary in all_of_it] == []
    assert "req_" in all_of_it


def test_the_same_search_finds_what_is_kept(project: Project, tmp_path: Path) -> None:
    canaries, all_of_it = watched(project, content=True, folder=tmp_path, rounds=1)
    assert sum(canary in all_of_it for canary in canaries) > len(canaries) // 2
