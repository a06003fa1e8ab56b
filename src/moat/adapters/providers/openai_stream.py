"""Chat answers in OpenAI's format, whole and streamed, as events."""

from moat.adapters.providers.openai_tool_calls import StreamedCalls
from moat.adapters.providers.openai_wire import Body, Choice, read_body, used_by
from moat.adapters.providers.sse import EventParser
from moat.domain.calls import Call, Delta, Finished, ToolCallDelta
from moat.domain.errors import ProviderDown, StreamCut
from moat.domain.usage import Usage


def chat_answer(call: Call, raw: bytes, *, where: str) -> tuple[Delta, Finished]:
    """An answer in one piece. Raises `ProviderDown` for what is none."""
    body = read_body(raw, where=where)
    choice, usage = body.first, used_by(call, body.used, body.service_tier)
    if choice is None or choice.message is None:
        error = ProviderDown("sent an answer without a message", where=where)
        error.used = usage
        raise error
    message = choice.message
    delta = Delta(
        text=message.text,
        refusal=message.refusal or "",
        reasoning=message.thought,
        tool_calls=message.pieces(),
        beside=message.beside if call.wire == "openai" else "",
        raw=raw if call.wire == "openai" else None,
    )
    finished = Finished(
        reason=choice.reason or "stop", usage=usage, model=body.model or "", fingerprint=body.fingerprint
    )
    return delta, finished


class ChatStream:
    """Chunks of a streamed answer: what they say, and which bytes to forward."""

    def __init__(self, call: Call, where: str) -> None:
        options = call.params.get("stream_options") or {}
        self._call = call
        self._wants_usage = bool(options.get("include_usage"))
        self._native = call.wire == "openai"
        self._where = where
        self._parser = EventParser(where=where)
        self._calls = StreamedCalls()
        self._reason = ""
        self._usage: Usage | None = None
        self._model = ""
        self._tier = ""
        self._fingerprint = ""
        self.done = False
        """Was `[DONE]` said?"""
        self.heard = False
        """Did the last bytes complete an event, other than a comment?"""

    def feed(self, chunk: bytes) -> Delta | None:
        """The events of one network read as one piece; None when they say nothing."""
        text, refusal, reasoning, beside, raw = "", "", "", "", b""
        calls: tuple[ToolCallDelta, ...] = ()
        counted: Usage | None = None
        self.heard = False
        for event in self._parser.feed(chunk):
            if event.data is None:
                continue
            self.heard = True
            if event.data.strip() == b"[DONE]":
                self.done = True
                break
            body = read_body(event.data, where=self._where)
            choice = body.first
            if self._note(body, choice):
                counted = self._usage
            if body.choices or self._wants_usage or not body.usage:
                raw += event.raw
            if choice is not None and choice.delta is not None:
                text += choice.delta.text
                refusal += choice.delta.refusal or ""
                reasoning += choice.delta.thought
                if choice.delta.tool_calls or choice.delta.function_call:
                    calls += self._calls.read(choice.delta)
                if self._native:
                    beside += choice.delta.beside
        if not (counted or (raw if self._native else text or refusal or reasoning or calls)):
            return None
        return Delta(
            text=text,
            refusal=refusal,
            reasoning=reasoning,
            tool_calls=calls,
            beside=beside,
            usage=counted,
            raw=raw if self._native and raw else None,
        )

    def finish(self) -> Finished:
        """Raises `StreamCut` when neither `[DONE]` nor a finish reason came."""
        rest = self._parser.rest.strip()  # some servers leave out the last empty line
        if not self.done and rest != b"data: [DONE]" and (rest or not self._reason):
            raise StreamCut("ended the stream without its end mark", where=self._where)
        return Finished(
            reason=self._reason or "stop", usage=self._usage, model=self._model, fingerprint=self._fingerprint
        )

    def _note(self, body: Body, choice: Choice | None) -> bool:
        """Does it say what was used? The last usage counts: where it is repeated, it is cumulative."""
        if isinstance(body.service_tier, str):
            self._tier = body.service_tier
        if body.model:
            self._model = body.model
        if body.system_fingerprint:
            self._fingerprint = body.fingerprint
        if choice is not None and choice.finish_reason:
            self._reason = choice.reason
        if (used := body.used) is None:
            return False
        self._usage = used_by(self._call, used, self._tier)
        return True
