"""What clients send to make files and batches, checked."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from moat.batches.service import Order
from moat.documents.multipart import Field, read_form, text_fields
from moat.domain.errors import RequestError
from moat.gateway.format import read_object
from moat.ports.batches import Page

MAX_TEXTS = 16 * 1024
"""Bytes of the fields of an upload besides its file."""
MAX_FILENAME = 255
MAX_LIST = {"files": 10_000, "batches": 100}
"""Longest page, by what is listed."""
DEFAULT_LIST = {"files": 1000, "batches": 20}
MAX_METADATA = (16, 64, 512)
"""Pairs; characters of a key, of a value."""
MIN_KEEP, MAX_KEEP = 3600, 2_592_000
"""Seconds that a file may be told to be kept."""


class Upload(NamedTuple):
    """An upload taken apart: the file is `body[start:stop]`."""

    start: int
    stop: int
    filename: str
    keep_ns: int
    """0: not said."""


def read_upload(body: bytes, content_type: str) -> Upload:
    """Take the form of `POST /v1/files` apart. Raises `RequestError`."""
    fields = read_form(body, content_type)
    texts = text_fields(body, fields, longest=MAX_TEXTS)
    files = [field for field in fields if field.is_file and field.name == "file"]
    if len(files) != 1:
        raise RequestError("missing", where="file", remedy="Send exactly one file of the form.")
    purpose = texts.get("purpose")
    if purpose != "batch":
        raise RequestError("must be batch: files are kept for batches only", where="purpose")
    if files[0].start == files[0].stop:
        raise RequestError("is empty", where="file")
    expires: dict[str, Any] = {name: texts.get(f"expires_after[{name}]") for name in ("anchor", "seconds")}
    seconds = expires["seconds"]
    if isinstance(seconds, str) and seconds.isdecimal() and len(seconds) < 10:
        expires["seconds"] = int(seconds)  # in a form everything is text
    given = any(value is not None for value in expires.values())
    return Upload(
        files[0].start, files[0].stop, _filename(files[0]), _keep_ns(expires if given else None, "expires_after")
    )


def _filename(field: Field) -> str:
    name = field.filename.replace("\\", "/").rpartition("/")[2]
    plain = "".join(character for character in name if character.isprintable())
    return plain[:MAX_FILENAME] or "file.jsonl"


def read_order(body: bytes) -> Order:
    """Take the body of `POST /v1/batches` apart. Raises `RequestError`."""
    data = read_object(body)
    for name in ("input_file_id", "endpoint", "completion_window"):
        if not isinstance(data.get(name), str):
            raise RequestError("must be a string", where=name)
    if data["completion_window"] != "24h":
        raise RequestError("must be 24h", where="completion_window")
    return Order(
        input_file=data["input_file_id"],
        endpoint=data["endpoint"],
        metadata=_metadata(data.get("metadata")),
        keep_ns=_keep_ns(data.get("output_expires_after"), "output_expires_after"),
    )


def read_page(query: bytes, what: str) -> Page:
    """Take the query of a list apart. Raises `RequestError`."""
    given = dict(parse_qsl(query.decode("latin-1")))
    limit = given.get("limit", str(DEFAULT_LIST[what]))
    if not limit.isdecimal() or len(limit) > 6 or not 1 <= int(limit) <= MAX_LIST[what]:
        raise RequestError(f"must be a number from 1 to {MAX_LIST[what]}", where="limit")
    order = given.get("order", "desc")
    if order not in ("asc", "desc"):
        raise RequestError("must be asc or desc", where="order")
    return Page(int(limit), given.get("after", ""), order == "asc", given.get("purpose", ""))


def _metadata(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    pairs, key_length, value_length = MAX_METADATA
    fits = isinstance(value, dict) and len(value) <= pairs
    if not fits or not all(
        isinstance(text, str) and len(text) <= value_length and len(name) <= key_length for name, text in value.items()
    ):
        raise RequestError(
            f"must be an object of at most {pairs} texts: names up to {key_length} characters, values {value_length}",
            where="metadata",
        )
    return dict(value)


def _keep_ns(value: Mapping[str, Any] | Any, where: str) -> int:
    if value is None:
        return 0
    seconds = value.get("seconds") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or value.get("anchor") != "created_at" or type(seconds) is not int:
        raise RequestError("must have `anchor: created_at` and `seconds`", where=where)
    if not MIN_KEEP <= seconds <= MAX_KEEP:
        raise RequestError(f"must be from {MIN_KEEP} to {MAX_KEEP} seconds", where=f"{where}.seconds")
    return seconds * 10**9
