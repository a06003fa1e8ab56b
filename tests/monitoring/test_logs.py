"""The server's log: JSON or text, about which request, and without secrets."""

import asyncio
import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.bootstrap.logs import HIDDEN, JsonLines, Lines, Logs, Redaction, logs, secrets_of, start_logging
from moat.domain.errors import ConfigError
from moat.gateway.access_log import AccessLog
from moat.gateway.asking import about
from tests.bootstrap.projects import Project, eventually

SECRET = 'p"a\\ss/w+rd=='


def a_record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord("moat.x", logging.WARNING, "file.py", 1, message, arguments, None)
    record.__dict__.update(more)
    return record


def as_json(record: logging.LogRecord, *secrets: str) -> dict[str, Any]:
    line = JsonLines(Redaction(secrets)).format(record)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_says_when_what_and_about_which_request() -> None:
    before = about.set(("req_1", "trace_1"))
    try:
        found = as_json(a_record("%d of %s", 2, "three", created=1_700_000_000.5, process=7))
    finally:
        about.reset(before)
    assert found == {
        "time": "2023-11-14T22:13:20.500Z",
        "level": "warning",
        "logger": "moat.x",
        "message": "2 of three",
        "process": 7,
        "request_id": "req_1",
        "trace_id": "trace_1",
    }
    assert "request_id" not in as_json(a_record("x"))


def test_an_exception_is_in_its_line() -> None:
    try:
        raise ValueError(f"key {SECRET}\nand more")
    except ValueError:
        found = as_json(a_record("broken", exc_info=sys.exc_info()), SECRET)
    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith(f"ValueError: key {HIDDEN}\nand more")


@pytest.mark.parametrize(
    "said",
    [
        "{'headers': [(b'authorization', b'Bearer 5ecret-value'), (b'x-api-key', b'5ecret-value')]}",
        "{'x-goog-api-key': '5ecret-value', 'api-key': '5ecret-value', 'Proxy-Authorization': 'Basic 5ecret-value'}",
        "Cookie: session=5ecret-value; path=/",
        "x-moat-signature: sha256=5ecret-value",
        "x-hub-signature-256: 5ecret-value",
        "'query_string': b'key=5ecret-value&alt=sse', 'path': '/v1/chat'",
        "GET /v1beta/models?alt=sse&access_token=5ecret-value HTTP/1.1",
        "HTTPSConnectionPool(host='x.org', port=443): Max retries exceeded with url: /hook?token=5ecret-value (Caused",
        "POST https://ada:5ecret-value@x.org/hook",
        "/feedback/eyJyIjoicmVxXzEifQ.5ecret-value.abc",
    ],
)
def test_no_traceback_shows_what_a_request_carried(said: str) -> None:
    try:
        raise RuntimeError(said)
    except RuntimeError:
        found = as_json(a_record("broken", exc_info=sys.exc_info()))
        text = Lines(Redaction([])).format(a_record(said, exc_info=sys.exc_info()))
    assert "5ecret" not in found["exception"]
    assert "5ecret" not in text
    assert HIDDEN in found["exception"]


def test_lines_for_people_name_the_request() -> None:
    before = about.set(("req_1", ""))
    try:
        text = Lines(Redaction([SECRET])).format(a_record("a\nb %s", SECRET))
    finally:
        about.reset(before)
    first, second = text.splitlines()
    assert first.endswith("WARNING moat.x: a (req_1)")
    assert second == f"  | b {HIDDEN}"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"it is {SECRET}!", f"it is {HIDDEN}!"),
        ("mk-0123456789abcdefABCDEF was refused", f"{HIDDEN} was refused"),
        ("authorization: Bearer abc.def", f"authorization: {HIDDEN}"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz', 'accept': 'x'}", f"{{'Authorization': '{HIDDEN}', 'accept': 'x'}}"),
        ("(b'authorization', b'Bearer abcdefgh')", f"(b'authorization', b'{HIDDEN}')"),
        ("sent bearer abcdefghijkl", f"sent {HIDDEN}"),
        ("smtp://me:pa55@mail.example:25 is away", f"smtp://{HIDDEN}@mail.example:25 is away"),
        ("GET https://x.example/v1?key=abc&alt=sse", f"GET https://x.example/v1?key={HIDDEN}&alt=sse"),
        ("sk-proj-0123456789abcdef", HIDDEN),
        ("AKIAIOSFODNN7EXAMPLE", HIDDEN),
        ("AIza" + "a" * 35, HIDDEN),
        ("worker 2 ended with code 74; another one begins", "worker 2 ended with code 74; another one begins"),
        ("the task-force asked basic questions", "the task-force asked basic questions"),
    ],
)
def test_secrets_are_hidden_and_words_are_not(said: str, shown: str) -> None:
    assert Redaction([SECRET, "short"])(said) == shown
    assert as_json(a_record("%s", said), SECRET)["message"] == shown


@given(st.text(), st.lists(st.text(min_size=8), min_size=1, max_size=4))
def test_no_known_secret_gets_through(text: str, secrets: list[str]) -> None:
    clean = Redaction(secrets)(f"{text}{secrets[0]}{text}{secrets[-1]}")
    assert not any(secret in clean.replace(HIDDEN, "\0") for secret in secrets)


def test_which_variables_are_secret() -> None:
    environ = {
        "OPENAI_API_KEY": "1",
        "DB_PASSWORD": "2",
        "SLACK_WEBHOOK_URL": "3",
        "github_token": "4",
        "PATH": "5",
        "KEYBOARD": "6",
        "MINE": "7",
        "CHAT": "8",
        "HOST": "9",
    }
    options = {
        "providers": {"x": {"api_key": "${MINE}", "base_url": "http://${HOST}", "n": [1]}},
        "alerts": {"channels": {"chat": {"to": ["${CHAT:-x}", "${ABSENT}"]}}},
    }
    assert sorted(secrets_of(environ, options)) == ["1", "2", "3", "4", "7", "8"]


def test_options_come_before_variables() -> None:
    environ = {"LOG_FORMAT": "JSON", "LOG_LEVEL": "warning"}
    assert logs(environ, None, None, access=True) == Logs("json", "warning", True)
    assert logs(environ, "text", "debug", access=False) == Logs("text", "debug", False)
    assert logs({}, None, None, access=False) == Logs()
    assert Logs.given(Logs("json", "error", True).arguments) == Logs("json", "error", True)
    for wrong in ({"LOG_FORMAT": "xml"}, {"LOG_LEVEL": "loud"}):
        with pytest.raises(ConfigError):
            logs(wrong, None, None, access=False)


def test_levels(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        start_logging(Logs("json", "warning"), [SECRET])
        logging.getLogger("moat.y").info("no")
        logging.getLogger("moat.y").error("yes")
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before
        root.setLevel(level)
    assert [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()] == ["yes"]


def test_the_access_log_tells_of_failures_and_hides_signed_paths(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError

    async def fine(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})

    async def sent(message: Any) -> None:
        pass

    async def both() -> None:
        with pytest.raises(RuntimeError):
            await AccessLog(broken)({"type": "http", "method": "GET", "path": "/x"}, sent, sent)
        await AccessLog(fine)({"type": "http", "method": "POST", "path": "/feedback/abc"}, sent, sent)  # type: ignore[arg-type]
        await AccessLog(fine)({"type": "lifespan"}, sent, sent)  # type: ignore[arg-type]

    with caplog.at_level("INFO", "moat.access"):
        asyncio.run(both())
    told = [(line.told["path"], line.told["status"]) for line in caplog.records]  # type: ignore[attr-defined]
    assert told == [("/x", 0), ("/feedback/...", 204)]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_servers_log_is_json_names_requests_and_holds_no_credential(project: Project, workers: str) -> None:
    project.environ = {"UPSTREAM_API_KEY": "upstream-5ecret-value", "HOOK": "hook-s3cret-value", "LOG_FORMAT": "json"}
    upstream = '  away: {kind: openai, api_key: "${UPSTREAM_API_KEY}", base_url: "http://127.0.0.1:9/v1"}'
    model = "  away: {use: [away/large], retries: 0}"
    git = 'git: {webhook_secret: "${HOOK}"}'
    project.replace(
        "moat.yaml", {"providers:\n": f"{git}\nproviders:\n{upstream}\n", "models:\n": f"models:\n{model}\n"}
    )
    key = project.key("--name", "app")
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    with project.serving("--workers", workers, "--access-log", "--log-level", "debug") as server:
        asked = {"model": "away", "messages": [{"role": "user", "content": "my-private-question"}]}
        assert server.send("POST", "/v1/chat/completions?key=mk-in-the-query-0123456789", asked, key)[0] >= 500
        assert server.send("POST", "/v1/chat/completions", asked, "mk-0123456789abcdef0123456789abcdef")[0] == 401
        good = asked | {"model": "assistant"}
        assert server.send("POST", "/v1/chat/completions", good, key, traceparent=parent)[0] == 200
        eventually(lambda: trace in project.log())
        (project.root / "moat.yaml").write_text("providers: [")  # a problem that is logged
        token = server.token
        eventually(lambda: server.get("/api/v1/status")[1]["problems"])
    lines = [json.loads(line) for line in project.log().splitlines()]
    assert all({"time", "level", "logger", "message", "process"} <= line.keys() for line in lines)
    told = {(line["path"], line["status"]): line for line in lines if line["logger"] == "moat.access"}
    assert told["/v1/chat/completions", 200]["trace_id"] == trace
    assert all(line["request_id"].startswith("req_") for (path, _), line in told.items() if path.startswith("/v1/"))
    secrets = ["5ecret", "s3cret", "in-the-query", "mk-0123456789", key, token, "my-private-question"]
    assert [secret for secret in secrets if secret in project.log()] == []


def test_no_message_of_others_looks_like_a_line_of_the_log() -> None:
    text = Lines(Redaction([])).format(a_record("GET %s", "/x\n2026-11-22 admin signed in\x1b[31m"))
    assert [line.startswith("  | ") for line in text.splitlines()] == [False, True]
    assert "\x1b" not in text
