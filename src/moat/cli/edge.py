"""The edge of a process: what ended it, told in a line and an exit code."""

import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from moat.cli.visible import continued, visible
from moat.domain.errors import MoatError

INTERRUPTED = 130
BROKEN_PIPE = 141
"""As a shell reports a program that SIGPIPE or SIGINT ended: neither is a verdict."""
USAGE, INTERNAL = 64, 70
EXITING = ("typer", "uvicorn")
"""Who may end the program itself: shell completion, and a server that cannot start. Code under test may not."""


def ended(run: Callable[[], object]) -> NoReturn:
    """Run, and turn errors into messages and exit codes (see `moat.domain.errors`)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what callers wrote may have no place in its encoding
    try:
        code = run()
        sys.stdout.flush()
    except MoatError as error:
        _complain(str(error))
        sys.exit(error.exit_code or INTERNAL)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at exit
        sys.exit(BROKEN_PIPE)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the process edge: usage errors become messages, bugs their traceback
        if isinstance(error, SystemExit) and _raised_in(error) in EXITING:
            raise
        if not hasattr(error, "format_message"):
            traceback.print_exc()
            sys.exit(INTERNAL)
        _complain(error.format_message())
        sys.exit(USAGE)
    if code == INTERRUPTED:  # typer's own answer to Ctrl-C
        _complain("interrupted")
    sys.exit(code if isinstance(code, int) else 0)


def _raised_in(error: BaseException) -> str:
    """The package of the innermost frame."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _complain(text: str) -> None:
    sys.stderr.write(visible(f"error: {continued(text)}\n"))
