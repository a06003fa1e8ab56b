"""What commands that change an environment have in common: they wait until the running server serves the change."""

import time
from collections.abc import Callable
from typing import NamedTuple

from moat.bootstrap.announcement import running_server
from moat.bootstrap.asking import wait_until_served
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.cli.output import err, out
from moat.domain.releases import Arm, Assignment, Release


class Seen(NamedTuple):
    """How a change reached the running server."""

    live: bool
    seconds: float
    """Since the command began."""
    url: str
    """Of the server; empty when none runs."""


def watch(project: Project, assignment: Assignment, began: float) -> Seen:
    """Wait until the server serves an assignment. `began` is by the monotonic clock.

    A server that does not show it is a warning and no failure: the change stands, and a script that repeated the
    command would change something else.
    """
    server = running_server(project.server_path)
    live = server is not None and wait_until_served(server, assignment)
    seconds = time.monotonic() - began
    if not live:
        server = running_server(project.server_path)  # it may have stopped meanwhile
    if server is not None and not live:
        warning = f"the server at {server.url} was not seen to serve it; the change stands, look at `moat status`."
        err.print(f"warning: {warning}", style="yellow")
    return Seen(live, seconds, server.url if server is not None else "")


def print_seen(seen: Seen) -> None:
    """One line on it."""
    missed = "not seen at the running server" if seen.url else "no server runs; the next one will serve it"
    out.print(f"  took {seen.seconds:.2f} s, {'seen at the running server' if seen.live else missed}.")


def print_overridden(assignment: Assignment) -> None:
    """The rules that were broken, if any."""
    for rule in assignment.overridden:
        out.print(f"  rule broken: {assignment.environment!r} {rule}", style="yellow")


def serves(state: State, assignment: Assignment) -> str:
    """Who gets what, for a sentence: `1.2.0 (rel_...)`, with name and share where there are several."""
    shadow = assignment.shadow
    shares = _shares(assignment, lambda arm: _named(state, arm))
    if shadow is None:
        return shares
    return f"{shares}, and unseen for {100 * shadow.weight:.4g} % of the calls {_named(state, shadow)}"


def brief(state: State, assignment: Assignment) -> str:
    """The same for a table: versions with their scores."""

    def scored(arm: Arm) -> str:
        release = state.releases.get(arm.release)
        return f"{release.version} ({score(release)})"

    shadow = assignment.shadow
    shares = _shares(assignment, scored)
    return shares if shadow is None else f"{shares}, shadow {100 * shadow.weight:.4g} % {scored(shadow)}"


def score(release: Release) -> str:
    """Of the newest eval run behind it."""
    scores = [proof.score for proof in release.evidence if proof.score is not None]
    return f"{scores[-1]:.3f}" if scores else "not evaluated"


def verdict(release: Release) -> str:
    """The worst of its suites'; empty when none was gated."""
    found = {proof.verdict for proof in release.evidence}
    return next((word for word in ("regressed", "inconclusive", "pass") if word in found), "")


def pointer(state: State, assignment: Assignment) -> str:
    """The version that a rollback would serve; empty when there is nothing before."""
    return ", ".join(state.releases.get(arm.release).version for arm in assignment.replaces)


def _shares(assignment: Assignment, named: Callable[[Arm], str]) -> str:
    if len(assignment.arms) == 1:
        return named(assignment.arms[0])
    return ", ".join(f"{arm.name} {100 * assignment.share(arm):.4g} % {named(arm)}" for arm in assignment.arms)


def _named(state: State, arm: Arm) -> str:
    return f"{state.releases.get(arm.release).version} ({arm.release})"
