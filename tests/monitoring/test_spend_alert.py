"""The first alert of a team, `LLMDailySpendHigh`, in a real Prometheus that looks at a real server."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bootstrap.projects import Project, eventually
from tests.monitoring.tools import prometheus

TOKENS, CALLS = 9_000_000, 3
"""Of one call: at 0.000002 dollars a token three are $54, above the threshold of $50."""


@contextmanager
def dear() -> Iterator[str]:
    """A provider whose answers take many tokens."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            usage = {"prompt_tokens": 1, "completion_tokens": TOKENS - 1, "total_tokens": TOKENS}
            choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
            body = json.dumps({"id": "a", "model": "m", "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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


def test_it_fires_when_the_tokens_of_a_day_are_too_dear(project: Project, tmp_path: Path) -> None:
    """With `for: 1s` instead of the five minutes that it waits; promtool's tests go through those."""
    written = tmp_path / "written"
    project.ok("deploy", "metrics", "--out", str(written))
    rules = (written / "prometheus-rules.yaml").read_text("utf-8")
    shipped = rules.partition("for: 5m")
    assert "LLMDailySpendHigh" in shipped[0][-400:]
    (tmp_path / "rules.yaml").write_text(f"{shipped[0]}for: 1s{shipped[2]}", "utf-8")
    with dear() as provider:
        added = {
            "providers:\n": f"providers:\n  dear: {{kind: openai, base_url: '{provider}'}}\n",
            "models:\n": "models:\n  dear: {use: [dear/m], price: {input: '2', output: '2'}}\n",
        }
        project.replace("moat.yaml", added)
        with project.serving() as server:
            viewer = project.key("--role", "viewer")
            with prometheus(tmp_path, server.url.removeprefix("http://"), viewer, tmp_path / "rules.yaml") as found:
                said = {"model": "dear", "max_tokens": TOKENS, "messages": [{"role": "user", "content": "Hello"}]}

                def states() -> set[str]:
                    return {
                        alert["state"]
                        for alert in found.ask("alerts")["alerts"]
                        if alert["labels"]["alertname"] == "LLMDailySpendHigh"
                    }

                assert states() == set()
                for _ in range(CALLS):
                    assert server.send("POST", "/v1/chat/completions", said)[0] == 200
                eventually(lambda: states() == {"firing"})
                assert found.value("sum(increase(llm_tokens_total[24h])) * 0.000002 > 50") is not None
