"""`moat release`: what ships together, where it is served, and why it may be."""

import time
from typing import Annotated

import typer

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.settings import environment
from moat.bootstrap.smoke import Smoked, smoke
from moat.bootstrap.state import State, open_state
from moat.cli.arguments import Prompt, parse_prompt
from moat.cli.changes import brief, pointer, print_overridden, print_seen, score, serves, verdict, watch
from moat.cli.drift import known_drift, print_drift
from moat.cli.group import Json, group
from moat.cli.output import clock, out, print_json, print_table
from moat.cli.sync import sync
from moat.domain.errors import ConflictError, InputError, MoatError
from moat.domain.releases import Arm, Assignment, Release, Strategy
from moat.domain.scores import Run
from moat.ports.releases import Order, Plan, Promotion

app = group(no_args_is_help=True)
app.command()(sync)


@app.command()
def create(
    ctx: typer.Context,
    prompt: Prompt,
    to: Annotated[str, typer.Option("--to", help="Environment that shall serve it.")],
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    canary: Annotated[float, typer.Option(help="Give it this percentage of the calls first.")] = 0.0,
    blue_green: Annotated[
        bool, typer.Option("--blue-green", help="Prepare it, smoke it, then switch everybody at once.")
    ] = False,
    ab: Annotated[str, typer.Option(metavar="NAME", help="Compare it in an experiment of this name.")] = "",
    arm: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VERSION:WEIGHT", help="An arm of the experiment; repeat for more."),
    ] = None,
    shadow: Annotated[float, typer.Option(help="Let it answer a copy of this percentage of the calls, unseen.")] = 0.0,
    no_smoke: Annotated[
        bool, typer.Option("--no-smoke", help="Switch blue-green without asking anything first.")
    ] = False,
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Although the environment's rules say no. Needs --reason.")
    ] = False,
    json: Json = False,
) -> None:
    """Release a version: make its manifest, check the environment's rules, serve it there, at once or by a rollout.

    Exit 1: the smoke test failed, and what was served before still is.
    """
    project = Project.find(ctx.obj)
    began = time.monotonic()
    name, version = parse_prompt(prompt)
    plan = _plan(canary, blue_green, ab, arm or [], shadow)
    order = Order(prompt=name, version=version, environment=to, reason=reason, plan=plan, break_glass=break_glass)
    with open_state(project) as state:
        release, assignment = Releasing(project, state).release(order, project.author)
        smoked: list[Smoked] = []
        if assignment.strategy == "blue_green" and assignment.progress == "open":
            watch(project, assignment, began)  # green is ready where the calls will come
            smoked, assignment = _take_over(project, state, release, order, assignment, ask=not no_smoke)
        seen = watch(project, assignment, began)
        runs, served = _runs(state, release), serves(state, assignment)
        drift, unknown = known_drift(project, state, release.id)
    failed = any(call.flaw for call in smoked)
    if json:
        facts = {"release": release, "assignment": assignment, "smoked": smoked, "drift": drift}
        print_json({**facts, "seconds": seen.seconds, "live": seen.live})
        raise typer.Exit(int(failed))
    out.print(f"{to} serves {served}" + (f" as before: {release.content.id} failed." if failed else "."), style="bold")
    print_overridden(assignment)
    for call in smoked:
        out.print(f"  smoked    {call.case}: {call.flaw or 'fine'}", style="red" if call.flaw else None)
    _print_lineage(release, runs)
    _print_replaced(assignment)
    print_seen(seen)
    print_drift(drift, unknown)
    raise typer.Exit(int(failed))


@app.command()
def approve(
    ctx: typer.Context,
    release: Annotated[str, typer.Argument(metavar="RELEASE", help="Release id, or NAME@VERSION.")],
    to: Annotated[str, typer.Option("--to", help="Environment it may go to.")],
    comment: Annotated[str, typer.Option(help="For the record.")] = "",
    json: Json = False,
) -> None:
    """Say yes to a release in an environment; a version that has no release yet gets one that nothing serves."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        releasing = Releasing(project, state)
        name, version = parse_prompt(release)
        found = releasing.manifest(name, version, to, project.author) if version else state.releases.get(release)
        approval = releasing.approve(found.id, to, project.author, comment)
        everybody = state.releases.approvals(found.id, to)
    if json:
        print_json(approval)
        return
    out.print(f"{approval.actor} approves {found.id} ({found.content.id}) for {to}.", style="bold")
    out.print(f"  approved by {', '.join(person.actor.split(' <')[0] for person in everybody)}")


@app.command("list")
def list_releases(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(help="Only this prompt.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """List releases, newest first, with their eval score and where they are served."""
    with open_state(Project.find(ctx.obj)) as state:
        releases = state.releases.releases(prompt)[:limit]
        current: dict[str, list[Assignment]] = {}
        for assignment in state.releases.current():
            current.setdefault(assignment.prompt, []).append(assignment)
    served = {r.id: [a.environment for a in current.get(r.prompt, []) if _share(a, r)] for r in releases}
    parts = {r.id: [_place(a, r) for a in current.get(r.prompt, []) if r.id in a.releases] for r in releases}
    pointers = {r.id: [a.environment for a in current.get(r.prompt, []) if r.id in _ids(a.replaces)] for r in releases}
    if json:
        print_json([{"release": r, "served": served[r.id], "rollback_target_of": pointers[r.id]} for r in releases])
        return
    print_table(
        [
            "release",
            "prompt",
            "score",
            "verdict",
            "served in",
            "rollback target of",
            "commit",
            "author",
            "created",
        ],
        (
            [
                r.id,
                f"{r.prompt}@{r.version}",
                score(r),
                verdict(r),
                ", ".join(parts[r.id]),
                ", ".join(pointers[r.id]),
                r.commit[:10] + ("*" if r.dirty else ""),
                r.author.split(" <")[0],
                clock(r.created_ns),
            ]
            for r in releases
        ),
        empty="Nothing is released yet: `moat release create NAME@VERSION --to staging`.",
    )


@app.command()
def show(ctx: typer.Context, release_id: str, json: Json = False) -> None:
    """Show one release's lineage: prompt, commit, author, eval runs, data, where it was served."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        release = state.releases.get(release_id)
        environments = sorted({a.environment for a in state.releases.current() if a.prompt == release.prompt})
        history = [a for e in environments for a in state.releases.history(release.prompt, e)]
        runs = _runs(state, release)
        drift, unknown = known_drift(project, state, release.id)
        approvals = [a for e in environments for a in state.releases.approvals(release_id, e)]
    history = [a for a in history if release.id in a.releases]
    if json:
        print_json({"release": release, "approvals": approvals, "assignments": history, "drift": drift})
        return
    out.print(f"{release.id}  {release.prompt}@{release.version}", style="bold")
    _print_lineage(release, runs)
    for approval in approvals:
        comment = f" ({approval.comment})" if approval.comment else ""
        out.print(f"  approved  {approval.environment} by {approval.actor} {clock(approval.created_ns)}{comment}")
    for assignment in history:
        out.print(
            f"  served    {_place(assignment, release)} since {clock(assignment.created_ns)} "
            f"by {assignment.actor} ({assignment.reason or 'no reason given'})",
        )
        print_overridden(assignment)
    print_drift(drift, unknown)


@app.command()
def history(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="NAME", help="Prompt name.")],
    env: Annotated[str, typer.Option("--env", help="Environment.")] = "production",
    json: Json = False,
) -> None:
    """List everything an environment ever served for a prompt, newest first: who, why, and which rules were broken."""
    with open_state(Project.find(ctx.obj)) as state:
        found = state.releases.history(prompt, env)
        rows = [
            [
                a.sequence,
                clock(a.created_ns),
                a.strategy + ("" if a.progress == "closed" else f" ({a.progress})"),
                brief(state, a),
                pointer(state, a),
                f"back to {a.returns_to}" if a.returns_to else "",
                a.actor.split(" <")[0],
                a.reason,
                "; ".join(a.overridden),
            ]
            for a in found
        ]
    if json:
        print_json(found)
        return
    print_table(
        ["number>", "since", "strategy", "serves (score)", "rollback to", "went", "by", "reason", "rules broken"],
        rows,
        empty=f"{env} never served {prompt}.",
    )


def _plan(canary: float, blue_green: bool, ab: str, arms: list[str], shadow: float) -> Plan:
    """The one way of introducing it that the options name."""
    options: tuple[tuple[Strategy, object], ...] = (
        ("canary", canary),
        ("blue_green", blue_green),
        ("ab", ab),
        ("shadow", shadow),
    )
    chosen = [strategy for strategy, given in options if given]
    if len(chosen) > 1:
        raise InputError("--canary, --blue-green, --ab and --shadow exclude each other", where=f"--{chosen[1]}")
    if arms and chosen != ["ab"]:
        raise InputError("arms are for an experiment", where="--arm", remedy="Name it with `--ab NAME`.")
    strategy = chosen[0] if chosen else "all"
    return Plan(strategy=strategy, percent=canary or shadow, experiment=ab, arms=tuple(map(_arm, arms)))


def _arm(text: str) -> Arm:
    """`NAME=VERSION:WEIGHT`."""
    name, equals, rest = text.partition("=")
    version, colon, weight = rest.rpartition(":")
    try:
        if name and equals and colon and version:
            return Arm(version, float(weight), name)
    except ValueError:
        pass
    raise InputError(f"{text!r} is no arm", where="--arm", remedy="Write NAME=VERSION:WEIGHT.")


def _take_over(
    project: Project, state: State, release: Release, order: Order, prepared: Assignment, *, ask: bool
) -> tuple[list[Smoked], Assignment]:
    """Ask the prepared release a few things, and switch everybody to it; when one goes wrong it is taken back."""
    releasing = Releasing(project, state)

    def abort(why: str) -> Assignment:
        reason = f"not switched: {why}"
        return releasing.abort(order.prompt, order.environment, project.author, reason, experiment=prepared.experiment)

    try:
        smoked = smoke(Evaluating(project, state, environment()), release) if ask else []
    except MoatError as error:
        abort(error.what)
        raise
    if flaws := [f"{call.case}: {call.flaw}" for call in smoked if call.flaw]:
        return smoked, abort("; ".join(flaws))
    switch = Promotion(
        prompt=order.prompt, environment=order.environment, reason=order.reason, break_glass=order.break_glass
    )
    try:
        return smoked, releasing.promote(switch, project.author, experiment=prepared.experiment)
    except ConflictError as error:
        abort(error.what)
        raise


def _print_replaced(assignment: Assignment) -> None:
    if assignment.replaces:
        before = ", ".join(_ids(assignment.replaces))
        undo = f"`moat rollback {assignment.prompt} --env {assignment.environment}` goes back"
        out.print(f"  replaces  {before}  ({undo})")


def _runs(state: State, release: Release) -> dict[str, Run]:
    """Of its evidence: what a simulated provider answered, or what ran without a policy, has to say so."""
    return {evidence.run: state.runs.get(evidence.run) for evidence in release.evidence}


def _print_lineage(release: Release, runs: dict[str, Run]) -> None:
    out.print(f"  prompt    {release.prompt_digest}")
    changed = "  (the file differed from it)" if release.dirty else ""
    out.print(f"  commit    {release.commit or 'none: not in a git repository'}{changed}")
    out.print(f"  author    {release.author}")
    behind = f" ({', '.join(release.deployments)})" if release.deployments else ""
    out.print(f"  model     {release.content.model}{behind}  params {release.content.params}")
    out.print(f"  policies  {', '.join(release.policies) or 'none'}")
    for evidence in release.evidence:
        score = "none" if evidence.score is None else f"{evidence.score:.3f}"
        verdict = evidence.verdict or "not gated"
        out.print(f"  eval      {evidence.run}  suite {evidence.suite}  score {score}  {verdict}")
        out.print(f"  answered  by {runs[evidence.run].provider or 'nobody'}")
        if lacking := [policy for policy in release.policies if policy not in runs[evidence.run].policies]:
            out.print(f"  without   {', '.join(lacking)}: not about evals, or other then", style="yellow")
        out.print(f"  dataset   {evidence.dataset_digest}")
        if evidence.baseline:
            out.print(f"  baseline  {evidence.baseline}")
    if not release.evidence:
        out.print("  eval      none: this version was never evaluated", style="yellow")


def _place(assignment: Assignment, release: Release) -> str:
    """The environment, and which part in it the release has when it does not serve everybody."""
    share = _share(assignment, release)
    if share == 1:
        return assignment.environment
    unseen = "ready" if release.id in _ids(assignment.arms) else "shadow"
    return f"{assignment.environment} ({f'{100 * share:.4g} %' if share else unseen})"


def _share(assignment: Assignment, release: Release) -> float:
    """Of the users, 0 to 1."""
    return sum(assignment.share(arm) for arm in assignment.arms if arm.release == release.id)


def _ids(arms: tuple[Arm, ...]) -> list[str]:
    return [arm.release for arm in arms]
