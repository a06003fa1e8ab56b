"""How what is served has drifted, for the commands that show it."""

from collections.abc import Iterable

from moat.bootstrap.drifting import drift_now
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.cli.output import out
from moat.domain.errors import MoatError
from moat.prompts.drift import Drift


def known_drift(project: Project, state: State, release: str = "") -> tuple[list[Drift], str]:
    """The drift of everything that is served, or of one release; or why nobody can say. What is broken in the files
    is no reason to show nothing, or to fail.
    """
    try:
        found = drift_now(project, state)
    except MoatError as error:
        return [], str(error)
    return [drift for drift in found if release in ("", drift.release)], ""


def print_drift(drift: Iterable[Drift], unknown: str) -> None:
    """Each finding with what to do."""
    for found in drift:
        place = f"{found.environment} {found.prompt}@{found.version}"
        out.print(f"drift: {place}: {found.kind}: {found.message}", style="yellow")
        out.print(f"  {found.remedy}")
    if unknown:
        out.print(f"drift is not known: {unknown}", style="red")
