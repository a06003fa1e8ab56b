"""Prompts as the request path needs them: in memory, no I/O."""

from typing import Any, Protocol

import msgspec

from moat.domain.calls import Message
from moat.domain.releases import PromptRef, PromptVersion, Release


class Resolution(msgspec.Struct, frozen=True):
    """What a reference stands for right now. `release` is None for an exact version that was never released."""

    prompt: PromptVersion
    release: Release | None
    arm: str = ""
    """Of a split: the name of the arm that was chosen."""
    experiment: str = ""


class Prompts(Protocol):
    """Finds the version that a reference means."""

    def resolve(self, ref: PromptRef, sticky: str) -> Resolution:
        """Exact version, or what the environment serves.

        `sticky` (a user id) keeps one user on one arm of a split; when empty the choice is free per call.
        Raises `NotFound` with the versions or environments there are; `latest` is refused the same way.
        """
        ...

    def shadow(self, ref: PromptRef, sticky: str) -> str:
        """Id of the release that shall answer a copy of this call as well; empty, as almost always, when none shall."""
        ...


class Renderer(Protocol):
    """Turns a version and variables into chat messages."""

    def render(self, prompt: PromptVersion, variables: dict[str, Any]) -> list[Message]:
        """Render; pure and bounded in time and size.

        Raises `PromptError` for a missing, unknown or mistyped variable, or a template that fails.
        Values are data: they are never rendered again.
        """
        ...
