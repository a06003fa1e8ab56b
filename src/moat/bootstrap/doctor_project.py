"""Checks of a project's files: configuration, prompts, git, and what configuration needs installed."""

from collections.abc import Iterator
from importlib.util import find_spec

from moat.bootstrap.config_checks import check_config
from moat.bootstrap.examination import Examination, Finding, Look
from moat.bootstrap.policy_checks import idle
from moat.bootstrap.project import STATE_FOLDER
from moat.bootstrap.quality import lacking, scores
from moat.bootstrap.settings import CONFIG_FILE, Settings, without_secrets
from moat.bootstrap.state import open_state

_WATCHED = (CONFIG_FILE, "prompts", "tools", "policies", "evals", "prompts.lock", "evals.lock")
"""What a release's ground is made of."""
_SHOWN = 3

EXTRAS = {
    "grpc": "grpc",
    "litellm": "litellm",
    "notify": "apprise",
    "oidc": "jwt",
    "pii": "presidio_analyzer",
    "vertex": "cryptography",
}
"""Of the package, with a module that each brings: docs/dependencies.md."""


def _config(look: Look) -> Iterator[Finding]:
    settings = look.project.settings
    at = str(settings.root / CONFIG_FILE)
    config = settings.config
    counts = ((len(config.providers), "providers"), (len(config.models), "models"), (len(config.limits), "limits"))
    yield Finding("ok", at, f"reads: {', '.join(f'{count} {name}' for count, name in counts)}")


def _notes(look: Look) -> Iterator[Finding]:
    check_config(look.project, without_secrets(look.sound.config.providers, look.environ))
    notes = [*idle(look.project), *_passed_over(look)]
    for place, note in enumerate(notes, start=1):
        yield Finding("warning", CONFIG_FILE, note, command="moat config check", name=f"configuration note {place}")
    if not notes:
        yield Finding("ok", CONFIG_FILE, "providers, models, prices, limits, suites and policies fit together")


def _passed_over(look: Look) -> Iterator[str]:
    config = look.sound.config
    if any(model.quality is not None for model in config.models.values()) and look.state_path.exists():
        with open_state(look.project, to_read=True) as state:
            yield from lacking(config, scores(state.runs, config))


def _prompts(look: Look) -> Iterator[Finding]:
    broken = look.project.catalog.broken
    if broken:
        shown = "; ".join(str(each.error) for each in broken[:_SHOWN])
        more = f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        yield Finding("error", "prompts/", f"cannot be read: {shown}{more}", command="moat lint")
        return
    yield Finding("ok", "prompts/", f"{len(look.project.catalog.all())} versions read")


def _git(look: Look) -> Iterator[Finding]:
    repository, root = look.project.repository, str(look.project.root)
    if repository.top() is None:
        remedy = "Releases, proposals and syncs name commits: make a repository of the project."
        command = "git init && git add . && git commit -m 'Begin'"
        yield Finding("warning", root, "the project is in no git repository", remedy, command)
        return
    if kept := repository.tracked(STATE_FOLDER):
        what = (
            f"{STATE_FOLDER}/ is in git ({len(kept)} files): hashes of keys, and what callers wrote, go with each clone"
        )
        yield Finding("error", root, what, "Take it out, and ignore it.", f"git rm -r --cached {STATE_FOLDER}")
    if not repository.commit():
        yield Finding("warning", root, "nothing is committed yet", command="git add . && git commit -m 'Begin'")
    elif repository.is_dirty(*_WATCHED):
        edited = sorted(repository.edited(*_WATCHED))
        named = ", ".join(edited[:_SHOWN]) + (", ..." if len(edited) > _SHOWN else "")
        what = f"not committed: {named}" if named else "new files are not committed"
        remedy = "What is served should be what reviewers saw: commit it, or take it back."
        yield Finding("warning", root, what, remedy, "git status")
    else:
        yield Finding("ok", root, f"a git repository at {repository.commit()[:12]}, nothing uncommitted")


def _extras(look: Look) -> Iterator[Finding]:
    there = [name for name, module in EXTRAS.items() if find_spec(module) is not None]
    for name, why in sorted(_needed(look.sound)):
        if name not in there:
            what = f"moat[{name}] is not installed, and {why} needs it"
            yield Finding(
                "error", why, what, "Install it where Moat runs.", f"pip install 'moat[{name}]'", f"extra {name}"
            )
    yield Finding("ok", "optional packages", f"installed: {', '.join(there) or 'none'}")


def _needed(settings: Settings) -> Iterator[tuple[str, str]]:
    config = settings.config
    for name, options in config.providers.items():
        if options["kind"] in ("litellm", "vertex"):
            yield str(options["kind"]), f"$.providers.{name}"
    if config.telemetry.grpc:
        yield "grpc", "$.telemetry.grpc"
    if config.console.oidc is not None:
        yield "oidc", "$.console.oidc"
    for name, channel in config.alerts.channels.items():
        if channel.kind == "apprise":
            yield "notify", f"$.alerts.channels.{name}"


PROJECT_CHECKS = (
    Examination(CONFIG_FILE, _config, needs_settings=False),
    Examination("configuration", _notes),
    Examination("prompts", _prompts, needs_settings=False),
    Examination("git", _git, needs_settings=False),
    Examination("extras", _extras),
)
