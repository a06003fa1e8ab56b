"""What clients send to make and to list batches, checked."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from moat.batches.service import Order
from moat.domain.errors import RequestError
from moat.gateway.format import read_object
from moat.ports.batches import Page

MAX_LIST = {"files": 10_000, "batches": 100}
"""Longest page, by what is listed."""
DEFAULT_LIST = {"files": 1000, "batches": 20}
MAX_METADATA = (16, 64, 512)
"""Pairs; characters of a key, of a value."""
MIN_KEEP, MAX_KEEP = 3600, 2_592_000
"""Seconds that a file may be told to be kept."""


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
        keep_ns=keep_ns_of(data.get("output_expires_after"), "output_expires_after"),
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


def keep_ns_of(value: Mapping[str, Any] | Any, where: str) -> int:
    """How long to keep a file that says when it expires; 0 for one that does not. Raises `RequestError`."""
    if value is None:
        return 0
    seconds = value.get("seconds") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or value.get("anchor") != "created_at" or type(seconds) is not int:
        raise RequestError("must have `anchor: created_at` and `seconds`", where=where)
    if not MIN_KEEP <= seconds <= MAX_KEEP:
        raise RequestError(f"must be from {MIN_KEEP} to {MAX_KEEP} seconds", where=f"{where}.seconds")
    return seconds * 10**9
