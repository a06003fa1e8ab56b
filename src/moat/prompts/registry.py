"""The prompt registry as programs use it: register, get, list, render."""

from typing import Any, NamedTuple

from moat.domain.calls import Message
from moat.domain.errors import NotFound, PromptError
from moat.domain.releases import PromptVersion, Registration, prompt_digest
from moat.ports.clock import Clock
from moat.ports.prompts import Renderer
from moat.ports.registry import Registry
from moat.prompts.semver import is_version
from moat.prompts.syntax import Extent, Spot, TemplateFlaw, check
from moat.prompts.templates import place
from moat.prompts.tree import check_name


class Registered(NamedTuple):
    """A version that was to be registered, as it is stored."""

    registration: Registration
    is_new: bool
    """False when exactly this content was there already."""


class PromptRegistry:
    """Every version there is, from git and from the API, on any `Registry`."""

    def __init__(self, registry: Registry, renderer: Renderer, clock: Clock) -> None:
        self._registry = registry
        self._renderer = renderer
        self._clock = clock

    def register(self, prompt: PromptVersion, author: str) -> Registered:
        """Store a version; the same content again is no change.

        Raises `PromptError` for a name, version or template that no file could have, and `ConflictError` for a
        version that is there with another content.
        """
        check_name(prompt.name)
        if not is_version(prompt.version):
            raise PromptError(f"{prompt.version!r} is not a semantic version", remedy="Write it like 1.4.0.")
        extent = Extent()
        for index, message in enumerate(prompt.messages):
            try:
                check(message.content, prompt.partials, extent).compile()
            except TemplateFlaw as flaw:
                where = place(prompt, Spot(index, flaw.partial, flaw.line))
                raise PromptError(flaw.what, where=where, remedy=flaw.remedy) from None
        digest = prompt_digest(prompt)
        is_new = self._registry.digests().get(prompt.id) != digest
        stored = self._registry.register(
            Registration(content=prompt, digest=digest, source="api", author=author, registered_ns=self._clock.now_ns())
        )
        return Registered(stored, is_new)

    def get(self, name: str, version: str) -> Registration:
        """One exact version. Raises `NotFound` with the versions there are; `latest` is refused the same way."""
        if version in ("", "latest"):
            there = ", ".join(registration.content.version for registration in self.list(name))
            what = f"there is no latest version of {name}: what runs must be named"
            raise NotFound(what, remedy=f"Ask for one of its versions ({there}) or for an environment.")
        return self._registry.get(name, version)

    def names(self) -> list[str]:
        """Names of all prompts, sorted."""
        return self._registry.names()

    def digests(self) -> dict[str, str]:
        """Digest of every version by `name@version`."""
        return self._registry.digests()

    def render(self, name: str, version: str, variables: dict[str, Any]) -> list[Message]:
        """The messages of one exact version. Raises `NotFound`, or `PromptError` like every renderer."""
        return self._renderer.render(self.get(name, version).content, variables)

    def list(self, name: str) -> list[Registration]:
        """All versions of a prompt in ascending order. Raises `NotFound` for an unknown one."""
        found = self._registry.versions(name)
        if not found:
            raise NotFound(f"there is no prompt {name!r}", remedy="`moat prompt list` shows what there is.")
        return found
