"""Rules of templates and their variables."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from moat.prompts.files import PromptFile
from moat.prompts.linting.places import Lines
from moat.prompts.linting.recalled import Recalled
from moat.prompts.problems import Problem
from moat.prompts.syntax import MARKUP, MAX_SOURCE, Extent, Spot, TemplateFlaw, check
from moat.prompts.variables import nearest

_MARKUP = re.compile(rf"({MARKUP.pattern})", re.DOTALL)
_RAW = re.compile(r"\{%[-+]?\s*raw\b")
_Analysis = Mapping[str, tuple[str, int]] | TemplateFlaw
"""Variables, each with the partial and the line that uses it; or what is wrong."""


def templates(file: PromptFile, lines: Lines) -> Iterator[Problem]:
    """`template`, `missing-partial`, `undeclared-variable`, `unused-variable`."""
    prompt = file.prompt
    sources = [message.content for message in prompt.messages]
    analyses = _analysed([*map(skeleton, sources)], prompt.partials)
    if any(isinstance(found, TemplateFlaw) or not found.keys() <= prompt.variables.keys() for found in analyses):
        analyses = _analysed(sources, prompt.partials)
    used: set[str] = set()
    complete = True
    for index, found in enumerate(analyses):
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


def _analysed(sources: Sequence[str], partials: Mapping[str, str]) -> tuple[_Analysis, ...]:
    """What each of a prompt's templates needs."""

    def find() -> tuple[_Analysis, ...]:
        extent = Extent()
        return tuple(_analyse(source, partials, extent) for source in sources)

    return _RECALLED.of((*sources, "", *chain.from_iterable(partials.items())), find)


def _analyse(source: str, partials: Mapping[str, str], extent: Extent) -> _Analysis:
    try:
        return check(source, partials, extent).variables()
    except TemplateFlaw as flaw:
        flaw.__context__ = None  # the frames behind it hold the texts
        return flaw.with_traceback(None)


def _weight(analyses: Iterable[_Analysis]) -> int:
    flaws = [flaw for flaw in analyses if isinstance(flaw, TemplateFlaw)]
    names = [name for found in analyses if not isinstance(found, TemplateFlaw) for name in found]
    return sum(map(len, names)) + sum(len(flaw.what) + len(flaw.word) + len(flaw.remedy) for flaw in flaws)


_RECALLED = Recalled[tuple[_Analysis, ...]](_weight)


def _at(file: PromptFile, spot: Spot, flaw: TemplateFlaw, lines: Lines, *, rule: str = "") -> Problem:
    return lines.at(
        file, spot, flaw.word, rule=rule or flaw.rule, message=flaw.what, remedy=flaw.remedy, severity="error"
    )
