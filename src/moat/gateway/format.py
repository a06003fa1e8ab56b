"""What a client's wire format is made of, and what all of them need.

To add one: a file in `formats/` with a `Format`, and a line in `app.py`. Formats hold no state: one `Encoder` is made
for each call.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from moat.domain.calls import Call, Event, Finished, Message, Operation, Wire
from moat.domain.errors import MoatError, RequestError
from moat.domain.releases import PromptRef
from moat.domain.usage import Usage
from moat.gateway.bodies import check_depth, check_work
from moat.gateway.http import Headers
from moat.pipeline.estimates import LENGTHS, input_tokens

MAX_NAME = 512
"""Characters of a model's or prompt's name."""

_decode = msgspec.json.Decoder().decode


class Incoming(NamedTuple):
    """A request as it came."""

    body: bytes
    path: str
    """What follows the route's fixed part; empty for routes without parameters."""
    query: str
    content_type: str
    headers: Mapping[str, str] = {}
    """Those that Moat looks at, by the short names of `moat.gateway.admission`."""


class Request(msgspec.Struct, kw_only=True):
    """A request taken apart, in Moat's canonical form (see `moat.domain.calls`)."""

    model: str = ""
    """Empty when the request names a prompt instead."""
    messages: list[Message] = []
    params: dict[str, Any] = {}
    stream: bool = False
    user: str = ""
    prompt: PromptRef | None = None
    upload: bytes = b""
    upload_type: str = ""


class Encoder(Protocol):
    """Turns the events of one streamed call into bytes: server-sent events, unless it has a header `content_type`."""

    def encode(self, event: Event) -> bytes:
        """The bytes of one event; may be none."""
        ...

    def end(self) -> bytes:
        """The last bytes of a complete answer, sent only when the call is recorded: the end mark."""
        ...

    def fail(self, error: MoatError) -> bytes:
        """The last bytes of an answer that broke off. No end mark: a cut stream never looks complete."""
        ...


class Format(Protocol):
    """A wire format."""

    wire: Wire
    operation: Operation

    def parse(self, incoming: Incoming) -> Request:
        """Take a request apart. Raises `RequestError` with the parameter at fault."""
        ...

    def encoder(self, call: Call) -> Encoder:
        """For a streamed answer to `call`, as it was sent to the model."""
        ...

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """The body of a whole answer, and its content type."""
        ...

    def error(self, error: MoatError) -> bytes:
        """The body of an error."""
        ...


def told_usage(call: Call, finished: Finished | None) -> Usage:
    """What a client is told of an answer that is over: as the provider counted, else as it was estimated."""
    if finished is not None and finished.usage is not None:
        return finished.usage
    attempt = call.journal.answering
    return attempt.usage if attempt is not None else Usage(input=input_tokens(call), estimated=True)


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object, bounded. Raises `RequestError`."""
    check_work(body)
    try:
        data = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise RequestError("the body must be a JSON object")
    check_depth(body, data)
    return data


def take_model(data: dict[str, Any]) -> str:
    """Remove and check `model`; empty when there is none. Raises `RequestError`."""
    model = data.pop("model", "")
    if not isinstance(model, str) or len(model) > MAX_NAME:
        raise RequestError(f"must be a string of at most {MAX_NAME} characters", where="model")
    return model


MOST = dict.fromkeys(LENGTHS, 10_000_000) | dict.fromkeys(("n", "best_of"), 1000)
"""Parameters that say how much may be answered: budgets count on them."""


def read_request(format: Format, incoming: Incoming) -> Request:
    """What a format makes of a request, with counts that budgets can rely on. Raises `RequestError`."""
    request = format.parse(incoming)
    if not request.upload:  # the fields of a form are texts
        _check_counts(request.params)
    return request


def _check_counts(data: dict[str, Any]) -> None:
    """Make whole numbers of them, null as if absent. Raises `RequestError` for anything else, and for two lengths."""
    for name, most in MOST.items():
        if name not in data:
            continue
        value = data[name]
        if value is None:
            del data[name]
            continue
        if isinstance(value, float) and value.is_integer():
            value = data[name] = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise RequestError(f"must be a whole number from 1 to {most:,}", where=name)
    lengths = [data[name] for name in LENGTHS if name in data]
    if len(lengths) > 1 and lengths[0] != lengths[1]:
        raise RequestError("says another length than `max_tokens`", where="max_completion_tokens", remedy="Send one.")


def take_stream(data: dict[str, Any]) -> bool:
    """Remove and check `stream`. Raises `RequestError`."""
    stream = data.pop("stream", None) or False
    if not isinstance(stream, bool):
        raise RequestError("must be true or false", where="stream")
    return stream
