"""What is tested is what is served: both drivers build the identical list of stages."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from moat.bootstrap import wiring
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.project import Project
from moat.bootstrap.scaffold import create_project
from moat.bootstrap.state import open_state
from moat.pipeline import compose, recipe
from moat.telemetry.spool import SegmentSpool
from moat.testing.fakes import FakeBackground, FixedPrompts, PlainRenderer


def test_gateway_and_eval_runner_use_the_identical_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[list[type]] = []

    def spy(stages: Sequence[Any], upstream: Any) -> Any:
        built.append([type(stage) for stage in stages])
        return compose.compose(stages, upstream)

    monkeypatch.setattr(recipe, "compose", spy)
    create_project(tmp_path / "project", openai=False)
    project = Project(tmp_path / "project")
    with open_state(project) as state:
        spool = SegmentSpool(project.spool_path)
        standing = wiring.Standing({}, ProviderShelf({}), spool, FakeBackground())
        ports = wiring.pipeline_ports(project.settings, FixedPrompts(), PlainRenderer(), standing)
        wiring.serving(ports, project.settings, [], [], {}, [], [])

        evaluating = Evaluating(project, state, {})
        target = evaluating.target(evaluating.suites["smoke"], project.catalog.get("support/answer", "1.2.0"))
        run = asyncio.run(evaluating.run(target, fresh=True, watch=lambda progress: None))

    assert built == [list(recipe.CORE)] * 5, (
        "each driver has one and one for what its guards ask; evals one for what judges ask"
    )
    assert run.score == 1.0
