"""Regular expressions that users write: an engine that goes back and forth would never end with these.

Nothing here looks at a clock: with such an engine these tests do not end.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.evals.scorers.worlds import score
from tests.guards.found import found

BOMB = "^(a+)+$"
TEXT = "a" * 50_000 + "!"
BOUND: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "string", "pattern": BOMB}}}
ARGUMENTS = f'{{"x": "{TEXT}"}}'


def judged(kind: str, text: str, **options: Any) -> bool:
    """Does a guard find anything?"""
    about = {"tool": "pay"} if kind == "tools" else {}
    return bool(found(kind, text, "tool_arguments" if kind == "tools" else "output", about, **options))


def scored(options: dict[str, Any], answer: Any = TEXT, **case: Any) -> bool:
    """Has an answer the whole score?"""
    return bool(score(options, answer, **case).value == 1)


@pytest.mark.promise("inj-7")
@pytest.mark.parametrize(
    ("matches", "wanted"),
    [
        (lambda: judged("banned", TEXT, patterns=[BOMB]), False),
        (lambda: judged("format", TEXT, pattern=BOMB), True),
        (lambda: judged("schema", ARGUMENTS, schema=BOUND), True),
        (lambda: judged("tools", ARGUMENTS, arguments={"pay": BOUND}), True),
        (lambda: scored({"kind": "regex", "pattern": BOMB}), False),
        (lambda: scored({"kind": "json_schema", "schema": BOUND}, ARGUMENTS), False),
    ],
    ids=["banned words", "format of answers", "schema of answers", "arguments of tools", "regex", "json_schema"],
)
def test_no_pattern_takes_longer_than_its_text_is_long(matches: Callable[[], bool], wanted: bool) -> None:
    assert matches() is wanted


@pytest.mark.promise("inj-7")
@pytest.mark.parametrize("pattern", ["(?=a)a", r"(a)\1", "(((a{30}){30}){30}){30}"])
def test_what_needs_such_an_engine_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="linear"):
        found("banned", "a", patterns=[pattern])
    with pytest.raises(ValueError, match="linear"):
        score({"kind": "regex", "pattern": pattern}, "a")
