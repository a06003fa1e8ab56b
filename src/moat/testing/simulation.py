"""Rules of a simulated provider: the file, its checks, and the deterministic choice of an answer.

seed: 7
latency: {first_token_ms: 40, per_token_ms: 1.5, jitter: 0.3}
usage: {characters_per_token: 4}
errors: {rate: 0.0, status: 500}
skills:
  json: {when: "(?i)reply with json", with: 0.99, without: 0.3}
rules:
  - user: "(?i)refund"
    answers:
      - {needs: [json], text: '{"intent": "refund"}'}
      - {text: "Sure."}
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from moat.documents import Document, decode, read_yaml
from moat.domain.errors import DocumentError

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=600_000)]

MATCHED_CHARACTERS = 20_000
"""Rules look at so much of a text and no further: Python's regular expressions have no time limit."""


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long answers take; `jitter` 0.3 varies a whole answer by up to 30 % either way."""

    first_token_ms: Milliseconds = 0.0
    per_token_ms: Milliseconds = 0.0
    jitter: Probability = 0.0


class Tokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tokens are counted."""

    characters_per_token: Annotated[float, msgspec.Meta(gt=0, le=100)] = 4.0


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many calls fail, and with which HTTP status."""

    rate: Probability = 0.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500


class Skill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something the model is good at with probability `with_` when the system text says `when`, else `without`."""

    when: str
    with_: Probability = msgspec.field(name="with")
    without: Probability


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool the model wants called."""

    name: str
    arguments: dict[str, Any] = {}


class ScriptedAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fixed answer, given when all skills it needs are had."""

    needs: tuple[str, ...] = ()
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answers, best first, to user messages that match."""

    user: str
    answers: Annotated[tuple[ScriptedAnswer, ...], msgspec.Meta(min_length=1)]


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole rules file."""

    rules: Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1)]
    seed: int = 0
    latency: Latency = Latency()
    usage: Tokens = Tokens()
    errors: Faults = Faults()
    skills: dict[str, Skill] = {}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the choice of an answer depends on."""

    system: str
    user: str
    """The last user message."""
    repeat: int = 0
    has_tool_results: bool = False
    """Did tools report back since that message?"""


class Simulation:
    """Rules with their patterns compiled. Pure: the same question always gets the same answer."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._patterns = [re.compile(rule.user, re.DOTALL) for rule in rules.rules]
        self._skills = {name: re.compile(skill.when, re.DOTALL) for name, skill in rules.skills.items()}

    def choose(self, question: Question) -> ScriptedAnswer | None:
        """The first answer, of the first rule that matches, whose skills are all had.

        An answer that calls tools is passed over once their results are there. None when nothing is left.
        """
        user = question.user[:MATCHED_CHARACTERS]
        for rule, pattern in zip(self.rules.rules, self._patterns, strict=True):
            if pattern.search(user):
                return next((answer for answer in rule.answers if self._fits(answer, question)), None)
        return None

    def draw(self, *what: object) -> float:
        """A number in [0, 1) that depends on the seed and `what`, and on nothing else."""
        text = msgspec.json.encode((self.rules.seed, *what))
        return int.from_bytes(hashlib.sha256(text).digest()[:7], "big") / 2**56

    def _fits(self, answer: ScriptedAnswer, question: Question) -> bool:
        if answer.tool_calls and question.has_tool_results:
            return False
        return all(self._has(skill, question) for skill in answer.needs)

    def _has(self, skill: str, question: Question) -> bool:
        """The draw leaves the system text out, so that a better prompt is better on the same questions."""
        rule = self.rules.skills[skill]
        told = self._skills[skill].search(question.system[:MATCHED_CHARACTERS])
        return self.draw(skill, question.user, question.repeat) < (rule.with_ if told else rule.without)


def read_simulation(path: Path, *, name: str = "") -> Simulation:
    """Read a rules file. Raises `DocumentError` with file and line for anything that could not work later."""
    document = read_yaml(path, name=name)
    rules = decode(document, Rules)
    for skill, rule in rules.skills.items():
        _check_pattern(rule.when, document, ("skills", skill, "when"))
    for index, entry in enumerate(rules.rules):
        _check_pattern(entry.user, document, ("rules", index, "user"))
        _check_answers(entry, rules, document, index)
    return Simulation(rules)


def _check_pattern(pattern: str, document: Document, path: Sequence[str | int]) -> None:
    try:
        re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise DocumentError(
            f"not a valid regular expression: {error}",
            where=document.place(path),
            remedy="Python's syntax: https://docs.python.org/3/library/re.html",
        ) from None


def _check_answers(rule: Rule, rules: Rules, document: Document, index: int) -> None:
    for number, answer in enumerate(rule.answers):
        place = document.place(("rules", index, "answers", number))
        if unknown := [skill for skill in answer.needs if skill not in rules.skills]:
            known = ", ".join(rules.skills) or "none"
            raise DocumentError(f"no skill {unknown[0]!r}", where=place, remedy=f"There are: {known}.")
        if not answer.text and not answer.tool_calls:
            raise DocumentError("an answer needs `text` or `tool_calls`", where=place)
    if rule.answers[-1].needs:
        raise DocumentError(
            "the last answer of a rule must not need a skill, or some calls would have no answer",
            where=document.place(("rules", index, "answers", len(rule.answers) - 1)),
            remedy="Add an answer without `needs`.",
        )
