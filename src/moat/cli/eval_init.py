"""`moat eval init`: a first suite and dataset for a prompt."""

import time
from typing import Annotated

import typer

from moat.bootstrap.datasets import DATASETS, Recorded, sampled
from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.bootstrap.suite_files import FOLDER
from moat.bootstrap.suites import load_suites
from moat.bootstrap.traces import open_traces
from moat.cli.output import counted, out
from moat.domain.errors import ConflictError, NotFound
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
from moat.evals.datasets.coverage import too_few
from moat.evals.datasets.growing import grown, redacted
from moat.evals.datasets.skeleton import skeleton
from moat.evals.datasets.writing import lines_of
from moat.ports.traces import TraceFilter
from moat.prompts.authoring import create_files
from moat.prompts.tree import check_name

SAMPLE = 50
DAYS = 30


def init(
    ctx: typer.Context,
    prompt: Annotated[
        str, typer.Argument(metavar="[PROMPT]", help="Prompt (default: the one that no suite covers).")
    ] = "",
    name: Annotated[str, typer.Option(help="Name of the suite and the dataset (default: the prompt's).")] = "",
) -> None:
    """Write a first suite and dataset for a prompt, from its variables, output schema, tools and recorded calls. Asks
    nothing, overwrites nothing.
    """
    project = Project.find(ctx.obj)
    version = _newest(project, prompt)
    called = check_name(name or version.name.rpartition("/")[2])
    suite, data = f"{FOLDER}/{called}.yaml", f"{DATASETS}/{called}.jsonl"
    recorded = _recorded(project, version.name)
    model = next(iter(project.settings.config.models), "")
    made = skeleton(version, f"datasets/{called}.jsonl", recorded, model)
    create_files(project.root, {suite: made.suite, data: lines_of(made.cases)})
    kind = f"from calls of the last {DAYS} days" if recorded else "drafts: write what users really ask"
    out.print(f"{suite}  the suite", style="bold")
    out.print(f"{data}  {counted(len(made.cases), 'case')}, {kind}", style="bold")
    if few := too_few(made.cases):
        out.print(f"{few}.", style="yellow")
    out.print("Next:", style="bold")
    out.print(f"  1. Edit {data}: `expected` and `labels` say what a right answer is.")
    out.print(f"  2. moat dataset check {called}")
    out.print(f"  3. moat eval run {version.id} --suite {called}")
    out.print(f'  4. moat dataset lock {called} --reason "The first cases."')


def _newest(project: Project, asked: str) -> PromptVersion:
    catalog = project.catalog
    if not asked:
        covered = {suite.prompt for suite in load_suites(project.root).values()}
        open_ = [name for name in catalog.names() if name not in covered and not name.startswith("judges/")]
        if len(open_) != 1:
            what = "every prompt has a suite" if not open_ else f"{len(open_)} prompts have no suite"
            remedy = f"Name one: moat eval init PROMPT. There are: {', '.join(open_ or catalog.names()) or 'none'}."
            raise (ConflictError if open_ == [] else NotFound)(what, remedy=remedy)
        asked = open_[0]
    name, _, version = asked.partition("@")
    return catalog.get(name, version or catalog.versions(name)[-1])


def _recorded(project: Project, prompt: str) -> list[Case]:
    """Cases from what was asked of it lately; none when nothing was, or nothing was captured."""
    wanted = TraceFilter(prompt=prompt, failed=False, shadow=False, since_ns=time.time_ns() - DAYS * 86_400 * 10**9)
    with open_state(project) as state, open_traces(project) as traces:
        cases, _ = Recorded(project, state).cases(sampled(traces, wanted, SAMPLE, 0))
    return list(grown((), map(redacted, cases)).cases)
