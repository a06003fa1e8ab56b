"""Limits that somebody wants otherwise: what moat.yaml would be then. What is in force stays as it is."""

import msgspec

from moat.domain.config import LimitConfig


class LimitWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit in the place of another, a new one, or one less; or another budget for trying prompts."""

    limit: str = ""
    """The one that is changed, or removed without a `rule`; empty: the rule is new."""
    rule: LimitConfig | None = None
    per_day: str = ""
    """`console.playground.per_day`, the only thing that is asked for then: US dollars as text."""


class ConfigDraft(msgspec.Struct, frozen=True, kw_only=True):
    """moat.yaml as it would be. It can be proposed."""

    path: str
    """Relative to the project."""
    base: str
    """The commit whose file it changes."""
    before: str
    """That file."""
    text: str
    """The same with the change, and all else byte for byte as it was."""
    edited: bool
    """Does the file that is in force differ from the commit's?"""
