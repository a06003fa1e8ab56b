"""Prompts that somebody is still writing: what they look like, what they cost, how they score, and how they are handed
in. Nothing here changes what an environment serves.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

import msgspec

from moat.domain.calls import Message, ToolCallDelta
from moat.domain.keys import Key
from moat.domain.releases import PromptVersion, Variable
from moat.domain.scores import RunStatus
from moat.domain.usage import Usage

MAX_PARTIALS = 49
"""Of a draft: with its own file as many files as one proposal takes."""


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file of a prompt version would hold, and the partials that it would have otherwise than the project."""

    name: str
    version: str
    text: str
    partials: Annotated[dict[str, str], msgspec.Meta(max_length=MAX_PARTIALS)] = {}
    """Text by name, as in `{% include "name" %}`: changed ones and new ones. What the draft does not include is left
    out; what is not here is as the project has it."""


class PartialUse(msgspec.Struct, frozen=True, kw_only=True):
    """A version that includes a partial, directly or through others."""

    name: str
    version: str
    published: bool
    """Is it in `prompts.lock`? Then the partial is a part of it that does not change either."""


class PartialText(msgspec.Struct, frozen=True, kw_only=True):
    """A partial's file as it stands."""

    name: str
    path: str
    """Relative to the project."""
    text: str
    commit: str
    """The commit that changed it last; empty when there is none."""
    edited: bool
    """Does it differ from that commit, or is it in none?"""
    used_by: tuple[PartialUse, ...]
    """By prompt, each prompt's versions from the oldest."""


class PromptText(msgspec.Struct, frozen=True, kw_only=True):
    """A version's file as it stands."""

    name: str
    version: str
    path: str
    """Relative to the project."""
    text: str
    commit: str
    """The commit that changed it last; empty when there is none."""
    edited: bool
    """Does it differ from that commit, or is it in none?"""
    published: bool
    """Is it in `prompts.lock`? Then a change needs a new version."""


class DraftCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of a version costs at the first deployment of its model. Money is picodollars."""

    version: str
    model: str
    """Alias; empty when the version names none."""
    input_tokens: int
    counted: Literal["estimated"] = "estimated"
    """By the text's length: only the model's own tokenizer, which answers with each call, counts exactly."""
    max_output_tokens: int | None
    """The longest answer that its parameters allow, else the model; none where neither says."""
    input_cost: int | None
    """None: the model has no price, as in the next."""
    max_cost: int | None
    """With the longest answer; none where that is not known either."""


class DraftPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A draft with its variables filled in."""

    messages: tuple[Message, ...]
    """Empty when it cannot be rendered: see `problem`."""
    variables: dict[str, Variable]
    """All that the draft declares, for a form."""
    missing: tuple[str, ...]
    """Variables without value and default. A text that is missing stands in the messages as `{{ name }}`."""
    problem: str
    """Why it cannot be rendered; empty when it can."""
    where: str
    """`file:line` of that, or the variable."""
    cost: DraftCost | None
    """None when it cannot be rendered."""
    served: DraftCost | None
    """The same of the version that `environment` serves; none where none is served, or it takes other variables."""


class DraftDelta(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="delta"):
    """A piece of the answer's text."""

    text: str


class DraftThought(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="reasoning"):
    """A piece of the model's thinking, where the provider shows it."""

    text: str


class DraftToolCall(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="tool"):
    """A piece of a tool call; pieces with one `index` belong together, their `arguments` are put one after another. The
    tool is not run.
    """

    index: int
    id: str
    name: str
    arguments: str

    @classmethod
    def of(cls, delta: ToolCallDelta) -> "DraftToolCall":
        """The piece, without what is for providers alone."""
        return cls(index=delta.index, id=delta.id, name=delta.name, arguments=delta.arguments)


class DraftFinished(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="finished"):
    """The answer is complete. Money is picodollars."""

    request_id: str
    trace_id: str
    model: str
    """The deployment that answered, `provider/model`."""
    finish_reason: str
    usage: Usage
    cost: int | None
    """None: the model has no price."""
    latency_ms: int
    first_token_ms: int | None
    notices: tuple[str, ...]
    """What limits and routing had to say."""


class DraftFailure(msgspec.Struct, frozen=True, kw_only=True):
    """An error as every answer of the API has it."""

    message: str
    type: str
    param: str | None
    code: str


class DraftFailed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="failed"):
    """The answer broke off."""

    error: DraftFailure
    request_id: str
    trace_id: str


DraftEvent = DraftDelta | DraftThought | DraftToolCall | DraftFinished | DraftFailed
"""What a try of a draft sends, each with its tag as the name of the server-sent event."""


class DraftScore(msgspec.Struct, frozen=True, kw_only=True):
    """One score over the cases that are answered so far."""

    name: str
    n: int
    """Cases with a value."""
    missing: int
    """Cases without one because an answer or its scoring failed."""
    mean: float | None
    low: float | None
    high: float | None
    """95 % interval of the mean."""


class DraftEval(msgspec.Struct, frozen=True, kw_only=True):
    """An eval run of a draft. Money is picodollars."""

    id: str
    """Of the stored run."""
    prompt: str
    version: str
    suite: str
    person: str
    """Who started it, and pays for it."""
    status: RunStatus
    """`interrupted`: it was cancelled, its budget was used up or it failed; what was answered is stored."""
    done: int
    total: int
    errors: int
    spent: int
    """Since it was started here."""
    earlier: int
    """What starts before this one had paid for the same run, whose answers are not asked for again."""
    found: str
    """The version that the stored run is of, when that was finished already: nothing was asked, since the draft is
    that version to the letter. Empty otherwise."""
    budget: int
    """What it may spend: set aside from what the person has left today, until it ends."""
    scores: tuple[DraftScore, ...]
    baseline: str
    """The stored run of the served version that the verdict compares with; empty when there is none."""
    verdict: Literal["", "pass", "regressed", "inconclusive"]
    """What the suite's gates say; empty until it is finished."""
    summary: str
    """The verdict in a sentence."""
    problem: str
    """Why it stopped; empty when it did not."""
    started_ns: int
    finished_ns: int
    """0: it goes on."""


class StartingEval(msgspec.Struct, frozen=True, kw_only=True):
    """An eval run of a draft that is about to begin: money is set aside for it, and it has no id yet."""

    prompt: str
    version: str
    suite: str


class OwnDraftEvals(msgspec.Struct, frozen=True, kw_only=True):
    """The eval runs of drafts that a person has started."""

    starting: StartingEval | None
    """The one that is about to begin."""
    runs: tuple[DraftEval, ...]
    """Those that the server knows since its start, the newest first; one at most goes on."""


class EvalWish(Draft, frozen=True, kw_only=True):
    """A draft, and the suite to run on it."""

    suite: str
    limit: int = 0
    """Only so many cases, the first ones; 0: all."""
    model: str = ""
    """Alias instead of the draft's or the suite's own."""
    budget: str = ""
    """US dollars at most, such as "0.50"; empty: all that the person has left today."""
    environment: str = ""
    """Whose served version is the baseline."""


class ProposedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file as a proposal has it."""

    path: str
    """Relative to the project."""
    text: str
    base: str = ""
    """The commit that it was written for: when another has changed it since, nothing is proposed. Empty: no matter."""


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that was made."""

    branch: str
    commit: str
    base: str
    """The commit that it changes."""
    files: tuple[str, ...]
    pushed: bool
    push_problem: str
    """Why it was not pushed though it should be; empty otherwise."""
    compare_url: str
    """Where the forge shows the change and makes a pull request of it, once the branch is there; empty when the forge
    is not known."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A branch that proposes a change."""

    branch: str
    commit: str
    author: str
    """`Name <e-mail>`."""
    created_ns: int
    message: str
    files: tuple[str, ...]
    """Relative to the project; none of a branch that was merged as it is, and of one without a commit in common."""
    merged: bool
    """Was the change made on the way to the project's current commit, however it came there and whatever became of the
    files since?"""
    compare_url: str


class ProposalFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as a proposal has it."""

    branch: str
    commit: str
    """Of the branch."""
    path: str
    text: str
    base: str
    """The commit that it was written for: that changed the file last when the branch began, or the one that the branch
    began with when the file is new."""


class Person(msgspec.Struct, frozen=True):
    """Who proposes, as git records it."""

    name: str
    email: str


class Drafts(Protocol):
    """Drafts and files of prompts."""

    def path(self, name: str, version: str) -> str:
        """Where a version's file stands, or would, relative to the project. Raises `PromptError`."""
        ...

    def file(self, name: str, version: str) -> PromptText:
        """A version's file. Raises `NotFound`."""
        ...

    def partial(self, name: str) -> PartialText:
        """A partial's file, and what includes it. Raises `NotFound`."""
        ...

    def read(self, draft: Draft) -> PromptVersion:
        """The version that a draft is. Raises `PromptError`, `DocumentError` with file and line."""
        ...

    def preview(self, prompt: PromptVersion, variables: dict[str, Any], served: PromptVersion | None) -> DraftPreview:
        """With its variables filled in, and what it costs, beside the served version."""
        ...


class DraftEvals(Protocol):
    """Eval runs of drafts, in the background of the server."""

    async def start(self, wish: EvalWish, key: Key) -> DraftEval:
        """Who asks is who pays. Raises what keeps the run from beginning."""
        ...

    def get(self, id: str) -> DraftEval:
        """How far it is. Raises `NotFound`."""
        ...

    def own(self, person: str) -> OwnDraftEvals:
        """Those that a person has started."""
        ...

    async def cancel(self, id: str) -> DraftEval:
        """End it; what was answered stays stored. Idempotent. Raises `NotFound`."""
        ...


class Proposals(Protocol):
    """Proposals in the project's git repository."""

    def make(self, files: Sequence[ProposedFile], subject: str, message: str, person: Person) -> Proposed:
        """Commit files to a new branch; `subject` goes into its name, empty: by what the files are.

        Raises `InputError` for files that cannot be proposed or have errors, `ConflictError` when git refuses, or when
        one of the files has changed since its `base`.
        """
        ...

    def list(self) -> list[Proposal]:
        """All proposal branches, newest first."""
        ...

    def file(self, branch: str, path: str) -> ProposalFile:
        """One of the files that a proposal changes. Raises `NotFound`."""
        ...
