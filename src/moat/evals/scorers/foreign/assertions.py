"""promptfoo's assertion types as Moat's own scorers.

`read_assertion` turns one assertion into an `Assertion`: a scorer, what it compares with, the least score that passes.
What cannot be kept to the letter (JavaScript, remote graders, templates beyond `{{ name }}`) is refused: why is said.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from moat.domain.scores import Case
from moat.evals.answer import ABSENT, dig
from moat.evals.scorers.foreign.library import as_text
from moat.evals.scorers.scorer import KINDS, Scorer

KNOWN = {"type", "value", "threshold", "weight", "metric", "assert"}
RUBRIC = "llm-rubric"
SET = "assert-set"
REFUSED = {
    "javascript": "Moat runs no JavaScript: write it as a Python function, `{kind: python, path: ...}`",
    "python": "only a file of the project is run: `value: file://evals/checks.py:name`",
    "webhook": "a remote grader is asked by a Python function of the project",
    "meteor": "METEOR needs a thesaurus that Moat does not ship: use rouge-n, bleu or `{kind: chrf}`",
    "perplexity": "providers do not give what it is computed from through the pipeline",
    "perplexity-score": "providers do not give what it is computed from through the pipeline",
    "select-best": "it compares several outputs: compare two runs instead",
    "human": "answers for people go through `moat judge export`",
    "moderation": "it asks a service of its own: use a judge (`metric: safety`)",
    "classifier": "it asks a service of its own: use a judge with labels",
    "trace-span-count": "spans are looked at in the trace store",
}
_PLACEHOLDER = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """One assertion, ready to be held against an answer."""

    kind: str
    """Its type without `not-`."""
    name: str
    """Its `metric`, else its type."""
    negated: bool = False
    weight: float = 1.0
    threshold: float | None = None
    """The least score that passes; None: 1 does."""
    value: Any = None
    """What is compared with, with `{{ name }}` for variables of the case."""
    scorer: Scorer | None = None
    """None for a set, and for a rubric, which asks a model."""
    rubric: bool = False
    parts: tuple["Assertion", ...] = ()
    """Of a set."""


def read_assertion(given: Mapping[str, Any]) -> Assertion:
    """Translate one. Raises `ValueError` with the reason for what cannot be."""
    kind = given.get("type")
    if not isinstance(kind, str):
        raise ValueError("an assertion has a `type`")
    negated = kind.startswith("not-")
    plain = kind.removeprefix("not-")
    if unknown := given.keys() - KNOWN:
        raise ValueError(f"{kind}: `{min(unknown)}` is not understood here; there are: {', '.join(sorted(KNOWN))}")
    threshold, weight = given.get("threshold"), given.get("weight", 1)
    for name, number in (("threshold", threshold), ("weight", weight)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float) or number < 0):
            raise ValueError(f"{kind}: `{name}` is a number, 0 or more")
    base = Assertion(
        kind=plain,
        name=str(given.get("metric") or kind),
        negated=negated,
        weight=float(weight),
        value=given.get("value"),
    )
    if plain == SET:
        parts = tuple(read_assertion(part) for part in given.get("assert") or ())
        if not parts:
            raise ValueError("assert-set: `assert` lists at least one")
        return msgspec.structs.replace(base, parts=parts, threshold=threshold)
    if plain == RUBRIC:
        if not isinstance(base.value, str):
            raise ValueError("llm-rubric: `value` is the rubric, a text")
        return msgspec.structs.replace(base, rubric=True, threshold=threshold)
    value = base.value
    if plain == "python" and isinstance(value, str) and value.startswith("file://"):
        return msgspec.structs.replace(base, scorer=_made("python", path=_python_path(value)), threshold=threshold)
    if plain not in TYPES:
        why = REFUSED.get(plain, f"there are: {', '.join(sorted([*TYPES, RUBRIC, SET]))}")
        raise ValueError(f"{kind} cannot be used: {why}")
    scorer, least = TYPES[plain](value, threshold)
    return msgspec.structs.replace(base, scorer=scorer, threshold=least)


def filled(value: Any, case: Case) -> Any:
    """A value with the case's variables in it. Raises `ValueError` for other template syntax, or an unknown name."""
    if isinstance(value, list):
        return [filled(one, case) for one in value]
    if not isinstance(value, str) or "{" not in value:
        return value

    def one(match: re.Match[str]) -> str:
        found = dig(case.variables, match[1])
        if found is ABSENT:
            raise ValueError(f"the case has no variable {match[1]!r}")
        return as_text(found)

    text = _PLACEHOLDER.sub(one, value)
    if "{%" in value or _PLACEHOLDER.sub("", value).count("{{"):
        raise ValueError("of templates only {{ name }} is understood")
    return text


Built = tuple[Scorer, float | None]
"""A scorer, and the least score that passes."""


def _made(kind: str, **options: Any) -> Scorer:
    try:
        return msgspec.convert({"kind": kind, **options}, KINDS[kind])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _equals(value: Any, threshold: float | None) -> Built:
    return _made("equals" if isinstance(value, str) else "json_equals"), None


def _phrases(kind: str, *, ignore_case: bool) -> Callable[[Any, float | None], Built]:
    def build(value: Any, threshold: float | None) -> Built:
        values = (
            [one.strip() for one in value.split(",")] if isinstance(value, str) and kind != "starts_with" else value
        )
        if kind == "contains" and isinstance(value, str):
            values = value
        phrases = [as_text(one) for one in (values if isinstance(values, list) else [values])]
        if value is None or not all(phrases):
            raise ValueError("`value` is missing")
        return _made(kind, expected="expected", ignore_case=ignore_case), None

    return build


def _regex(value: Any, threshold: float | None) -> Built:
    if not isinstance(value, str):
        raise ValueError("regex: `value` is a pattern")
    return _made("regex", pattern=value), None


def _json(*, anywhere: bool) -> Callable[[Any, float | None], Built]:
    def build(value: Any, threshold: float | None) -> Built:
        if value is None:
            return _made("json", anywhere=anywhere), None
        if not isinstance(value, dict):
            raise ValueError("`value` is a JSON Schema, written in place")
        return _made("json_schema", schema=value, anywhere=anywhere), None

    return build


def _similar(value: Any, threshold: float | None) -> Built:
    return _made("similarity"), 0.75 if threshold is None else threshold


def _overlap(kind: str, least: float) -> Callable[[Any, float | None], Built]:
    def build(value: Any, threshold: float | None) -> Built:
        return _made(kind), least if threshold is None else threshold

    return build


def _levenshtein(value: Any, threshold: float | None) -> Built:
    return _made("levenshtein", max_distance=int(5 if threshold is None else threshold)), None


def _latency(value: Any, threshold: float | None) -> Built:
    if threshold is None:
        raise ValueError("latency: `threshold` is missing, in milliseconds")
    return _made("latency", max_ms=float(threshold)), None


def _cost(value: Any, threshold: float | None) -> Built:
    if threshold is None:
        raise ValueError("cost: `threshold` is missing, in US dollars")
    return _made("cost", max_usd=str(threshold)), None


def _words(value: Any, threshold: float | None) -> Built:
    bounds = value if isinstance(value, dict) else {"min": value, "max": value}
    if not all(isinstance(one, int) for one in bounds.values()) or not bounds.keys() <= {"min", "max"}:
        raise ValueError("word-count: `value` is a number, or {min, max}")
    return _made("length", unit="words", **bounds), None


def _tools(value: Any, threshold: float | None) -> Built:
    return _made("tool_schema", tools=value or []), None


def _refusal(value: Any, threshold: float | None) -> Built:
    return _made("refusal", expected="labels.refused"), None


def _python_path(value: str) -> str:
    path = value.removeprefix("file://")
    file, colon, name = path.rpartition(":")
    return f"{file}:{name}" if colon else f"{path}:get_assert"


TYPES: dict[str, Callable[[Any, float | None], Built]] = {
    "equals": _equals,
    "contains": _phrases("contains", ignore_case=False),
    "icontains": _phrases("contains", ignore_case=True),
    "contains-all": _phrases("contains", ignore_case=False),
    "icontains-all": _phrases("contains", ignore_case=True),
    "contains-any": _phrases("contains_any", ignore_case=False),
    "icontains-any": _phrases("contains_any", ignore_case=True),
    "starts-with": _phrases("starts_with", ignore_case=False),
    "regex": _regex,
    "is-json": _json(anywhere=False),
    "contains-json": _json(anywhere=True),
    "similar": _similar,
    "rouge-n": _overlap("rouge_1", 0.75),
    "bleu": _overlap("bleu", 0.5),
    "levenshtein": _levenshtein,
    "latency": _latency,
    "cost": _cost,
    "word-count": _words,
    "is-valid-openai-tools-call": _tools,
    "is-refusal": _refusal,
}
"""What is understood, `llm-rubric`, `assert-set` and `python` (a file of the project) aside."""
LISTED = {"contains-all", "icontains-all", "contains-any", "icontains-any"}
"""Types whose text value is a list, separated by commas."""


def compared(assertion: Assertion, case: Case) -> Case:
    """The case as the assertion's scorer is to see it."""
    value = filled(assertion.value, case)
    if assertion.kind in LISTED and isinstance(value, str):
        value = [one.strip() for one in value.split(",")]
    labels = {**case.labels, "refused": True}
    return msgspec.structs.replace(case, expected=value if value is not None else case.expected, labels=labels)
