"""What an application's span means: its attributes and events as the fields of a `Span`."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from moat.domain.spans import Span
from moat.telemetry import conventions
from moat.telemetry.content import without_content
from moat.telemetry.otlp import messages, wire
from moat.telemetry.otlp.wire import Group, RawSpan

MAX_ATTRIBUTES = 128
"""Per span, the default limit of OpenTelemetry's SDKs; what became a field or a message does not count."""
MAX_VALUE = 16 * 1024
"""Characters of an attribute, as JSON when it is not text."""
MAX_WORD = 1024
"""Characters of a field that names something."""
MAX_COMMON = 256
"""Characters of what all spans of a resource repeat."""
MAX_CONTENT = 1024 * 1024
"""Characters of an input or output."""

_KINDS = {2: "server", 3: "client", 4: "producer", 5: "consumer"}
_PICODOLLARS, _SECOND = 10**12, 10**9


class Policy(NamedTuple):
    """What is kept."""

    content: bool = True
    """Inputs and outputs too, and messages of errors, which quote them."""
    max_content: int = MAX_CONTENT


KEEP_ALL = Policy()


def span_of(raw: RawSpan, group: Group, policy: Policy = KEEP_ALL) -> Span:
    """The span; what is too large is cut, and the span marked `moat.truncated`."""
    bounds = _Bounds(cut=raw.cut)
    heard = _Heard()
    heard.add(raw.attributes.items())
    kept = heard.events(raw)
    fields = {name: bounds.word(value) for name, value in heard.fields.items() if name in conventions.TEXTS}
    operation = fields.get("operation", "")
    fields["operation"] = operation = conventions.OPERATIONS.get(operation, operation)
    if not fields.get("environment"):
        names = conventions.TEXTS["environment"]
        found = (group.resource[name] for name in names if name in group.resource)
        fields["environment"] = bounds.word(next(found, ""), MAX_COMMON)
    said = _Said(heard, operation, fields.get("tools", ""))
    error, message = _failure(raw, fields.get("error", ""), bounds)
    if not policy.content:
        message, heard.rest = "", without_content(heard.rest)
        kept = [{**event, "attributes": without_content(event["attributes"])} for event in kept]
    attributes = bounds.attributes(heard.rest, raw, group, kept)
    if policy.content:
        attributes |= {name: bounds.value(value) for name, value in heard.beside.items()}
    started = raw.started_ns
    if said.cut(policy.max_content) or bounds.cut:
        attributes[conventions.TRUNCATED] = True
    return Span(
        **{
            **fields,
            **_numbers(heard.fields),
            "tools": bounds.word(said.tools),
            "finish_reason": fields.get("finish_reason") or bounds.word(said.finish_reason),
            "error": error,
            "error_message": message,
        },
        span_id=raw.span_id,
        trace_id=raw.trace_id,
        parent_id=raw.parent_id if wire.SPAN_ID.fullmatch(raw.parent_id) and raw.parent_id.strip("0") else "",
        kind="app",
        name=bounds.word(raw.name),
        service=bounds.word(group.resource.get(conventions.SERVICE_NAME) or "", MAX_COMMON),
        started_ns=started,
        duration_ns=max(0, raw.ended_ns - started),
        input=said.input if policy.content else None,
        output=said.output if policy.content else None,
        attributes=attributes,
    )


class _Heard:
    """Attributes by the field that they are; of several names of one, the first of the conventions wins."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.named: dict[str, str] = {}
        """Which attribute a field is from."""
        self.lists: dict[str, list[tuple[str, Any]]] = {}
        self.beside: dict[str, Any] = {}
        self.rest: dict[str, Any] = {}
        self.said: dict[str, list[Any]] = {"input": [], "output": []}
        """Messages that came as events."""
        self._ranks: dict[str, int] = {}

    def add(self, attributes: Iterable[tuple[str, Any]]) -> None:
        """Take in attributes; those that are no field stay in `rest`."""
        for name, value in attributes:
            known = conventions.FIELDS.get(name)
            if known is not None:
                self._field(name, value, *known)
            elif name.startswith(conventions.FAMILIES) and (family := _family(name)):
                self.lists.setdefault(family, []).append((name[len(family) :], value))
            elif name not in conventions.SECRETS and name not in conventions.OWN:
                self.rest[name] = value

    def _field(self, name: str, value: Any, field: str, rank: int) -> None:
        if field == "beside":
            self.beside[name] = value
        elif rank < self._ranks.get(field, 1000) and value is not None:
            self._ranks[field] = rank
            self.fields[field] = value
            self.named[field] = name

    def events(self, raw: RawSpan) -> list[dict[str, Any]]:
        """Take in what events say; those that are something else remain."""
        kept = []
        for event in raw.events:
            role = conventions.SAID_IN_EVENTS.get(event.name)
            if event.name in conventions.FIRST_TOKENS:
                self.fields["stream"] = True
                self.fields.setdefault("first_token_ns", max(0, event.time_ns - raw.started_ns) / _SECOND)
            elif role is None:
                told = {name: value for name, value in event.attributes.items() if name not in conventions.SECRETS}
                kept.append({"name": event.name, "time_ns": event.time_ns, "attributes": told})
            elif not role:
                self.add((name, value) for name, value in event.attributes.items() if name in conventions.FIELDS)
            else:
                self._message(role, event.attributes)
        return kept

    def _message(self, role: str, attributes: Mapping[str, Any]) -> None:
        body = messages.parsed(attributes.get("gen_ai.event.content"))
        said = {"role": role, **(body if isinstance(body, dict) else attributes)}
        if role == "choice":
            inner = messages.parsed(said.get("message"))
            said = {**said, "role": "assistant", **(inner if isinstance(inner, dict) else {"content": inner})}
            said.pop("message", None)
        self.said["output" if role == "choice" else "input"].append(said)


def _family(name: str) -> str:
    """The beginning of a name that spells out a list; empty when no number follows it."""
    family = next(each for each in conventions.FAMILIES if name.startswith(each))
    return family if name[len(family) : len(family) + 1].isdigit() else ""


class _Said:
    """Input and output in the form of recorded calls."""

    def __init__(self, heard: _Heard, operation: str, tool: str) -> None:
        self._heard = heard
        said = messages.messages(self._value("output"))
        self.finish_reason: Any = ""
        self.tools = ",".join(dict.fromkeys(messages.called(said or [])))
        if operation == "execute_tool":
            self.tools = tool or str(heard.rest.get("traceloop.entity.name") or "")
        if said is not None and operation not in ("retrieval", "rerank", "execute_tool"):
            self.finish_reason = next((one["finish_reason"] for one in said if "finish_reason" in one), "")
            self.output: Any = messages.answer(said)
        else:
            self.output = self._value("output")
        self.input = self._input()

    def cut(self, limit: int) -> bool:
        """Bring both within a number of characters; was one longer?"""
        whole = self.input, self.output
        self.input, self.output = _shortened(self.input, limit), _shortened(self.output, limit)
        return self.input is not whole[0] or self.output is not whole[1]

    def _input(self) -> Any:
        heard, value = self._heard, self._value("input")
        if "reranker.input_documents." in heard.lists:
            return {"query": heard.fields.get("input", ""), "documents": self._listed("reranker.input_documents.")}
        said = messages.messages(value)
        first = messages.system(messages.parsed(heard.fields.get("system")))
        offered = self._definitions()
        if said is None and not first:
            return value
        asked: dict[str, Any] = {"messages": [*first, *(said or [])]}
        return {**asked, "params": {"tools": offered}} if offered else asked

    def _value(self, field: str) -> Any:
        """The best that was said of it: OpenTelemetry's name, then numbered attributes, then events, then the rest."""
        heard = self._heard
        best = conventions.CONTENT[field][0]
        if heard.named.get(field) == best:
            return messages.parsed(heard.fields[field])
        for family in (each for each, role in conventions.FLATTENED.items() if role == field and each in heard.lists):
            return self._listed(family)
        if heard.said[field]:
            return heard.said[field]
        value = messages.parsed(heard.fields.get(field))
        return messages.documents(value) if heard.named.get(field) == "gen_ai.retrieval.documents" else value

    def _listed(self, family: str) -> Any:
        value = messages.listed(self._heard.lists[family])
        if family == "embedding.embeddings.":
            return messages.embedded(value)
        return messages.documents(value) if "documents" in family else value

    def _definitions(self) -> Any:
        for family in ("llm.tools.", "llm.request.functions."):
            if family in self._heard.lists:
                listed = [item.get("tool", item) for item in self._value_list(family)]
                return [messages.parsed(item.get("json_schema", item)) for item in listed if isinstance(item, dict)]
        return messages.parsed(self._heard.fields.get("definitions"))

    def _value_list(self, family: str) -> list[dict[str, Any]]:
        return [item for item in messages.listed(self._heard.lists[family]) if isinstance(item, dict)]


def _shortened(content: Any, limit: int) -> Any:
    """The content, or its beginning as text when it is longer than that."""
    if content is None or (isinstance(content, str) and len(content) <= limit):
        return content
    text = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    return content if len(text) <= limit else {"truncated": len(text), "text": text[:limit]}


class _Bounds:
    """Cuts what is too long, and remembers that it did."""

    def __init__(self, *, cut: bool) -> None:
        self.cut = cut

    def word(self, value: Any, limit: int = MAX_WORD) -> str:
        """One line of text; of a list, the first."""
        if isinstance(value, list):
            value = value[0] if value else ""
        return self._text(value, limit)

    def value(self, value: Any) -> Any:
        """An attribute."""
        if isinstance(value, bool | int | float | None):
            return value
        text = self._text(value, MAX_VALUE)
        return text if text.endswith(wire.MARK) else value

    def attributes(
        self, rest: dict[str, Any], raw: RawSpan, group: Group, events: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """What is no field, and what a span has beside attributes."""
        if len(rest) > MAX_ATTRIBUTES:
            self.cut = True
            rest = dict(list(rest.items())[:MAX_ATTRIBUTES])
        found = {self.word(name): self.value(value) for name, value in rest.items()}
        if group.scope:
            found[conventions.SCOPE_NAME] = self.word(group.scope, MAX_COMMON)
        if raw.kind in _KINDS:
            found[conventions.SPAN_KIND] = _KINDS[raw.kind]
        if events:
            found[conventions.EVENTS] = self.value([self._event(event) for event in events])
        if links := [link for link in raw.links if _is_link(link)]:
            found[conventions.LINKS] = self.value(links)
        return found

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        attributes = event["attributes"]
        stack = attributes.get(conventions.EXCEPTION_STACK)
        if isinstance(stack, str) and len(stack) > MAX_VALUE // 4:
            attributes = {**attributes, conventions.EXCEPTION_STACK: stack[-MAX_VALUE // 4 :]}
            self.cut = True
        return {**event, "attributes": attributes}

    def _text(self, value: Any, limit: int) -> str:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if len(text) <= limit:
            return text
        self.cut = True
        return text[:limit] + wire.MARK


def _is_link(link: Mapping[str, str]) -> bool:
    return bool(wire.TRACE_ID.fullmatch(link["trace_id"]) and wire.SPAN_ID.fullmatch(link["span_id"]))


def _failure(raw: RawSpan, error: str, bounds: _Bounds) -> tuple[str, str]:
    """Error and message: `error.type`, or the exception that it died of, or `error` for one that only failed."""
    if not (error or raw.failed):
        return "", ""
    died = next((event for event in reversed(raw.events) if event.name == conventions.EXCEPTION), None)
    told: Mapping[str, Any] = died.attributes if died else {}
    kind = error or bounds.word(told.get(conventions.EXCEPTION_TYPE) or "error")
    message = (raw.message if raw.failed else "") or told.get(conventions.EXCEPTION_MESSAGE) or ""
    return kind, bounds.word(message, MAX_VALUE)


def _numbers(said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that are numbers, as far as they can be true."""
    found: dict[str, Any] = {
        name: value for name in _TOKENS if type(value := said.get(name)) is int and 0 < value <= wire.INT64_MAX
    }
    cost, first = _positive(said.get("cost"), _PICODOLLARS), _positive(said.get("first_token_ns"), _SECOND)
    if cost is not None:
        found["cost"] = cost
    if first:
        found["first_token_ns"] = first
    if said.get("stream") is True:
        found["stream"] = True
    return found


_TOKENS = [name for name in conventions.COUNTS if name.endswith("_tokens")]


def _positive(value: Any, times: int) -> int | None:
    if type(value) not in (int, float) or not 0 <= value < wire.INT64_MAX / times:
        return None
    found: int = round(value * times)
    return found
