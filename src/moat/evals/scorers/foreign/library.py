"""What scorers of other libraries have in common."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import msgspec

from moat.domain.calls import Call, Message, new_id, new_trace
from moat.domain.errors import (
    AccessError,
    ConfigError,
    LimitExceeded,
    MoatError,
    NoPrice,
    Stopped,
    StorageError,
)
from moat.domain.scores import Case, Score
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import Bench, Named, NotRun, Scorer
from moat.pipeline.answers import Answer

INPUTS = ("input", "question", "query", "prompt")
"""Variables that hold what the user asked, the first that a case has."""
MAX_SHOWN = 500
STOPPING = (AccessError, StorageError, NoPrice, LimitExceeded, Stopped)
"""Errors that no other score would escape: they end the run, which can be resumed."""


class Model:
    """A model alias, as a foreign library asks it; adds up what that costs."""

    def __init__(self, bench: Bench, alias: str, name: str, repeat: int) -> None:
        self.alias = alias
        self.cost = 0
        self._bench = bench
        self._feature = f"scorer:{name}"
        self._repeat = repeat

    async def chat(self, messages: Sequence[Message], **params: Any) -> Answer:
        """Ask through the pipeline. Raises a `MoatError`."""
        if not self.alias:
            raise ConfigError("this metric asks a model", where="model", remedy="Give the scorer a `model`: an alias.")
        call = Call(
            id=new_id("req"),
            caller=msgspec.structs.replace(self._bench.caller, feature=self._feature),
            trace=new_trace(),
            model=self.alias,
            messages=list(messages),
            params=params,
            repeat=self._repeat,
        )
        answer = Answer()
        try:
            async with aclosing(self._bench.ask(call)) as events:
                async for event in events:
                    answer.add(event)
        finally:
            self.cost += call.journal.cost or 0
        return answer

    async def structured(self, prompt: str, schema: Mapping[str, Any] | None = None) -> str:
        """Ask one question, for JSON of a schema when one is given; the text of the answer."""
        params: dict[str, Any] = {"temperature": 0}
        if schema is not None:
            params["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(schema)},
            }
        return (await self.chat([{"role": "user", "content": prompt}], **params)).text

    async def embed(self, text: str) -> list[float]:
        """A vector by the project's embedding model. Raises `ConfigError` where there is none."""
        if self._bench.embedder is None:
            raise ConfigError("this metric needs an embedding model", remedy="moat.yaml names none.")
        call = Call(
            id=new_id("req"), caller=self._bench.caller, trace=new_trace(), model=self.alias, repeat=self._repeat
        )
        return list((await self._bench.embedder.embed(text, call)).vector)


class Foreign(Scorer, frozen=True, kw_only=True):
    """A metric of another library; subclasses implement `measured`."""

    package: ClassVar[str]
    """As it is imported."""
    model: str = ""
    """Alias that the metric asks, where it asks a model."""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    """Given to the metric's class by name."""
    timeout: float = 300.0
    """Seconds for one score."""

    @property
    def models(self) -> tuple[str, ...]:
        """What it asks."""
        return (self.model,) if self.model else ()

    @property
    def judges(self) -> bool:
        """Where it asks a model."""
        return bool(self.model)

    @property
    def identity(self) -> dict[str, Any]:
        """With the library's version, and what stands behind the model."""
        return {**super().identity, "version": _installed(self.package), "behind": list(vars(self).get("_behind", ()))}

    def pin(self, named: Named) -> Scorer:
        """Look the model up. Raises `NotFound` for an alias that moat.yaml has not."""
        if not self.model:
            return self
        pinned = msgspec.structs.replace(self)
        vars(pinned)["_behind"] = named.deployments(self.model)
        return pinned

    def bind(self, bench: Bench) -> Scorer:
        """Remember where to ask."""
        bound = msgspec.structs.replace(self)
        vars(bound)["_bench"] = bench
        return bound

    async def score(self, case: Case, answer: Answered) -> Score:
        """Run the metric. Whatever it raises is the score's error; errors of the set-up end the run."""
        bench = vars(self).get("_bench")
        if not isinstance(bench, Bench):
            raise AssertionError("a scorer is bound before it scores")
        model = Model(bench, self.model, self.name, answer.repeat)
        try:
            async with asyncio.timeout(self.timeout):
                value, reason, evidence = await self.measured(case, answer, model)
        except NotRun as missing:
            return Score(name=self.name, status="not_run", reason=str(missing), cost=model.cost)
        except TimeoutError:
            return self._broken(f"no score within {self.timeout:g} s", model)
        except STOPPING:
            raise
        except MoatError as error:
            return self._broken(str(error), model)
        except Exception as error:  # noqa: BLE001  foreign code: whatever it raises must not end the run
            return self._broken(f"{self.package}: {type(error).__name__}: {error}"[:MAX_SHOWN], model)
        if value is None or not math.isfinite(value) or not 0 <= value <= 1:
            return self._broken(f"{self.package} says {value}, which is not between 0 and 1", model)
        return Score(name=self.name, value=float(value), reason=reason, evidence=evidence, cost=model.cost)

    async def measured(self, case: Case, answer: Answered, model: Model) -> tuple[float | None, str, dict[str, Any]]:
        """Value, reason and evidence. May raise anything."""
        raise AssertionError("a subclass measures")

    def imported(self, module: str) -> Any:
        """A module of the library. Raises `ConfigError` that says how to install it."""
        try:
            return import_module(module)
        except ImportError as error:
            remedy = f"Install it beside Moat: `pip install {self.package}`."
            raise ConfigError(f"{self.package} cannot be imported: {error}", where=self.name, remedy=remedy) from None

    def found(self, module: str, name: str) -> Any:
        """A class of the library by name. Raises `ConfigError`."""
        kind = getattr(self.imported(module), name, None)
        if not isinstance(kind, type):
            raise ConfigError(f"{self.package} has no {name!r}", where=self.name, remedy=f"See {module}.")
        return kind

    def _broken(self, reason: str, model: Model) -> Score:
        return Score(name=self.name, status="error", reason=reason, cost=model.cost)


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def input_of(case: Case) -> str:
    """What the user asked, as one text."""
    for name in INPUTS:
        if name in case.variables:
            return as_text(case.variables[name])
    for message in reversed(case.messages):
        if message.get("role") == "user":
            return as_text(message.get("content"))
    return as_text(next(iter(case.variables.values()))) if len(case.variables) == 1 else as_text(case.variables)


def context_of(case: Case, answer: Answered) -> list[str]:
    """The documents that the answer rests on: its own, else the case's, else the variable `context`."""
    found = list(answer.context or case.context)
    if not found and "context" in case.variables:
        given = case.variables["context"]
        found = [as_text(one) for one in given] if isinstance(given, list) else [as_text(given)]
    return found


def as_text(value: Any) -> str:
    """A value as text: JSON unless it is text already."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def simple(value: Any) -> Any:
    """A foreign value as JSON data, for evidence."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError):
        return str(value)[:MAX_SHOWN]
