"""What Gemini answers: typed as far as it is used, everything else passed over.

Source: https://ai.google.dev/api/generate-content#generatecontentresponse, and the types of Google's SDK.
"""

from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from moat.adapters.providers.beside import texts_in
from moat.adapters.providers.gemini_errors import error_of
from moat.domain.calls import Call, Delta, Finished, ToolCallDelta, new_id
from moat.domain.errors import ProviderDown, ProviderError, StreamCut, Unsupported
from moat.domain.usage import Usage, tier_of
from moat.pipeline.asked import bills_answers

_FAILED = {
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
    "TOO_MANY_TOOL_CALLS",
    "UNEXPECTED_TOOL_CALL",
}
"""The model said something that is no answer; asked again it may do better."""

_REASONS = {"STOP": "stop", "FINISH_REASON_UNSPECIFIED": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
"""All others, present and future ones, say that Google withheld the answer."""

_Count = Annotated[int, msgspec.Meta(ge=0)]
_NOTHING = msgspec.Raw(b"null")


class _Modality(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: _Count = 0


_Modalities = list[_Modality] | None


class _UsageMetadata(msgspec.Struct, rename="camel"):
    """Thoughts are not in the candidates' count, results of Google's own tools not in the prompt's."""

    prompt_token_count: _Count | None = None
    cached_content_token_count: _Count | None = None
    candidates_token_count: _Count | None = None
    thoughts_token_count: _Count | None = None
    tool_use_prompt_token_count: _Count | None = None
    prompt_tokens_details: _Modalities = None
    cache_tokens_details: _Modalities = None
    candidates_tokens_details: _Modalities = None
    tool_use_prompt_tokens_details: _Modalities = None
    traffic_type: Any = None
    """Vertex AI's name of what the Gemini API calls the service tier."""
    service_tier: Any = None


class _FunctionCall(msgspec.Struct):
    name: str | None = None
    args: dict[str, Any] | None = None
    id: str | None = None


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str | None = None


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None
    tool_response: Any = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None
    inline_data: _Blob | None = None

    @property
    def run(self) -> tuple[Any, ...]:
        """What Google's own tools were asked and answered."""
        return self.executable_code, self.code_execution_result, self.tool_call, self.tool_response


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: msgspec.Raw = _NOTHING
    citation_metadata: Any = None
    url_context_metadata: Any = None

    @property
    def beside(self) -> str:
        """What is not said, and told all the same."""
        parts = (self.content.parts if self.content else None) or ()
        told = [each for part in parts for each in part.run if each is not None]
        told += (self.citation_metadata, self.url_context_metadata, self.finish_message)
        if self.grounding_metadata != _NOTHING:
            told.append(msgspec.json.decode(self.grounding_metadata))
        return texts_in(told)


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[str] | None = None
    image_search_queries: list[str] | None = None
    grounding_chunks: list[Any] | None = None


class _PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Response(msgspec.Struct, rename="camel"):
    """A whole answer, or a piece of a streamed one."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: msgspec.Raw = _NOTHING
    model_version: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Response).decode


class Reader:
    """Takes in the responses of one answer, in order."""

    def __init__(self, call: Call, *, where: str, tier: str = "") -> None:
        """`tier`: the level of service, as far as the head of the answer says."""
        self._speaks_gemini = call.wire == "gemini"
        self._where = where
        self._tier = tier
        self._asked = call.deployment.model if call.deployment else ""
        self._calls = 0
        self._reason = ""
        self._counted: Usage | None = None
        self._queries: set[str] = set()
        self._grounded = False
        self._model = ""

    @property
    def ended(self) -> bool:
        """Was a reason given for which the answer ends?"""
        return bool(self._reason)

    @property
    def counted(self) -> bool:
        """Was it said what the answer used?"""
        return self._counted is not None

    @property
    def used(self) -> Usage | None:
        """What the answer used so far, as far as it was said."""
        if self._counted is None:
            return None
        searches = len(self._queries) or int(self._grounded)
        searches = min(1, searches) if bills_answers(self._asked) else searches
        return replace(self._counted, searches=searches, tier=self._counted.tier or tier_of(self._tier))

    def take(self, data: bytes, raw: bytes) -> Delta | None:
        """One response as a piece of the answer; None when it says nothing.

        `raw`: its bytes as a client gets them that speaks Gemini. Raises `ProviderError` for what is no answer.
        """
        response = self._read(data)
        counted = usage_of(response.usage_metadata)
        self._counted = counted or self._counted
        self._model = response.model_version or self._model
        for candidate in response.candidates or ():
            self._ground(candidate.grounding_metadata)
        try:
            return self._piece(response, raw, self.used if counted else None)
        except ProviderError as error:
            error.used = self.used
            raise

    def _piece(self, response: _Response, raw: bytes, counted: Usage | None) -> Delta | None:
        refusal = ""
        feedback = response.prompt_feedback
        if feedback is not None and feedback.block_reason:
            self._reason = "content_filter"
            refusal = f"Google blocked the prompt: {feedback.block_reason}"
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[ToolCallDelta] = []
        candidate = next((found for found in response.candidates or () if not found.index), None)
        for part in (candidate.content.parts if candidate and candidate.content else None) or ():
            if part.function_call is not None:
                calls.append(self._call(part.function_call, part.thought_signature or ""))
            elif part.inline_data is not None and not self._speaks_gemini:
                kind = part.inline_data.mime_type
                what = f"answers with {kind}, which only a client that speaks Gemini can be given"
                raise Unsupported(what, where=self._where)
            elif part.text:
                (thoughts if part.thought else texts).append(part.text)
        if candidate is not None and candidate.finish_reason:
            self._end(candidate.finish_reason, candidate.finish_message or "")
        if not self._speaks_gemini and not (texts or thoughts or calls or refusal or counted):
            return None
        return Delta(
            text="".join(texts),
            reasoning="".join(thoughts),
            tool_calls=tuple(calls),
            refusal=refusal,
            beside=candidate.beside if candidate is not None and self._speaks_gemini else "",
            usage=counted,
            raw=raw if self._speaks_gemini else None,
        )

    def finish(self) -> Finished:
        """Raises `StreamCut` when no reason was given for which the answer ends."""
        if not self._reason:
            raise StreamCut("ended its answer without a reason", where=self._where)
        reason = "tool_calls" if self._calls and self._reason == "stop" else self._reason
        return Finished(reason=reason, usage=self.used, model=self._model)

    def _read(self, data: bytes) -> _Response:
        try:
            response = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderDown(f"sent something that is not an answer: {error}", where=self._where) from None
        if response.error:
            raise error_of(0, {}, data, where=self._where)
        return response

    def _call(self, made: _FunctionCall, signature: str) -> ToolCallDelta:
        """Gemini sends calls whole. Those of older models have no ids, and a result must name one."""
        self._calls += 1
        return ToolCallDelta(
            index=self._calls - 1,
            id=made.id or new_id("call"),
            name=made.name or "",
            arguments=msgspec.json.encode(made.args or {}).decode(),
            signature=signature,
        )

    def _ground(self, metadata: msgspec.Raw) -> None:
        """Searches are told with the answer, some of them in several pieces of it. Own documents are not the web."""
        try:
            said = msgspec.json.decode(metadata, type=_Grounding | None)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if said is not None:
            asked = (*(said.web_search_queries or ()), *(said.image_search_queries or ()))
            self._queries.update(query for query in asked if query)
            chunks = [chunk for chunk in said.grounding_chunks or () if isinstance(chunk, dict)]
            self._grounded = self._grounded or any("web" in chunk or "maps" in chunk for chunk in chunks)

    def _end(self, reason: str, message: str) -> None:
        if reason in _FAILED:
            what = f"ended its answer with {reason}"
            raise ProviderDown(f"{what}: {message[:300]}" if message else what, where=self._where)
        self._reason = _REASONS.get(reason, "content_filter")


def usage_of(metadata: msgspec.Raw) -> Usage | None:
    """`usageMetadata` in Moat's terms; None when it is absent or cannot be understood."""
    try:
        said = msgspec.json.decode(metadata, type=_UsageMetadata | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if said is None or said.prompt_token_count is None:
        return None
    thoughts = said.thoughts_token_count or 0
    return Usage(
        input=said.prompt_token_count + (said.tool_use_prompt_token_count or 0),
        output=(said.candidates_token_count or 0) + thoughts,
        cached=said.cached_content_token_count or 0,
        reasoning=thoughts,
        audio_input=_of("AUDIO", said.prompt_tokens_details, said.tool_use_prompt_tokens_details),
        audio_output=_of("AUDIO", said.candidates_tokens_details),
        cached_audio=_of("AUDIO", said.cache_tokens_details),
        image_input=_of("IMAGE", said.prompt_tokens_details, said.tool_use_prompt_tokens_details),
        image_output=_of("IMAGE", said.candidates_tokens_details),
        cached_image=_of("IMAGE", said.cache_tokens_details),
        video_input=_of("VIDEO", said.prompt_tokens_details, said.tool_use_prompt_tokens_details),
        video_output=_of("VIDEO", said.candidates_tokens_details),
        tier=_tier(said.service_tier, said.traffic_type),
    )


def _tier(*said: Any) -> str:
    """Both names of it, where both are given, are one: `ON_DEMAND_PRIORITY` is `priority`."""
    named = [tier_of(each.upper().removeprefix("ON_DEMAND_")) for each in said if isinstance(each, str)]
    return next((name for name in named if name not in ("", "traffic_type_unspecified")), "")


def _of(modality: str, *details: _Modalities) -> int:
    return sum(detail.token_count for each in details for detail in each or () if detail.modality == modality)
