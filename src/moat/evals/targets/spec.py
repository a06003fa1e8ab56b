"""What a suite's `target` may say: one struct a kind. `bootstrap.targets` makes targets of them."""

from typing import Annotated, Any, Literal

import msgspec

from moat.domain.config import Seconds

Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of every kind."""


class PromptSpec(_Spec, frozen=True, kw_only=True):
    """A version of a prompt, through the pipeline. `prompt: NAME` in a suite is short for it."""

    kind: Literal["prompt"] = "prompt"
    prompt: Text
    version: str = ""
    """Empty: the one that the command names."""


class ReleaseSpec(_Spec, frozen=True, kw_only=True):
    """What an environment serves of a prompt when the run starts."""

    kind: Literal["release"]
    prompt: Text
    environment: Text


class ModelSpec(_Spec, frozen=True, kw_only=True):
    """A model alias without a prompt: the case brings `messages`, or the variable `input`."""

    kind: Literal["model"]
    model: Text
    system: str = ""
    """Instructions in front of every case."""
    params: dict[str, Any] = {}


class UsagePaths(_Spec, frozen=True, kw_only=True):
    """Where a service says what an answer took; an empty path: it does not say."""

    input: str = ""
    output: str = ""
    cost: str = ""
    """US dollars."""


class HttpTimeouts(_Spec, frozen=True, kw_only=True):
    """Of a request to a service, in seconds."""

    connect: Seconds = 5.0
    answer: Seconds = 60.0


class HttpSpec(_Spec, frozen=True, kw_only=True):
    """A service that answers over HTTP."""

    kind: Literal["http"]
    url: Text
    method: Literal["POST", "GET", "PUT"] = "POST"
    headers: dict[str, str] = {}
    body: Any = None
    """JSON in which `{{ name }}` stands for a variable of the case, `{{ input }}` for what the user said last,
    `{{ messages }}` for the conversation, `{{ id }}` for the case. None: nothing is sent."""
    output: str = ""
    """Path to the text in the JSON answer; empty: all of the body is the text."""
    context: str = ""
    tool_calls: str = ""
    usage: UsagePaths = UsagePaths()
    timeouts: HttpTimeouts = HttpTimeouts()
    private_network: bool = False
    """May the name in the URL lead to a private address?"""
    version: str = ""
    """Of the service: while it stays the same, a finished run of it is not asked again."""


class FunctionSpec(_Spec, frozen=True, kw_only=True):
    """A Python function of the project."""

    kind: Literal["function"]
    path: Annotated[str, msgspec.Meta(pattern=r"^[^:]+\.py:[A-Za-z_]\w*$")]
    """`app/bot.py:answer`, from the project's folder."""


class ResponsesSpec(_Spec, frozen=True, kw_only=True):
    """Answers that were recorded before, by case."""

    kind: Literal["responses"]
    path: Text
    """A `.jsonl` or `.csv` file, from the suite's folder."""


TargetSpec = PromptSpec | ReleaseSpec | ModelSpec | HttpSpec | FunctionSpec | ResponsesSpec

SPECS: dict[str, type[TargetSpec]] = {
    "prompt": PromptSpec,
    "release": ReleaseSpec,
    "model": ModelSpec,
    "http": HttpSpec,
    "function": FunctionSpec,
    "responses": ResponsesSpec,
}
