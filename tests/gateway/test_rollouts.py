"""Split and shadow traffic at a real gateway: what clients see of it, and what they never feel."""

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPMessage
from typing import Any

import pytest

from moat.bootstrap.background import BackgroundTasks
from moat.domain.calls import Call, Delta, Finished
from moat.domain.keys import Key, hash_secret
from moat.domain.releases import Arm, Assignment, MessageTemplate, PromptVersion, Release, choose
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.serving import Live, Serving
from moat.pipeline.recipe import build
from moat.prompts.catalog import Catalog
from moat.prompts.rollout import Rollout
from moat.testing.fakes import FakeClock, ListSpool, fake_ports
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, no_management
from tests.gateway.test_chat import wait_for


def release(version: str) -> Release:
    content = PromptVersion(
        name="answer", version=version, model="assistant", messages=(MessageTemplate("user", f"I am {version}"),)
    )
    return Release(id=f"rel_{version}", content=content, prompt_digest="d")


OLD, NEW = release("1.0.0"), release("2.0.0")


class Echo(ScriptedProvider):
    """Answers with the prompt's own text; version 2.0.0 waits first, as long as `seconds` says."""

    seconds = 0.0

    async def answer(self, call: Call):  # type: ignore[no-untyped-def, override]
        said = call.messages[0]["content"]
        if said == "I am 2.0.0":
            await asyncio.sleep(self.seconds)
        for word in said.split():
            yield Delta(text=word + " ")
        yield Finished(reason="stop")


@dataclass
class World:
    """A gateway on one assignment."""

    url: str
    spool: ListSpool
    provider: Echo
    background: BackgroundTasks

    def ask(self, user: str = "", *, stream: bool = False, **headers: str) -> tuple[HTTPMessage, str]:
        """Headers and body of an answer."""
        body = json.dumps({"prompt": {"id": "answer"}, "stream": stream, "user": user}).encode()
        given = {
            "authorization": f"Bearer {SECRET}",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", data=body, headers=given)
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.headers, response.read().decode()

    def shadows(self) -> list[Any]:
        """Spans of copies so far."""
        return [span for span in self.spool.calls if span.shadow_of]


@contextmanager
def serving(*arms: Arm, provider: Echo | None = None, **fields: Any) -> Iterator[World]:
    given: dict[str, Any] = {"experiment": "production/answer#7", "progress": "open"} | fields
    assignment = Assignment(
        environment="production", prompt="answer", sequence=1, arms=arms, actor="", reason="", created_ns=1, **given
    )
    spool, provider, background = ListSpool(), provider or Echo(), BackgroundTasks()
    prompts = Rollout(Catalog(), [OLD, NEW], [assignment], "production")
    ports = replace(fake_ports(provider, spool=spool), prompts=prompts, background=background)
    keys = KeyRing([Key(id="key_1", hash=hash_secret(SECRET), tenant="acme")], FakeClock())
    live = Live(Serving(build(ports), keys, prompts))
    with on_loopback(Gateway(live, spool, max_body=2**20, management=no_management)) as url:
        yield World(url, spool, provider, background)


EVEN = (Arm(NEW.id, 1, "a"), Arm(OLD.id, 1, "b"))
CANARY = (Arm(NEW.id, 20, "canary"), Arm(OLD.id, 80, "stable"))


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_and_its_record_say_which_arm_it_is(stream: bool) -> None:
    with serving(*CANARY) as world:
        for number in range(12):
            headers, body = world.ask(f"user-{number}", stream=stream)
            arm = CANARY[choose(CANARY, "production/answer#7", f"user-{number}")]
            assert (headers["x-moat-arm"], headers["x-moat-release"]) == (arm.name, arm.release)
            assert headers["x-moat-experiment"] == "production/answer#7"
            assert arm.release.removeprefix("rel_") in body
            span = world.spool.calls[-1]
            assert (span.arm, span.experiment, span.release) == (arm.name, "production/answer#7", arm.release)


def test_without_a_user_a_session_stays_and_the_rest_is_drawn_freely() -> None:
    with serving(*EVEN) as world:
        for session in ("s1", "s2", "s3"):
            arms = {world.ask(x_moat_session=session)[0]["x-moat-arm"] for _ in range(5)}
            assert arms == {EVEN[choose(EVEN, "production/answer#7", session)].name}
        by_user = {world.ask("ada", x_moat_session=f"s{n}")[0]["x-moat-arm"] for n in range(8)}
        assert len(by_user) == 1
        assert set(Counter(world.ask()[0]["x-moat-arm"] for _ in range(40))) == {"a", "b"}


def test_one_release_for_everybody_is_no_split() -> None:
    with serving(Arm(OLD.id), experiment="", progress="closed") as world:
        headers, _ = world.ask("ada")
        assert "x-moat-arm" not in headers
        assert "x-moat-experiment" not in headers


def test_a_name_cannot_end_a_header() -> None:
    name = "grün\r\nset-cookie: a=b\x00"
    with serving(Arm(OLD.id, 1, name), experiment=name) as world:
        for stream in (False, True):
            headers, _ = world.ask("ada", stream=stream)
            assert headers["x-moat-arm"] == headers["x-moat-experiment"] == "gr?n??set-cookie: a=b?"
            assert "set-cookie" not in headers
        assert world.spool.calls[0].arm == name


def test_a_hanging_shadow_delays_nobody() -> None:
    with serving(Arm(OLD.id), shadow=Arm(NEW.id, 1, "shadow")) as world:
        world.provider.seconds = 30.0
        begun = time.monotonic()
        for stream in (False, True):
            headers, body = world.ask("ada", stream=stream)
            assert headers["x-moat-release"] == OLD.id
            assert "1.0.0" in body
        assert time.monotonic() - begun < 15
        assert [span.release for span in world.spool.calls] == [OLD.id, OLD.id]


def test_both_answers_are_recorded_in_one_trace() -> None:
    with serving(Arm(OLD.id), shadow=Arm(NEW.id, 1, "shadow")) as world:
        headers, _ = world.ask("ada")
        wait_for(world.shadows)
        (copy,) = world.shadows()
        (seen,) = (span for span in world.spool.calls if not span.shadow_of)
        assert headers["x-request-id"] == seen.request_id == copy.shadow_of
        assert (seen.trace_id, seen.span_id) == (copy.trace_id, copy.parent_id)
        assert (copy.release, copy.arm, copy.experiment) == (NEW.id, "shadow", "production/answer#7")
        assert copy.output == {"text": "I am 2.0.0 "}


class LeftAlone(Echo):
    """1.0.0 never comes to an end; 2.0.0 waits until nobody listens to it any more."""

    async def answer(self, call: Call):  # type: ignore[no-untyped-def, override]
        if call.shadow_of:
            while not self.closed:  # noqa: ASYNC110 - an event would belong to another thread's loop
                await asyncio.sleep(0.01)
            async for event in super().answer(call):
                yield event
            return
        try:
            while True:
                yield Delta(text="word ")
                await asyncio.sleep(0.01)
        finally:
            self.closed += 1


def test_a_client_that_hangs_up_does_not_end_the_shadow() -> None:
    with serving(Arm(OLD.id), shadow=Arm(NEW.id, 1, "shadow"), provider=LeftAlone()) as world:
        body = json.dumps({"prompt": {"id": "answer"}, "stream": True}).encode()
        request = urllib.request.Request(
            f"{world.url}/v1/chat/completions", data=body, headers={"authorization": f"Bearer {SECRET}"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            response.read(10)
        wait_for(lambda: len(world.spool.calls) == 2)
        seen, copy = world.spool.calls
        assert (seen.error, seen.shadow_of) == ("client_closed", "")
        assert (copy.error, copy.output) == ("", {"text": "I am 2.0.0 "})


def test_a_thousand_calls_leave_nothing_behind() -> None:
    with serving(Arm(OLD.id), shadow=Arm(NEW.id, 0.5, "shadow")) as world:
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(lambda number: world.ask(f"user-{number}")[1], range(1000)))
        assert all("1.0.0" in body for body in answers)
        wait_for(lambda: not world.background._tasks)
        assert len(world.spool.calls) - 1000 == len(world.shadows())
        assert 400 < len(world.shadows()) + world.background.dropped < 600
