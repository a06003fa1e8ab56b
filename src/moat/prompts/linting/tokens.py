"""Rules of length: what a prompt may be, and what its growth costs. All counts of tokens are estimates."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from moat.domain.releases import PromptVersion
from moat.domain.usage import estimate_tokens, format_usd
from moat.prompts.files import PromptFile
from moat.prompts.lengths import fixed_size
from moat.prompts.linting.places import Lines
from moat.prompts.problems import Problem

GROWTH = 200
"""Tokens by which a version may be longer than the one before it without a word."""
MILLION = 10**6


class Economics(msgspec.Struct, frozen=True, kw_only=True):
    """What lint knows of money and traffic; empty when nothing is known."""

    prices: Mapping[str, int] = {}
    """Picodollars for an input token, by model alias."""
    calls: Mapping[str, int] = {}
    """Calls in the last 30 days, by prompt."""


def text_tokens(prompt: PromptVersion) -> int:
    """About how many tokens of text a version sends before any variable; tools and output schema are not counted."""
    sizes: dict[str, int] = {}
    texts = (fixed_size(message.content, prompt.partials, sizes) for message in prompt.messages)
    return sum(estimate_tokens(" " * size) for size in texts)


def budget(file: PromptFile, lines: Lines) -> Iterator[Problem]:
    """`token-budget`."""
    allowed = file.prompt.metadata.get("token_budget")
    if allowed is not None and (tokens := text_tokens(file.prompt)) > allowed:
        yield Problem(
            rule="token-budget",
            path=file.path,
            line=lines.key(file.path, "token_budget"),
            message=f"about {tokens:,} tokens before any variable (estimated), the budget is {allowed:,}",
            remedy="Shorten the text, or raise `token_budget`.",
        )


def growth(versions: Sequence[PromptFile], published: Mapping[str, str], known: Economics) -> Iterator[Problem]:
    """`token-growth`, for versions of one prompt, oldest first.

    What is published cannot be changed any more, and where a budget is stated, the length was decided.
    """
    for before, file in pairwise(versions):
        if file.prompt.id in published or "token_budget" in file.prompt.metadata:
            continue
        old, new = text_tokens(before.prompt), text_tokens(file.prompt)
        if new - old >= GROWTH:
            cost = _cost(file.prompt, new - old, known)
            yield Problem(
                rule="token-growth",
                severity="warning",
                path=file.path,
                line=1,
                message=f"about {old:,} -> {new:,} tokens since {before.prompt.version} (estimated){cost}",
                remedy="Shorten the text, or state a `token_budget` to say that it is meant.",
            )


def _cost(prompt: PromptVersion, tokens: int, known: Economics) -> str:
    price = known.prices.get(prompt.model)
    if price is None:
        return ""
    stated = prompt.metadata.get("calls_per_month")
    if stated is not None:
        return f": {format_usd(tokens * price * stated)} a month more at {stated:,} calls, as `calls_per_month` says"
    if seen := known.calls.get(prompt.name):
        return f": {format_usd(tokens * price * seen)} a month more at {seen:,} calls, as in the last 30 days"
    return f": {format_usd(tokens * price * MILLION)} more per million calls"
