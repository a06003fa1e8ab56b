"""Rules of what goes to the model beside the text: its alias, its parameters, the schema of its answer."""

import difflib
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from moat.prompts.files import PromptFile
from moat.prompts.linting.places import Lines
from moat.prompts.linting.recalled import Recalled
from moat.prompts.problems import Problem, Severity
from moat.prompts.tools import schema_flaw
from moat.prompts.variables import nearest

RESERVED = ("messages", "model", "prompt", "stream", "stream_options", "user")
"""Fields of a request that its caller, the version's messages or the alias decide."""


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _integer(low: int | None) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and (low is None or value >= low)


def _stops(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return 1 <= len(texts) <= 4 and all(isinstance(text, str) and text for text in texts)


_CHECKED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (_number(0, 2), "a number from 0 to 2"),
    "top_p": (_number(0, 1), "a number from 0 to 1"),
    "max_tokens": (_integer(1), "an integer from 1"),
    "max_completion_tokens": (_integer(1), "an integer from 1"),
    "stop": (_stops, "a text, or 1 to 4 texts"),
    "seed": (_integer(None), "an integer"),
    "presence_penalty": (_number(-2, 2), "a number from -2 to 2"),
    "frequency_penalty": (_number(-2, 2), "a number from -2 to 2"),
    "n": (_integer(1), "an integer from 1"),
}
_PASSED_ON = {
    "logit_bias", "logprobs", "metadata", "min_p", "modalities", "parallel_tool_calls", "prediction",
    "reasoning_effort", "repetition_penalty", "response_format", "service_tier", "store", "tool_choice", "top_a",
    "top_k", "top_logprobs", "verbosity",
}  # fmt: skip
"""Further names that providers know: no typing mistakes, however near they are to others."""


def model(file: PromptFile, models: AbstractSet[str], lines: Lines) -> Iterator[Problem]:
    """`unknown-model`. A bare text names no model: its callers do."""
    alias = file.prompt.model
    if alias not in models and file.path.endswith(".yaml"):
        yield Problem(
            rule="unknown-model",
            path=file.path,
            line=lines.key(file.path, "model"),
            message=f"moat.yaml has no model {alias!r}",
            remedy=nearest(alias, models),
        )


def params(file: PromptFile, lines: Lines) -> Iterator[Problem]:
    """`reserved-parameter`, `parameter`."""

    def problem(name: str, message: str, remedy: str, severity: Severity = "error", rule: str = "parameter") -> Problem:
        line = lines.key(file.path, "params", name)
        return Problem(rule=rule, severity=severity, path=file.path, line=line, message=message, remedy=remedy)

    for name, value in file.prompt.params.items():
        if name in RESERVED:
            remedy = "Remove it: `params` are for the model, such as temperature and max_tokens."
            yield problem(name, f"{name!r} cannot be a parameter", remedy, rule="reserved-parameter")
        elif name in _CHECKED:
            fits, wanted = _CHECKED[name]
            if not fits(value):
                yield problem(name, f"{name!r} must be {wanted} (it is {value!r})", "")
        elif name not in _PASSED_ON and (near := difflib.get_close_matches(name, _CHECKED, n=1, cutoff=0.8)):
            remedy = f"Did you mean {near[0]!r}? Names that Moat does not know are passed on to the provider."
            yield problem(name, f"no provider is known to take {name!r}", remedy, "warning")


def output(file: PromptFile, lines: Lines) -> Iterator[Problem]:
    """`output-schema`."""
    schema = file.prompt.output
    if schema is not None and (flaw := _schema_flaw(schema)):
        yield Problem(
            rule="output-schema",
            path=file.path,
            line=lines.key(file.path, "output"),
            message=f"`output` is not a JSON Schema: {flaw}",
        )


def _schema_flaw(schema: dict[str, Any]) -> str:
    """Like `schema_flaw`; versions of a prompt share their schema."""
    raw = msgspec.json.encode(schema).decode()
    return _RECALLED.of([raw], lambda: schema_flaw(msgspec.json.decode(raw)))


_RECALLED = Recalled[str](len)
