"""What the tests of judges are made of: the prompts that Moat ships, and a judge that answers by rules, on the real
pipeline.
"""

import asyncio
from pathlib import Path

import msgspec

from moat.caching.exact import ExactCache, Memory
from moat.domain.calls import Caller, Delta, Finished
from moat.domain.config import CacheConfig
from moat.domain.errors import MoatError, NotFound
from moat.domain.usage import Usage
from moat.evals.judges.shipped import shipped, template
from moat.evals.scorers import KINDS, Bench
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.prompts.catalog import Catalog
from moat.prompts.templates import JinjaRenderer
from moat.testing.fakes import FakeBackground, FakeClock, FixedModels, FixedPrompts, FlatPrices, ListSpool


class RuleJudge:
    """A provider: `reply(call)` is its answer, or an error to raise. `calls` holds what it was asked. Once it has given
    `hangs_after` answers, it says nothing any more.
    """

    def __init__(self, reply):
        self.reply = reply
        self.calls = []
        self.answered = []
        self.hangs_after = None

    async def answer(self, call):
        self.calls.append(call)
        if self.hangs_after is not None and len(self.answered) >= self.hangs_after:
            await asyncio.Event().wait()
        self.answered.append(call)
        said = self.reply(call)
        if isinstance(said, MoatError):
            raise said
        text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        yield Delta(text=text)
        yield Finished(reason="stop", usage=Usage(input=100, output=10), model="rules")

    async def aclose(self):
        pass


class World:
    """A project with judge prompts, and the pipeline with a judge in it."""

    def __init__(self, root: Path, reply, *, prompts=None, aliases=("judge",), cached=False, metrics=None):
        self.root = root
        for name, text in (
            {f"judges/{m}@1.0.0": template(m, "judge") for m in metrics or shipped()} | (prompts or {})
        ).items():
            path = root / "prompts" / (name.replace("@", "/") + ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        self.catalog = Catalog.load(root)
        assert not self.catalog.broken, self.catalog.broken
        self.judge = RuleJudge(reply)
        self.spool = ListSpool()
        clock = FakeClock()
        memory = Memory(2**20)
        cache = ExactCache({alias: CacheConfig(ttl=1000) for alias in aliases}, memory, clock) if cached else None
        self.models = {alias: [f"rules/{alias}-1"] for alias in aliases}
        ports = Ports(
            clock=clock,
            models=FixedModels(self.models, {"rules": self.judge}),
            prices=FlatPrices(),
            prompts=FixedPrompts(*self.catalog.all()),
            renderer=JinjaRenderer(),
            spool=self.spool,
            background=FakeBackground(),
            cache=cache,
        )
        self.bench = Bench(ask=build(ports), caller=Caller(feature="eval:suite", session="run_1", environment="eval"))

    def prompt(self, name, version):
        return self.catalog.get(name, version)

    def deployments(self, alias):
        if alias not in self.models:
            raise NotFound(f"no model {alias!r}")
        return tuple(self.models[alias])

    def scorer(self, **options):
        return a_scorer(**options).pin(self).bind(self.bench)


def a_scorer(**options):
    options = {"kind": "judge"} | options
    return msgspec.convert(options, KINDS[options["kind"]])


def scores(score, reasoning="because"):
    """A judge that always says this."""
    return lambda call: {"reasoning": reasoning, "score": score}


def shown(call):
    """All that the judge read."""
    return "\n".join(str(message["content"]) for message in call.messages)
