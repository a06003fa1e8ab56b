"""Where spans go: moat.yaml, OpenTelemetry's own variables, and real servers that send them and are killed."""

import os
import signal
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from moat.bootstrap.collectors import destinations, outboxes
from moat.bootstrap.project import Project as Files
from moat.bootstrap.settings import load_settings
from moat.bootstrap.traces import open_traces
from moat.bootstrap.upkeep import open_upkeep
from moat.domain.errors import ConfigError
from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool
from tests.adapters.test_collector import Receiver, said
from tests.bootstrap.projects import Project, eventually

MINIMAL = "providers: {sim: {kind: simulated}}\nmodels: {m: {use: [sim/m]}}\n"


def found(folder: Path, environ: dict[str, str], telemetry: str = "") -> list[Any]:
    (folder / "moat.yaml").write_text(MINIMAL + (f"telemetry: {telemetry}\n" if telemetry else ""), "utf-8")
    return [to for to, _ in destinations(load_settings(folder), environ)]


@pytest.mark.parametrize(
    ("environ", "url", "headers"),
    [
        ({"ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces", ()),
        ({"ENDPOINT": "http://c:4318/base/"}, "http://c:4318/base/v1/traces", ()),
        ({"TRACES_ENDPOINT": "http://c/exact", "ENDPOINT": "http://other"}, "http://c/exact", ()),
        (
            {"ENDPOINT": "http://c", "HEADERS": "Api-Key=a%3Db, x-team = red"},
            "http://c/v1/traces",
            (("api-key", "a=b"), ("x-team", "red")),
        ),
        (
            {"ENDPOINT": "http://c", "HEADERS": "a=1", "TRACES_HEADERS": "b=2", "PROTOCOL": "http/json"},
            "http://c/v1/traces",
            (("b", "2"),),
        ),
    ],
)
def test_opentelemetrys_variables(tmp_path: Path, environ: dict[str, str], url: str, headers: Any) -> None:
    (to,) = found(tmp_path, {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environ.items()})
    assert (to.url, to.headers, to.content) == (url, headers, False)


@pytest.mark.parametrize(
    "environ",
    [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}],
)
def test_nothing_is_sent_unasked(tmp_path: Path, environ: dict[str, str]) -> None:
    assert found(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c" if environ else "", **environ}) == []


def test_content_goes_only_where_somebody_said_so(tmp_path: Path) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
    assert found(tmp_path, environ)[0].content is True
    config = '{otlp: [{endpoint: "http://a", content: true, headers: {Token: "${T}"}}, {endpoint: "http://c"}]}'
    first, second = found(tmp_path, {**environ, "T": "secret"}, config)
    assert (first.url, first.content, first.headers) == ("http://a/v1/traces", True, (("token", "secret"),))
    assert (second.url, second.content) == ("http://c/v1/traces", False), "the file comes before the environment"


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"PROTOCOL": "grpc"}, "not by gRPC"),
        ({"TRACES_PROTOCOL": "grpc"}, "not by gRPC"),
        ({"HEADERS": "abc"}, "name=value"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, environ: dict[str, str], says: str) -> None:
    told = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in {"ENDPOINT": "http://c", **environ}.items()}
    with pytest.raises(ConfigError, match=says):
        found(tmp_path, told)
    assert outboxes(Files(tmp_path), told) == [], "commands go on"


def test_a_missing_credential_is_said_and_stops_no_command(tmp_path: Path) -> None:
    config = '{otlp: [{endpoint: "http://a", headers: {Token: "${T}"}}]}'
    with pytest.raises(ConfigError, match="variable T is not set"):
        found(tmp_path, {}, config)
    (tmp_path / ".moat").mkdir()
    (box,) = outboxes(Files(tmp_path), {})
    found(tmp_path, {"T": "secret"}, config)
    assert [box.directory] == [each.directory for each in outboxes(Files(tmp_path), {"T": "secret"})]


@pytest.mark.promise("keep-1")
@pytest.mark.parametrize("command", ["traces", "upkeep"])
def test_what_a_command_ships_in_a_dead_servers_place_waits_for_the_collector_too(tmp_path: Path, command: str) -> None:
    found(tmp_path, {}, '{otlp: [{endpoint: "http://away"}]}')
    project = Files(tmp_path)
    with closing(SegmentSpool(project.spool_path)) as spool:
        spool.open()
        spool.append([Span(span_id="1" * 16, trace_id="1" * 32, kind="call", name="chat", started_ns=1, duration_ns=1)])
    if command == "traces":
        with open_traces(project) as traces:
            assert len(traces.trace("1" * 32)) == 1
    else:
        with open_upkeep(project) as upkeep:
            assert upkeep.expire(dry_run=True) > 0
    (box,) = outboxes(project, {})
    assert len(box.waiting()) == 1


def attempts(receiver: Receiver) -> list[Any]:
    return [span for span in receiver.spans if said(span).get("moat.kind") == "attempt"]


@pytest.mark.promise("keep-1")
def test_a_killed_server_sends_what_it_recorded_when_it_is_back(project: Project) -> None:
    """The collector is away, the server is killed; then both are back."""
    away = Receiver()
    project.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{away.port}"
    project.release("1.0.0")
    with project.serving() as server:
        for _ in range(3):
            assert server.ask("How long can I return things?", at="staging")[0] == 200
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    with away.running() as back:
        with project.serving() as server:
            assert server.ask("How long can I return things?", at="staging")[0] == 200
            eventually(lambda: len(attempts(back)) >= 4)
    assert len({span.span_id for span in attempts(back)}) == 4
    assert said(attempts(back)[0])["gen_ai.operation.name"] == "chat"


def test_what_is_left_is_sent_when_a_server_ends(project: Project) -> None:
    project.release("1.0.0")
    with Receiver().running() as receiver:
        project.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = receiver.url
        with project.serving("--workers", "1") as server:
            assert server.ask("How long can I return things?", at="staging")[0] == 200
        assert len(attempts(receiver)) == 1


def test_metrics_tell_of_collectors_and_of_what_every_worker_refused(project: Project) -> None:
    project.release("1.0.0")
    away, broken = Receiver(), Receiver(*[(400, {}, b"")] * 2)
    with (project.root / "moat.yaml").open("a", encoding="utf-8") as file:
        file.write(f'telemetry: {{otlp: [{{endpoint: "http://127.0.0.1:{away.port}"}}]}}\n')
    with closing(away), broken.running():
        project.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{broken.port}"
        with project.serving("--workers", "2") as server:

            def told() -> dict[str, float]:
                with urlopen(
                    Request(f"{server.url}/metrics", headers={"authorization": f"Bearer {server.token}"})
                ) as page:
                    lines = page.read().decode().splitlines()
                return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

            assert server.ask("How long can I return things?", at="staging")[0] == 200
            for _ in range(6):  # each on a connection of its own: to one worker after the other
                assert server.ask("Hello?", "mk-unknown")[0] == 401
            assert server.send("POST", "/v1/traces", {"resourceSpans": 5}, content_type="application/json")[0] == 400
            assert server.get("/api/v1/nothing")[0] == 404
            with closing(server.connection()) as connection:
                connection.connect()
                connection.sock.sendall(b"nonsense\r\n\r\n")
                assert connection.sock.recv(1000).startswith(b"HTTP/1.1 400")
            refused, of = "moat_refused_requests_total", f'{{collector="http://127.0.0.1:{broken.port}"}}'
            found = eventually(
                lambda: (
                    (page := told()).get(f'{refused}{{status="401",where="calls"}}') == 6
                    and page.get(f"moat_otlp_refused_spans_total{of}", 0) >= 2
                    and page
                )
            )
            assert found[f'{refused}{{status="400",where="traces"}}'] == 1
            assert found[f'{refused}{{status="404",where="api"}}'] == 1
            assert found[f'{refused}{{status="400",where="connection"}}'] == 1
            assert (found[f"moat_otlp_sent_spans_total{of}"], found[f"moat_otlp_waiting_bytes{of}"]) == (0, 0)
            assert found[f"moat_otlp_failures_total{of}"] >= 1
            of = of.replace(str(broken.port), str(away.port))
            assert (found[f"moat_otlp_sent_spans_total{of}"], found[f"moat_otlp_given_up_segments_total{of}"]) == (0, 0)
            eventually(lambda: told()[f"moat_otlp_failures_total{of}"] >= 1)
            assert told()[f"moat_otlp_waiting_bytes{of}"] > 0
            os.kill(server.process.pid, signal.SIGKILL)  # else it tries for some seconds to send what waits
            server.process.wait()
