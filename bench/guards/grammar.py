"""Sentences from templates: `(a|b|)` one of these, `{slot}` one of `$slot = ...`, `{Slot}` the same with a capital."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data" / "injection"
_CHOICE = re.compile(r"\(([^()]*)\)")
_BAR = re.compile(r"(?<!\\)\|")
_SLOT = re.compile(r"\{(\w+)\}")
_SPACES = re.compile(r"[ \t]{2,}")
_BEFORE = re.compile(r" +([,.;!?:])")


class Template(NamedTuple):
    """One line of a file of templates."""

    section: str
    text: str
    slots: dict[str, list[str]]


def templates(file: str) -> list[Template]:
    """Those of one file, in order. Slots of a section with a language are seen by that section only."""
    found: list[Template] = []
    slots: dict[str, list[str]] = {}
    section = ""
    own = ".world." in file
    for line in (DATA / file).read_text(encoding="utf-8").splitlines():
        if re.fullmatch(r"\[[\w-]+\]", line):
            section = line[1:-1]
            slots = {} if own else slots
        elif line.startswith("$") and " = " in line:
            name, _, choices = line[1:].partition(" = ")
            slots[name.strip()] = _BAR.split(choices)
        elif line.strip() and not line.startswith("# "):
            found.append(Template(section, line, slots))
    return found


def sentences(template: Template, count: int, rng: random.Random, *, even: bool = False) -> Iterator[str]:
    """Different sentences of one template, at most `count`.

    What stands first in a slot is chosen most often (Zipf), unless `even`.
    """
    seen: set[str] = set()
    for _ in range(3 * count):
        text = _expand(template, rng, even)
        if text not in seen:
            seen.add(text)
            yield text
        if len(seen) == count:
            return


def _expand(template: Template, rng: random.Random, even: bool) -> str:
    text = template.text
    for _ in range(12):
        before = text
        text = _SLOT.sub(lambda match: _fill(match, template, rng, even), text)
        text = _CHOICE.sub(lambda match: rng.choice(_BAR.split(match.group(1))), text)
        if text == before:
            break
    text = text.replace("\\n", "\n").replace("\\|", "|")
    text = _BEFORE.sub(r"\1", _SPACES.sub(" ", text)).strip()
    return re.sub(r"([.!?])\.", r"\1", text)


def _fill(match: re.Match[str], template: Template, rng: random.Random, even: bool) -> str:
    name = match.group(1)
    choices = template.slots.get(name) or template.slots.get(name.lower())
    if choices is None:
        return match.group()
    text = rng.choices(choices, [1.0 if even else 1 / (rank + 2) for rank in range(len(choices))])[0]
    return text[:1].upper() + text[1:] if name[0].isupper() else text
