"""The server as a program of its own: `python -m moat.cli.server OPTIONS`, which `moat serve` becomes.

Nothing is loaded here that only a command line needs: that would take ten megabytes for as long as the server runs.
"""

import logging
import sys
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from moat.bootstrap.announcement import ServerFile
from moat.bootstrap.logs import Logs, logs, secrets_of, start_logging
from moat.bootstrap.project import Project
from moat.bootstrap.server import serve
from moat.bootstrap.settings import environment
from moat.cli.edge import ended
from moat.cli.visible import visible
from moat.gateway.serving import Live

log = logging.getLogger("moat.server")

_BOLD, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[33m", "\x1b[0m"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Those of `moat serve`; None: what moat.yaml or the environment says."""

    project: str | None
    host: str | None
    port: int | None
    workers: int | None
    log_format: str | None
    log_level: str | None
    access_log: bool


def run(options: Options) -> None:
    """Serve until a signal asks to stop. Raises `MoatError` when it cannot."""
    environ = environment()
    chosen = logs(environ, options.log_format, options.log_level, access=options.access_log)
    project = Project.find(Path(options.project) if options.project is not None else None)
    start_logging(chosen, secrets_of(environ, project.settings.document.data))
    server = project.settings.config.server
    address = (options.host or server.host, server.port if options.port is None else options.port)
    count = server.workers if options.workers is None else options.workers
    uvloop.run(serve(project, environ, address, partial(_ready, chosen), count, chosen))


def _ready(chosen: Logs, file: ServerFile, live: Live, welcome: str) -> None:
    serving = live.serving
    if chosen.format == "json":
        log.info("Moat is up on %s", file.url)
        if welcome:  # not the link itself: logs are kept, and read by many
            log.info("nobody can sign in yet: `moat accounts add EMAIL --role admin` makes a link")
        for problem in serving.problems:
            log.warning("problem: %s", problem)
        return
    _say(f"Moat is up on {file.url}", _BOLD)
    _say(f"  console          {file.url}/")
    _say(f"  OpenAI base URL  {file.url}/v1")
    _say(f"  models           {', '.join(serving.aliases) or 'none'}")
    _say(f"  prompts          {', '.join(serving.released) or 'none released yet: `moat release create`'}")
    if welcome:
        _say(f"  first sign-in    {welcome}")
        _say("                   for the first admin: good once, for 24 hours, until the next start")
    _say("  keys             `moat keys create --name my-app` makes one")
    for problem in serving.problems:
        _say(f"  problem          {problem}", _YELLOW)


def _say(line: str, style: str = "") -> None:
    line = visible(line)
    print(f"{style}{line}{_PLAIN}" if style and sys.stderr.isatty() else line, file=sys.stderr)


if __name__ == "__main__":
    ended(partial(run, msgspec.json.decode(sys.argv[1], type=Options)))
