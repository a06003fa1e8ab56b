"""Money at a whole `moat serve` process: held before anything is sent, settled after, refused without a price."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from moat.testing.faults import Script
from tests.bootstrap.projects import Project, Server, eventually
from tests.faults.test_server import HELLO, ask, configure, serving
from tests.faults.world import DEADLINE

DOLLAR = 10**12
CEILING = 1000
"""Tokens that the deployment can answer with at most."""
PRICE = DOLLAR // 1000
"""Of a token, in or out."""
MONEY = f"""deployments:
  faulty/good: {{max_output: {CEILING}, price: {{input: "1000", output: "1000"}}}}
limits:
  - {{name: month, money: "5", window: month}}
"""


class Gate:
    """A provider that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.come = threading.Event()
        self.go = threading.Event()

    @contextmanager
    def serving(self) -> Iterator[str]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                gate.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                gate.come.set()
                gate.go.wait(DEADLINE)
                usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
                choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
                body = json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            gate.go.set()
            server.shutdown()
            thread.join()
            server.server_close()


def with_budget(project: Project) -> None:
    file = project.root / "moat.yaml"
    file.write_text(file.read_text("utf-8") + "\n" + MONEY, "utf-8")


def balance(server: Server) -> tuple[int, int]:
    """Used and held."""
    status, found = server.get("/api/v1/limits?name=month", server.token)
    assert status == 200, found
    return (found[0]["used"], found[0]["held"]) if found else (0, 0)


@pytest.mark.promise("money-2")
def test_the_models_ceiling_is_held_while_a_call_runs_and_what_it_took_is_counted_after(project: Project) -> None:
    gate = Gate()
    with_budget(project)
    with gate.serving() as url:
        configure(project, url)
        with project.serving() as server:
            asking = threading.Thread(target=ask, args=(server, "good"))
            asking.start()
            assert gate.come.wait(DEADLINE)
            used, held = balance(server)
            gate.go.set()
            asking.join(DEADLINE)
            assert (used, held >= CEILING * PRICE) == (0, True), "no `max_tokens`: the most that the model can say"
            assert gate.asked[0]["max_tokens"] == CEILING, "a budget holds only what the model is told"
            eventually(lambda: balance(server) == (10 * PRICE, 0))


@pytest.mark.promise("money-2")
def test_what_has_no_room_or_no_price_is_never_sent(project: Project) -> None:
    with_budget(project)
    with serving(project, Script(words=5)) as (server, faults):
        assert ask(server, "good").status == 200
        sent = faults.books.billed.requests
        refused = ask(server, "503")  # its model has no price
        assert refused.status == 400
        assert json.loads(refused.body)["error"]["code"] == "price_unknown"
        content = {"model": "good", "messages": HELLO, "max_tokens": 6000}
        status, body = server.send("POST", "/v1/chat/completions", content, server.token)
        assert (status, body["error"]["code"]) == (429, "limit_exceeded")
        assert faults.books.billed.requests == sent
        assert balance(server)[1] == 0
