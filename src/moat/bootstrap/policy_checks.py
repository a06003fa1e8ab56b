"""Guard policies that do nothing, or less than they seem to."""

from collections.abc import Iterator

from moat.bootstrap.guarding import place_of, policies
from moat.bootstrap.policy_files import unread
from moat.bootstrap.project import Project
from moat.domain.environments import EVALS
from moat.guards.engine.rules import Policy


def idle(project: Project) -> list[str]:
    """In words, with the place: files that are not read, policies without guards, scopes that name what there is not,
    and policies that evals do not run under. Raises `ConfigError` for a policy that makes no sense.
    """
    settings = project.settings
    found = policies(settings.root, settings.config, settings.document)
    strays = [f"{path} is not read: policies are `*.yaml` and `*.yml` files" for path in unread(settings.root)]
    return [*strays, *(note for policy in found for note in _notes(project, policy))]


def _notes(project: Project, policy: Policy) -> Iterator[str]:
    settings, when = project.settings, policy.config.when
    named = f"the policy {policy.config.name!r}"
    if not policy.rules:
        yield f"{place_of(settings, policy, [])}: {named} has no guards, and does nothing"
        return
    known = {
        "environment": (*settings.config.environments, EVALS),
        "model": settings.config.models,
        "prompt": project.catalog.names(),
    }
    for field, names in known.items():
        wanted: list[str] = getattr(when, field)
        missing = [name for name in wanted if name not in names]
        if missing:
            place = place_of(settings, policy, ["when", field])
            less = "nothing" if len(missing) == len(wanted) else "less than it names"
            yield f"{place}: there is no {field} {', '.join(missing)}: {named} is about {less}"
    if when.environment and EVALS not in when.environment:
        place = place_of(settings, policy, ["when", "environment"])
        yield f"{place}: evals do not run under {named}: add the environment `{EVALS}` to test what is served"
