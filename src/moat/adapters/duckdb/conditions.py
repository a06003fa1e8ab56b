"""Filters as SQL: `TraceFilter` and expressions of the filter language. Values are parameters, always."""

from typing import Any

import msgspec

from moat.ports.traces import OF_SPANS, TraceFilter
from moat.telemetry.query import parse
from moat.telemetry.query_matching import needle_of, pattern_of
from moat.telemetry.query_terms import And, Expression, Not, Or, Test, Words, number_of, speaks_of

_TEXTS = tuple(
    field.name for field in msgspec.structs.fields(TraceFilter) if field.type is str and field.name not in ("q",)
)

Condition = tuple[str, list[Any]]

_SAID_OF_REQUESTS = """
SELECT spans.rowid AS call, said.name, said.source, said.value, said.tenant, said.id
FROM feedback AS said JOIN spans ON spans.request_id = said.request_id
WHERE said.request_id <> '' AND spans.kind = 'call'
    AND said.tenant IN ('', spans.tenant) AND said.environment IN ('', spans.environment)
"""
_SAID_OF_TRACES = """
SELECT spans.rowid AS call, said.name, said.source, said.value, said.tenant, said.id
FROM feedback AS said JOIN spans ON spans.trace_id = said.trace_id
WHERE said.request_id = '' AND spans.kind = 'call'
    AND said.tenant IN ('', spans.tenant) AND said.environment IN ('', spans.environment)
QUALIFY row_number() OVER (PARTITION BY said.tenant, said.id ORDER BY spans.started_ns, spans.span_id) = 1
"""
SAID = f"{_SAID_OF_REQUESTS} UNION ALL {_SAID_OF_TRACES}"
"""Opinions and the calls that they are of. One of a whole trace is of its first call, so that it counts once."""


def said_of_calls(columns: str) -> str:
    """The same of the rows of `calls`, a table of the statement which has `rowid` as `place`, and no others: these
    columns of the call, then name, source and value.

    A row of `calls` is known by what it says itself, so that an opinion of a request is sought among few; whether a
    call is its trace's first is known among all alone.
    """
    return f"""
        SELECT {columns}, said.name, said.source, said.value
        FROM calls JOIN feedback AS said ON said.request_id = calls.request_id
        WHERE said.request_id <> '' AND calls.kind = 'call'
            AND said.tenant IN ('', calls.tenant) AND said.environment IN ('', calls.environment)
        UNION ALL
        SELECT {columns}, said.name, said.source, said.value
        FROM calls JOIN ({_SAID_OF_TRACES}) AS said ON said.call = calls.place
    """


def conditions(wanted: TraceFilter, kinds: str = "kind = 'call'") -> Condition:
    """What stands after WHERE, and its parameters. Raises `RequestError` for a `q` that is no expression."""
    parts, values = [kinds], list[Any]()
    for name in _TEXTS:
        if value := getattr(wanted, name):
            parts.append(f'"{name}" = ?')
            values.append(value)
    if wanted.failed is not None:
        parts.append("error <> ''" if wanted.failed else "error = ''")
    if wanted.shadow is not None:
        parts.append("shadow_of <> ''" if wanted.shadow else "shadow_of = ''")
    if wanted.since_ns:
        parts.append("started_ns >= ?")
        values.append(wanted.since_ns)
    if wanted.until_ns:
        parts.append("started_ns < ?")
        values.append(wanted.until_ns)
    if wanted.ended_since_ns:
        parts.append("started_ns >= ?::BIGINT - duration_ns")  # a sum might be too large
        values.append(wanted.ended_since_ns)
    if wanted.q:
        part, more = condition(parse(wanted.q))
        parts.append(part)
        values += more
    return " AND ".join(parts), values


CALLS = "kind = 'call'"
_TOP = "kind = 'app' AND parent_id = ''"
ALONE = f"""({CALLS} OR {_TOP} AND trace_id NOT IN (
    SELECT trace_id FROM spans WHERE {CALLS} AND trace_id IN (SELECT trace_id FROM spans WHERE {_TOP})))"""
"""Calls, and the top spans of traces that have none. Where no application reports, no trace is looked at."""


def kinds_of(wanted: TraceFilter, otherwise: str = CALLS) -> str:
    """Which spans are looked at: those that `q` asks for when it speaks of kinds."""
    return "true" if speaks_of(parse(wanted.q), "kind") else otherwise


def reported(wanted: TraceFilter) -> str:
    """Which spans of applications a wide question is about."""
    deep = wanted.q or wanted.failed is not None or any(getattr(wanted, name) for name in OF_SPANS)
    return "kind = 'app'" if deep else "kind = 'app' AND parent_id = ''"


def condition(expression: Expression) -> Condition:
    """True or false for each row, never NULL: `not` would keep it NULL."""
    if isinstance(expression, And):
        return _joined(expression.parts, " AND ") if expression.parts else ("true", [])
    if isinstance(expression, Or):
        return _joined(expression.parts, " OR ")
    if isinstance(expression, Not):
        text, values = condition(expression.part)
        return f"NOT {text}", values
    if isinstance(expression, Words):
        needle = needle_of(expression.text)
        found = " OR ".join(f"coalesce(contains(lower({name}), ?), false)" for name in ("input", "output"))
        return f"({found})", [needle, needle]
    return _test(expression)


def _joined(parts: tuple[Expression, ...], word: str) -> Condition:
    made = [condition(part) for part in parts]
    return f"({word.join(text for text, _ in made)})", [value for _, values in made for value in values]


def _test(test: Test) -> Condition:
    field = test.field
    if field.kind == "flag":
        return f"(CAST(\"{field.columns[0]}\" AS VARCHAR) NOT IN ('', 'false'))", []
    if field.kind == "score":
        return _score(test)
    if field.kind == "attribute":
        return _attribute(test)
    if field.kind == "list":
        return _list(test)
    column = (
        " + ".join(f'"{name}"::HUGEINT' for name in field.columns) if field.columns[1:] else f'"{field.columns[0]}"'
    )
    if test.operator == "~":
        return _any(f"lower({column}) LIKE ? ESCAPE '\\'", [pattern_of(str(value)) for value in test.values])
    return _any(f"coalesce({column} {test.operator} ?, false)", list(test.values))


def _any(text: str, values: list[Any]) -> Condition:
    """The condition, for one of the values."""
    return f"({' OR '.join([text] * len(values))})", values


def _list(test: Test) -> Condition:
    column = f'"{test.field.columns[0]}"'
    if test.operator == "=":
        return _any(f"list_contains(string_split({column}, ','), ?)", list(test.values))
    return _any(f"lower({column}) LIKE ? ESCAPE '\\'", [pattern_of(str(value)) for value in test.values])


def _score(test: Test) -> Condition:
    parts, values = ["value IS NOT NULL"], list[Any]()
    if test.field.key:
        parts.append("name = ?")
        values.append(test.field.key)
    if test.values:
        part, more = _any(f"value {test.operator} ?", list(test.values))
        parts.append(part)
        values += more
    return f"(spans.rowid IN (SELECT call FROM ({SAID}) WHERE {' AND '.join(parts)}))", values


def _attribute(test: Test) -> Condition:
    """Strings as they are, everything else as its JSON; compared as numbers where both sides are."""
    pointer = "/" + test.field.key.replace("~", "~0").replace("/", "~1")
    found = "json_extract_string(attributes, ?)"
    if not test.values:
        return f"({found} IS NOT NULL)", [pointer]
    parts, values = list[str](), list[Any]()
    for value in map(str, test.values):
        number = number_of(value)
        if test.operator == "~":
            parts.append(f"coalesce(lower({found}) LIKE ? ESCAPE '\\', false)")
            values += [pointer, pattern_of(value)]
        if test.operator == "=":
            parts.append(f"coalesce({found} = ?, false)")
            values += [pointer, value]
        if test.operator != "~" and number is not None:
            parts.append(f"coalesce(try_cast({found} AS DOUBLE) {test.operator} ?, false)")
            values += [pointer, number]
    return f"({' OR '.join(parts)})" if parts else "(false)", values
