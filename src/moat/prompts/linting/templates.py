"""Rules of templates and their variables."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from moat.prompts.files import PromptFile
from moat.prompts.linting.places import Lines
from moat.prompts.problems import Problem
from moat.prompts.syntax import MARKUP, MAX_SOURCE, Spot, TemplateFlaw, check
from moat.prompts.variables import nearest

_MARKUP = re.compile(rf"({MARKUP.pattern})", re.DOTALL)
_RAW = re.compile(r"\{%[-+]?\s*raw\b")


def templates(file: PromptFile, lines: Lines) -> Iterator[Problem]:
    """`template`, `missing-partial`, `undeclared-variable`, `unused-variable`."""
    prompt = file.prompt
    partials = tuple(prompt.partials.items())
    used: set[str] = set()
    complete = True
    for index, message in enumerate(prompt.messages):
        found = _analyse(skeleton(message.content), partials)
        if isinstance(found, TemplateFlaw) or not found.keys() <= prompt.variables.keys():
            found = _analyse(message.content, partials)
        if isinstance(found, TemplateFlaw):
            complete = False
            yield _at(file, Spot(index, found.partial, found.line), found, lines)
            continue
        used |= found.keys()
        for name in sorted(found.keys() - prompt.variables.keys()):
            partial, line = found[name]
            remedy = "Declare it under `variables`."
            if prompt.variables:
                remedy = f"{remedy} {nearest(name, prompt.variables)}"
            flaw = TemplateFlaw(f"the variable {name!r} is not declared", partial, line, word=name, remedy=remedy)
            yield _at(file, Spot(index, partial, line), flaw, lines, rule="undeclared-variable")
    if complete:
        for name in sorted(prompt.variables.keys() - used):
            yield Problem(
                rule="unused-variable",
                path=file.path,
                line=lines.key(file.path, "variables", name),
                message=f"no message uses the variable {name!r}",
                remedy="Use it, or remove it: callers must give it.",
            )


def skeleton(source: str) -> str:
    """The template with each piece of plain text cut to one letter: equal for versions that differ in words only.

    It needs the same variables and has the same flaws. A template where markup could stand in a text in quotes, so
    that what is plain text is not certain, stays whole.
    """
    if len(source) > MAX_SOURCE or _RAW.search(source):
        return source
    pieces = _MARKUP.split(source)
    for index, piece in enumerate(pieces):
        if index % 2:
            inner, closing = piece[2:-2], piece[1].replace("{", "}")
            if len(piece) < 4 or piece[-2:] != f"{closing}}}":
                return source
            quotes = inner.count('"') or inner.count("'")
            mixed = '"' in inner and "'" in inner
            if piece[1] != "#" and (quotes % 2 or mixed or "{" in inner or "\\" in inner):
                return source
        elif piece and "{" not in piece and "}" not in piece:
            pieces[index] = "x"
    return "".join(pieces)


@lru_cache(maxsize=4096)
def _analyse(source: str, partials: tuple[tuple[str, str], ...]) -> Mapping[str, tuple[str, int]] | TemplateFlaw:
    """The variables of a template, or its flaw; versions of a prompt share most of their messages."""
    try:
        return check(source, dict(partials)).variables()
    except TemplateFlaw as flaw:
        return flaw


def _at(file: PromptFile, spot: Spot, flaw: TemplateFlaw, lines: Lines, *, rule: str = "") -> Problem:
    return lines.at(
        file, spot, flaw.word, rule=rule or flaw.rule, message=flaw.what, remedy=flaw.remedy, severity="error"
    )
