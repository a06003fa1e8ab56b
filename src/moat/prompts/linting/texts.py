"""Rules of what no prompt should say: credentials, and data about real people."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from moat.prompts.files import PromptFile
from moat.prompts.linting.places import Lines
from moat.prompts.linting.recalled import Recalled
from moat.prompts.personal import find_personal
from moat.prompts.problems import Problem, Severity
from moat.prompts.secrets import find_secrets
from moat.prompts.syntax import Spot

_SECRET = "Remove and revoke it: it is in git's history, and every call would send it to the model."
_PERSONAL = "Use a made-up one{}: this is in git, and every call would send it to the model."
_MADE_UP = {"an email address": ", such as name@example.com", "a phone number": ", with 555 as in +1 212 555 0100"}


class _Found(msgspec.Struct, frozen=True):
    rule: str
    severity: Severity
    message: str
    remedy: str
    line: int
    word: str


def texts(file: PromptFile, lines: Lines) -> Iterator[Problem]:
    """`secret` and `pii` in messages, partials and defaults."""
    prompt = file.prompt
    spots = [(Spot(index, "", 1), message.content) for index, message in enumerate(prompt.messages)]
    spots += [(Spot(0, name, 1), source) for name, source in prompt.partials.items()]
    for spot, text in spots:
        for found in _find(text):
            yield lines.at(
                file,
                spot._replace(line=found.line),
                found.word,
                rule=found.rule,
                message=found.message,
                remedy=found.remedy,
                severity=found.severity,
            )
    for name, variable in prompt.variables.items():
        for text in _strings(variable.default):
            for found in _find(text):
                yield _problem(found, file.path, lines.key(file.path, "variables", name, "default"))


def source_text(path: str, source: str) -> Iterator[Problem]:
    """`secret` and `pii` anywhere in a file, such as in a tool's examples."""
    for found in _find(source):
        yield _problem(found, path, found.line)


def _problem(found: _Found, path: str, line: int) -> Problem:
    return Problem(
        rule=found.rule, severity=found.severity, path=path, line=line, message=found.message, remedy=found.remedy
    )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _find(text: str) -> tuple[_Found, ...]:
    return _RECALLED.of([text], partial(_look, text))


def _look(text: str) -> tuple[_Found, ...]:
    found = [
        _Found("secret", "error", f"this looks like {kind} ({start}...)", _SECRET, line, start)
        for kind, line, start in find_secrets(text)
    ]
    found += [
        _Found(
            "pii",
            "warning",
            f"this looks like {kind} ({start}...)",
            _PERSONAL.format(_MADE_UP.get(kind, "")),
            line,
            start,
        )
        for kind, line, start in find_personal(text)
    ]
    return tuple(found)


_RECALLED = Recalled[tuple[_Found, ...]](lambda found: sum(len(one.message) + len(one.remedy) for one in found))
