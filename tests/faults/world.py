"""A gateway on a real socket, between raw clients and providers that fail on purpose."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from moat.adapters.providers.anthropic import AnthropicConfig, AnthropicProvider
from moat.adapters.providers.exchange import ProviderTimeouts
from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.adapters.system import SystemClock
from moat.domain.calls import Call, Deployment, Plan
from moat.domain.keys import Key, hash_secret
from moat.domain.spans import Span
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.http import JSON, Receive, Scope, Send, respond
from moat.gateway.serving import Live, Serving
from moat.pipeline.recipe import build
from moat.ports.kinds import Surroundings
from moat.ports.models import Provider
from moat.testing.fakes import FakeClock, FixedModels, ListSpool, fake_ports
from moat.testing.faults import Script
from moat.testing.faults_server import FaultServer, faulty
from moat.testing.loopback import on_loopback

SECRET = "mk-test"
LIMIT = 3.0
"""Seconds until the first piece, and between two: seconds away from all that must be in time, and all that must not."""
DEADLINE = 30.0
PACED = Script(pace=0.75, words=3)
"""Pieces come one by one, also to a machine that is busy: a fault in the middle strikes after the first byte."""
ANTHROPIC = "anthropic:"
"""What begins the name of a model whose provider speaks Anthropic's messages instead of OpenAI's chat."""
FALLBACK = "+spare"
"""What ends the name of a model that has a deployment which works, behind the one that fails."""


Upstream = OpenAIProvider | AnthropicProvider


class FaultModels(FixedModels):
    """The alias is the fault: `429,retry_after=2`, `reset+spare`, `tries:3:503`, `within:0.5:hang`."""

    def plan(self, call: Call) -> Plan:
        """One deployment that fails, perhaps a second that does not, perhaps retries."""
        name, tries, seconds = call.model.removeprefix(ANTHROPIC), 1, 20.0
        upstream = "faulty" if name == call.model else "anthropic"
        if name.startswith("tries:"):
            tries, name = int(name.split(":")[1]), name.split(":", 2)[2]
        if name.startswith("within:"):
            seconds, name = float(name.split(":")[1]), name.split(":", 2)[2]
        deployments = (Deployment(upstream, f"fault:{name.removesuffix(FALLBACK)}" if name != "good" else name),)
        if name.endswith(FALLBACK):
            deployments += (Deployment("spare", "good"),)
        return Plan(alias=call.model, deployments=deployments, retries=tries - 1, deadline_ns=round(seconds * 1e9))


@dataclass
class World:
    """Everything that a test looks at."""

    url: str
    faults: FaultServer
    spool: ListSpool
    providers: dict[str, Upstream]

    def ask(self, path: str, body: dict[str, Any]) -> "Reply":
        """One request over a socket of its own, to the end."""
        return ask(self.url, path, body)

    def spans(self, request_id: str) -> list[Span]:
        """The record of a call: itself, then its attempts. What a client has read in full has been recorded."""
        return [span for span in self.spool.spans if span.request_id == request_id and span.kind in ("call", "attempt")]

    def tasks(self) -> int:
        """How many tasks the gateway's loop has."""
        found: int = self.ask("/tasks", {}).json["tasks"]
        return found


@dataclass
class Reply:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes
    ended: bool
    """Did HTTP say that this is all?"""

    @property
    def json(self) -> Any:
        """The whole body."""
        return json.loads(self.body)


class Backdoor:
    """What only the gateway's own loop can say and do, in place of the management API."""

    def __init__(self, providers: dict[str, Upstream]) -> None:
        self._providers = providers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/tasks` counts them; `/close` closes the providers' connections."""
        if scope["path"] == "/close":
            for known in self._providers.values():
                await known.aclose()
        count = len(asyncio.all_tasks())
        await respond(send, 200, json.dumps({"tasks": count}).encode(), [JSON])


BRIEF = ProviderTimeouts(connect=10.0, first_token=LIMIT, idle=LIMIT)
PATIENT = ProviderTimeouts(connect=10.0, first_token=DEADLINE, idle=DEADLINE)


def provider(url: str, name: str, limits: ProviderTimeouts) -> OpenAIProvider:
    """A client of a fault server."""
    return OpenAIProvider(OpenAIConfig(base_url=f"{url}/v1", api_key="sk-simulated", timeouts=limits), name=name)


def anthropic(url: str, limits: ProviderTimeouts) -> AnthropicProvider:
    """A client of a fault server that speaks Anthropic's messages to it."""
    same = ProviderTimeouts(connect=limits.connect, first_token=limits.first_token, idle=limits.idle)
    around = Surroundings(name="anthropic", root=Path(), provider=lambda name: provider(url, name, limits))
    return AnthropicProvider(AnthropicConfig(base_url=url, api_key="sk-simulated", timeouts=same), around)


@contextmanager
def world(script: Script = PACED, limits: ProviderTimeouts = BRIEF) -> Iterator[World]:
    """A gateway over two fault servers: `faulty`, within limits, and `spare`, which has no faults."""
    with faulty(script) as faults, faulty() as spare:
        providers: dict[str, Upstream] = {
            "faulty": provider(faults.url, "faulty", limits),
            "anthropic": anthropic(faults.url, limits),
            "spare": provider(spare.url, "spare", PATIENT),
        }
        known: dict[str, Provider] = dict(providers)
        spool = ListSpool()
        ports = replace(
            fake_ports(providers["faulty"], spool=spool), clock=SystemClock(), models=FaultModels({}, known)
        )
        ring = KeyRing([Key(id="key_1", hash=hash_secret(SECRET), tenant="acme")], FakeClock())
        live = Live(Serving(build(ports), ring, ports.prompts, ()))
        with on_loopback(Gateway(live, spool, max_body=2**20, management=Backdoor(providers))) as url:
            here = World(url, faults, spool, providers)
            yield here
            here.ask("/close", {})


def ask(url: str, path: str, body: dict[str, Any]) -> Reply:
    """POST and read until the server hangs up."""
    content = json.dumps(body).encode()
    host, _, port = url.removeprefix("http://").partition(":")
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {SECRET}\r\n"
    head += f"content-type: application/json\r\nanthropic-version: 2023-06-01\r\ncontent-length: {len(content)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as client:
        client.sendall(head.encode() + content)
        got = bytearray()
        while piece := client.recv(65536):
            got += piece
    return read_reply(bytes(got))


def read_reply(got: bytes) -> Reply:
    """Take a response apart."""
    head, _, rest = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    status = int(lines[0].split()[1])
    if headers.get("transfer-encoding") != "chunked":
        return Reply(status, headers, rest, len(rest) == int(headers.get("content-length", -1)))
    body, at, ended = bytearray(), 0, False
    while at < len(rest) and not ended:
        end = rest.index(b"\r\n", at)
        count = int(rest[at:end], 16)
        ended = not count
        body += rest[end + 2 : end + 2 + count]
        at = end + 2 + count + 2
    return Reply(status, headers, bytes(body), ended)
