"""JSON that a model wrote, and where it breaks."""

import json
import re
from typing import Any, NamedTuple

FENCED = re.compile(r"\A\s*```[\w+-]*[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)


class Parsed(NamedTuple):
    """What stood there, or why it could not be read."""

    value: Any = None
    problem: str = ""
    """Empty when it is JSON."""
    at: int = 0
    """Where it breaks, in characters."""


def parse(text: str, *, fenced: bool) -> Parsed:
    """Read all of a text as one JSON value (RFC 8259); in a Markdown code block too when `fenced`. NaN and Infinity
    are none, nor is an object that names a member twice: one reader takes the first value, another the last.
    """
    start, inside = 0, text
    if fenced and (block := FENCED.match(text)):
        start, inside = block.start(1), block[1]
    try:
        return Parsed(json.loads(inside, parse_constant=_refuse, object_pairs_hook=_once))
    except json.JSONDecodeError as error:
        return Parsed(problem=f"{error.msg} (line {error.lineno}, column {error.colno})", at=start + error.pos)
    except ValueError as error:
        return Parsed(problem=str(error), at=start)
    except RecursionError:
        return Parsed(problem="it is nested too deeply", at=start)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(members)) < len(members):
        raise ValueError("an object names a member twice")
    return found
