"""Prompts, tools, and what ships together."""

import hashlib
from typing import Any, Literal

import msgspec


class PromptRef(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's wish for a prompt: an exact version, or whatever an environment serves."""

    name: str
    version: str = ""
    environment: str = ""
    variables: dict[str, Any] = {}
    released_only: bool = False
    """The caller may use what the environment serves, and no other version."""
    from_messages: bool = False
    """The caller can send messages only: its last user message becomes the prompt's one required variable."""

    def __str__(self) -> str:
        """`name@version` or `name@environment`."""
        return f"{self.name}@{self.version or self.environment}"


class MessageTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of a prompt; `content` is a Jinja2 template."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


class Variable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One variable of a prompt. Without a default it must be given."""

    type: Literal["string", "integer", "number", "boolean", "array", "object"] = "string"
    description: str = ""
    default: Any = msgspec.UNSET
    enum: list[Any] | None = None


class PromptVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`prompts/<name>/<version>.yaml`, read and checked. Immutable once published."""

    name: str
    version: str
    messages: tuple[MessageTemplate, ...]
    model: str
    variables: dict[str, Variable] = {}
    params: dict[str, Any] = {}
    tools: tuple[str, ...] = ()
    """Tools by `name@version`."""
    output: dict[str, Any] | None = None
    """JSON Schema of the answer, when it must be JSON."""
    metadata: dict[str, Any] = {}
    """Description, owner, tags: shown to people, not part of the digest."""
    partials: dict[str, str] = {}
    """Sources of the partials that the templates include, by name: a version means its whole text."""
    tool_definitions: tuple[dict[str, Any], ...] = ()
    """The definitions behind `tools`, in the OpenAI `tools` format."""

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


def prompt_digest(prompt: PromptVersion) -> str:
    """What identifies a version: SHA-256 over everything that changes its answers, not over its formatting.

    Name, version and metadata are left out: the same prompt under another name is the same prompt.
    """
    content = {
        "messages": prompt.messages,
        "model": prompt.model,
        "variables": prompt.variables,
        "params": prompt.params,
        "output": prompt.output,
        "partials": prompt.partials,
        "tools": prompt.tool_definitions,
    }
    return digest(content)


def digest(value: Any) -> str:
    """`sha256:` and the hex SHA-256 of a value's canonical JSON (keys sorted, no white space)."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The eval run a release rests on."""

    run: str
    suite: str
    dataset_digest: str
    score: float | None
    """Mean of the suite's gated score, 0 to 1; None when nothing could be scored."""
    verdict: str = ""
    """Verdict of the gate against its baseline; empty for a run that was never gated."""
    gates_digest: str = ""
    """Over the gates that led to the verdict."""
    baseline: str = ""
    """Digest of the prompt it was compared with; empty when there was none."""
    judged_ns: int = 0


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable manifest of what ships together. Where it is served is an `Assignment`."""

    id: str
    """`rel_` and the first 16 hex digits of the digest over what ships: the same content is the same release."""
    content: PromptVersion
    """What is served, whole: messages, model, parameters, tools. Editing or losing the file changes nothing."""
    prompt_digest: str
    commit: str = ""
    """Git commit the prompt was read from; empty outside a repository."""
    dirty: bool = False
    """True when the prompt's file differed from that commit."""
    author: str = ""
    created_ns: int = 0
    evidence: tuple[Evidence, ...] = ()

    @property
    def prompt(self) -> str:
        """Name of the prompt."""
        return self.content.name

    @property
    def version(self) -> str:
        """Version of the prompt."""
        return self.content.version


class Arm(msgspec.Struct, frozen=True):
    """A release and its share of an environment's traffic."""

    release: str
    weight: float = 1.0


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment serves for a prompt, from one moment until the next assignment.

    The history of assignments is append-only; `sequence` counts them per environment and prompt from 1, so
    two people who release at the same moment cannot overwrite each other unseen.
    """

    environment: str
    prompt: str
    sequence: int
    arms: tuple[Arm, ...]
    actor: str
    reason: str
    created_ns: int
    replaces: tuple[Arm, ...] = ()
    """The rollback pointer: what a rollback would serve."""
    returns_to: int = 0
    """For a rollback the `sequence` of the release it went back to; 0 for a release."""
