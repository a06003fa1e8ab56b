"""`moat ci`: workflows that test, gate and deploy, and what they say to people."""

from pathlib import Path
from typing import Annotated

import typer

from moat import bootstrap
from moat.bootstrap.forge import comment as say
from moat.bootstrap.forge import notify as tell
from moat.bootstrap.forge import thread_of
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.cli.file_output import write
from moat.cli.group import group
from moat.cli.output import out
from moat.domain.errors import ConfigError, ConflictError, InputError

app = group(no_args_is_help=True)

Show = Annotated[bool, typer.Option("--print", help="Print it instead of writing it.")]


@app.callback()
def about() -> None:
    """Workflows that test, gate and deploy, and what they say to people."""


@app.command()
def github(ctx: typer.Context, show: Show = False) -> None:
    """Write `.github/workflows/llm.yml`: tests, evaluations, gate, comment, staging, smoke test, production, notify."""
    _write(ctx, "github", ".github/workflows/llm.yml", show)


@app.command()
def gitlab(ctx: typer.Context, show: Show = False) -> None:
    """Write `.gitlab-ci.yml`: the same."""
    _write(ctx, "gitlab", ".gitlab-ci.yml", show)


@app.command()
def comment(
    report: Annotated[Path, typer.Argument(help="What `moat gate --out` or `--markdown` wrote.")],
) -> None:
    """Post a gate's report in the pull request of this CI job, in place of the one before.

    GitHub: GITHUB_TOKEN, GITHUB_REPOSITORY and PULL_REQUEST (its number). GitLab: GITLAB_TOKEN and what GitLab sets.
    """
    try:
        text = report.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"cannot be read: {reason}", where=str(report)) from None
    replaced = say(thread_of(environment()), text)
    out.print("The comment is replaced." if replaced else "The comment is posted.")


@app.command()
def notify(message: Annotated[str, typer.Argument(help="What is said.")]) -> None:
    """Tell a chat: posts {"text": MESSAGE} to the address in SLACK_WEBHOOK_URL."""
    url = environment().get("SLACK_WEBHOOK_URL")
    if not url:
        raise ConfigError(
            "the environment variable SLACK_WEBHOOK_URL is not set", remedy="It is the webhook's address."
        )
    tell(url, message)
    out.print("The team is told.")


def _write(ctx: typer.Context, name: str, path: str, show: bool) -> None:
    """At the top of the repository; a file that is there and says something else stays."""
    text = (Path(bootstrap.__file__).parent / "ci" / f"{name}.yml").read_text("utf-8")
    if show:
        out.print(text, end="")
        return
    project = Project.find(ctx.obj)
    target = (project.repository.top() or project.root) / path
    if target.exists() and target.read_text("utf-8", errors="replace") != text:
        raise ConflictError(
            "exists already", where=str(target), remedy="Compare it with `--print`, or remove it first."
        )
    write(target, text)
    out.print(f"{target} is written: commit it. It installs requirements.txt, in which `moat` must stand.")
