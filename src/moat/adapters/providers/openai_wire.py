"""What an OpenAI-compatible server sends: typed as far as it is used, everything else passed over.

Source: https://platform.openai.com/docs/api-reference/chat, and what compatible servers were seen to do: null
instead of a missing member, usage in any chunk or repeated, content as a list of parts.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from moat.adapters.providers.beside import texts_in
from moat.domain.calls import Call, ToolCallDelta
from moat.domain.errors import ProviderDown, ProviderError, ProviderOverloaded
from moat.domain.usage import Usage, tier_of
from moat.pipeline.asked import searches_once

T = TypeVar("T")

Index = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[float, msgspec.Meta(ge=0)]
"""Some servers count in floats: `5.0`."""
MANY = 10**6
"""No answer took so many searches."""


class _InputDetails(msgspec.Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    web_search_requests: Any = None
    """litellm's."""


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


_NO_INPUT, _NO_OUTPUT = _InputDetails(), _OutputDetails()


class UsageBody(msgspec.Struct):
    """`usage`."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: Count | None = None
    """DeepSeek's."""
    cached_tokens: Count | None = None
    """Moonshot's."""
    server_tool_use: Any = None
    """OpenRouter's."""
    num_search_queries: Any = None
    """Perplexity's."""
    num_sources_used: Any = None
    """xAI's, which bills sources."""

    @property
    def searches(self) -> int | None:
        """Of the web; None where they are not counted."""
        tools, asked = self.server_tool_use, self.prompt_tokens_details or _NO_INPUT
        counted = tools.get("web_search_requests") if isinstance(tools, dict) else None
        said = (counted, asked.web_search_requests, self.num_search_queries, self.num_sources_used)
        return next((int(count) for count in said if isinstance(count, int | float) and 0 <= count < MANY), None)

    def usage(self) -> Usage:
        """In Moat's terms, as far as it stands here."""
        asked, said = self.prompt_tokens_details or _NO_INPUT, self.completion_tokens_details or _NO_OUTPUT
        read, written = int(self.prompt_tokens or 0), int(self.completion_tokens or 0)
        reasoning = int(said.reasoning_tokens or 0)
        if reasoning and self.total_tokens == read + written + reasoning:
            written += reasoning  # xAI counts it beside the answer, not in it
        return Usage(
            input=read,
            output=written,
            cached=int(asked.cached_tokens or self.prompt_cache_hit_tokens or self.cached_tokens or 0),
            cache_write=int(asked.cache_write_tokens or 0),
            reasoning=reasoning,
            audio_input=int(asked.audio_tokens or 0),
            audio_output=int(said.audio_tokens or 0),
            image_input=int(asked.image_tokens or 0),
            image_output=int(said.image_tokens or 0),
        )


class _Groq(msgspec.Struct):
    usage: UsageBody | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    """JSON; some servers send the object itself."""

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        if isinstance(self.arguments, dict):
            return msgspec.json.encode(self.arguments).decode()
        return self.arguments or ""


class _Custom(msgspec.Struct):
    """A tool that takes any text."""

    name: str | None = None
    input: str | None = None


class _ToolCall(msgspec.Struct):
    index: Index | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None

    @property
    def called(self) -> _Function | None:
        """What is called with what, of either kind."""
        if self.function is None and self.custom is not None:
            return _Function(self.custom.name, self.custom.input)
        return self.function


class Message(msgspec.Struct):
    """A whole message, or a piece of one."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    reasoning_content: Any = None
    """DeepSeek's name for the model's thinking, and of most that followed."""
    reasoning: Any = None
    """That of OpenRouter, Groq, Together, Ollama and newer versions of vLLM."""
    reasoning_details: Any = None
    """OpenRouter's."""
    function_call: _Function | None = None
    """What tool calls were before there could be several."""
    annotations: Any = None
    audio: Any = None

    @property
    def text(self) -> str:
        """The content's text; of a list of parts, its text parts; of one that is spoken, what is said."""
        if not isinstance(self.content, list):
            return self.content or self._spoken
        parts = [part.get("text") for part in self.content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))

    @property
    def _spoken(self) -> str:
        said = self.audio.get("transcript") if isinstance(self.audio, dict) else ""
        return said if isinstance(said, str) else ""

    @property
    def beside(self) -> str:
        """What has no canonical form: citations, thinking that stands nowhere else, other parts of the content."""
        parts = self.content if isinstance(self.content, list) else ()
        if not (parts or self.annotations or self.reasoning_details):
            return ""
        others = [part for part in parts if isinstance(part, dict) and part.get("type") not in ("text", "thinking")]
        return texts_in([self.annotations, None if self.thought else self.reasoning_details, others])

    @property
    def thought(self) -> str:
        """The model's thinking, wherever it stands: Mistral makes it a part of the content."""
        found = self.reasoning_content or self.reasoning
        if isinstance(found, str):
            return found
        if not isinstance(self.content, list):
            return ""
        inner = [
            part.get("thinking") for part in self.content if isinstance(part, dict) and part.get("type") == "thinking"
        ]
        texts = [text for each in inner if isinstance(each, list) for text in each if isinstance(text, dict)]
        return "".join(str(text.get("text") or "") for text in texts)

    def pieces(self) -> tuple[ToolCallDelta, ...]:
        """Its tool calls; those of a whole message carry no index of their own."""
        of_old = [_ToolCall(function=self.function_call)] if self.function_call is not None else []
        return tuple(
            ToolCallDelta(
                index=position if call.index is None else call.index,
                id=call.id or "",
                name=(call.called.name if call.called else None) or "",
                arguments=call.called.text if call.called else "",
            )
            for position, call in enumerate([*(self.tool_calls or ()), *of_old])
        )


_REASONS = {
    "eos": "stop",
    "function_call": "tool_calls",
    "insufficient_system_resource": "length",
    "model_length": "length",
}
"""Reasons that some servers give in their own words."""


class Choice(msgspec.Struct):
    """One of the answers asked for; only the first is looked at."""

    index: int = 0
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None
    usage: UsageBody | None = None
    """Moonshot puts it here."""

    @property
    def reason(self) -> str:
        """Why the answer ended, in OpenAI's words; empty before its end."""
        return _REASONS.get(self.finish_reason, self.finish_reason) if self.finish_reason else ""


class Body(msgspec.Struct):
    """A chat completion, a chunk of one, or an error."""

    choices: list[Choice] | None = None
    usage: UsageBody | None = None
    x_groq: _Groq | None = None
    model: str | None = None
    service_tier: Any = None
    system_fingerprint: Any = None
    error: Any = None

    @property
    def fingerprint(self) -> str:
        """Of the system that answers, where it is told."""
        return self.system_fingerprint if isinstance(self.system_fingerprint, str) else ""

    @property
    def used(self) -> UsageBody | None:
        """The usage, wherever it stands."""
        if isinstance(self.usage, UsageBody):
            return self.usage
        if isinstance(self.x_groq, _Groq) and self.x_groq.usage is not None:
            return self.x_groq.usage
        choice = self.first
        return choice.usage if choice is not None else None

    @property
    def first(self) -> Choice | None:
        """The choice with index 0."""
        choices = self.choices
        if choices and choices[0].index == 0:
            return choices[0]
        return next((choice for choice in choices or () if choice.index == 0), None)


class _Uncounted(Body):
    """A body whose usage is not one. The answer is paid for and good; what it used will be estimated."""

    usage: Any = None
    x_groq: Any = None


_decode = msgspec.json.Decoder(Body).decode
_decode_uncounted = msgspec.json.Decoder(_Uncounted).decode


def read_body(data: bytes, *, where: str) -> Body:
    """Decode and check for an error object. Raises `ProviderDown`."""
    try:
        try:
            body = _decode(data)
        except msgspec.ValidationError:
            body = _decode_uncounted(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderDown(f"sent something that is not a chat completion: {error}", where=where) from None
    if body.error:
        raise error_inside(body.error, where)
    return body


_TIERS = {"fast": "priority"}
"""OpenAI's two names for one level of service."""


def used_by(call: Call, used: UsageBody | None, tier: Any) -> Usage | None:
    """The usage of a whole answer: OpenAI's searching models do not count that they searched, and the level of service
    stands beside the counts.
    """
    if used is None:
        return None
    usage, tier, searches = used.usage(), tier_of(tier), used.searches
    if searches is None:
        searches = int(searches_once(call))
    if not tier and not searches:
        return usage
    return msgspec.structs.replace(usage, searches=searches, tier=_TIERS.get(tier, tier))


def error_inside(error: Any, where: str) -> ProviderError:
    """An error that came where an answer should: after the status 200, so that its own code has to say what it is."""
    what = f"sent an error in its answer: {error_message(error)}"
    code = error.get("code") if isinstance(error, dict) else None
    kind = error.get("type") if isinstance(error, dict) else None
    busy = code in (429, 529, "429", "rate_limit_exceeded") or kind in ("overloaded_error", "rate_limit_error")
    found: ProviderError = ProviderOverloaded(what, where=where) if busy else ProviderDown(what, where=where)
    found.worked = False
    return found


def error_sent(data: bytes, where: str) -> ProviderError | None:
    """The error object in a body where an answer should be; None when there is none."""
    try:
        body = _decode_uncounted(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return error_inside(body.error, where) if body.error else None


def error_message(error: Any) -> str:
    """The words of an error object, whatever its shape; short and in one line."""
    while isinstance(error, dict):
        inner = next((error[key] for key in ("error", "message", "detail", "msg", "code") if error.get(key)), None)
        if inner is None:
            break
        error = inner
    text = error if isinstance(error, str) else msgspec.json.encode(error).decode()
    return " ".join(text.split())[:500]
