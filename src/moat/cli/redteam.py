"""`moat redteam`: attack what answers, and see what worked."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.redteam_ports import Front, Scope
from moat.bootstrap.redteaming import Aim, Approach, Effort, RedTeam, Selection, all_categories
from moat.bootstrap.settings import environment, require_environment
from moat.bootstrap.state import open_state
from moat.cli.eval_progress import eval_progress
from moat.cli.gate import EXIT_CODES
from moat.cli.group import Json, group
from moat.cli.output import clock, counted, err, out, print_json, print_table
from moat.cli.redteam_output import Outputs, print_report, write_outputs
from moat.cli.unfolding import unfolded
from moat.domain.errors import RequestError
from moat.domain.scores import Run
from moat.domain.usage import format_usd
from moat.evals.gating.outcome import answering
from moat.evals.redteam.attacks import chosen
from moat.evals.redteam.cases import MIXED
from moat.evals.redteam.rates import demands
from moat.evals.redteam.strategies import STRATEGIES
from moat.evals.redteam.suite import NAME
from moat.evals.redteam.suite import write as write_suite
from moat.evals.suites import parse_budget
from moat.spend.estimate import percent

app = group(no_args_is_help=True)

NAMES = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Attacking(msgspec.Struct, frozen=True, kw_only=True):
    """Which attacks."""

    category: Annotated[
        list[str] | None, typer.Option(help="Category, or row such as LLM01; repeat for more (default: all).")
    ] = None
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="How attacks are put: plain, a strategy, several as in role_play+base64, `all`; repeat for more. "
            "Default `mixed`: each plainly, and once more by one strategy after the other."
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Draws words and letters; another one makes other attacks.")] = 0
    limit: Annotated[int, typer.Option(min=0, help="At most so many attacks of a category; 0: all.")] = 0

    @property
    def selection(self) -> Selection:
        """For the red team."""
        return Selection(
            categories=tuple(self.category or ()),
            strategies=tuple(self.strategy or (MIXED,)),
            seed=self.seed,
            limit=self.limit,
        )


class Reaching(msgspec.Struct, frozen=True, kw_only=True):
    """How what is attacked is reached."""

    variable: Annotated[str, typer.Option(help="The prompt's variable that takes what users write.")] = ""
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another variable; JSON, or text.")
    ] = None
    model: Annotated[str, typer.Option(help="Model alias instead of the prompt's own; a service's model.")] = ""
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME: VALUE", help="For a service, such as 'authorization: Bearer ${BOT_TOKEN}'."),
    ] = None
    instructions: Annotated[
        Path | None, typer.Option(help="File with what a service's instructions say, to know them when they leak.")
    ] = None
    env: Annotated[str, typer.Option(help="Policies of this environment apply.")] = ""
    tenant: Annotated[str, typer.Option(help="Policies of this tenant apply.")] = ""
    feature: Annotated[str, typer.Option(help="Policies of this feature apply.")] = ""

    def scope(self, target: str, project: Project) -> Scope:
        """For policies: `NAME@ENVIRONMENT` is guarded as that environment is."""
        if self.env:
            require_environment(project.settings, self.env)
        env = self.env or target.rpartition("@")[2]
        known = env in project.settings.config.environments
        return Scope(environment=env if known else "", tenant=self.tenant, feature=self.feature)

    def approach(self) -> Approach:
        """For the red team."""
        return Approach(
            variable=self.variable,
            given=dict(_pair(text, "=", "--set") for text in self.given or ()),
            model=self.model,
            headers={name: str(value) for name, value in (_pair(text, ":", "--header") for text in self.header or ())},
            instructions=_read(self.instructions),
        )


class Demanding(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold."""

    max_success: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CATEGORY=]PERCENT",
            help="At most so many attacks may work, of all or of a category; for over_refusal: questions refused.",
        ),
    ] = None
    margin: Annotated[
        str, typer.Option(metavar="PERCENT", help="With a baseline: at most so many more than there (default: 5).")
    ] = ""

    @property
    def limits(self) -> dict[str, float]:
        """Shares by category; empty: all attacks."""
        found = {}
        for text in self.max_success or ():
            category, _, share = text.rpartition("=")
            found[category.strip()] = _share(share, "--max-success")
        return found

    def tolerated(self, compared: bool) -> float | None:
        """How much more than the baseline may go wrong; None without one."""
        return _share(self.margin or "5", "--margin") if compared else None


@app.command()
@unfolded
def run(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="PROMPT, PROMPT@VERSION, PROMPT@ENVIRONMENT, a model alias, or a URL."),
    ],
    *,
    attacking: Attacking,
    reaching: Reaching,
    demanding: Demanding,
    outputs: Outputs,
    baseline: Annotated[str, typer.Option(help="Compare with this: the id of a run, or another target.")] = "",
    without_guards: Annotated[
        bool, typer.Option("--without-guards", help="Attack once more without guards, and show both rates.")
    ] = False,
    obedient: Annotated[
        bool,
        typer.Option("--obedient", help="Ask no model: a simulated one does all that is asked, so guards stand alone."),
    ] = False,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Answers to each attack.")] = 1,
    judge: Annotated[
        str, typer.Option(metavar="NAME@VERSION", help="Have this judge look at each answer too: judges/safety@1.0.0.")
    ] = "",
    budget: Annotated[str, typer.Option(metavar="USD", help="At most so much for each run, such as 2.50.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Run again, and ask again, whatever is stored.")] = False,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Take answers that were given before.")] = True,
    json: Json = False,
) -> None:
    """Attack, and say how much worked. Exit 0: what is demanded holds, 1: it does not, 2: the attacks do not decide.

    What is stored already is not asked again; an interrupted run goes on.
    """
    project = Project.find(ctx.obj)
    if baseline and without_guards:
        raise RequestError("two baselines", where="--without-guards", remedy="Leave one of the two out.")
    effort = Effort(repeats=repeats, budget=parse_budget(budget, "--budget") if budget else None, judge=judge)
    with open_state(project) as state:
        team = RedTeam(project, state, environment())
        session = _Session(team, reaching, project, attacking.selection, effort, obedient, fresh, cache)
        aim = session.aim(target)
        if aim.service and (without_guards or obedient):
            raise RequestError(
                "a service brings its own guards and its own model",
                where="--without-guards" if without_guards else "--obedient",
                remedy="Attack what is behind it: a prompt, or a model's alias.",
            )
        cases = aim.evaluation.dataset
        gates = demands(demanding.limits, demanding.tolerated(bool(baseline)), cases)
        done = session.run(target, aim)
        before, against = session.baseline(target, aim, baseline, without_guards)
        found = team.report(done, before, gates, against)
        write_outputs(outputs, found, lambda: team.junit(done, before, gates))
    print_json(found) if json else print_report(found)
    raise typer.Exit(EXIT_CODES[found.verdict] if found.verdict is not None else 0)


class _Session(msgspec.Struct, frozen=True):
    """What the command says of every run."""

    team: RedTeam
    reaching: Reaching
    project: Project
    selection: Selection
    effort: Effort
    obedient: bool
    fresh: bool
    cache: bool

    def aim(self, target: str) -> Aim:
        """What is attacked."""
        return self.team.aim(target, self.selection, self.reaching.approach(), self.effort)

    def run(self, target: str, aim: Aim, *, guarded: bool = True) -> Run:
        """Attack it."""
        front = Front(scope=self.reaching.scope(target, self.project), guarded=guarded, obedient=self.obedient)
        evaluation = self.team.behind(aim, front)
        if err.is_terminal and not self.obedient:
            foreseen = self.team.foreseen(evaluation)
            about = "unknown" if foreseen.cost is None else f"about {format_usd(foreseen.cost)}"
            err.print(f"{counted(foreseen.answers, 'attack')}, cost {about} ({foreseen.basis})", style="dim")
        with eval_progress(f"attacks on {target}{'' if guarded else ' without guards'}") as watch:
            return asyncio.run(self.team.run(evaluation, front, fresh=self.fresh, cache=self.cache, watch=watch))

    def baseline(self, target: str, aim: Aim, other: str, without_guards: bool) -> tuple[Run | None, str]:
        """What it is compared with, and that in words."""
        if without_guards:
            return self.run(target, aim, guarded=False), "the same without guards"
        if not other:
            return None, ""
        if other.startswith("run_"):
            found = self.team.found(other)
            return found, f"{answering(found)}, run {found.id}"
        return self.run(other, self.aim(other)), other


@app.command("list")
def list_runs(
    ctx: typer.Context, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, json: Json = False
) -> None:
    """List stored runs of attacks, newest first."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        runs = RedTeam(project, state, environment()).stored(limit)
    if json:
        print_json(runs)
        return
    rows = ([r.id, answering(r), r.model, r.cases, r.status, r.provider, clock(r.created_ns)] for r in runs)
    heads = ["run", "target", "model", "cases>", "state", "provider", "created"]
    print_table(heads, rows, empty="No runs yet: `moat redteam run TARGET`.")


@app.command()
@unfolded
def show(ctx: typer.Context, run_id: str, *, outputs: Outputs, json: Json = False) -> None:
    """Show one run: its rates, and what worked."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        team = RedTeam(project, state, environment())
        done = team.found(run_id)
        found = team.report(done)
        write_outputs(outputs, found, lambda: team.junit(done))
    print_json(found) if json else print_report(found)


@app.command()
@unfolded
def compare(
    ctx: typer.Context,
    baseline: str,
    candidate: str,
    *,
    demanding: Demanding,
    outputs: Outputs,
    json: Json = False,
) -> None:
    """Compare two stored runs of the same attacks. Exit codes as of `run`."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        team = RedTeam(project, state, environment())
        old, new = team.found(baseline), team.found(candidate)
        gates = demands(demanding.limits, demanding.tolerated(compared=True), team.cases(new))
        found = team.report(new, old, gates, f"{answering(old)}, run {old.id}")
        write_outputs(outputs, found, lambda: team.junit(new, old, gates))
    print_json(found) if json else print_report(found)
    raise typer.Exit(EXIT_CODES[found.verdict or "pass"])


@app.command()
@unfolded
def attacks(
    ctx: typer.Context,
    *,
    attacking: Attacking,
    strategies: Annotated[bool, typer.Option("--strategies", help="List the strategies instead.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Each attack with its text.")] = False,
    json: Json = False,
) -> None:
    """List the attacks that Moat brings along and the project's own, or the strategies."""
    if strategies:
        rows = [[one.name, one.summary, ", ".join(one.places)] for one in STRATEGIES.values()]
        if json:
            print_json([dict(zip(("name", "summary", "places"), row, strict=True)) for row in rows])
            return
        print_table(["strategy", "what it does", "for attacks from"], rows, empty="")
        return
    categories = all_categories(Project.find(ctx.obj).root)
    wanted = list(chosen(categories, attacking.selection.categories))
    if json:
        print_json(wanted)
        return
    if full:
        print_table(["id", "place", "text"], ([a.id, a.place, a.text] for a in wanted), empty="None.")
        return
    counts = {name: [a for a in wanted if a.category == name] for name in dict.fromkeys(a.category for a in wanted)}
    told = {category.category: category for category in categories}
    print_table(
        ["category", "row", "attacks>", "languages", "what is tried"],
        (
            [name, told[name].owasp, len(some), ", ".join(sorted({a.language for a in some})), told[name].description]
            for name, some in counts.items()
        ),
        empty="None.",
    )
    out.print(f"{counted(len(wanted), 'attack')}, {len(STRATEGIES)} strategies.")


@app.command()
@unfolded
def init(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT[@VERSION]", help="The prompt to be attacked.")],
    *,
    attacking: Attacking,
    reaching: Reaching,
    name: Annotated[str, typer.Option(help="Of the suite and its dataset.")] = NAME,
) -> None:
    """Write the attacks as a suite of the project, for `moat gate` and everything else that takes suites."""
    if not NAMES.fullmatch(name):
        raise RequestError(f"{name!r} is no name of a suite", where="--name", remedy="Use a-z, 0-9, - and _.")
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        team = RedTeam(project, state, environment())
        approach = reaching.approach()
        aim = team.aim(prompt, attacking.selection, approach, Effort())
        found = aim.evaluation
        if found.prompt is None:
            raise RequestError(f"{prompt} is no prompt", where="moat redteam init", remedy="Name one of the project.")
        model = "" if found.prompt.model else approach.model
        for path in write_suite(project.root, name, found.prompt.name, found.dataset, model=model):
            out.print(f"wrote {path.relative_to(project.root)}")
    err.print(f"`gate: {{red_team: [{name}]}}` in moat.yaml has `moat gate` ask it.", style="dim")


def _pair(text: str, sign: str, where: str) -> tuple[str, Any]:
    name, found, value = text.partition(sign)
    if not found or not name.strip():
        raise RequestError(f"{text!r} has no {sign!r}", where=where, remedy=f"Write NAME{sign}VALUE.")
    value = value.strip()
    if where == "--set":
        try:
            return name.strip(), msgspec.json.decode(value)
        except msgspec.DecodeError:
            return name.strip(), value
    return name.strip(), value


def _share(text: str, where: str) -> float:
    found = float(percent(text, where)) / 100
    if not 0 <= found <= 1:
        raise RequestError(f"{text!r} is no share", where=where, remedy="Write a percentage from 0 to 100.")
    return found


def _read(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot be read: {error}", where=str(path)) from None
