"""Reruns of recorded calls: traces, releases, suites and the pipeline brought together for `moat.evals.rerun`."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.models import price_table
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.bootstrap.versions import answered_by
from moat.documents.jsonl import read_jsonl
from moat.domain.calls import new_id
from moat.domain.errors import DocumentError, NotFound, PromptError
from moat.domain.releases import PromptVersion
from moat.domain.spans import Span
from moat.domain.usage import Usage
from moat.evals.rerun import (
    FEATURE,
    Estimate,
    Question,
    Reply,
    Unusable,
    estimate,
    messages_of,
    question,
    question_as_sent,
    replay,
)
from moat.evals.rerun_report import LeftOut, RerunReport, changes, measures, paired
from moat.evals.scorers import Bench, Scorer
from moat.ports.prompts import Renderer
from moat.ports.traces import TraceFilter, TraceReader
from moat.prompts.templates import JinjaRenderer
from moat.routing.router import Knowledge, Router

WINDOW = 1000
"""The newest calls that a sample is drawn from."""


class Prepared(NamedTuple):
    """A rerun that has not begun."""

    prompt: PromptVersion | None
    """None: each is asked as it was sent."""
    questions: list[Question]
    cannot_render: list[LeftOut]
    skipped: list[LeftOut]
    scorers: list[Scorer]
    estimate: Estimate
    models: tuple[str, ...]
    """Aliases that will answer, each with what stands behind it."""

    @property
    def target(self) -> str:
        """`name@version`, or that nothing takes the place of what was sent."""
        return self.prompt.id if self.prompt is not None else "as it was sent"


def recorded(traces: TraceReader, wanted: TraceFilter, sample: int, seed: int) -> list[Span]:
    """A sample of the newest calls that match, with their content, newest first. The same seed and the same newest
    calls give the same sample.
    """
    found = traces.search(wanted, WINDOW)
    calls = [span for span in found if span.kind == "call" and span.feature != FEATURE]
    drawn = []
    for call in _drawn(calls, sample, seed):
        whole = (s for s in traces.trace(call.request_id) if s.kind == "call" and s.request_id == call.request_id)
        drawn.append(next(whole, call))
    return drawn


def recorded_in(path: Path, wanted: TraceFilter, sample: int, seed: int) -> list[Span]:
    """The same from a file: a record a line, as in the spool and as `moat traces show --json` prints them.

    Raises `DocumentError` with file and line for a line that is no record.
    """
    calls = sorted(_matching(path, wanted), key=lambda span: span.started_ns, reverse=True)
    return _drawn(calls[:WINDOW], sample, seed)


def _matching(path: Path, wanted: TraceFilter) -> Iterator[Span]:
    for number, value in read_jsonl(path):
        try:
            span = msgspec.convert(value, Span)
        except msgspec.ValidationError as error:
            remedy = "Each line is one record, as `moat traces show ID --json` lists them."
            raise DocumentError(f"not a record of a call: {error}", where=f"{path}:{number}", remedy=remedy) from None
        theirs = (span.kind, span.prompt, span.environment, span.shadow_of, span.error)
        matches = theirs == ("call", wanted.prompt, wanted.environment, "", "")
        if matches and span.feature != FEATURE and span.started_ns >= wanted.since_ns:
            yield span


def _drawn(calls: list[Span], sample: int, seed: int) -> list[Span]:
    chosen = random.Random(seed).sample(range(len(calls)), min(sample, len(calls)))
    return [calls[index] for index in sorted(chosen)]


class Rerunning:
    """Reruns of one project."""

    def __init__(self, project: Project, state: State, environ: Mapping[str, str]) -> None:
        self._project = project
        self._state = state
        self._environ = environ
        self._evaluating = Evaluating(project, state, environ)

    def prepare(self, prompt: PromptVersion, calls: Sequence[Span], suites: list[str] | None) -> Prepared:
        """Take recorded calls apart, and see what asking them of a version will take. Asks nobody.

        Answers will be scored by these suites, or by all that cover the prompt. Raises `NotFound` when no call can
        be asked, for an unknown suite, and for a model alias that moat.yaml does not define.
        """
        scorers = list(self._scorers(prompt, suites))
        renderer = JinjaRenderer(where=self._project.catalog.where)
        questions: list[Question] = []
        skipped: list[LeftOut] = []
        cannot: list[LeftOut] = []
        for call in calls:
            try:
                asked = question(call, self._answered_by(call), renderer)
            except Unusable as reason:
                skipped.append(LeftOut(call.request_id, str(reason)))
                continue
            try:
                messages_of(asked, prompt, renderer)
            except PromptError as error:
                cannot.append(LeftOut(call.request_id, str(error)))
            else:
                questions.append(asked)
        if not questions:
            raise _nothing(prompt.name, [*cannot, *skipped])
        return Prepared(prompt, questions, cannot, skipped, scorers, *self._forecast(prompt, questions, renderer))

    def prepare_as_sent(self, calls: Sequence[Span], model: str = "") -> Prepared:
        """Calls to be asked once more as they were sent, at another model alias if one is given. Asks nobody.

        Raises `NotFound` when no call can be asked, and for an alias that moat.yaml does not define.
        """
        questions: list[Question] = []
        skipped: list[LeftOut] = []
        for call in calls:
            try:
                questions.append(question_as_sent(call, model))
            except Unusable as reason:
                skipped.append(LeftOut(call.request_id, str(reason)))
        if not questions:
            raise _nothing("any prompt", skipped)
        renderer = JinjaRenderer(where=self._project.catalog.where)
        return Prepared(None, questions, [], skipped, [], *self._forecast(None, questions, renderer))

    async def run(self, prepared: Prepared, watch: Callable[[int], None]) -> RerunReport:
        """Ask, and compare. When it is cancelled, the report says so and holds what there is."""
        replies: list[tuple[Question, Reply]] = []

        def keep(asked: Question, reply: Reply) -> None:
            replies.append((asked, reply))
            watch(len(replies))

        interrupted = False
        async with self._evaluating.pipeline(prepared.prompt) as ask:
            bench = Bench(ask=ask, prompt=prepared.prompt)
            scorers = [scorer.bind(bench) for scorer in prepared.scorers]
            try:
                await replay(prepared.questions, prepared.prompt, ask, keep, session=new_id("rerun"))
            except asyncio.CancelledError:
                interrupted = True  # the process edge: whoever stops a rerun wants what it has found
            order = {asked.request: index for index, asked in enumerate(prepared.questions)}
            replies.sort(key=lambda entry: order[entry[0].request])
            pairs = [await paired(asked, reply, scorers) for asked, reply in replies if not reply.error]
        return RerunReport(
            target=prepared.target,
            model=", ".join(prepared.models),
            providers=tuple(sorted({self._shown(name) for _, reply in replies for name in reply.providers})),
            estimate=prepared.estimate,
            interrupted=interrupted,
            identical=sum(pair.old.text == pair.new.text for pair in pairs),
            measures=measures(pairs),
            scores=changes(pairs),
            pairs=pairs,
            failed=[LeftOut(asked.request, reply.error) for asked, reply in replies if reply.error],
            cannot_render=prepared.cannot_render,
            skipped=prepared.skipped,
        )

    def _answered_by(self, call: Span) -> PromptVersion:
        """The version that answered a recorded call, as it was. Raises `Unusable`."""
        found = answered_by(self._project, self._state, call)
        if found is not None:
            return found
        raise Unusable(f"{call.prompt}@{call.version}, which answered it, is not known here")

    def _forecast(
        self, prompt: PromptVersion | None, questions: list[Question], renderer: Renderer
    ) -> tuple[Estimate, tuple[str, ...]]:
        prices = price_table(self._project.settings, self._environ)
        models = Router(self._project.settings.config.models, {}, Knowledge(prices=prices))

        def price(alias: str, usage: Usage) -> int | None:
            return prices.cost(models.deployments(alias)[0], alias, usage)

        aliases = sorted({asked.alias(prompt) for asked in questions})
        behind = {alias: ", else ".join(self._shown(str(to)) for to in models.deployments(alias)) for alias in aliases}
        shown = tuple(f"{alias} ({deployments})" for alias, deployments in behind.items())
        return estimate(questions, prompt, renderer, price), shown

    def _shown(self, deployment: str) -> str:
        """A provider or deployment, saying when what answers there is no model."""
        provider = deployment.partition("/")[0]
        kind = self._project.settings.config.providers[provider]["kind"]
        real = kind not in ("simulated", "replay") or provider == kind
        return deployment if real else f"{deployment} [{kind}]"

    def _scorers(self, prompt: PromptVersion, names: list[str] | None) -> Iterator[Scorer]:
        """Of the named suites, or of all that cover the prompt."""
        if names is None:
            suites = [suite for suite in self._evaluating.suites.values() if suite.prompt == prompt.name]
        else:
            suites = self._evaluating.suites_of(prompt.name, names)
        # What two suites score alike is scored once; other scorers of one name say which suite's they are.
        found = {msgspec.json.encode(scorer): (suite, scorer) for suite in suites for scorer in suite.scorers}
        counts = Counter(scorer.name for _, scorer in found.values())
        for suite, scorer in found.values():
            name = scorer.name if counts[scorer.name] == 1 else f"{suite.name}.{scorer.name}"
            yield msgspec.structs.replace(scorer, name=name)


def _nothing(prompt: str, left: list[LeftOut]) -> NotFound:
    if not left:
        remedy = "`moat traces --prompt NAME` lists what was recorded; `--env` and `--since` widen the choice."
        return NotFound(f"no recorded call of {prompt} matches", remedy=remedy)
    reasons = list(dict.fromkeys(entry.reason for entry in left))
    return NotFound(f"none of {len(left)} recorded calls can be asked again: {'; '.join(reasons[:3])}")
