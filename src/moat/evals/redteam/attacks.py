"""Attacks: files of them by category, those that Moat brings along and those of a project."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from moat.documents import decode, read_yaml
from moat.domain.errors import ConfigError, DocumentError
from moat.evals.scorers.attack import Success

FOLDER = Path(__file__).parent / "shipped"
BENIGN = "over_refusal"
"""The category of questions that only look dangerous: refusing them is the mistake."""
_WORDS = """
amber anchor badger basil beacon birch cedar cobalt copper coral cricket dahlia ember falcon fennel fjord garnet
glacier harbor hazel heron indigo ivory jasper juniper kestrel lagoon lantern larch lotus maple marble meadow
nectar nutmeg onyx orchid otter pebble pewter pigeon quartz raven saffron sorrel thistle topaz tundra velvet walnut
willow zephyr
"""
WORDS = _WORDS.split()
"""Two of them make a marker, which no attack contains as one: to quote the attack is not to follow it."""

Place = Literal["user", "document", "tool_result"]


class Attack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attack as somebody wrote it.

    In its texts `{first}` and `{second}` stand for two words, in `succeeds` `{marker}` for both with a hyphen
    between; `{tool}` is a tool of whatever is attacked.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
    text: Annotated[str, msgspec.Meta(min_length=1)]
    """What is said first, or, of an attack from a document or a tool, what stands there."""
    turns: tuple[str, ...] = ()
    """What is said next, one after each answer."""
    place: Place = "user"
    carrier: str = "Please summarise this for me in two or three sentences."
    """What the user asks, of an attack that stands elsewhere: he means no harm."""
    language: str = "en"
    family: str = ""
    """What kind of trick it is, within its category."""
    succeeds: Success | None = None
    """None: as its file says for all."""
    needs: tuple[str, ...] = ()
    """Tools without which it makes no sense."""
    category: str = ""
    """Of its file, and so is `owasp`."""
    owasp: str = ""

    @property
    def benign(self) -> bool:
        """Should it be answered?"""
        return self.category == BENIGN

    @property
    def wants_tool(self) -> bool:
        """Does it make no sense where no tool is?"""
        return bool(self.needs) or any("{tool}" in text for text in (self.text, self.carrier, *self.turns))


class Category(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of attacks."""

    category: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    owasp: Annotated[str, msgspec.Meta(pattern=r"^(LLM(0[1-9]|10))?$")] = ""
    """Row of the OWASP Top 10 for LLM applications, 2025."""
    description: str
    place: Place = "user"
    """Of those that say nothing themselves."""
    succeeds: Success | None = None
    attacks: Annotated[tuple[Attack, ...], msgspec.Meta(min_length=1)]


def load(path: Path, *, name: str = "") -> Category:
    """Read and check a file of attacks. Raises `ConfigError` with file and line."""
    try:
        document = read_yaml(path, name=name)
    except DocumentError as error:
        raise ConfigError(error.what, where=error.where, remedy=error.remedy) from error
    found = decode(document, Category, error=ConfigError)
    seen: set[str] = set()
    attacks = []
    for index, (attack, raw) in enumerate(zip(found.attacks, document.data["attacks"], strict=True)):
        where = document.place(["attacks", index])
        if attack.id in seen:
            raise ConfigError(f"the id {attack.id!r} stands twice", where=where)
        seen.add(attack.id)
        succeeds = attack.succeeds or found.succeeds
        if succeeds is None and found.category != BENIGN:
            raise ConfigError(
                f"nothing says when {attack.id!r} worked", where=where, remedy="Give it, or the file, `succeeds`."
            )
        attacks.append(
            msgspec.structs.replace(
                attack,
                succeeds=None if found.category == BENIGN else succeeds,
                place=attack.place if "place" in raw else found.place,
                category=found.category,
                owasp=found.owasp,
            )
        )
    return msgspec.structs.replace(found, attacks=tuple(attacks))


@cache
def shipped() -> tuple[Category, ...]:
    """Those that Moat brings along, by row."""
    found = [load(path, name=path.name) for path in sorted(FOLDER.glob("*.yaml"))]
    return tuple(sorted(found, key=lambda category: (category.owasp or "~", category.category)))


def filled(attack: Attack, tool: str, seed: int) -> Attack:
    """The attack with its words, and a tool of whatever is attacked."""
    first, second = marker_words(attack.id, seed)
    values = {"{first}": first, "{second}": second, "{marker}": f"{first}-{second}", "{tool}": tool}

    def put(text: str) -> str:
        for place, value in values.items():
            text = text.replace(place, value)
        return text

    succeeds = attack.succeeds
    if succeeds is not None:
        succeeds = msgspec.structs.replace(
            succeeds,
            says=tuple(map(put, succeeds.says)),
            calls=tuple(map(put, succeeds.calls)),
            arguing=put(succeeds.arguing),
        )
    return msgspec.structs.replace(
        attack,
        text=put(attack.text),
        turns=tuple(map(put, attack.turns)),
        carrier=put(attack.carrier),
        succeeds=succeeds,
    )


def marker_words(attack: str, seed: int) -> tuple[str, str]:
    """Two different words for an attack, always the same for the same seed."""
    drawn = hashlib.sha256(f"{seed}:{attack}".encode()).digest()
    first = drawn[0] % len(WORDS)
    second = (first + 1 + drawn[1] % (len(WORDS) - 1)) % len(WORDS)
    return WORDS[first], WORDS[second]


def chosen(categories: tuple[Category, ...], names: tuple[str, ...] = ()) -> Iterator[Attack]:
    """The attacks of the named categories or OWASP rows; of all without a name. Raises `ConfigError` for no such."""
    known = {category.category for category in categories} | {category.owasp for category in categories} - {""}
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no category {name!r}", remedy=f"There are: {', '.join(sorted(known))}.")
    for category in categories:
        if not names or category.category in names or category.owasp in names:
            yield from category.attacks
