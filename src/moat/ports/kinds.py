"""Kinds of providers: what `kind:` in `moat.yaml` may say. One kind is one `ProviderKind` and one registration."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from moat.domain.quotas import Quota
from moat.ports.models import Provider


@dataclass(frozen=True)
class Surroundings:
    """What a provider may need to know beyond its own block in `moat.yaml`."""

    name: str
    """The provider's name there."""
    root: Path
    """The project's folder: relative paths start here."""
    provider: Callable[[str], Provider]
    """Another provider of the project. Raises `ConfigError` for an unknown one."""
    quota: Callable[[str, Quota], None] = lambda model, quota: None
    """To be told what a response's rate-limit headers say of a model."""


@dataclass(frozen=True)
class ProviderKind:
    """One kind: its name, the shape of its block (`kind` included), and how to build it.

    `build` gets an instance of `config`. It opens no connection; it raises `InputError`s for files it cannot
    use.
    """

    name: str
    config: type[msgspec.Struct]
    build: Callable[[Any, Surroundings], Provider]
