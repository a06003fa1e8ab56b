"""The version that a reference means, wherever it is kept."""

from contextlib import suppress

from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.domain.errors import InputError, NotFound
from moat.domain.releases import PromptVersion
from moat.domain.spans import Span
from moat.prompts.semver import is_version


def find_version(project: Project, state: State, name: str, wanted: str) -> PromptVersion:
    """A version of the files, else of the registry; or the content of the release that gets most of an environment's
    calls, when `wanted` names one.

    Raises `NotFound` with what there is, and the reason for a version whose file is broken.
    """
    if not is_version(wanted) and wanted in project.settings.config.environments:
        return _served(state, name, wanted)
    try:
        return project.catalog.get(name, wanted)
    except NotFound as missing:
        try:
            return state.registry.get(name, wanted).content
        except NotFound:
            raise missing from None


def answered_by(project: Project, state: State, call: Span) -> PromptVersion | None:
    """The version that answered a recorded call, as it was: from its release, else the files, else the registry; None
    when it is in none of them.
    """
    if call.release:
        with suppress(NotFound):
            return state.releases.get(call.release).content
    with suppress(InputError, NotFound):
        return project.catalog.get(call.prompt, call.version)
    with suppress(NotFound):
        return state.registry.get(call.prompt, call.version).content
    return None


def _served(state: State, name: str, environment: str) -> PromptVersion:
    for assignment in state.releases.current():
        if (assignment.environment, assignment.prompt) == (environment, name):
            largest = max(assignment.arms, key=lambda arm: arm.weight)
            return state.releases.get(largest.release).content
    raise NotFound(f"{environment} serves no release of {name}", remedy="Name a version, or release one there.")
