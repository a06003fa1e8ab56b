"""The command line. Commands are loaded when they are run: `moat --version` takes no longer than Python itself."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from moat import __version__
from moat.cli.edge import ended
from moat.cli.group import group

COMMANDS = {
    "init": ("moat.cli.init", "Make a project: prompts, tools, evals, configuration, its own git repository."),
    "serve": ("moat.cli.serve", "Run the gateway and the management API."),
    "status": ("moat.cli.status", "Show what is served, and what is wrong with the files."),
    "doctor": ("moat.cli.doctor", "Check the whole installation, with what to do: exit 1 when something is wrong."),
    "lint": ("moat.cli.lint", "Check prompts, tools and suites."),
    "prompt": ("moat.cli.prompt", "Write, compare, trace, publish, import and export prompts."),
    "tool": ("moat.cli.tool", "List, check and make tools that models may call."),
    "eval": ("moat.cli.evals", "Run and compare evaluations."),
    "dataset": ("moat.cli.dataset", "Look at, check, lock, split, export and grow the data of evaluations."),
    "judge": ("moat.cli.judge", "Models that score answers: add them, and compare them with people."),
    "gate": (
        "moat.cli.gate",
        "Judge what changed, or one version, against its baseline: exit 0 pass, 1 regressed, 2 unclear.",
    ),
    "ci": ("moat.cli.ci", "Write the workflow of a CI; comment on its pull requests."),
    "release": ("moat.cli.release", "Release a prompt version to an environment, with its lineage."),
    "rollout": ("moat.cli.rollout", "Look at a release on its way: promote, pause, resume, abort it."),
    "rollback": ("moat.cli.rollback", "Go back to what an environment served before."),
    "smoke": ("moat.cli.smoke", "Ask a running server a few questions: exit 1 when it is not fit to be used."),
    "rerun": ("moat.cli.rerun", "Ask recorded calls again of another prompt version, side by side."),
    "traces": ("moat.cli.traces", "Find, watch, show and replay recorded calls."),
    "feedback": ("moat.cli.feedback", "What people say of answers: list, add, make links that ask for it."),
    "report": ("moat.cli.report", "Calls by any dimensions; a week or a month, and what explains its changes."),
    "alerts": ("moat.cli.alerts", "What fires: rules, silences, history, and what would have fired."),
    "spend": ("moat.cli.spend", "What calls cost: totals, trend, forecast, weekly report, review, re-pricing."),
    "cost": ("moat.cli.cost", "What a prompt change will cost: exit 1 above a limit."),
    "limits": ("moat.cli.limits", "How far rates and budgets are used up."),
    "spikes": ("moat.cli.spikes", "Spending that was cut off, and letting it go on."),
    "redteam": ("moat.cli.redteam", "Attack a prompt, a model or a service, and see what worked."),
    "guard": ("moat.cli.guard", "What policies make of a text; their tests; detectors there are."),
    "policy": ("moat.cli.policy", "What policies would make of a request: guards, data, destinations, record."),
    "approvals": ("moat.cli.approvals", "Calls of tools that wait for a person: list, show, approve, deny."),
    "cache": ("moat.cli.cache", "Answers given again, and how often similar questions were wrong."),
    "keys": ("moat.cli.keys", "Create, list and revoke API keys."),
    "accounts": ("moat.cli.accounts", "People who sign in to the console: list, add, invite, disable."),
    "audit": ("moat.cli.audit", "Who did what: the audit log, whether it is whole, exports, erasure."),
    "providers": ("moat.cli.providers", "Where providers are connected to, and which secrets may go there."),
    "deploy": ("moat.cli.deploy", "Write files for Prometheus and Grafana."),
    "config": ("moat.cli.config", "Check moat.yaml; print its JSON Schema."),
    "backup": ("moat.cli.backup", "Copy the state into a folder, while the server runs."),
    "restore": ("moat.cli.restore", "Put a backup into a project that has no state yet."),
    "simulate": ("moat.cli.simulate", "Run a simulated or replaying provider as an OpenAI-compatible server."),
}
"""Name -> module with an `app`, and one line of help."""


class Commands(TyperGroup):
    """Finds commands in `COMMANDS` and imports only the one that is asked for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # typer looks here for a near miss

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order a team meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(COMMANDS[cmd_name][0]).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, from their one-line summaries: nothing is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


app = group(cls=Commands, completion=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"moat {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    project: Annotated[
        Path | None,
        typer.Option("--project", "-C", metavar="DIR", help="Project folder (default: found from here)."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Operate LLM features: prompts as code, evals that gate, one pipeline from test to production."""
    ctx.obj = project
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main() -> None:
    """Entry point."""
    ended(partial(app, standalone_mode=False))


if __name__ == "__main__":
    main()
