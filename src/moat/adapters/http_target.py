"""A service over HTTP, as a target of evaluations."""

import asyncio
import json
from collections.abc import Collection
from time import monotonic_ns
from typing import Any
from urllib.parse import quote

import msgspec

from moat.adapters.providers.addresses import Reach
from moat.adapters.providers.http1 import Headers, HttpClient, Limits, Response, Timeouts
from moat.adapters.providers.openai_errors import Redactor, body_message, error_for, retry_after
from moat.domain.calls import Message, Trace, new_trace
from moat.domain.errors import (
    ConfigError,
    GuardBlocked,
    MoatError,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderTimeout,
)
from moat.domain.releases import digest
from moat.domain.scores import Case
from moat.evals.answer import ABSENT, Answered, dig
from moat.evals.scorers.scorer import Bench
from moat.evals.targets.conversation import Said, converse, simulated_user
from moat.evals.targets.placeholders import filled
from moat.evals.targets.reply import Reply
from moat.evals.targets.spec import HttpSpec

MAX_BODY = 16 * 2**20
FILTERED = (400, 403)
"""Statuses with which gateways say, by the code `content_filter`, that a policy stopped question or answer."""
CONNECT_TRIES = 3
CONNECT_PAUSE = 0.2
"""Seconds before the second try to connect; twice as long before the third."""


class HttpTarget:
    """Implements `moat.evals.targets.target.Target`.

    One request for each turn. Only what was never sent is sent again here (a connection that was refused); 429, and
    503 with Retry-After, are `ProviderOverloaded`, after which the run asks again later. Redirects are not followed.
    """

    def __init__(self, spec: HttpSpec, resolved: HttpSpec, secrets: Collection[str] = ()) -> None:
        """`resolved`: the same with its `${VAR}` references replaced; `secrets`: values that may stand in no error and
        no answer, should the service send them back. Raises `ConfigError` for a URL or header that cannot be sent, and
        for an address out of reach.
        """
        self.name = spec.url
        content = {name: value for name, value in msgspec.to_builtins(spec).items() if name != "timeouts"}
        self.digest = digest({**content, "version": resolved.version})
        self._spec = resolved
        self._bench: Bench | None = None
        forms = {form for value in secrets for form in (value, *_escaped(value))}
        self._redacted = Redactor(forms)
        self._long = sorted(filter(_is_telling, forms), key=len, reverse=True)
        self._headers: Headers = tuple({"content-type": "application/json", **_lower(resolved.headers)}.items())
        reach = Reach.PRIVATE if resolved.private_network else Reach.NAMED
        self._client = HttpClient(where=spec.url, limits=Limits(), reach=reach)
        if "{{" in resolved.url.partition("://")[2].partition("/")[0]:
            raise ConfigError("a case may not choose the host", where=spec.url, remedy="Write it out.")
        self._client.check(resolved.url.partition("{{")[0], self._headers)

    def bind(self, bench: Bench) -> "HttpTarget":
        """Simulated users come through the run's pipeline."""
        self._bench = bench
        return self

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def answer(self, case: Case, repeat: int) -> Answered:
        """Ask the service, turn by turn."""
        assert self._bench is not None, "a target is bound before it answers"
        trace = new_trace()

        async def say(after: list[Message]) -> Said:
            opening = _opening(case)
            said = [*opening, *after]
            values = {
                **case.variables,
                "id": case.id,
                "repeat": repeat,
                "messages": said,
                "input": said[-1].get("content", "") if said else "",
            }
            return Said(await self._ask(values, trace), opening)

        return await converse(case, say, simulated_user(self._bench, repeat))

    async def _ask(self, values: dict[str, Any], trace: Trace) -> Answered:
        spec = self._spec
        body = b"" if spec.body is None else msgspec.json.encode(filled(spec.body, values))
        url = _filled_url(spec.url, values)
        began = monotonic_ns()
        try:
            async with asyncio.timeout(spec.timeouts.answer):
                raw = await self._sent(url, body, trace)
        except TimeoutError:
            raise ProviderTimeout(f"no answer within {spec.timeouts.answer:g} s", where=self.name) from None
        except GuardBlocked as error:
            latency_ns = monotonic_ns() - began
            return Answered(error.what, refusal=error.what, latency_ns=latency_ns, trace_id=trace.trace_id)
        except ProviderError as error:
            raise self._masked(error) from None
        return self._read(raw, monotonic_ns() - began, trace)

    async def _sent(self, url: str, body: bytes, trace: Trace) -> bytes:
        for left in reversed(range(CONNECT_TRIES)):
            try:
                return await self._send(url, body, trace)
            except ProviderError as error:
                if error.sent or not error.retryable or not left:
                    raise
            await asyncio.sleep(CONNECT_PAUSE * 2 ** (CONNECT_TRIES - 1 - left))
        raise AssertionError("the last try returns or raises")

    async def _send(self, url: str, body: bytes, trace: Trace) -> bytes:
        spec = self._spec
        timeouts = Timeouts(connect=spec.timeouts.connect, first_byte=spec.timeouts.answer, idle=spec.timeouts.answer)
        parent = (("traceparent", f"00-{trace.trace_id}-{trace.span_id}-01"),)
        async with self._client.request(spec.method, url, self._headers, body, timeouts, trace=parent) as response:
            raw = await response.read(MAX_BODY)
            if not 200 <= response.status < 300:
                raise self._refusal(response, self._redacted(raw.decode("utf-8", "replace")).encode())
            return raw

    def _refusal(self, response: Response, raw: bytes) -> MoatError:
        """What becomes of a status that is none of success; a filter's refusal is an answer."""
        if response.status in FILTERED and GuardBlocked.code.encode() in raw:
            return GuardBlocked(f"blocked: {body_message(raw)}", where=self.name)
        error = error_for(response.status, response.headers, body_message(raw), where=self.name)
        wait = retry_after(response.headers)
        if response.status == 503 and wait is not None:
            return ProviderOverloaded(error.what, where=self.name, retry_after=wait)
        return error

    def _masked(self, error: ProviderError) -> ProviderError:
        error.what = self._redacted(error.what)
        error.args = (error.what,)
        return error

    def _read(self, raw: bytes, latency_ns: int, trace: Trace) -> Answered:
        """Raises `ProviderDown` when the answer is not what the suite says it is."""
        spec, usage = self._spec, self._spec.usage
        paths = (spec.output, spec.context, spec.tool_calls, usage.input, usage.output, usage.cost)
        if not any(paths):
            text = self._cleaned(raw.decode("utf-8", "replace"))
            return Answered(text, latency_ns=latency_ns, trace_id=trace.trace_id)
        try:
            data = self._cleaned(msgspec.json.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            shown = self._redacted(raw.decode("utf-8", "replace"))[:200]
            raise ProviderDown(f"the answer is not JSON: {shown!r}", where=self.name) from None
        said = {
            "text": _text(self._at(data, spec.output, data, needed=True)),
            "tool_calls": _list(self._at(data, spec.tool_calls, [])),
            "context": [_text(document) for document in _list(self._at(data, spec.context, []))],
            "input_tokens": self._at(data, usage.input, None) or 0,
            "output_tokens": self._at(data, usage.output, None) or 0,
            "cost_usd": self._at(data, usage.cost, None),
        }
        try:
            reply = msgspec.convert(said, Reply, strict=False)
        except msgspec.ValidationError as error:
            raise ProviderDown(f"the answer is not as the suite says: {error}", where=self.name) from None
        return msgspec.structs.replace(reply.answered(latency_ns), trace_id=trace.trace_id)

    def _cleaned(self, said: Any) -> Any:
        """An answer without the secrets: it is stored, and shown in reports."""
        if isinstance(said, str):
            for secret in self._long:
                said = said.replace(secret, "***")
        elif isinstance(said, list) and self._long:
            return [self._cleaned(item) for item in said]
        elif isinstance(said, dict) and self._long:
            return {self._cleaned(name): self._cleaned(value) for name, value in said.items()}
        return said

    def _at(self, data: Any, path: str, default: Any, *, needed: bool = False) -> Any:
        if not path:
            return default
        found = dig(data, path)
        if found is ABSENT:
            if needed:
                raise ProviderDown(f"the answer has no {path!r}", where=self.name)
            return default
        return found


def _filled_url(url: str, values: dict[str, Any]) -> str:
    """The URL with its placeholders replaced, percent-encoded."""
    if "{{" not in url:
        return url
    texts = {name: quote(_text(value), safe="") for name, value in values.items() if not isinstance(value, dict | list)}
    return str(filled(url, texts))


def _opening(case: Case) -> list[Message]:
    """The case's messages; the variable `input`, or `question`, when it has none."""
    question = case.variables.get("input", case.variables.get("question"))
    return case.messages or ([{"role": "user", "content": _text(question)}] if question is not None else [])


def _escaped(secret: str) -> tuple[str, str]:
    """As it stands in JSON, with all characters and with ASCII only."""
    return json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1]


def _is_telling(secret: str) -> bool:
    """May it be taken out of an answer? A short word or number (`prod`, `2024`) would take what the answer means."""
    return len(secret) >= 8 or (len(secret) >= 4 and not secret.isalpha() and not secret.isdigit())


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
