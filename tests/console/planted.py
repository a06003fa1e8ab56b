"""A project in which every text that anybody can choose is one of the corpus, put there by real calls and files."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from tests.bootstrap.projects import DEADLINE, PROMPT, Project, Server, environment, eventually
from tests.console.corpus import CORPUS, MARKUP, NAMES
from tests.console.world import CAUGHT, JSON, OLD, PEOPLE, Shown, join

HOSTILE = "hostile/prompt"
SESSION = "<img src=x onerror=ran(document.domain)>"
"""The session of all the calls whose answers are the corpus."""
TRACE = "0af7651916cd43dd8448eb211c80319d"
"""The trace of the spans that were reported."""

MODELS = """\
  hostile: {use: [hostile/large], price: {input: "1.00", output: "4.00"}}
  judge: {use: [judging/large], price: {input: "1.00", output: "4.00"}}
  strict: {use: [strict/large], price: {input: "1.00", output: "4.00"}}
"""
PROVIDERS = """\
  hostile: {kind: simulated, rules: simulation/hostile.yaml}
  judging: {kind: simulated, rules: simulation/judging.yaml}
  # Answers nothing: its errors quote what it was asked.
  strict: {kind: simulated, rules: simulation/strict.yaml}
"""


@contextmanager
def planted(template: Path, root: Path) -> Iterator[Shown]:
    """The project, served."""
    shutil.copytree(template, root)
    project = Project(root, None)  # type: ignore[arg-type]  # commands in this process are what needs it
    _write_files(project)
    _moat(project, "judge", "add", "relevance", "--model", "judge")
    _commit(project)
    for version in ("1.0.0", "1.1.0"):
        _moat(project, "eval", "run", f"{HOSTILE}@{version}", "--suite", "hostile")
    with project.serving() as server:
        for person in PEOPLE.items():
            join(server, *person)
        _change(server)
        _propose(server)
        _call(server)
        _report(server)
        # The last of each kind is there: so is what came before.
        eventually(lambda: any(call.get("user") == "all" for call in server.get("/api/v1/traces?limit=1000")[1]))
        eventually(lambda: server.get(f"/api/v1/traces/{TRACE}")[1]["count"] == len(CORPUS))
        _judge(server)
        yield Shown(server)


def _write_files(project: Project) -> None:
    project.guard()
    told = "No secrets, no customers' data, no takeover, no leaked instructions."
    project.replace("policies/baseline.yaml", {told: json.dumps(" ".join(NAMES))})
    rules = [
        {"user": f"^case {number}\\b", "answers": [*_tools(text), {"text": text}]} for number, text in enumerate(CORPUS)
    ]
    verdict = {"reasoning": "\n".join(MARKUP[:9]), "score": 0.2}
    _yaml(project, "simulation/hostile.yaml", {"rules": [*rules, {"user": ".*", "answers": [{"text": CORPUS[0]}]}]})
    _yaml(project, "simulation/judging.yaml", {"rules": [{"user": ".", "answers": [{"text": json.dumps(verdict)}]}]})
    _yaml(project, "simulation/strict.yaml", {"rules": [{"user": "^$", "answers": [{"text": "never"}]}]})
    project.replace("moat.yaml", {"providers:\n": f"providers:\n{PROVIDERS}", "models:\n": f"models:\n{MODELS}"})
    for version, texts in (("1.0.0", CORPUS[::2]), ("1.1.0", CORPUS[1::2])):
        _yaml(project, f"prompts/{HOSTILE}/{version}.yaml", _prompt(texts))
    cases = [
        {"id": name, "variables": {"question": f"case {number} {text}"}, "labels": {name: text}, "tags": [name]}
        for number, (name, text) in enumerate(zip(NAMES, CORPUS, strict=False))
    ]
    lines = "\n".join(json.dumps(case) for case in cases)
    (project.root / "evals/datasets/hostile.jsonl").write_text(lines + "\n", "utf-8")
    scorers = [{"kind": "not_contains", "name": "calm", "values": list(CORPUS[:9])}]
    judge = {"kind": "judge", "name": "relevant", "metric": "relevance"}
    suite = {"prompt": HOSTILE, "dataset": "datasets/hostile.jsonl", "slices": ["tags"], "scorers": [*scorers, judge]}
    _yaml(project, "evals/hostile.yaml", suite)


def _tools(text: str) -> list[dict[str, Any]]:
    """Every other answer asks for a tool as well."""
    call = {"name": text[:60], "arguments": {text: text, "nested": {"__proto__": {"polluted": text}}}}
    return [{"text": text, "tool_calls": [call]}] if len(text) % 2 else []


def _prompt(texts: tuple[str, ...]) -> dict[str, Any]:
    shown = [text for text in texts if text.isprintable()]
    return {
        "description": " ".join(shown),
        "owner": shown[0],
        "tags": shown,
        "created_by": shown[1],
        "model": "hostile",
        "variables": {"question": {"type": "string", "description": shown[2]}},
        "messages": [
            {"role": "system", "content": "{% raw %}" + "\n".join(shown) + "{% endraw %}"},
            {"role": "user", "content": "{{ question }}"},
        ],
        "output": {"type": "object", "description": shown[3], "properties": {shown[4]: {"type": "string"}}},
    }


def _yaml(project: Project, path: str, content: object) -> None:
    file = project.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content), "utf-8")


def _commit(project: Project) -> None:
    message = "\n\n".join(text for text in CORPUS if "\x00" not in text)
    author = ("-c", f"user.name={NAMES[7]}", "-c", "user.email=onload@example.org")
    for command in (("add", "--all"), (*author, "commit", "--quiet", "--message", message)):
        subprocess.run(["git", *command], cwd=project.root, env=environment(), check=True, capture_output=True)


def _moat(project: Project, *arguments: str) -> None:
    done = project.process(*arguments)
    assert done.code == 0, done


def _done(answer: tuple[int, Any]) -> Any:
    status, body = answer
    assert status in (200, 201, 202), body
    return body


def _change(server: Server) -> None:
    """What people do who may change things, with the reasons they give."""
    for number, name in enumerate(NAMES):
        key = {"name": name, "tenant": NAMES[-number], "tags": [name], "metadata": {name: name}}
        _done(server.send("POST", "/api/v1/keys", key, **JSON))
        account = {"email": f"user{number}@example.org", "role": "viewer", "name": name}
        _done(server.send("POST", "/api/v1/accounts", account, **JSON))
        silence = {"match": {"environment": name}, "length": "1h", "why": name}
        _done(server.send("POST", "/api/v1/alerts/silences", silence, **JSON))
        quoted = json.dumps(name.replace("\\", "/"))
        search = {"name": f"search-{number}", "expression": f"user = {quoted}"}
        _done(server.send("POST", "/api/v1/searches", search, **JSON))
    for prompt, versions in ((HOSTILE, ("1.0.0", "1.1.0")), (PROMPT, (OLD, "1.1.0"))):
        for text, version in zip(CORPUS, cycle(versions), strict=False):
            order = {"prompt": prompt, "version": version, "environment": "staging", "reason": text}
            _done(server.send("POST", "/api/v1/releases", order, **JSON))
        undo = {"prompt": prompt, "environment": "staging", "reason": CORPUS[0]}
        _done(server.send("POST", "/api/v1/rollbacks", undo, **JSON))


def _propose(server: Server) -> None:
    """A version, by a program that has a person's name."""
    key = {"name": NAMES[5], "role": "expert", "user": NAMES[6]}
    secret = _done(server.send("POST", "/api/v1/keys", key, **JSON))["secret"]
    text = yaml.safe_dump(_prompt(CORPUS[::3]))
    order = {"name": HOSTILE, "version": "1.2.0", "text": text, "title": NAMES[0]}
    message = "\n\n".join(text for text in CORPUS if "\x00" not in text)
    _done(server.send("POST", "/api/v1/proposals", order | {"message": message}, secret, **JSON))


def _call(server: Server) -> None:
    """One call for each text: asked by it, by somebody of that name, answered with it. Then some that guards find
    something in, some of a model that answers nothing, and one conversation of them all.
    """
    for number, text in enumerate(CORPUS):
        name = NAMES[number % len(NAMES)]
        _chat(server, "hostile", [f"case {number} {text}"], {"user": name, "feature": name, "tags": name})
        if number % 8 == 0:
            _chat(server, "strict", [text], {"user": name, "session": name})
    for text in CAUGHT:
        _chat(server, "hostile", [f"{text} {MARKUP[0]}"], {"user": NAMES[0]})
    key = {"name": "all", "tenant": NAMES[3], "user": "all"}
    secret = _done(server.send("POST", "/api/v1/keys", key, **JSON))["secret"]
    _chat(server, "hostile", list(CORPUS), {"session": "all"}, secret)


def _chat(server: Server, model: str, said: list[str], who: dict[str, str], key: str = "") -> None:
    body = {"model": model, "messages": [{"role": "user", "content": text} for text in said]}
    headers = {"authorization": f"Bearer {key or server.token}", "content-type": "application/json"}
    # The client writes headers as Latin-1; what is sent is UTF-8.
    headers |= {
        f"x-moat-{name}": text.encode().decode("latin-1") for name, text in ({"session": SESSION} | who).items()
    }
    request = urllib.request.Request(f"{server.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        answer = urllib.request.urlopen(request, timeout=DEADLINE)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        # Guards refuse some; a model that answers nothing is a 4xx of its provider.
        assert answer.status in (200, 400, 403, 422, 502), answer.read()


def _report(server: Server) -> None:
    """Spans of an application, by OpenTelemetry: names, attributes, tools, messages, errors and who it was."""
    now = time.time_ns()
    spans = []
    for number, text in enumerate(CORPUS, 1):
        messages = json.dumps([{"role": text, "parts": [{"type": "text", "content": text}]}])
        values = {text: text, "user.id": text, "session.id": text, "moat.feature": text, "gen_ai.tool.name": text}
        values |= {"gen_ai.operation.name": "execute_tool" if number % 2 else "chat", "gen_ai.request.model": text}
        values |= {"gen_ai.input.messages": messages, "gen_ai.tool.call.arguments": json.dumps({text: text})}
        values |= {"error.type": text, "gen_ai.tool.call.result": text, "gen_ai.provider.name": text}
        spans.append(
            {
                "traceId": TRACE,
                "spanId": f"{number:016x}",
                "name": text,
                "startTimeUnixNano": str(now + number),
                "endTimeUnixNano": str(now + number + 1000),
                "status": {"code": 2, "message": text},
                "attributes": _attributes(values),
                "events": [{"name": text, "timeUnixNano": str(now + number), "attributes": _attributes({text: text})}],
            }
            | ({"parentSpanId": f"{1:016x}"} if number > 1 else {})
        )
    group = {"resource": {"attributes": _attributes({"service.name": CORPUS[0]})}, "scopeSpans": [{"spans": spans}]}
    assert _done(server.send("POST", "/v1/traces", {"resourceSpans": [group]}, **JSON)) == {}


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def _judge(server: Server) -> None:
    """What people say of answers."""
    calls = [span for span in server.get("/api/v1/traces?limit=1000")[1] if span["request_id"]]
    for call, text in zip(calls, cycle(CORPUS), strict=False):
        opinion = {"request_id": call["request_id"], "rating": 1, "comment": text, "correction": {text: text}}
        opinion |= {"by": NAMES[len(text) % len(NAMES)], "categories": [NAMES[len(text) % len(NAMES)]]}
        _done(server.send("POST", "/v1/feedback", opinion, **JSON))
