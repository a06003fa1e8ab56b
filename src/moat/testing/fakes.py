"""The ports of the request path, in memory: small, honest, for tests of anything built on them."""

import asyncio
import itertools
import re
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from moat.domain.calls import Call, Caller, Deployment, Message, Plan, new_id, new_trace
from moat.domain.errors import AccessError, ContextOverflow, NotFound, PromptError, StorageError
from moat.domain.feedback import Feedback
from moat.domain.keys import Key, hash_secret
from moat.domain.releases import PromptRef, PromptVersion, Release
from moat.domain.spans import Span
from moat.domain.usage import Usage
from moat.pipeline.ports import Ports
from moat.ports.models import Capacity, Provider
from moat.ports.prompts import Resolution

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class FakeClock:
    """Stands still until told otherwise."""

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now = now_ns
        self._monotonic = 0

    def now_ns(self) -> int:
        """Unix time."""
        return self._now

    def monotonic_ns(self) -> int:
        """From an arbitrary start."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self._now += round(seconds * 1e9)
        self._monotonic += round(seconds * 1e9)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forwards or back, as an administrator would: monotonic time does not notice."""
        self._now += round(seconds * 1e9)


class ListOpinions:
    """Keeps opinions in a list. Set `full` to make it refuse."""

    def __init__(self) -> None:
        self.opinions: list[Feedback] = []
        self.full = False

    def append(self, opinions: Sequence[Feedback], /) -> None:
        """Keep them all, or none."""
        if self.full:
            raise StorageError("the disk is full")
        self.opinions.extend(opinions)


class ListSpool:
    """Keeps spans in a list, and by number what is begun. Set `full` to make it refuse."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.begun: dict[int, Span] = {}
        self._numbers = itertools.count()
        self.full = False

    @property
    def problem(self) -> str:
        """Why it refuses."""
        return "the disk is full" if self.full else ""

    def begin(self, attempt: Span) -> int:
        """Remember it."""
        self._check()
        number = next(self._numbers)
        self.begun[number] = attempt
        return number

    def append(self, spans: Sequence[Span], ends: Sequence[int] = ()) -> None:
        """Keep them all, or none."""
        self._check()
        self.spans.extend(spans)
        for number in ends:
            del self.begun[number]

    def _check(self) -> None:
        if self.full:
            raise StorageError("the disk is full", where="spool", remedy="Free some space.")

    @property
    def calls(self) -> list[Span]:
        """The spans of kind `call`."""
        return [span for span in self.spans if span.kind == "call"]


class FixedModels:
    """Aliases and the providers behind them; the provider's name is what stands before the slash.

    `FixedModels({"assistant": ["main/large", "spare/small"]}, {"main": provider, "spare": other})`
    """

    def __init__(
        self,
        aliases: Mapping[str, Sequence[str]],
        providers: Mapping[str, Provider],
        *,
        retries: int = 0,
        deadline: float = 60.0,
    ) -> None:
        self._plans = {
            alias: tuple(Deployment(*name.split("/", 1)) for name in names) for alias, names in aliases.items()
        }
        self._providers = dict(providers)
        self._retries = retries
        self._deadline_ns = round(deadline * 1e9)

    def plan(self, call: Call) -> Plan:
        """In the order given."""
        if call.model not in self._plans:
            raise NotFound(f"no model {call.model!r}", where="model", remedy=f"There are: {', '.join(self._plans)}.")
        return Plan(
            alias=call.model,
            deployments=self._plans[call.model],
            retries=self._retries,
            deadline_ns=self._deadline_ns,
        )

    def roomier(self, call: Call, error: ContextOverflow) -> Call:
        """There is no way."""
        raise error

    def capacity(self, deployment: Deployment) -> Capacity:
        """Not known."""
        return Capacity()

    def provider(self, name: str) -> Provider:
        """By name."""
        return self._providers[name]


class FlatPrices:
    """One price for every model: picodollars per input and per output token."""

    version = "flat"

    def __init__(self, input: int = 1, output: int = 1) -> None:
        self._input, self._output = input, output

    def cost(self, deployment: Deployment, alias: str, usage: Usage, at_ns: int = 0) -> int | None:
        """Tokens times price."""
        return usage.input * self._input + usage.output * self._output

    def draws(self, deployment: Deployment, alias: str) -> bool:
        """No: a token is a token."""
        return False


class NoPrices:
    """No model has a known price."""

    version = "none"

    def cost(self, deployment: Deployment, alias: str, usage: Usage, at_ns: int = 0) -> int | None:
        """Unknown."""
        return None

    def draws(self, deployment: Deployment, alias: str) -> bool:
        """No."""
        return False


class FixedPrompts:
    """Versions by id, and what each environment serves: `{("support/answer", "production"): release}`.

    What `shadows` names answers a copy of every call.
    """

    def __init__(
        self,
        *prompts: PromptVersion,
        released: Mapping[tuple[str, str], Release] | None = None,
        shadows: Mapping[tuple[str, str], Release] | None = None,
    ) -> None:
        self._prompts = {prompt.id: prompt for prompt in prompts}
        self._released = dict(released or {})
        self._shadows = dict(shadows or {})

    def resolve(self, ref: PromptRef, sticky: str) -> Resolution:
        """The exact release or version, or the environment's release."""
        if ref.release:
            known = {release.id: release for release in (*self._released.values(), *self._shadows.values())}
            return Resolution(known[ref.release].content, known[ref.release])
        release = None if ref.version else self._released.get((ref.name, ref.environment))
        prompt = self._prompts.get(f"{ref.name}@{release.version if release else ref.version}")
        if prompt is None:
            raise NotFound(f"no prompt {ref}", where="prompt", remedy=f"There are: {', '.join(self._prompts)}.")
        return Resolution(prompt, release)

    def shadow(self, ref: PromptRef, sticky: str) -> str:
        """As told."""
        release = None if ref.version else self._shadows.get((ref.name, ref.environment))
        return release.id if release else ""


class FakeBackground:
    """Runs everything at once, as tasks; `settle` waits for them. Set `full` to make it refuse."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.full = False

    def start(self, work: Coroutine[Any, Any, None]) -> bool:
        """Begin, or refuse."""
        if self.full:
            work.close()
            return False
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return True

    async def settle(self) -> None:
        """Wait until all is done; errors end with their work."""
        await asyncio.gather(*self.tasks, return_exceptions=True)


class PlainRenderer:
    """Replaces `{{ name }}` and knows no other syntax."""

    def render(self, prompt: PromptVersion, variables: dict[str, Any]) -> list[Message]:
        """Raises `PromptError` for a variable that was not given."""

        def value(match: re.Match[str]) -> str:
            if match[1] not in variables:
                raise PromptError(f"the variable {match[1]!r} is missing", where=prompt.id)
            return str(variables[match[1]])

        return [
            {"role": message.role, "content": PLACEHOLDER.sub(value, message.content)} for message in prompt.messages
        ]


class FixedKeys:
    """Keys by their secret."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = {hash_secret(secret): key for secret, key in keys.items()}

    def find(self, secret: str) -> Key:
        """Raises `AccessError` (401) for any other secret."""
        key = self._keys.get(hash_secret(secret))
        if key is None:
            raise AccessError.unauthenticated("no such key")
        return key


def fake_ports(provider: Provider, *prompts: PromptVersion, spool: ListSpool | None = None) -> Ports:
    """A whole outside world around one provider: the alias `assistant` is its model `large`."""
    return Ports(
        clock=FakeClock(),
        models=FixedModels({"assistant": ["fake/large"]}, {"fake": provider}),
        prices=FlatPrices(),
        prompts=FixedPrompts(*prompts),
        renderer=PlainRenderer(),
        spool=spool or ListSpool(),
        background=FakeBackground(),
    )


def new_call(text: str = "Hello", *, model: str = "assistant", stream: bool = False, **params: Any) -> Call:
    """A call with one user message, aimed at `fake/large` in case it goes straight to a provider."""
    return Call(
        id=new_id("req"),
        caller=Caller(),
        trace=new_trace(),
        model=model,
        messages=[{"role": "user", "content": text}],
        params=params,
        stream=stream,
        deployment=Deployment("fake", "large"),
    )
