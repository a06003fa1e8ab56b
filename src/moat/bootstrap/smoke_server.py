"""Is a running server fit to be used? A few questions over HTTP, as its clients would ask them."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Iterator
from http.client import HTTPException
from typing import Any, NamedTuple

import msgspec

from moat.adapters.remote.direct import DIRECT
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.domain.calls import Call, Event
from moat.domain.errors import MoatError, NotFound
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
from moat.evals.answer import Answered, dig
from moat.evals.scorers import Bench
from moat.evals.statistics.repeats import PASS
from moat.evals.suites import Suite

PROMPT_MODEL = "prompt:"
"""How released prompts stand in the list of models."""
TAG = "smoke"
"""Cases with this tag are asked first."""
TIMEOUT = 60.0
"""Seconds for one question."""
MAX_SAID = 200


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    flaw: str = ""
    """Empty when it is as it should be."""
    seconds: float = 0.0
    detail: str = ""
    asked: bool = True
    """False: nothing is known that could be asked."""


class Server(NamedTuple):
    """Where it is, and who asks."""

    url: str
    """Without a slash at its end."""
    key: str
    """Never shown."""
    local: bool
    """On this machine: then no proxy is asked."""


class _Reply(NamedTuple):
    status: int
    """0 when nothing came back."""
    data: Any
    seconds: float
    error: str = ""


class Smoking:
    """The checks of one environment of one server."""

    def __init__(self, project: Project, evaluating: Evaluating, server: Server, environment: str) -> None:
        self._project = project
        self._evaluating = evaluating
        self._server = server
        self._environment = environment

    def checks(self, max_seconds: float) -> Iterator[Check]:
        """One after the other: health, readiness, what is served, and a call on each released prompt.

        A server that does not answer at all is asked nothing further.
        """
        health = self._ask("/healthz")
        yield _plain("health", health)
        if health.status != 200:
            return
        ready = self._ask("/readyz")
        yield _plain("ready", ready, detail=str(dig(ready.data, "status")) if ready.status == 200 else "")
        models = self._ask("/v1/models")
        listed = models.data.get("data", []) if isinstance(models.data, dict) else []
        names = [str(each.get("id", "")) for each in listed if isinstance(each, dict)]
        yield _plain("models", models, detail=f"{len(names)} listed")
        suffix = f"@{self._environment}"
        prompts = [name.removeprefix(PROMPT_MODEL) for name in names if name.startswith(PROMPT_MODEL)]
        released = [name.removesuffix(suffix) for name in prompts if name.endswith(suffix)]
        if models.status == 200 and not released:
            yield Check(name=f"releases in {self._environment}", flaw="it serves no release there")
        for name in released:
            yield self._prompt(name, max_seconds)

    def _prompt(self, name: str, max_seconds: float) -> Check:
        title = f"{name}@{self._environment}"
        try:
            suite = self._evaluating.suites_of(name, [])[0]
            case = _case(self._evaluating.target(suite, self._version(name)).dataset.cases)
        except MoatError as error:
            return Check(name=title, detail=error.what, asked=False)
        body = {"prompt": {"id": title, "variables": case.variables}, "messages": case.messages}
        reply = self._ask("/v1/chat/completions", msgspec.json.encode(body))
        if reply.status != 200:
            return _plain(title, reply, detail=f"case {case.id}")
        flaws = list(self._flaws(name, suite, case, reply))
        if reply.seconds > max_seconds:
            flaws.append(f"it took {reply.seconds:.1f} s, more than {max_seconds:g} s")
        return Check(name=title, flaw="; ".join(flaws), seconds=reply.seconds, detail=f"case {case.id}")

    def _flaws(self, name: str, suite: Suite, case: Case, reply: _Reply) -> Iterator[str]:
        """What the suite's gated scorers that need no model say; all of its scorers when none of those is gated."""
        message = dig(reply.data, "choices.0.message")
        if not isinstance(message, dict):
            yield "the answer has no message"
            return
        text, calls = message.get("content") or "", message.get("tool_calls") or []
        if not (text.strip() or calls):
            yield "the answer is empty"
            return
        answer = Answered(text, tool_calls=calls, latency_ns=int(reply.seconds * 1e9))
        gated = {gate.score for gate in suite.gates}
        able = [scorer for scorer in suite.scorers if not scorer.models]
        bench = Bench(ask=_nobody, prompt=self._version(name))
        for scorer in [each for each in able if each.name in gated] or able:
            score = asyncio.run(scorer.bind(bench).score(case, answer))
            if score.value is not None and score.value < PASS:
                yield f"{scorer.name}: {score.reason or score.value}"

    def _version(self, name: str) -> PromptVersion:
        """The newest of the files: its output schema is what scorers may need."""
        return self._project.catalog.get(name, self._project.catalog.versions(name)[-1])

    def _ask(self, path: str, body: bytes | None = None) -> _Reply:
        headers = {
            "content-type": "application/json",
            "x-moat-feature": "smoke",
            "x-moat-environment": self._environment,
        }
        if path.startswith("/v1/"):
            headers["authorization"] = f"Bearer {self._server.key}"
        request = urllib.request.Request(f"{self._server.url}{path}", data=body, headers=headers)
        opener = DIRECT if self._server.local else urllib.request.build_opener()
        began = time.monotonic()
        try:
            with opener.open(request, timeout=TIMEOUT) as response:
                return _Reply(response.status, _decoded(response.read()), time.monotonic() - began)
        except urllib.error.HTTPError as error:
            with error:
                return _Reply(error.code, _decoded(error.read()), time.monotonic() - began)
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            return _Reply(0, None, time.monotonic() - began, str(reason))


def _nobody(call: Call) -> AsyncGenerator[Event, None]:
    """Scorers here ask no model."""
    raise NotFound("no model is asked in a smoke test")


def _case(cases: tuple[Case, ...]) -> Case:
    return next((case for case in cases if TAG in case.tags), cases[0])


def _plain(name: str, reply: _Reply, *, detail: str = "") -> Check:
    flaw = ""
    if reply.status == 0:
        flaw = f"no answer: {reply.error}"
    elif reply.status != 200:
        said = dig(reply.data, "error.message") if isinstance(reply.data, dict) else ""
        flaw = f"HTTP {reply.status}" + (f": {said}" if isinstance(said, str) and said else "")
    return Check(name=name, flaw=flaw[:MAX_SAID], seconds=reply.seconds, detail=detail)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
