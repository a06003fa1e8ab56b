"""What a caller gives, against what a prompt declares."""

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from moat.domain.errors import PromptError
from moat.domain.releases import PromptVersion, Variable

_CHECKS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list | tuple),
    "object": lambda value: isinstance(value, dict),
}
_WORDS = {
    str: "text",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "an object",
}


def bind(prompt: PromptVersion, given: dict[str, Any]) -> dict[str, Any]:
    """The value of every declared variable: as given, or its default.

    Raises `PromptError`, `where` being the JSON path, for variables that are unknown, missing (all are named
    at once), of another type, or not in the declared `enum`.
    """
    declared = prompt.variables
    if not given.keys() <= declared.keys():
        raise _unknown(prompt, sorted(given.keys() - declared.keys()))
    bound = dict(given)
    missing = []
    for name, variable in declared.items():
        if name in given:
            if flaw := mismatch(variable, given[name]):
                raise PromptError(f"the variable {name!r} of {prompt.id} {flaw}", where=f"variables.{name}")
        elif variable.default is msgspec.UNSET:
            missing.append(name)
        else:
            bound[name] = variable.default
    if missing:
        raise PromptError(
            f"{prompt.id} needs {_count(missing)} that {'is' if len(missing) == 1 else 'are'} not given: "
            f"{', '.join(missing)}",
            where="variables",
            remedy="Give a value for each, or declare a default in the prompt.",
        )
    return bound


def mismatch(variable: Variable, value: Any) -> str:
    """Why a value does not fit a declaration; empty when it does."""
    if not _CHECKS[variable.type](value):
        return f"must be of type {variable.type} (it is {_WORDS.get(type(value), 'null')})"
    if variable.enum is not None and value not in variable.enum:
        return f"must be one of {', '.join(map(repr, variable.enum))} (it is {_shown(value)})"
    return ""


def nearest(word: str, known: Iterable[str]) -> str:
    """`Did you mean ...?` or, when nothing is close, what there is (at most ten); for a `remedy`."""
    options = sorted(known)
    if close := difflib.get_close_matches(word, options, n=1, cutoff=0.6):
        return f"Did you mean {close[0]!r}?"
    if not options:
        return "There are none."
    more = f" and {len(options) - 10} more" if len(options) > 10 else ""
    return f"There are: {', '.join(options[:10])}{more}."


def _unknown(prompt: PromptVersion, names: list[str]) -> PromptError:
    return PromptError(
        f"{prompt.id} has no variable {', '.join(map(repr, names))}",
        where=f"variables.{names[0]}",
        remedy=nearest(names[0], prompt.variables),
    )


def _count(names: list[str]) -> str:
    return "a variable" if len(names) == 1 else f"{len(names)} variables"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
