"""`moat alerts`: what fires, what fired, what would have, and who is not to be told."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from moat.api.alerts import SilenceRequest, new_silence
from moat.bootstrap.alert_rules import rules_of
from moat.bootstrap.alerting import channel_of
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import open_state
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, group
from moat.cli.output import clock, counted, err, out, print_json, print_table
from moat.domain.alerting import Alert, Delivery, Event, Message, Rule
from moat.domain.calls import new_id
from moat.domain.errors import NotFound, RequestError, StorageError, Unavailable
from moat.telemetry.alerts.messages import labelled, shown
from moat.telemetry.alerts.readings import Gauge
from moat.telemetry.alerts.replay import read_lines, stored, synthetic
from moat.telemetry.alerts.verdicts import NoVerdict, undecided
from moat.telemetry.filters import parse_time

app = group(no_args_is_help=True)

DELIVERY = ("message", "channel", "status", "tries>", "error", "title")
SHOWN = 20
"""Events that `test` lists; all of them with `--json`."""

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]


@app.command("list")
def list_alerts(ctx: typer.Context, json: Json = False) -> None:
    """What fires, what is about to, what is silenced, and which rules cannot tell at present and why.

    A running server evaluates.
    """
    project = Project.find(ctx.obj)
    rules = {rule.name: rule for rule in rules_of(project.settings.config)}
    with open_state(project) as state:
        standing = state.alerts.standing()
    silences = [silence for silence in standing.silences if silence.until_ns > time.time_ns()]
    unknown = _undecided(project, list(rules.values()))
    if json:
        print_json({"alerts": standing.alerts, "silences": silences, "no_verdict": unknown})
        return
    columns = ["rule", "state", "of", "value>", "bar>", "usual>", "since", "told"]
    print_table(columns, (_row(alert, rules.get(alert.rule)) for alert in standing.alerts), empty="Nothing fires.")
    for silence in silences:
        what = silence.rule or "every rule"
        out.print(
            f"{silence.id}: {what} of {labelled(silence.match)} is silenced until {clock(silence.until_ns)} "
            f"by {silence.by}: {silence.why}"
        )
    _print_undecided(unknown)


@app.command("rules")
def list_rules(ctx: typer.Context, json: Json = False) -> None:
    """Every rule that is evaluated."""
    rules = rules_of(Project.find(ctx.obj).settings.config)
    if json:
        print_json(rules)
        return
    columns = ["rule", "severity", "fires", "window", "per", "at least>"]
    print_table(columns, (_rule_row(rule) for rule in rules), empty="No rule is switched on.")


@app.command()
def show(
    ctx: typer.Context,
    rule: Annotated[str, typer.Argument(help="Name of a rule.")],
    limit: Limit = 10,
    json: Json = False,
) -> None:
    """One rule: what it means, what to do, what fires and fired."""
    project = Project.find(ctx.obj)
    found = _rule(rules_of(project.settings.config), rule)
    with open_state(project) as state:
        alerts = [alert for alert in state.alerts.standing().alerts if alert.rule == rule]
        events = state.alerts.events(rule, limit)
    unknown = _undecided(project, [found])
    if json:
        print_json({"rule": found, "alerts": alerts, "events": events, "no_verdict": unknown})
        return
    out.print(f"{found.name} ({found.severity}): {found.meaning}")
    out.print(f"Fires {_fires(found)}, over {_length(found.window_s)}, of at least {found.min_samples:,}.")
    if found.where:
        out.print(f"Only calls with: {found.where}")
    if found.seed:
        out.print(f"Answers: {found.seed}")
    out.print(f"What to do: {found.remedy}")
    out.print()
    columns = ["rule", "state", "of", "value>", "bar>", "usual>", "since", "told"]
    print_table(columns, (_row(alert, found) for alert in alerts), empty="It does not fire.")
    for alert in alerts:
        if alert.examples:
            out.print(f"Such as: {', '.join(alert.examples)}")
    _print_undecided(unknown)
    if events:
        out.print()
        _print_events(events, {found.name: found})


@app.command("test")
def try_out(
    ctx: typer.Context,
    since: Annotated[str, typer.Option(help="How far back in the records: 24h, 7d, or a date.")] = "7d",
    file: Annotated[Path | None, typer.Option(help="Made-up readings instead: JSON lines.")] = None,
    rule: Annotated[str, typer.Option(help="Only this rule.")] = "",
    json: Json = False,
) -> None:
    """What the rules of moat.yaml would have found. Nobody is told, nothing is stored."""
    project = Project.find(ctx.obj)
    config = project.settings.config
    rules = rules_of(config)
    if rule:
        rules = (_rule(rules, rule),)
    if file is not None:
        found = synthetic(rules, read_lines(file, rules))
    else:
        now = time.time_ns()
        begin = parse_time(since, now, where="--since")
        if not now - 90 * 86_400 * 10**9 <= begin < now:
            raise RequestError("must be in the last 90 days", where="--since")
        with open_traces(project) as traces:
            gauge = Gauge(traces, config.alerts.timezone)
            found = stored(gauge, rules, begin, now, config.alerts.every)
    if json:
        print_json(found)
        return
    _print_summary(found.events, {one.name: one for one in rules})
    _print_undecided(found.no_verdict)


@app.command()
def silence(
    ctx: typer.Context,
    rule: Annotated[str, typer.Argument(help="Name of a rule; without it, every rule.")] = "",
    length: Annotated[str, typer.Option("--for", help="30m, 2h, 3d; 90d at most.")] = "2h",
    why: Annotated[str, typer.Option(help="Kept with the silence, and shown.")] = "",
    match: Annotated[list[str] | None, typer.Option(help="Only of this group: tenant=acme. May be repeated.")] = None,
    json: Json = False,
) -> None:
    """Tell nobody for a while. Alerts go on being evaluated and recorded."""
    if not why.strip():
        raise RequestError("say why", where="--why", remedy='Such as --why "the provider is being repaired".')
    project = Project.find(ctx.obj)
    pairs = [text.partition("=") for text in match or []]
    if any(not sign for _, sign, _ in pairs):
        raise RequestError("must be name=value", where="--match", remedy="Such as --match tenant=acme.")
    asked = SilenceRequest(rule=rule, match={name: value for name, _, value in pairs}, length=length, why=why)
    made = new_silence(asked, rules_of(project.settings.config), project.author, time.time_ns())
    with open_state(project) as state:
        state.alerts.silence(made)
    if json:
        print_json(made)
        return
    out.print(f"{made.id}: nobody is told until {clock(made.until_ns)}. `moat alerts lift {made.id}` ends it.")


@app.command()
def lift(ctx: typer.Context, silence_id: Annotated[str, typer.Argument(metavar="SILENCE")], json: Json = False) -> None:
    """End a silence now."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        ended = state.alerts.lift(silence_id, time.time_ns(), actor=project.author)
    if json:
        print_json(ended)
        return
    out.print(f"{ended.id} is over.")


@app.command()
def history(
    ctx: typer.Context,
    rule: Annotated[str, typer.Option(help="Only this rule.")] = "",
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """What fired and resolved, newest first, and which messages were sent, wait or failed."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        events = state.alerts.events(rule, limit)
        sent = [one for one in state.alerts.deliveries(limit=limit) if rule in ("", one.message.rule)]
    if json:
        print_json({"events": events, "deliveries": sent})
        return
    _print_events(events, {one.name: one for one in rules_of(project.settings.config)}, empty="Nothing has fired.")
    if sent:
        out.print()
        print_table(DELIVERY, (_delivery_row(one) for one in sent), empty="")


@app.command("deliveries")
def list_deliveries(
    ctx: typer.Context,
    status: Annotated[Literal["", "waiting", "sent", "failed"], typer.Option(help="Only these.")] = "",
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """Messages to channels, newest first: sent, waiting or failed, after how many tries, and why the last failed."""
    with open_state(Project.find(ctx.obj)) as state:
        found = state.alerts.deliveries(status, limit)
    if json:
        print_json(found)
        return
    print_table(DELIVERY, (_delivery_row(one) for one in found), empty="No message.")


@app.command()
def notify(ctx: typer.Context, channel: Annotated[str, typer.Argument(help="Name of a channel in moat.yaml.")]) -> None:
    """Send a test message to a channel, now, and say how it went."""
    project = Project.find(ctx.obj)
    now = time.time_ns()
    name = project.settings.config.project or project.root.name
    text = f"This is a test, sent by {project.author} with `moat alerts notify {channel}`. Nothing is wrong."
    message = Message(id=new_id("msg"), at_ns=now, kind="test", title=f"{name}: a test of Moat's alerts", text=text)
    channel_of(channel, project.settings, environment()).send(message)
    out.print(f"{channel} has taken it.")


def _rule(rules: tuple[Rule, ...], name: str) -> Rule:
    for rule in rules:
        if rule.name == name:
            return rule
    raise NotFound(f"there is no rule {name!r}", remedy=f"Rules: {', '.join(rule.name for rule in rules)}.")


def _undecided(project: Project, rules: Sequence[Rule]) -> list[NoVerdict]:
    """As the calls are now. What fires is shown without it, when nobody can be asked."""
    timezone = project.settings.config.alerts.timezone
    try:
        with open_traces(project) as traces:
            return undecided(rules, Gauge(traces, timezone).now(rules, time.time_ns()))
    except (Unavailable, StorageError) as error:
        err.print(f"which rules cannot tell is not known: {error}", style="yellow")
        return []


def _print_undecided(found: Sequence[NoVerdict]) -> None:
    """Groups with too few calls one by one, rules without any together."""
    if not found:
        return
    out.print()
    rows = [[one.rule, labelled(one.labels), f"no verdict: {one.why}"] for one in found if one.samples]
    if rows:
        print_table(["rule", "of", "tells"], rows, empty="")
    idle = [f"{one.rule} (0 of {one.needed:,})" for one in found if not one.samples]
    if idle:
        out.print(f"No verdict, since there is nothing to look at: {', '.join(idle)}")


def _fires(rule: Rule) -> str:
    if rule.relative:
        return f"{rule.side} {rule.threshold:g}x baseline"
    if rule.limit:
        unit = "s" if rule.measure == "slow_calls" else "$"
        return f"for each above {rule.limit:g} {unit}"
    return f"{rule.side} {shown(rule.measure, rule.threshold)}"


def _length(seconds: int) -> str:
    for name, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{name}"
    return f"{seconds}s"


def _rule_row(rule: Rule) -> list[str]:
    return [
        rule.name,
        rule.severity,
        f"{rule.measure} {_fires(rule)}",
        _length(rule.window_s),
        ", ".join(rule.by),
        f"{rule.min_samples:,}",
    ]


def _row(alert: Alert, rule: Rule | None) -> list[str]:
    measure = rule.measure if rule else "calls"
    usual = "" if alert.baseline is None else shown(measure, alert.baseline)
    since = clock(alert.fired_ns or alert.since_ns)
    told = alert.muted or ("yes" if alert.told else "no")
    return [
        *(alert.rule, alert.state, labelled(alert.labels), shown(measure, alert.value), shown(measure, alert.bar)),
        *(usual, since, told),
    ]


def _print_events(events: list[Event], rules: dict[str, Rule], empty: str = "") -> None:
    rows = []
    for event in events:
        measure = rules[event.rule].measure if event.rule in rules else "calls"
        value, bar = shown(measure, event.value), shown(measure, event.bar)
        note = event.muted or event.why
        rows.append([clock(event.at_ns), event.kind, event.rule, labelled(event.labels), value, bar, note])
    print_table(["time", "what", "rule", "of", "value>", "bar>", "note"], rows, empty=empty)


def _print_summary(events: list[Event], rules: dict[str, Rule]) -> None:
    """By rule, and the last of them."""
    fired = [event for event in events if event.kind == "fired"]
    rows = []
    for name in dict.fromkeys(event.rule for event in fired):
        those = [event for event in fired if event.rule == name]
        told = sum(not event.muted for event in those)
        groups = len({tuple(event.labels.items()) for event in those})
        rows.append([name, rules[name].severity, str(len(those)), str(told), str(groups), clock(those[-1].at_ns)])
    heads = ["rule", "severity", "fired>", "told>", "groups>", "last"]
    print_table(heads, rows, empty="No rule would have fired.")
    if fired:
        out.print()
        _print_events(events[-SHOWN:][::-1], rules)
        told = sum(not event.muted for event in fired)
        out.print(f"{counted(len(fired), 'alert')} would have fired; somebody would have been told of {told}.")


def _delivery_row(one: Delivery) -> list[str]:
    return [clock(one.message.at_ns), one.channel, one.status, str(one.tries), one.error, one.message.title]
