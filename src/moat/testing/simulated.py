"""A provider that answers from rules, with no network: for demos, tests and load. It says so in every answer."""

import asyncio
import math
import re
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Event, Finished, Message, ToolCallDelta
from moat.domain.errors import ProviderDown, ProviderError, ProviderOverloaded, ProviderRefused, Unsupported
from moat.domain.usage import Usage
from moat.ports.kinds import ProviderKind, Surroundings
from moat.testing.simulated_embeddings import embeddings_body
from moat.testing.simulation import Question, ScriptedAnswer, Simulation, read_simulation

_WORD = re.compile(r"\S*\s*", re.DOTALL)


class SimulatedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{kind: simulated, rules: simulation/support.yaml}`."""

    kind: str
    rules: str
    """The rules file, relative to the project."""


class SimulatedProvider:
    """Answers from a `Simulation`: deterministic in what it says, `simulated/<model>` in who says it.

    Faults go by count: whether the n-th call of this provider fails depends on the seed and n, so that a
    retry may succeed.
    """

    def __init__(self, simulation: Simulation, *, name: str = "simulated") -> None:
        self._simulation = simulation
        self._where = f"provider {name} (simulated)"
        self._asked = 0

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Whole words as they "come" when the caller wants a stream, else one piece."""
        self._asked += 1
        self._maybe_fail()
        if call.operation != "chat":
            for event in self._embed(call):
                yield event
            return
        question = ask(call.messages, call.repeat)
        chosen = self._simulation.choose(question)
        if chosen is None:
            raise ProviderRefused(
                f"no rule of the simulation answers {question.user[:80]!r}", where=self._where, status=422
            )
        text, cut = self._limit(chosen.text, call.params)
        latency = self._simulation.rules.latency
        pace = 1 + latency.jitter * (2 * self._simulation.draw("jitter", self._asked) - 1)
        await _pause(latency.first_token_ms * pace)
        for piece in _pieces(text) if call.stream else [text] if text else []:
            await _pause(latency.per_token_ms * pace * len(piece) / self._characters)
            yield Delta(text=piece)
        if chosen.tool_calls:
            yield Delta(tool_calls=_tool_calls(chosen))
        yield Finished(
            reason="length" if cut else "tool_calls" if chosen.tool_calls else "stop",
            usage=self._usage(call, text, chosen),
            model=_shown(call),
        )

    def _embed(self, call: Call) -> tuple[Event, Event]:
        """Embeddings by hash; nothing else but chat is simulated."""
        if call.operation != "embeddings":
            raise Unsupported(f"simulates no {call.operation}", where=self._where)
        body = embeddings_body(call.params, _shown(call), characters_per_token=self._characters, where=self._where)
        usage = Usage(input=body["usage"]["prompt_tokens"])
        return Delta(raw=msgspec.json.encode(body)), Finished(reason="stop", usage=usage, model=_shown(call))

    async def aclose(self) -> None:
        """Nothing to release."""

    @property
    def _characters(self) -> float:
        return self._simulation.rules.usage.characters_per_token

    def _maybe_fail(self) -> None:
        faults = self._simulation.rules.errors
        if faults.rate and self._simulation.draw("fault", self._asked) < faults.rate:
            raise _fault(faults.status, self._where)

    def _limit(self, text: str, params: dict[str, Any]) -> tuple[str, bool]:
        """Cut to `max_tokens` as a model would; was it?"""
        limit = params.get("max_completion_tokens") or params.get("max_tokens")
        if not isinstance(limit, int) or len(text) <= limit * self._characters:
            return text, False
        return text[: math.floor(limit * self._characters)], True

    def _usage(self, call: Call, text: str, chosen: ScriptedAnswer) -> Usage:
        asked = sum(len(text_of(message)) for message in call.messages)
        said = len(text) + sum(len(piece.name) + len(piece.arguments) for piece in _tool_calls(chosen))
        return Usage(
            input=math.ceil(asked / self._characters),
            output=math.ceil(said / self._characters),
        )


def _shown(call: Call) -> str:
    return f"simulated/{call.deployment.model if call.deployment else call.model}"


def ask(messages: list[Message], repeat: int = 0) -> Question:
    """What the rules look at in a conversation."""
    system = [text_of(message) for message in messages if message.get("role") in ("system", "developer")]
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    last = users[-1] if users else -1
    return Question(
        system="\n".join(system),
        user=text_of(messages[last]) if users else "",
        repeat=repeat,
        has_tool_results=any(message.get("role") == "tool" for message in messages[last + 1 :]),
    )


def text_of(message: Message) -> str:
    """The text of a message; of a list of parts, its text parts, one a line."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _pieces(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if word]


def _tool_calls(chosen: ScriptedAnswer) -> tuple[ToolCallDelta, ...]:
    return tuple(
        ToolCallDelta(
            index=index,
            id=f"call_simulated_{index}",
            name=call.name,
            arguments=msgspec.json.encode(call.arguments).decode(),
        )
        for index, call in enumerate(chosen.tool_calls)
    )


def _fault(status: int, where: str) -> ProviderError:
    what = f"a simulated fault with status {status}"
    if status in (429, 529):
        return ProviderOverloaded(what, where=where)
    if status >= 500:
        return ProviderDown(what, where=where)
    return ProviderRefused(what, where=where, status=status)


async def _pause(milliseconds: float) -> None:
    if milliseconds > 0:
        await asyncio.sleep(milliseconds / 1000)


def _build(config: SimulatedConfig, around: Surroundings) -> SimulatedProvider:
    simulation = read_simulation(around.root / config.rules, name=config.rules)
    return SimulatedProvider(simulation, name=around.name)


KIND = ProviderKind("simulated", SimulatedConfig, _build)
