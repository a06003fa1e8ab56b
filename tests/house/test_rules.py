"""The rules of the house, held over the syntax trees. Exceptions are listed here, each with its reason."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_cover  # they read the code, they do not run it
ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "moat"
FILES = sorted(SOURCE.rglob("*.py"))

MAX_LINES, MAX_FUNCTION, MAX_PARAMETERS = 400, 60, 7

BROAD_EXCEPT = {
    "api/changes.py": "process edge: a bug in one source must not silence all of them",
    "api/pushes.py": "nobody waits for a sync that a push set off",
    "cli/edge.py": "process edge: usage errors become messages, bugs keep their traceback",
    "bootstrap/reload.py": "process edge: a bug that one file brings out must not keep a revoked key alive",
    "bootstrap/engine.py": "process edge: a bug in the background must not end it unseen",
    "evals/scorers/foreign/library.py": "edge of other people's code: its bug is the score's error",
    "evals/scorers/scorer.py": "edge of other people's code: its bug is the score's error",
    "evals/scorers/functions.py": "edge of other people's code: its bug is the score's error",
    "evals/targets/function.py": "edge of other people's code: its bug is the case's error",
    "guards/engine/far.py": "edge of other people's code: a detector that fails is noted, and closes the gate",
    "guards/engine/looking.py": "edge of other people's code: a detector that fails is noted, and closes the gate",
    "gateway/app.py": "process edge: one client's bug must not end the server",
    "telemetry/otlp/sending.py": "process edge: what one client's span brings out must not end the sending of others'",
}
ENVIRONMENT = {
    "bootstrap/settings.py": "the one reader of the environment",
    "adapters/providers/litellm_sdk.py": "sets, never reads: the library takes no other word for keeping quiet",
    "sdk/client.py": "the SDK runs in other people's processes and reads its own two variables",
}
MANY_PARAMETERS = {
    "cli": "a command's parameters are its options",
}
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|misc)($|_)|Manager$")
FORBIDDEN_CALLS = {"eval", "exec", "__import__"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}


@cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    return tuple((str(path.relative_to(SOURCE)), ast.parse(path.read_text())) for path in FILES)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def public(body: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Classes, functions and methods without an underscore; not what is inside functions or private classes."""
    for node in body.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            overloads = [d for d in node.decorator_list if isinstance(d, ast.Name) and d.id == "overload"]
            if not overloads:
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_files_are_short() -> None:
    long = {str(p.relative_to(SOURCE)): n for p in FILES if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert long == {}


def test_functions_are_short_and_take_few_parameters() -> None:
    long, wide = [], []
    for name, tree in trees():
        for function in functions(tree):
            length = (function.end_lineno or 0) - function.lineno + 1
            taken = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
            count = len([a for a in taken if a.arg not in ("self", "cls")])
            if length > MAX_FUNCTION:
                long.append(f"{name}:{function.name} {length}")
            if count > MAX_PARAMETERS and name.split("/")[0] not in MANY_PARAMETERS:
                wide.append(f"{name}:{function.name} {count}")
    assert (long, wide) == ([], [])


def test_names_say_what_things_are() -> None:
    vague = [str(p.relative_to(SOURCE)) for p in FILES if FORBIDDEN_NAMES.search(p.stem)]
    for name, tree in trees():
        vague += [
            f"{name}:{n.name}" for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and FORBIDDEN_NAMES.search(n.name)
        ]
    assert vague == []


def test_broad_excepts_stand_only_at_process_edges() -> None:
    found = set()
    for name, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            kind = node.type
            swallows = not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            if kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException") and swallows):
                found.add(name)
    assert found <= set(BROAD_EXCEPT), found - set(BROAD_EXCEPT)


def test_the_environment_is_read_in_one_file() -> None:
    found = set()
    for name, tree in trees():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("environ", "getenv")
                and ast.unparse(node.value) == "os"
            ):
                found.add(name)
    assert found <= set(ENVIRONMENT), found - set(ENVIRONMENT)


@pytest.mark.promise("inj-3")
def test_no_code_is_made_from_data() -> None:
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                found.append(f"{name}:{node.lineno} {node.func.id}")
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                found += [f"{name}:{node.lineno} {m}" for m in modules if m.split(".")[0] in FORBIDDEN_MODULES]
    assert found == []


def test_no_work_is_left_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    left = [str(p.relative_to(SOURCE)) for p in FILES if marks.search(p.read_text())]
    assert left == []


def test_everything_public_is_documented() -> None:
    bare = [name for name, tree in trees() if ast.get_docstring(tree) is None]
    for name, tree in trees():
        bare += [f"{name}:{node.name}" for node in public(tree) if ast.get_docstring(node) is None]
    assert bare == []


def test_the_repository_names_no_private_address() -> None:
    lock_files = sorted((ROOT / "requirements").glob("*.txt"))
    assert lock_files
    for path in lock_files:
        assert "://" not in path.read_text(), path
