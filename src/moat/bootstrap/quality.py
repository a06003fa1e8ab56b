"""What evals have shown of single deployments, for `strategy: cheapest`."""

import asyncio
from collections.abc import Callable, Iterator

from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings
from moat.bootstrap.state import State, open_state
from moat.domain.config import Config
from moat.ports.runs import Runs
from moat.routing.router import Scores

LOOK_SECONDS = 1.0
"""Between two looks at the store's revision."""
MAX_RUNS = 1000
"""Of a suite that are looked through, newest first."""


def scores(runs: Runs, config: Config) -> Scores:
    """The mean score of the newest finished run of each deployment by itself, of the suites that some `quality` names.

    A run of an alias with several deployments says nothing of any one of them.
    """
    found: dict[tuple[str, str], float] = {}
    for suite in sorted({model.quality.suite for model in config.models.values() if model.quality is not None}):
        for run in runs.runs(suite=suite, limit=MAX_RUNS):
            if run.status == "finished" and run.score is not None and len(run.deployments) == 1:
                found.setdefault((suite, run.deployments[0]), run.score)
    return found


def lacking(config: Config, known: Scores) -> Iterator[str]:
    """One sentence for each deployment that `cheapest` passes over, and why."""
    for alias, model in config.models.items():
        quality = model.quality
        lists = [(model.strategy, model.use), *((rule.strategy, rule.use) for rule in model.rules)]
        for name in dict.fromkeys(name for strategy, names in lists if strategy == "cheapest" for name in names):
            if quality is None:
                continue
            score = known.get((quality.suite, name))
            if score is None:
                yield f"{alias}: no finished run of {quality.suite!r} on {name} alone, so it is not taken first"
            elif score < quality.at_least:
                yield (
                    f"{alias}: {name} scored {score:.3f} in {quality.suite!r}, less than {quality.at_least:g}, "
                    "so it is not taken first"
                )


def passed_over(project: Project) -> list[str]:
    """Which deployments `strategy: cheapest` does not take first, by the runs that are stored now."""
    config = project.settings.config
    if all(model.quality is None for model in config.models.values()):
        return []
    with open_state(project) as state:
        return list(lacking(config, scores(state.runs, config)))


async def keep_scored(shelf: ProviderShelf, state: State, settings: Callable[[], Settings]) -> None:
    """Keep the shelf's scores in step with the stored runs and moat.yaml, until cancelled."""
    seen: object = None
    while True:
        now = (await asyncio.to_thread(state.releases.revision), settings().config)
        if now != seen:
            shelf.scores = await asyncio.to_thread(scores, state.runs, now[1])
            seen = now
        await asyncio.sleep(LOOK_SECONDS)
