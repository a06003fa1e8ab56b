"""What a prompt change will cost: its tokens from evals, cases and traffic, brought together with prices and volume."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.prompt_costs import volume_of
from moat.bootstrap.spending import MONTH_NS, offline_prices, primary_cost
from moat.bootstrap.state import State
from moat.bootstrap.traces import open_traces
from moat.domain.calls import Message
from moat.domain.environments import EVALS
from moat.domain.errors import MoatError, PromptError
from moat.domain.releases import PromptVersion, prompt_digest
from moat.domain.scores import Case, Run
from moat.domain.usage import estimate_tokens
from moat.evals.datasets import load_dataset
from moat.evals.suites import Suite
from moat.ports.traces import Spend, TraceFilter
from moat.prompts.linting.tokens import text_tokens
from moat.prompts.templates import JinjaRenderer
from moat.spend.estimate import Estimate, Side, Tokens, projected, usage_of

MAX_CASES = 500
"""More say nothing more about a mean."""
MIN_REQUESTS = 30
"""Observed requests from which a version's own traffic counts as its measure."""
NO_LENGTH = "; no answer lengths: set max_tokens, or run an eval"


class _Counted(NamedTuple):
    """Tokens of both versions on the same ground, and what that was."""

    new: Tokens
    old: Tokens | None
    ground: str


class Estimating:
    """Estimates for one project."""

    def __init__(self, project: Project, state: State, evaluating: Evaluating) -> None:
        self._project = project
        self._state = state
        self._suites = list(evaluating.suites.values())
        self._prices = offline_prices(project)

    def estimate(self, candidate: PromptVersion, baseline: PromptVersion | None, volume: int) -> Estimate:
        """Tokens per request and their price for both; `volume` calls a month, 0: as `volume_of` finds them."""
        counted = self._measured(candidate, baseline) or self._rendered(candidate, baseline)
        new, old, evidence = self._online(candidate, baseline, counted)
        calls, source = (volume, "given") if volume else volume_of(self._project, candidate)
        return Estimate(
            candidate=self._side(candidate, new),
            baseline=None if baseline is None or old is None else self._side(baseline, old),
            calls_per_month=calls,
            volume=source,
            evidence=evidence,
        )

    def _side(self, prompt: PromptVersion, tokens: Tokens) -> Side:
        model = prompt.model or next((s.model for s in self._covering(prompt) if s.model), "")
        usage = usage_of(tokens)
        cost = None if usage is None else primary_cost(self._project, self._prices, model, usage)
        return Side(prompt=prompt.id, model=model, tokens=tokens, cost=cost)

    def _covering(self, prompt: PromptVersion) -> list[Suite]:
        return [suite for suite in self._suites if suite.prompt == prompt.name]

    def _measured(self, candidate: PromptVersion, baseline: PromptVersion | None) -> _Counted | None:
        """The newest finished eval runs of both on the same suite and data: what their models counted."""
        runs = [r for r in self._state.runs.runs(prompt=candidate.name, limit=1000) if r.status == "finished"]
        for run in runs:
            if run.prompt_digest != prompt_digest(candidate):
                continue
            new = self._mean(run)
            if baseline is None:
                return None if new is None else _Counted(new, None, f"eval run {run.id}")
            ground = (run.suite_digest, run.dataset_digest)
            for other in runs:
                same = (other.suite_digest, other.dataset_digest) == ground
                if same and other.prompt_digest == prompt_digest(baseline):
                    old = self._mean(other)
                    if new is not None and old is not None:
                        return _Counted(new, old, f"eval runs {other.id} and {run.id} of suite {run.suite}")
        return None

    def _mean(self, run: Run) -> Tokens | None:
        results = [r for r in self._state.runs.results(run.id) if not r.error and r.input_tokens]
        if not results:
            return None
        count = len(results)
        return Tokens(
            input=sum(r.input_tokens for r in results) // count, output=sum(r.output_tokens for r in results) // count
        )

    def _rendered(self, candidate: PromptVersion, baseline: PromptVersion | None) -> _Counted:
        """Both with the cases that fit both; without one, the text before any variable."""
        renderer = JinjaRenderer(where=self._project.catalog.where)
        pairs = []
        for case in self._cases(candidate):
            sizes = [_size(renderer, version, case) for version in (candidate, baseline) if version is not None]
            if None not in sizes:
                pairs.append([size for size in sizes if size is not None])
        sides = [version for version in (candidate, baseline) if version is not None]
        if pairs:
            means = [sum(column) // len(pairs) for column in zip(*pairs, strict=True)]
            ground = f"{len(pairs)} cases rendered, tokens estimated from their length"
        else:
            means = [text_tokens(side) + _attached(side) for side in sides]
            ground = "the text before any variable, tokens estimated from its length: no case fits both versions"
        counted = [Tokens(input=mean, output=_limit(side)) for mean, side in zip(means, sides, strict=True)]
        return _Counted(counted[0], counted[1] if baseline is not None else None, ground)

    def _cases(self, prompt: PromptVersion) -> Iterator[Case]:
        left = MAX_CASES
        for suite in self._covering(prompt):
            for case in load_dataset(suite.dataset).cases[:left]:
                left -= 1
                yield case
        if left == MAX_CASES:
            yield Case(id="defaults")

    def _online(
        self, candidate: PromptVersion, baseline: PromptVersion | None, counted: _Counted
    ) -> tuple[Tokens, Tokens | None, str]:
        """The same at production's lengths, where there was traffic in the last 30 days."""
        seen = self._observed(candidate.name)
        own = seen.get(candidate.version)
        base = seen.get(baseline.version) if baseline is not None else None
        if own is not None and own.requests >= MIN_REQUESTS and (baseline is None or base is not None):
            old = None if base is None else _observed_mean(base)
            return _observed_mean(own), old, f"{own.requests:,} requests of {candidate.id} in the last 30 days"
        if base is not None and counted.old is not None:
            online = _observed_mean(base)
            said = f"{base.requests:,} requests of the baseline in the last 30 days, changed as by {counted.ground}"
            after = projected(online, counted.old, counted.new)
            return after, online, said if after.output is not None else said + NO_LENGTH
        known = [tokens.output for tokens in (counted.new, counted.old) if tokens is not None and tokens.output]
        if not known:
            return counted.new, counted.old, counted.ground + NO_LENGTH
        ceiling = "" if "eval run" in counted.ground else "; answers as long as max_tokens allows"
        return counted.new, counted.old, counted.ground + ceiling

    def _observed(self, name: str) -> dict[str, Spend]:
        """By version, evals and copies left out; empty when the store cannot be asked."""
        if not self._project.traces_path.exists() and not self._project.spool_path.exists():
            return {}
        wanted = TraceFilter(prompt=name, since_ns=time.time_ns() - MONTH_NS, shadow=False, failed=False)
        try:
            with open_traces(self._project) as traces:
                rows = traces.spending(("version", "environment"), wanted)
        except MoatError:
            return {}
        found: dict[str, Spend] = {}
        for row in rows:
            version, where = row.group
            if version and where != EVALS and row.requests:
                known = found.get(version, Spend(group=(version,)))
                found[version] = msgspec.structs.replace(
                    known, requests=known.requests + row.requests, usage=known.usage + row.usage
                )
        return found


def _observed_mean(spend: Spend) -> Tokens:
    used, count = spend.usage, spend.requests
    return Tokens(input=used.input // count, output=used.output // count, cached=used.cached // count)


def _limit(prompt: PromptVersion) -> int | None:
    """The longest answer that a version allows, in tokens."""
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        value = prompt.params.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _size(renderer: JinjaRenderer, prompt: PromptVersion, case: Case) -> int | None:
    """Estimated tokens of what a case sends; None when the version cannot take it."""
    known = {name: value for name, value in case.variables.items() if name in prompt.variables}
    try:
        messages = renderer.render(prompt, known)
    except PromptError:
        return None
    return sum(map(estimate_tokens, _texts([*messages, *case.messages]))) + _attached(prompt)


def _attached(prompt: PromptVersion) -> int:
    """Tools and output schema travel with each request too."""
    parts = [*prompt.tool_definitions, *([prompt.output] if prompt.output else [])]
    return sum(estimate_tokens(msgspec.json.encode(part).decode()) for part in parts)


def _texts(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        content: Any = message.get("content")
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            yield str(part.get("text", "")) if isinstance(part, dict) else ""
