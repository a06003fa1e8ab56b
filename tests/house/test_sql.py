"""SQL is made of constants: values travel as parameters. Held over the syntax trees, error paths included."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_cover  # they read the code, they do not run it
SOURCE = Path(__file__).parents[2] / "src" / "moat"
ROOMS = ("adapters/duckdb", "adapters/sqlite")
"""Where SQL is spoken."""

STATEMENT = re.compile(r"^\s*(SELECT|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|ALTER\s+TABLE)\s")
EXECUTE = {"execute", "executemany", "executescript", "exec_driver_sql", "sql"}
FORMATTING = {"format", "format_map", "replace"}

KNOWN = {
    ("adapters/duckdb/call_queries.py", "where"): "what `conditions` made",
    ("adapters/duckdb/call_queries.py", "slot(step_ns)"): "whole numbers in it",
    ("adapters/duckdb/call_queries.py", "_start(wanted, step_ns)"): "the same",
    ("adapters/duckdb/call_queries.py", "_grouped(step_ns)"): "a constant, or nothing",
    ("adapters/duckdb/call_queries.py", "wanted.since_ns"): "a whole number",
    ("adapters/duckdb/conditions.py", "kinds"): "constants of this room",
    ("adapters/duckdb/conditions.py", "columns"): "the same",
    ("adapters/duckdb/conditions.py", "field.columns[0]"): "a field of a span, from the table of the filter language",
    ("adapters/duckdb/conditions.py", "test.field.columns[0]"): "the same",
    ("adapters/duckdb/conditions.py", "test.operator"): "one of six, from the grammar of the filter language",
    ("adapters/duckdb/conditions.py", "' OR '.join([text] * len(values))"): "a condition of this file, once a value",
    ("adapters/duckdb/conditions.py", "word.join((text for text, _ in made))"): "conditions of this file",
    ("adapters/duckdb/copying.py", "half"): "a file's name, not a statement",
    ("adapters/duckdb/copying.py", "target.name"): "the same",
    ("adapters/duckdb/opinions.py", "_TYPES.get(name, 'VARCHAR')"): "a constant of this file",
    (
        "adapters/duckdb/opinions.py",
        "', '.join((f\"'{name}': '{_TYPES.get(name, 'VARCHAR')}'\" for name in COLUMNS))",
    ): "constants of this file",
    ("adapters/duckdb/paging.py", "where"): "what `conditions` made",
    ("adapters/duckdb/parquet.py", "day"): "a date, in a file's name",
    ("adapters/duckdb/queries.py", "', ' if by else ''"): "a constant",
    ("adapters/duckdb/queries.py", "_names(by)"): "names of dimensions, checked against them before",
    ("adapters/duckdb/queries.py", "of"): "session or user, from the two methods of the store",
    ("adapters/duckdb/call_queries.py", "local_slot(step_ns, timezone, wanted)"): "the same",
    ("adapters/duckdb/slots.py", "offset_ns"): "a whole number",
    ("adapters/duckdb/slots.py", "step_ns"): "a whole number",
    ("adapters/duckdb/slots.py", "change.offset_ns"): "a whole number, from the time zone database",
    ("adapters/duckdb/slots.py", "change.at_ns"): "the same",
    ("adapters/duckdb/slots.py", "start"): "whole numbers in it",
    ("adapters/duckdb/queries.py", "slot(step_ns, offset_ns)"): "two whole numbers in it",
    ("adapters/duckdb/queries.py", "start"): "whole numbers in it: made by `slots.py`",
    ("adapters/duckdb/traces.py", "self._path"): "a file's name, not a statement",
    ("adapters/duckdb/opening.py", "path"): "a file's name, not a statement",
    ("adapters/duckdb/opening.py", "path.name"): "the same",
    ("adapters/duckdb/opening.py", "new"): "the same",
    ("adapters/sqlite/migrations/__init__.py", "__name__.rpartition('.')[0]"): "a module's name, not a statement",
    ("adapters/sqlite/accounts.py", "after.email"): "why a key was revoked, not a statement",
    ("adapters/sqlite/state.py", "path.resolve().as_uri()"): "a file's name, not a statement",
    ("adapters/sqlite/registry.py", "name"): "a key of a mapping, not a statement",
    ("adapters/sqlite/registry.py", "version"): "the same",
}
"""What is put into texts there, each with the reason why no caller's value gets into a statement that way."""


@cache
def trees(*rooms: str) -> tuple[tuple[str, ast.Module], ...]:
    files = ((str(path.relative_to(SOURCE)), path) for path in sorted(SOURCE.rglob("*.py")))
    wanted = rooms or ("",)
    return tuple((name, ast.parse(path.read_text("utf-8"))) for name, path in files if name.startswith(wanted))


def without_messages(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes, except what is raised or logged: messages for people are not executed."""
    if isinstance(node, ast.Raise):
        return
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called.startswith("log.") or called.endswith(("Error", "NotFound", "Unavailable")):
            return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from without_messages(child)


def functions(tree: ast.Module) -> Iterator[tuple[ast.AST, set[str]]]:
    """Each outermost function, or the module, with the names of the parameters in it."""
    for node in tree.body:
        yield node, {arg.arg for inner in ast.walk(node) if isinstance(inner, ast.arguments) for arg in inner.args}


def tainted(expression: ast.expr, parameters: set[str]) -> bool:
    """May it hold what a caller gave? A member of an object, an element, or a parameter may."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Attribute) and node.attr != "join":
            return True
        if isinstance(node, ast.Subscript) or (isinstance(node, ast.Name) and node.id in parameters):
            return True
    return False


@pytest.mark.promise("inj-4")
def test_no_value_is_put_into_the_text_of_a_statement() -> None:
    found = []
    for name, tree in trees(*ROOMS):
        for function, parameters in functions(tree):
            for node in without_messages(function):
                if not isinstance(node, ast.JoinedStr):
                    continue
                for part in node.values:
                    if isinstance(part, ast.FormattedValue) and tainted(part.value, parameters):
                        text = ast.unparse(part.value)
                        if (name, text) not in KNOWN:
                            found.append(f"{name}:{part.lineno} {text}")
    assert found == []


@pytest.mark.promise("inj-4")
def test_what_is_executed_is_not_put_together_on_the_spot() -> None:
    found, executed = [], 0
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTE:
                executed += 1
                first = node.args[0] if node.args else None
                formatted = isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute)
                if isinstance(first, ast.JoinedStr | ast.BinOp) or (formatted and _formats(first)):
                    found.append(f"{name}:{node.lineno} {ast.unparse(node)[:100]}")
    assert executed > 30, "statements are executed elsewhere than this test looks"
    assert found == []


def _formats(call: ast.expr | None) -> bool:
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in FORMATTING


@pytest.mark.promise("inj-4")
def test_sql_is_spoken_in_its_rooms_alone() -> None:
    found = []
    for name, tree in trees():
        if name.startswith(ROOMS):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value):
                found.append(f"{name}:{node.lineno} {node.value[:60]!r}")
    assert found == []
