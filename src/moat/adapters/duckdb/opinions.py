"""Feedback: a table of its own, beside the spans that it is of."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import duckdb
import msgspec

from moat.adapters.duckdb.conditions import SAID, conditions
from moat.adapters.duckdb.sift import Reject, read_lines
from moat.domain.feedback import Feedback, Source
from moat.ports.traces import TraceFilter

_JSON = ("categories", "correction", "attributes")
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TIGHTER: dict[str, Any] = {
    "id": Annotated[str, msgspec.Meta(min_length=1)],
    "at_ns": _Int64,
    "rating": _Int64 | None,
    "value": Annotated[float, msgspec.Meta(ge=0, le=1)] | None,
}
_Row = msgspec.defstruct(
    "_Row",
    [
        (field.name, _TIGHTER.get(field.name, field.type))
        if field.required
        else (
            field.name,
            _TIGHTER.get(field.name, field.type),
            {} if field.default is msgspec.NODEFAULT else field.default,
        )
        for field in msgspec.structs.fields(Feedback)
    ],
    forbid_unknown_fields=True,
    kw_only=True,
)
"""A `Feedback` whose numbers fit the table's columns."""

_decoder = msgspec.json.Decoder(_Row)
_encoder = msgspec.json.Encoder()

COLUMNS = Feedback.__struct_fields__
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_TYPES = {"at_ns": "BIGINT", "rating": "BIGINT", "value": "DOUBLE", **dict.fromkeys(_JSON, "JSON")}
_LINES = f"""
read_json(?, format = 'newline_delimited', compression = 'none', maximum_object_size = ?,
          columns = {{{", ".join(f"'{name}': '{_TYPES.get(name, 'VARCHAR')}'" for name in COLUMNS)}}})
"""

REPLACE = f"""
DELETE FROM feedback USING {_LINES} AS new
WHERE feedback.tenant = new.tenant AND feedback.id = new.id AND feedback.at_ns < new.at_ns
"""
INSERT = f"""
INSERT INTO feedback ({_NAMES}) SELECT {_NAMES} FROM {_LINES} AS new
WHERE NOT EXISTS (SELECT 1 FROM feedback AS known WHERE known.tenant = new.tenant AND known.id = new.id)
"""
"""An id is its tenant's own: nobody changes what another said."""

OF_TRACE = f"""
SELECT {_NAMES} FROM feedback
WHERE request_id IN (SELECT unnest(?::VARCHAR[])) OR (trace_id = ? AND request_id = '')
ORDER BY at_ns, id
"""
WHOSE = """
SELECT DISTINCT request_id, tenant, environment, kind = 'app' FROM spans WHERE trace_id = ?
"""


class Whose(NamedTuple):
    """What the spans of a trace say of whose it is."""

    request_id: str
    tenant: str
    environment: str
    reported: bool
    """By an application: it may say any request id."""


def of_trace(found: Iterable[Feedback], whose: Sequence[Whose]) -> list[Feedback]:
    """Those that are of a call in the trace, as `SAID` has it; of the trace itself where it has no calls, and while
    nothing is known of it, those that no tenant said.
    """
    about = [one for one in whose if not one.reported] or [one._replace(request_id="") for one in whose]
    if not about:
        return [said for said in found if not said.tenant]
    return [said for said in found if any(_is_of(said, one) for one in about)]


def _is_of(said: Feedback, one: Whose) -> bool:
    return (
        said.request_id in ("", one.request_id)
        and said.tenant in ("", one.tenant)
        and said.environment in ("", one.environment)
    )


def of_calls(wanted: TraceFilter, limit: int, source: Source | None) -> tuple[str, list[Any]]:
    """Statement and parameters for the newest opinions of calls."""
    where, values = conditions(wanted)
    return (
        f"""
        SELECT {_NAMES} FROM feedback AS said
        WHERE (? = '' OR source = ?) AND (tenant, id) IN (
            SELECT (tenant, id) FROM ({SAID}) WHERE call IN (SELECT rowid FROM spans WHERE {where})
        )
        ORDER BY at_ns DESC, id LIMIT ?
        """,
        [source or "", source or "", *values, limit],
    )


class Opinions(msgspec.Struct):
    """What segments hold: of each opinion the latest."""

    latest: dict[tuple[str, str], Any] = {}
    rejects: list[Reject] = []

    def take(self, segment: Path) -> None:
        """Look at every line. Raises `DocumentError` for a file that cannot be read."""
        for number, line in read_lines(segment):
            try:
                found: Any = _decoder.decode(line)
            except UnicodeDecodeError:
                self.rejects.append(Reject(segment.name, number, "not UTF-8 text", line.rstrip(b"\n")))
                continue
            except (msgspec.DecodeError, RecursionError) as error:
                self.rejects.append(Reject(segment.name, number, str(error), line.rstrip(b"\n")))
                continue
            known = self.latest.get((found.tenant, found.id))
            if known is None or known.at_ns < found.at_ns:
                self.latest[found.tenant, found.id] = found

    def write(self, path: Path) -> int:
        """As lines; how long the longest is."""
        longest = 0
        with path.open("wb") as file:
            for found in self.latest.values():
                longest = max(longest, file.write(_encoder.encode(found) + b"\n"))
        return longest


def insert(cursor: duckdb.DuckDBPyConnection, path: Path, longest: int) -> int:
    """Within a transaction; how many opinions were new."""
    values = [str(path), longest]
    ((replaced,),) = cursor.execute(REPLACE, values).fetchall()
    ((added,),) = cursor.execute(INSERT, values).fetchall()
    return int(added - replaced)


def opinions(rows: Sequence[tuple[Any, ...]]) -> Iterator[Feedback]:
    """Rows of `OF_TRACE`."""
    for row in rows:
        fields = dict(zip(COLUMNS, row, strict=True))
        for name in _JSON:
            fields[name] = None if fields[name] is None else msgspec.json.decode(fields[name])
        yield Feedback(**{**fields, "categories": tuple(fields["categories"])})
