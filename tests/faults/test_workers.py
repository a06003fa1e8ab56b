"""`moat serve --workers`: several processes between clients and providers, and what becomes of them."""

import http.client
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from moat.bootstrap.project import Project as Files
from moat.bootstrap.traces import open_traces
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.testing.faults import Script
from moat.testing.faults_server import FaultServer, faulty
from tests.bootstrap.projects import Project, Server, eventually

HELLO = {"model": "good", "messages": [{"role": "user", "content": "Hello"}]}


@contextmanager
def serving(
    project: Project, workers: int, *, more: str = "", script: Script | None = None
) -> Iterator[tuple[Server, FaultServer]]:
    """The product, with workers, over a provider that counts. `more`: lines of moat.yaml."""
    with faulty(script or Script(words=5)) as faults:
        provider = f"  faulty: {{kind: openai, base_url: {faults.url}/v1}}"
        model = "  good: {use: [faulty/good], retries: 0, price: {request: '0.01'}}"
        project.replace(
            "moat.yaml", {"providers:\n": f"{more}providers:\n{provider}\n", "models:\n": f"models:\n{model}\n"}
        )
        with project.serving("--workers", str(workers)) as server:
            eventually(lambda: len(pids(server)) == workers)
            yield server, faults


def pids(server: Server) -> list[int]:
    """Of the workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    found = []
    for child in children:
        with suppress(FileNotFoundError):
            if b"moat.bootstrap.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def recorded(project: Project) -> list[Span]:
    """All calls, when the server has ended."""
    with open_traces(Files(project.root)) as traces:
        return list(traces.search(TraceFilter(), 100_000))


def status_of(server: Server, key: str = "") -> int:
    return server.send("POST", "/v1/chat/completions", HELLO, key)[0]


def known(server: Server, key: str) -> bool:
    """To whichever worker is asked, as far as sixteen requests can tell."""
    return all(server.send("GET", "/v1/models", None, key)[0] == 200 for _ in range(16))


@pytest.mark.promise("money-1")
def test_a_budget_for_37_calls_lets_37_in_of_500_from_4_workers(project: Project) -> None:
    limit = "limits:\n- {name: budget, money: '0.37', window: month}\n"
    with serving(project, 4, more=limit) as (server, faults):
        with ThreadPoolExecutor(50) as pool:
            statuses = Counter(pool.map(lambda _: status_of(server), range(500)))
        for _ in range(100):  # what one worker has to spare is found by the others
            statuses[status_of(server)] += 1
        assert statuses == {200: 37, 429: 563}
        assert faults.books.billed.requests == 37
        [balance] = server.get("/api/v1/limits")[1]
        assert balance["used"] == 37 * 10**10
    assert sum(call.error == "" for call in recorded(project)) == 37


@pytest.mark.promise("money-3")
@pytest.mark.promise("up-6")
def test_workers_that_are_killed_lose_no_acknowledgement_and_no_cent(project: Project) -> None:
    chance = random.Random(6)
    limit = "limits:\n- {name: budget, money: '3.00', window: month}\n"
    acknowledged: list[str] = []
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def call(server: Server) -> None:
        while not over.is_set():
            connection = server.connection()
            try:
                headers = {"authorization": f"Bearer {server.token}"}
                connection.request("POST", "/v1/chat/completions", json.dumps(HELLO), headers)
                answer = connection.getresponse()
                answer.read()
                statuses[answer.status] += 1
                if answer.status == 200:
                    acknowledged.append(answer.headers["x-request-id"])
            except (OSError, http.client.HTTPException):
                statuses[0] += 1  # its worker was killed
            finally:
                connection.close()

    with serving(project, 2, more=limit, script=Script(words=5, pace=0.01)) as (server, faults):
        clients = [threading.Thread(target=call, args=(server,)) for _ in range(6)]
        [client.start() for client in clients]
        for _ in range(6):
            known = len(acknowledged)
            eventually(lambda known=known: len(acknowledged) >= known + 10 or statuses[429])
            os.kill(chance.choice(eventually(lambda: pids(server))), signal.SIGKILL)
        eventually(lambda: statuses[429] > 50)
        over.set()
        [client.join() for client in clients]
        assert set(statuses) <= {0, 200, 429}, "no 401, no 5xx for what is the server's own affair"
        assert statuses[0] <= 6 * len(clients)
        eventually(lambda: len(pids(server)) == 2)
        assert faults.books.billed.requests <= 300
        used = server.get("/api/v1/limits")[1][0]["used"]
        assert used == 300 * 10**10, "all of it can be used, and no more"
    calls = recorded(project)
    assert set(acknowledged) <= {call.request_id for call in calls}
    with open_traces(Files(project.root)) as traces:
        tries = sum(row.requests for row in traces.spending([], TraceFilter()))
    # Whoever was killed with room and before the try began has none, and the room counts as used.
    assert faults.books.billed.requests <= tries <= 300, "every try has one row; those of the dead are unknown"


def test_a_connection_goes_to_whoever_serves_what_it_asks_for(project: Project) -> None:
    with serving(project, 2) as (server, _):
        connection = server.connection()
        headers = {"authorization": f"Bearer {server.token}"}

        def ask(method: str, path: str, body: Any = None, **more: str) -> int:
            connection.request(method, path, body, headers | more)
            answer = connection.getresponse()
            answer.read()
            return answer.status

        upload = b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        upload += b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        upload += (
            b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}\n' * 20_000 + b"\r\n--x--\r\n"
        )
        multipart = {"content-type": "multipart/form-data; boundary=x"}
        connection.connect()
        first = connection.sock
        for _ in range(3):
            assert ask("POST", "/v1/chat/completions", json.dumps(HELLO)) == 200
            assert ask("GET", "/api/v1/limits") == 200
            assert ask("GET", "/metrics") == 200
            assert ask("POST", "/v1/chat/completions", json.dumps(HELLO), **{"Idempotency-Key": "one"}) == 200
            assert ask("POST", "/v1/files", upload, **multipart) == 200
            assert ask("GET", "/healthz") == 200
        assert connection.sock is first, "it was never closed"
        connection.close()


def test_a_request_in_drops_is_looked_at_when_its_head_is_there(project: Project) -> None:
    with serving(project, 1) as (server, _):
        for path in ("/v1/models", "/api/v1/limits"):
            connection = server.connection()
            connection.connect()
            request = f"\r\n\r\nGET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.token}\r\n\r\n"
            for letter in request.encode():
                connection.sock.send(bytes([letter]))
            answer = http.client.HTTPResponse(connection.sock)
            answer.begin()
            assert answer.status == 200
            connection.close()


@pytest.mark.promise("money-10")
def test_one_idempotency_key_makes_one_call_whichever_worker_is_asked(project: Project) -> None:
    with serving(project, 3, script=Script(words=5, pace=0.05)) as (server, faults):

        def ask(_: int) -> str:
            status, answer = server.send("POST", "/v1/chat/completions", HELLO, idempotency_key="once")
            assert status == 200
            return str(answer["id"])

        with ThreadPoolExecutor(30) as pool:
            assert len(set(pool.map(ask, range(60)))) == 1
        assert faults.books.billed.requests == 1


def all_are(status: int, pool: ThreadPoolExecutor, server: Server, secrets: list[str]) -> bool:
    """Of requests at one time with each of the keys."""
    return set(pool.map(partial(status_of, server), secrets)) == {status}


@pytest.mark.promise("gate-4")
def test_a_revoked_key_is_known_to_all_workers_when_the_command_returns(project: Project) -> None:
    with serving(project, 3) as (server, _):
        for _ in range(5):
            created = project.ok("keys", "create", "--json", "--name", "app").json
            secrets = [created["secret"]] * 24
            with ThreadPoolExecutor(12) as pool:
                eventually(partial(all_are, 200, pool, server, secrets))
                project.ok("keys", "revoke", created["id"])
                assert set(pool.map(partial(status_of, server), secrets)) == {401}


@pytest.mark.promise("money-4")
def test_a_stop_lets_all_workers_finish_and_record(project: Project) -> None:
    with serving(project, 2, script=Script(words=30, pace=0.05)) as (server, faults):
        with ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(server.send, "POST", "/v1/chat/completions", HELLO) for _ in range(12)]
            eventually(lambda: faults.books.billed.requests == 12)
            assert server.stop(signal.SIGTERM) == 0
            assert [answer.result()[0] for answer in asked] == [200] * 12
    assert len(recorded(project)) == 12


@pytest.mark.promise("up-6")
def test_traffic_flows_while_the_state_store_is_away(project: Project) -> None:
    """About fifty calls a second, and somebody has the database for himself."""
    limit = "limits:\n- {name: budget, money: '10.00', window: month}\n"
    with serving(project, 2, more=limit) as (server, faults):
        key = project.key("--name", "app")
        eventually(lambda: known(server, key))
        other = sqlite3.connect(Files(project.root).state_path, isolation_level=None)
        with closing(other):
            other.execute("BEGIN EXCLUSIVE")
            statuses = []
            for _ in range(150):
                statuses.append(status_of(server, key))
                time.sleep(0.02)
            other.execute("ROLLBACK")
        assert set(statuses) == {200}
        assert faults.books.billed.requests == 150
        later = project.key("--name", "later")
        eventually(lambda: known(server, later))
        assert status_of(server, later) == 200
    assert len(recorded(project)) == 151


@pytest.mark.promise("money-9")
def test_without_their_keeper_workers_spend_what_they_have_and_no_more(project: Project) -> None:
    """It stands still, as when a shared store cannot be reached. What needs more room is refused until it goes on."""
    limit = "limits:\n- {name: budget, money: '0.30', window: month}\n"
    with serving(project, 2, more=limit) as (server, faults):
        clients = [server.connection() for _ in range(4)]

        def ask(client: http.client.HTTPConnection) -> int:
            client.request(
                "POST", "/v1/chat/completions", json.dumps(HELLO), {"authorization": f"Bearer {server.token}"}
            )
            answer = client.getresponse()
            answer.read()
            return answer.status

        statuses = Counter(ask(client) for client in clients)
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            for client in clients:
                while (status := ask(client)) == 200:
                    statuses[status] += 1
                statuses[status] += 1
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        assert set(statuses) == {200, 503}
        assert faults.books.billed.requests == statuses[200] < 30
        eventually(lambda: ask(clients[0]) == 429)
        eventually(lambda: ask(clients[1]) == 429)
        assert faults.books.billed.requests == 30, "all of it is there again, to the cent"
        assert server.get("/api/v1/limits")[1][0]["used"] == 30 * 10**10
        [client.close() for client in clients]


def test_a_budget_that_becomes_smaller_holds_at_once(project: Project) -> None:
    limit = "limits:\n- {name: budget, money: '10.00', window: month}\n"
    with serving(project, 2, more=limit) as (server, faults):
        assert [status_of(server) for _ in range(4)] == [200] * 4
        project.replace("moat.yaml", {"'10.00'": "'0.06'"})

        eventually(lambda: status_of(server) == 429)
        assert faults.books.billed.requests < 500, "what workers had of the thousand was called back"
        assert {status_of(server) for _ in range(10)} == {429}


def test_workers_end_when_their_keeper_is_killed(project: Project) -> None:
    limit = "limits:\n- {name: budget, money: '0.05', window: month}\n"
    with serving(project, 2, more=limit) as (server, _):
        assert [status_of(server) for _ in range(3)] == [200] * 3
        workers = pids(server)
        server.process.kill()
        server.process.wait()
        eventually(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))
        with project.serving("--workers", "2") as again:
            assert [status_of(again) for _ in range(4)] == [200, 200, 429, 429], "what was spent before is known"


def test_what_workers_do_is_told_as_one(project: Project) -> None:
    with serving(project, 2) as (server, _):
        for _ in range(10):
            assert status_of(server) == 200

        def tries() -> bool:
            connection = server.connection()
            connection.request("GET", "/metrics", headers={"authorization": f"Bearer {server.token}"})
            page = connection.getresponse().read().decode()
            connection.close()
            return 'moat_tries_total{deployment="faulty/good"} 10.0' in page

        eventually(tries)


def test_a_worker_that_ends_is_replaced(project: Project) -> None:
    with serving(project, 1) as (server, _):
        for _ in range(2):
            [pid] = eventually(lambda: pids(server))
            os.kill(pid, signal.SIGTERM)  # one may be restarted by hand: it ends what is under way
            eventually(lambda pid=pid: pids(server) not in ([], [pid]))
        assert eventually(lambda: status_of(server) == 200)
    assert project.log().count("another one begins") == 2


def test_a_rollback_is_known_to_all_workers_when_the_command_returns(project: Project) -> None:
    with serving(project, 3) as (server, _):
        first = project.release("1.0.0")
        asked = {"prompt": {"id": "support/answer@staging", "variables": {"question": "May I return it?"}}}

        def release_of(_: int) -> str | None:
            connection = server.connection()
            headers = {"authorization": f"Bearer {server.token}"}
            connection.request("POST", "/v1/chat/completions", json.dumps(asked), headers)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.headers["x-moat-release"]

        with ThreadPoolExecutor(12) as pool:
            for _ in range(5):
                second = project.release("1.2.0")
                assert set(pool.map(release_of, range(24))) == {second}
                project.ok("rollback", "support/answer", "--env", "staging")
                assert set(pool.map(release_of, range(24))) == {first}


@pytest.mark.promise("gate-4")
def test_streams_under_way_at_any_worker_end_with_their_key(project: Project) -> None:
    with serving(project, 3, script=Script(words=10_000, pace=0.05)) as (server, faults):
        created = project.ok("keys", "create", "--json", "--name", "app").json
        body = json.dumps({**HELLO, "stream": True})
        streams = [server.connection() for _ in range(12)]
        for connection in streams:
            connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {created['secret']}"})
        answers = [connection.getresponse() for connection in streams]
        began = time.monotonic()
        project.ok("keys", "revoke", created["id"])
        ends = [answer.read() for answer in answers]
        assert time.monotonic() - began < 60, "an answer lasts ten minutes"
        assert all(b'"code":"access_denied"' in end and b"[DONE]" not in end for end in ends)
        for connection in streams:
            connection.close()
        eventually(lambda: faults.books.open == 0)
