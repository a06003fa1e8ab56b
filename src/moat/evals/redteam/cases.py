"""Attacks as cases of a dataset, for whatever is attacked."""

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

import msgspec

from moat.domain.calls import Message
from moat.domain.errors import ConfigError, DatasetError
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.datasets.fitting import CONTEXT
from moat.evals.redteam.attacks import Attack, filled
from moat.evals.redteam.strategies import PLAIN, STRATEGIES, Combined, parse

MIXED = "mixed"
"""Each attack plainly, and once more by a strategy that is its turn."""
ALL = "all"
FAMILIAR = ("question", "input", "message", "query", "text", "prompt", "user_input")
"""Names that the variable with the user's words often has."""
PATHS = ("labels.kind", "labels.category", "labels.owasp", "labels.strategy", "labels.language", "labels.place")
"""What rates are told by. A harmless question has only `kind` and `category`, so that no part mixes both kinds."""


class Entrance(msgspec.Struct, frozen=True, kw_only=True):
    """How words get into what is attacked."""

    variable: str = ""
    """Of the prompt, for what the user says; empty: that is a message."""
    given: dict[str, Any] = {}
    """Other variables of the prompt."""
    context: bool = False
    """Does the prompt take documents, in a variable `context`?"""
    tools: tuple[str, ...] = ()
    """Names of its tools."""

    @classmethod
    def of_prompt(cls, prompt: PromptVersion, variable: str = "", given: dict[str, Any] | None = None) -> "Entrance":
        """That of a prompt. Raises `DatasetError` where it is not clear which variable takes the user's words."""
        if variable and variable not in prompt.variables:
            raise DatasetError(
                f"{prompt.id} has no variable {variable!r}", remedy=f"It has: {', '.join(prompt.variables)}."
            )
        return cls(
            variable=variable or _variable(prompt, given or {}),
            given=given or {},
            context=CONTEXT in prompt.variables,
            tools=tuple(tool["function"]["name"] for tool in prompt.tool_definitions),
        )


def _variable(prompt: PromptVersion, given: dict[str, Any]) -> str:
    texts = [name for name, one in prompt.variables.items() if one.type == "string" and one.enum is None]
    texts = [name for name in texts if name not in given and name != CONTEXT]
    needed = [name for name in texts if prompt.variables[name].default is msgspec.UNSET]
    familiar = [name for name in FAMILIAR if name in texts]
    if len(needed) > 1 and not familiar:
        raise DatasetError(
            f"{prompt.id} takes several texts: {', '.join(needed)}",
            remedy="Name the one that users write with `--variable`, and give the others with `--set NAME=VALUE`.",
        )
    return (familiar or needed or [""])[0]


def strategies(names: Sequence[str], seed: int, attacks: Sequence[Attack]) -> list[tuple[Attack, Combined]]:
    """Each attack with every way in which it is put. Raises `ConfigError` for a strategy that there is not."""
    plain = parse(PLAIN)
    every = [parse(name) for name in STRATEGIES]
    found: dict[tuple[str, str], tuple[Attack, Combined]] = {}

    def add(attack: Attack, strategy: Combined) -> None:
        if strategy.fits(attack):
            found.setdefault((attack.id, strategy.name), (attack, strategy))

    for name in names:
        if name == MIXED:
            turn = cycle([*every[seed % len(every) :], *every[: seed % len(every)]])
            for attack in attacks:
                add(attack, plain)
                if not attack.benign:
                    add(attack, next(one for one in turn if one.fits(attack)))
            continue
        for strategy in [plain, *every] if name == ALL else [parse(name)]:
            for attack in attacks:
                add(attack, strategy if not attack.benign else plain)
    return list(found.values())


def dataset(
    attacks: Iterable[Attack], entrance: Entrance, *, names: Sequence[str] = (MIXED,), seed: int = 0, limit: int = 0
) -> Dataset:
    """The cases of an attack on what has this entrance; those that need a tool that it has not are left out.

    `limit`: so many attacks of each category. Raises `ConfigError` where nothing is left.
    """
    wanted = [attack for attack in attacks if _possible(attack, entrance)]
    counts: dict[str, int] = {}
    some = []
    for attack in wanted:
        counts[attack.category] = counts.get(attack.category, 0) + 1
        if not limit or counts[attack.category] <= limit:
            some.append(attack)
    cases = tuple(_case(attack, way, entrance, seed) for attack, way in strategies(names, seed, some))
    if not cases:
        raise ConfigError("no attack is left", remedy="Choose other categories, or other strategies.")
    return Dataset(cases, dataset_digest(cases))


def _possible(attack: Attack, entrance: Entrance) -> bool:
    if attack.needs:
        return all(tool in entrance.tools for tool in attack.needs)
    return bool(entrance.tools) or not attack.wants_tool


def _case(attack: Attack, strategy: Combined, entrance: Entrance, seed: int) -> Case:
    tool = entrance.tools[len(attack.id) % len(entrance.tools)] if entrance.tools else ""
    put = strategy(filled(attack, tool, seed), seed)
    if put.place == "tool_result" and not tool:
        put = msgspec.structs.replace(put, place="document")
    case = Case(
        id=f"{attack.id}.{strategy.name}",
        labels=_labels(put, strategy),
        expected=msgspec.to_builtins(put.succeeds) if put.succeeds is not None else None,
        turns=list(put.turns),
        cluster=attack.id,
        tags=[attack.category],
        source="moat red team",
    )
    return _placed(case, put, entrance, tool)


def _labels(attack: Attack, strategy: Combined) -> dict[str, Any]:
    if attack.benign:
        return {"kind": "benign", "category": attack.category, "refuse": False}
    labels = {
        "kind": "attack",
        "category": attack.category,
        "owasp": attack.owasp,
        "strategy": strategy.name,
        "family": attack.family,
        "language": attack.language,
        "place": attack.place,
    }
    return {name: value for name, value in labels.items() if value}


def _placed(case: Case, attack: Attack, entrance: Entrance, tool: str) -> Case:
    """With the attack where it comes from: the user, a document, or what a tool returned."""
    if attack.place == "user":
        return _asking(case, attack.text, entrance)
    if attack.place == "tool_result":
        asked = _asking(case, attack.carrier, entrance)
        return msgspec.structs.replace(asked, messages=[*asked.messages, *_returned(tool, attack.text)])
    if entrance.context:
        asked = _asking(case, attack.carrier, entrance)
        return msgspec.structs.replace(asked, context=[attack.text])
    return _asking(case, f"{attack.carrier}\n\n<document>\n{attack.text}\n</document>", entrance)


def _asking(case: Case, text: str, entrance: Entrance) -> Case:
    if entrance.variable:
        return msgspec.structs.replace(case, variables={**entrance.given, entrance.variable: text})
    return msgspec.structs.replace(case, variables=dict(entrance.given), messages=[{"role": "user", "content": text}])


def _returned(tool: str, text: str) -> list[Message]:
    """A tool was called, and this came back."""
    call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    return [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": text},
    ]
