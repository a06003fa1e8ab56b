"""The parts of the bench: parsers, checks of answers, processes, installation."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from bench import machine, process, traffic, wrk
from bench.errors import Unavailable
from bench.peers import PEERS
from bench.peers.peer import Upstream, install_once

REPORT = {"requests": 10, "seconds": 2.0, "p50_ms": 0.1, "p99_ms": 0.2, "refused": 0, "cut": 0, "late": 0}


def stream(events: list[str]) -> str:
    return "".join(f"data: {event}\n\n" for event in events)


def test_a_report_is_found_among_what_wrk_prints() -> None:
    load = wrk.parse(f"Running 2s test\n  Requests/sec: 5\n{json.dumps(REPORT)}\n")
    assert (load.rate, load.p50_ms, load.p99_ms) == (5.0, 0.1, 0.2)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("unable to connect", "no report"),
        (json.dumps(REPORT | {"refused": 3}), "3 answered an error"),
        (json.dumps(REPORT | {"late": 2}), "2 timed out"),
        (json.dumps(REPORT | {"cut": 1}), "1 lost their connection"),
        (json.dumps(REPORT | {"requests": 0}), "no request was answered"),
    ],
)
def test_a_load_with_any_failure_is_no_measurement(output: str, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        wrk.parse(output)


def test_a_script_carries_body_and_headers_as_lua_strings() -> None:
    request = traffic.chat("plain", authorization="Bearer x", x_custom="1")
    lua = wrk.script(request)
    assert f"wrk.body = {json.dumps(request.body)}\n" in lua
    assert 'wrk.headers["x-custom"] = "1"\n' in lua
    assert request.body.isascii()
    assert "\\u" not in json.dumps(request.body)


def test_a_stat_line_is_read_whatever_the_program_is_called() -> None:
    fields = ["S", "7", *["0"] * 9, "100", "50", "30", "20", *["0"] * 6, "25", "0"]
    stat = machine.parse_stat(f"42 (odd ) name) {' '.join(fields)}")
    assert stat.parent == 7
    assert stat.cpu_seconds == 200 / machine.TICKS_PER_SECOND
    assert stat.resident_bytes == 25 * machine.PAGE_BYTES


def test_the_canned_answers_pass_their_own_checks() -> None:
    events = traffic.stream_answer()
    assert len(events) == traffic.CHUNKS + 1
    assert 450 <= len(traffic.plain_answer()) <= 550
    traffic.check_plain(traffic.plain_answer())
    traffic.check_stream(stream(events))


@pytest.mark.parametrize("body", ["", "{}", '{"choices": []}', traffic.plain_answer().replace("14", "30")])
def test_another_plain_answer_is_refused(body: str) -> None:
    with pytest.raises(Unavailable, match="plain answer"):
        traffic.check_plain(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "no end mark"),
        (stream(traffic.stream_answer()[:-1]), "no end mark"),
        (stream(traffic.stream_answer()[1:]), "lost or changed"),
        (stream(["{}", "[DONE]"]), "no chat completion chunks"),
    ],
)
def test_a_stream_that_is_cut_or_changed_is_refused(body: str, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        traffic.check_stream(body)


def test_a_program_runs_pinned_and_leaves_no_child_behind(tmp_path: Path) -> None:
    one = frozenset({min(os.sched_getaffinity(0))})
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(os.sched_getaffinity(0), child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    log = tmp_path / "output.log"
    with process.running((sys.executable, "-c", script), tmp_path, one) as started:
        while not log.read_text().endswith("\n"):
            assert started.poll() is None, log.read_text()
        cpu, child = log.read_text().rsplit(maxsplit=1)
        assert cpu == str(set(one))
        assert machine.resident_mib(started.pid) > machine.resident_mib(int(child)) > 0
        assert machine.cpu_seconds(started.pid) >= 0
    assert machine.process_tree(started.pid) == []
    deadline = time.monotonic() + 30
    while machine.resident_mib(int(child)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert machine.resident_mib(int(child)) == 0


@pytest.mark.parametrize(
    ("code", "seconds", "reason"),
    [
        ("import sys; print('first', file=sys.stderr); sys.exit('the reason')", 60, "the reason"),
        ("import sys; sys.exit(3)", 60, "it printed nothing"),
        ("import time; time.sleep(60)", 1, "longer than"),
    ],
)
def test_a_step_that_fails_says_why(tmp_path: Path, code: str, seconds: int, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        process.run((sys.executable, "-c", code), tmp_path, seconds)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="/no/such/program is not installed"):
        process.run(("/no/such/program",), tmp_path, 2)


def test_an_installation_runs_again_only_for_another_lock_or_after_a_failure(tmp_path: Path) -> None:
    home = tmp_path / "peer"
    count = (sys.executable, "-c", "open('../runs', 'a').write('x')")
    fail = (sys.executable, "-c", "raise SystemExit('no network')")
    with pytest.raises(Unavailable, match="no network"):
        install_once(home, "a", count, fail)
    for lock in ("a", "a", "b"):
        install_once(home, lock, count)
    assert (tmp_path / "runs").read_text() == "xxx"


@pytest.mark.parametrize("name", ["LiteLLM", "nginx"])
def test_a_peer_listens_on_loopback_only(name: str, tmp_path: Path) -> None:
    if name == "nginx" and not Path("/usr/sbin/nginx").exists():
        pytest.skip("nginx is not installed")
    base = "http://127.0.0.1:9"
    service = PEERS[name].configure(tmp_path, tmp_path, 8, Upstream(f"{base}/plain/v1", f"{base}/stream/v1"))
    said = " ".join(service.argv) + "".join(file.read_text() for file in tmp_path.iterdir())
    assert "127.0.0.1" in said
    assert "0.0.0.0" not in said
    assert json.loads(service.stream.body)["stream"] is True
