"""What may not go to a provider reaches it in no way there is: it is a real one, and notes every byte."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from tests.bootstrap.projects import Project, Server, eventually
from tests.guards.canaries import Parrot, canaries
from tests.guards.test_canaries import form

CONFIG = """
providers:
  far: {{kind: openai, base_url: {far}, batches: true}}
  own: {{kind: openai, base_url: {own}}}
deployments:
  own/small: {{context: 40, max_output: 10}}
models:
  first: {{use: [far/parrot, own/parrot]}}
  fallback: {{use: [own/down, far/parrot], retries: 0}}
  tried: {{use: [own/moody, far/parrot], retries: 1}}
  hedged: {{use: [own/slow, far/parrot], hedge_after: 0.05}}
  short: {{use: [own/small], longer: first, overflow: truncate}}
  embeds: {{use: [far/parrot]}}
  similar: {{use: [own/parrot], cache: {{ttl: 60, semantic: {{mode: serve, unproven: true, embedder: embeds}}}}}}
  judged: {{use: [own/parrot]}}
  far: {{use: [far/parrot]}}
data:
  destinations: {{house: {{providers: [own], internal: true}}}}
  rules: [{{class: personal, to: [external], action: refuse}}]
policies:
  - name: judged
    when: {{model: [judged]}}
    guards: [{{use: judge, on: [input, output], action: block, on_error: allow, with: {{model: far}}}}]
  - name: elsewhere
    when: {{model: [first]}}
    guards: [{{use: banned, on: [input], action: fallback, fallback: {{model: far}}, with: {{words: [elsewhere]}}}}]
"""


def requests(values: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every way to a provider that is not the first of the plan, and every operation."""
    for model in ("first", "fallback", "tried", "hedged", "short", "similar", "similar", "judged", "far"):
        for stream in (False, True):
            said = [{"role": "user", "content": f"Please note {next(values)} , thank you. {'And so on. ' * 20}"}]
            yield "/v1/chat/completions", {"model": model, "messages": said, "stream": stream}
    said = [{"role": "user", "content": f"Go elsewhere with {next(values)} ."}]
    yield "/v1/chat/completions", {"model": "first", "messages": said}
    yield "/v1/messages/count_tokens", {"model": "far", "messages": said}
    yield "/v1/responses", {"model": "far", "input": f"It is {next(values)} ."}
    yield "/v1beta/models/far:generateContent", {"contents": [{"parts": [{"text": f"It is {next(values)} ."}]}]}
    yield "/v1/completions", {"model": "far", "prompt": f"It is {next(values)} ."}
    yield "/v1/embeddings", {"model": "far", "input": [f"It is {next(values)} ."]}
    yield "/v1/moderations", {"model": "far", "input": f"It is {next(values)} ."}
    yield "/v1/rerank", {"model": "far", "query": f"It is {next(values)} ?", "documents": [f"At {next(values)} ."]}
    yield "/v1/images/generations", {"model": "far", "prompt": f"It is {next(values)} ."}
    yield "/v1/audio/speech", {"model": "far", "input": f"It is {next(values)} .", "voice": "alloy"}
    yield "/v1/audio/transcriptions", {"model": "far", "prompt": f"It is {next(values)} ."}


def ask(server: Server, key: str, path: str, body: dict[str, Any]) -> int:
    connection = server.connection()
    kind, data = "application/json", json.dumps(body).encode()
    if "/audio/transcriptions" in path:
        kind, data = "multipart/form-data; boundary=b", form(body)
    try:
        connection.request("POST", path, data, {"authorization": f"Bearer {key}", "content-type": kind})
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer.status


def batch(server: Server, key: str, values: list[str]) -> Any:
    """Run a batch of these at the far provider; its errors."""
    lines = [
        {
            "custom_id": f"q{index}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "far", "messages": [{"role": "user", "content": f"It is {value} ."}]},
        }
        for index, value in enumerate(values)
    ]
    with OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client:
        file = client.files.create(file=("q.jsonl", "\n".join(map(json.dumps, lines)).encode()), purpose="batch")
        made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        eventually(lambda: client.batches.retrieve(made.id).status == "completed")
        failed = client.batches.retrieve(made.id).error_file_id
        assert failed is not None
        return [json.loads(line)["response"]["status_code"] for line in client.files.content(failed).text.splitlines()]


@pytest.mark.promise("guard-2")
def test_no_byte_of_it_reaches_a_provider_that_may_not_have_it(project: Project) -> None:
    known, unknown = list(canaries(200, 3)), canaries(800, 4)
    with Parrot(unknown).running() as far, Parrot(unknown).running() as own:
        (project.root / "moat.yaml").write_text(CONFIG.format(far=far.url, own=own.url), "utf-8")
        key = project.key()
        with project.serving() as server:
            statuses = [(path, ask(server, key, path, body)) for path, body in requests(iter(known))]
            assert batch(server, key, known[-10:]) == [403] * 10
    assert {status for path, status in statuses if "chat" not in path} == {403}
    assert {status for path, status in statuses if "chat" in path} == {200, 403, 502}
    asked_far, asked_own = ("\n".join(provider.asked) for provider in (far, own))
    assert [value for value in known if value in asked_far] == []
    assert sum(value in asked_own for value in known) >= 12, "the other provider was asked"
