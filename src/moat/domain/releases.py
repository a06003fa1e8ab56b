"""Prompts, tools, what ships together, and where it is served."""

import hashlib
from typing import Any, Literal

import msgspec


class PromptRef(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's wish for a prompt: an exact version, or whatever an environment serves."""

    name: str
    version: str = ""
    environment: str = ""
    release: str = ""
    """A release by id, whatever is served: set inside Moat (shadow traffic, a smoke test), never by a caller."""
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
    suite_digest: str = ""
    """Over its scorers, judges and their prompts included."""
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
    deployments: tuple[str, ...] = ()
    """`provider/model` of everything behind the prompt's model alias when it was released; empty for a prompt that
    names no model."""
    policies: tuple[str, ...] = ()
    """`name@digest` of the guard policies that are about the prompt, as they were when it was released."""
    commit: str = ""
    """Git commit the prompt was read from; empty outside a repository."""
    dirty: bool = False
    """True when the prompt's file, or one that it includes or a tool of it, differed from that commit."""
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
    """Relative to the other arms. 0 keeps a release ready and sends it nothing."""
    name: str = ""
    """`canary` and `stable`, `green` and `blue`, or as the experiment names it; empty when it is the only one."""


Strategy = Literal["all", "canary", "blue_green", "ab", "shadow"]
"""`all`: one release serves everybody. `canary`: a new one gets a growing share. `blue_green`: a new one is prepared
and smoked, then takes over at once. `ab`: named arms are compared. `shadow`: a new one answers a copy of the calls."""

Progress = Literal["open", "paused", "closed"]
"""`open`: a rollout is under way. `paused`: it is held as it is, until somebody resumes, promotes or aborts it.
`closed`: nothing is under way; one release serves everybody."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment serves for a prompt, from one moment until the next assignment.

    The history of assignments is append-only; `sequence` counts them per environment and prompt from 1, so
    two people who release at the same moment cannot overwrite each other unseen. A rollout is several assignments
    with one `experiment`.
    """

    environment: str
    prompt: str
    sequence: int
    arms: tuple[Arm, ...]
    """The new one first: users on its share stay there while the share grows."""
    actor: str
    reason: str
    created_ns: int
    strategy: Strategy = "all"
    progress: Progress = "closed"
    experiment: str = ""
    """Names a rollout, and salts who falls on which arm: the same in all its assignments, empty when there is none."""
    shadow: Arm | None = None
    """Answers a copy of the calls, unseen by users; its weight is the share of the calls, 0 to 1."""
    overridden: tuple[str, ...] = ()
    """Rules of the environment that were broken, in words, for the `reason`; empty unless somebody broke the glass."""
    replaces: tuple[Arm, ...] = ()
    """The rollback pointer: what a rollback would serve."""
    returns_to: int = 0
    """For a rollback or an aborted rollout the `sequence` of the assignment it went back to; else 0."""

    @property
    def releases(self) -> tuple[str, ...]:
        """Ids of all releases that may answer: the arms', whatever their share, and the shadow's."""
        shadows = () if self.shadow is None else (self.shadow,)
        return tuple(arm.release for arm in (*self.arms, *shadows))

    def share(self, arm: Arm) -> float:
        """An arm's part of the users, 0 to 1; of the shadow, of the calls that are copied."""
        if arm is self.shadow:
            return arm.weight
        total = sum(each.weight for each in self.arms)
        return arm.weight / total if total else 0.0

    @property
    def salt(self) -> str:
        """What `choose` takes, so that users fall on unrelated arms elsewhere."""
        return self.experiment or f"{self.environment}\0{self.prompt}"


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One person's yes to a release in an environment."""

    release: str
    environment: str
    actor: str
    created_ns: int
    comment: str = ""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt version that the registry knows, and where it comes from."""

    content: PromptVersion
    digest: str
    source: Literal["git", "api"]
    commit: str = ""
    """The commit that brought this content; empty for what is not committed, or came over the API."""
    author: str = ""
    """Who committed or registered it."""
    committed_ns: int = 0
    branches: tuple[str, ...] = ()
    """Branches that hold exactly this content, sorted."""
    registered_ns: int = 0


def choose(arms: tuple[Arm, ...], salt: str, sticky: str) -> int:
    """Index of the arm that a user falls on: uniform in SHA-256 of salt and user, the same in every process.

    Users stay on the first arm while its weight grows against the sum of the others. At least one weight is above 0.
    """
    digest_of = hashlib.sha256(f"{salt}\0{sticky}".encode("utf-8", "surrogatepass")).digest()
    return arm_at(arms, int.from_bytes(digest_of[:6]) / 2**48)


def arm_at(arms: tuple[Arm, ...], point: float) -> int:
    """Index of the arm whose share of [0, 1) holds the point."""
    left = point * sum(arm.weight for arm in arms)
    last = 0
    for index, arm in enumerate(arms):
        if arm.weight > 0:
            if left < arm.weight:
                return index
            left -= arm.weight
            last = index
    return last
