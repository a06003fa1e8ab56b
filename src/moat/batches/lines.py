"""The lines of a batch's files, as OpenAI defines them (https://platform.openai.com/docs/guides/batch)."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from moat.batches.files import explained
from moat.domain.batches import Batch, Problem
from moat.domain.calls import Call, new_id, new_trace
from moat.domain.errors import RequestError
from moat.domain.keys import Key
from moat.gateway.admission import placed
from moat.gateway.format import Format, Incoming, read_request
from moat.gateway.formats.openai_chat import OpenAIChat
from moat.gateway.formats.openai_operations import ENDPOINTS, FILES, OpenAIOperation
from moat.gateway.formats.responses import OpenAIResponses

MAX_CUSTOM_ID = 512
"""Characters."""

FORMATS: dict[str, Format] = {
    "/v1/chat/completions": OpenAIChat(),
    "/v1/responses": OpenAIResponses(),
    **{
        path: OpenAIOperation(operation)
        for path, operation in ENDPOINTS.items()
        if operation not in FILES and operation != "speech"
    },
}
"""Endpoints that lines can be for: those that take JSON and answer with it."""


class Line(NamedTuple):
    """One request of an input file."""

    number: int
    """Of the line, from 1."""
    name: str
    """Its `custom_id`."""
    body: bytes
    at: int
    """Where the line begins in the file."""


class LineError(RequestError):
    """A line that cannot be run."""

    def __init__(self, code: str, what: str, *, line: int, param: str = "") -> None:
        super().__init__(what, where=param)
        self.problem = Problem(code=code, message=what, param=param, line=line)


class Input:
    """An input file, line by line, in constant memory."""

    def __init__(self, path: Path, endpoint: str, max_line: int) -> None:
        """`max_line`: bytes."""
        self._path = path
        self._endpoint = endpoint
        self._max_line = max_line

    def raw_lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Number, place and bytes of every line that is not blank; of one that is too long only the beginning."""
        with explained(self._path), self._path.open("rb") as file:
            number = at = 0
            while raw := file.readline(self._max_line + 1):
                number += 1
                start, at = at, at + len(raw)
                too_long = len(raw) > self._max_line
                while too_long and not raw.endswith(b"\n") and (rest := file.readline(self._max_line)):
                    at += len(rest)
                    if rest.endswith(b"\n"):
                        break
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if raw.strip():
                    yield number, start, raw

    def lines(self) -> Iterator[Line]:
        """All lines of a file that was checked. Raises `LineError`."""
        return (self.read(*found) for found in self.raw_lines())

    def line(self, number: int, at: int) -> Line:
        """One of them, again."""
        with explained(self._path), self._path.open("rb") as file:
            file.seek(at)
            return self.read(number, at, file.readline(self._max_line + 1).removeprefix(b"\xef\xbb\xbf"))

    def read(self, number: int, at: int, raw: bytes) -> Line:
        """Take a line apart. Raises `LineError`."""
        if len(raw) > self._max_line:
            raise LineError("line_too_long", f"the line is longer than {self._max_line} bytes", line=number)
        try:
            data = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise LineError("invalid_json_line", f"the line is not a JSON object: {error}", line=number) from None
        name = data.custom_id
        for field in ("custom_id", "method", "url", "body"):
            if getattr(data, field) in (None, _NOTHING):
                raise LineError("missing_required_parameter", f"{field} is missing", line=number, param=field)
        if not isinstance(name, str) or not 0 < len(name) <= MAX_CUSTOM_ID:
            what = f"custom_id must be a string of 1 to {MAX_CUSTOM_ID} characters"
            raise LineError("invalid_custom_id", what, line=number, param="custom_id")
        if data.method != "POST":
            raise LineError("invalid_method", "method must be POST", line=number, param="method")
        if data.url != self._endpoint:
            what = f"url must be the batch's endpoint, {self._endpoint}"
            raise LineError("mismatched_url", what, line=number, param="url")
        return Line(number, name, bytes(data.body), at)


class _Data(msgspec.Struct):
    custom_id: Any = None
    method: Any = None
    url: Any = None
    body: msgspec.Raw = msgspec.Raw(b"null")


_NOTHING = msgspec.Raw(b"null")
_decode = msgspec.json.Decoder(_Data).decode
_encode = msgspec.json.Encoder().encode


def call_of(batch: Batch, line: Line, key: Key) -> Call:
    """A line as a call of whoever made the batch. Raises `InputError`, and `NotFound` for another environment."""
    format = FORMATS[batch.endpoint]
    request = read_request(format, Incoming(line.body, "", "", "application/json"))
    if request.stream:
        raise RequestError("lines of a batch are not streamed", where="stream", remedy="Leave it out.")
    caller = batch.caller
    if request.user and not key.user:
        caller = msgspec.structs.replace(caller, user=request.user)
    prompt = request.prompt
    if prompt is not None:
        caller, prompt = placed(key, caller, prompt)
    return Call(
        id=new_id("req"),
        caller=caller,
        trace=new_trace(),
        model=request.model,
        prompt=prompt,
        messages=request.messages,
        params=request.params,
        operation=format.operation,
        wire=format.wire,
        client_request=f"{batch.id}/{line.name}",
    )


def answer_line(name: str, request_id: str, status: int, body: bytes) -> bytes:
    """A line of a result file. Raises `msgspec.DecodeError` for a body that is no JSON."""
    # A provider may send its JSON over many lines.
    compact = msgspec.Raw(msgspec.json.format(body, indent=-1))
    response = {"status_code": status, "request_id": request_id, "body": compact}
    return _encode({"id": _result_id(), "custom_id": name, "response": response, "error": None})


def unanswered_line(name: str, code: str, message: str) -> bytes:
    """A line of the error file for what was never asked."""
    error = {"code": code, "message": message}
    return _encode({"id": _result_id(), "custom_id": name, "response": None, "error": error})


def _result_id() -> str:
    return f"batch_req_{secrets.token_hex(12)}"
