"""docs/promises.md from docs/promises.yaml and the `promise` marks of the tests."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from moat.documents import decode, read_yaml
from tests.docs.pages import ROOT

SOURCE = ROOT / "docs" / "promises.yaml"
PAGE = ROOT / "docs" / "promises.md"

HEAD = """\
<!-- made by `python -m tests.docs.regenerate` from docs/promises.yaml and the tests; do not edit -->

# Promises

What Moat promises about money, availability, durability, access, injection and evidence, and the tests that
prove it. A test carries the promise's id as `@pytest.mark.promise("<id>")`.

- **kept**: the tests prove the whole sentence.
- **partly**: they prove some of it; what is missing is said.
- **not yet**: nothing proves it. Do not rely on it.

The state is judged by people, in `docs/promises.yaml`. CI fails when this page is out of date, when a promise
that counts as kept or partly kept has no test, when one that is not yet kept has some, or when a test that
proves one is skipped.
"""


class Promise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One promise."""

    id: str
    text: str
    state: Literal["kept", "partly", "not yet"]
    missing: str = ""
    """What a partly kept promise lacks."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Promises about one subject."""

    title: str
    promises: list[Promise]


class Proof(NamedTuple):
    """A test that carries a promise's id."""

    promise: str
    file: str
    test: str
    skipped: bool


def sections() -> list[Section]:
    """The promises as they are judged."""
    return decode(read_yaml(SOURCE, name="docs/promises.yaml"), list[Section])


@cache
def proofs() -> tuple[Proof, ...]:
    """All marked tests, by file and name."""
    return tuple(proof for path in sorted((ROOT / "tests").rglob("test_*.py")) for proof in _proofs(path))


def render() -> str:
    """The page."""
    tests: dict[str, list[Proof]] = defaultdict(list)
    for proof in proofs():
        tests[proof.promise].append(proof)
    parts = [HEAD, _counts()]
    for section in sections():
        parts.append(f"## {section.title}\n")
        parts += [_one(promise, tests[promise.id]) for promise in section.promises]
    return "\n".join(parts)


def _counts() -> str:
    states = [promise.state for section in sections() for promise in section.promises]
    return ", ".join(f"{states.count(state)} {state}" for state in ("kept", "partly", "not yet")) + ".\n"


def _one(promise: Promise, tests: list[Proof]) -> str:
    lines = [f"### {promise.id}: {promise.state}\n", f"{promise.text}\n"]
    if promise.missing:
        lines.append(f"Missing: {promise.missing}\n")
    lines += [f"- [`{proof.test}`](../{proof.file})" for proof in sorted(set(tests))]
    return "\n".join(lines) + ("\n" if tests else "")


def _proofs(path: Path) -> Iterator[Proof]:
    file = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        marks = [_mark(decorator) for decorator in node.decorator_list]
        skipped = any(name in ("skip", "skipif", "xfail") for name, _ in marks) or any(
            isinstance(inner, ast.Call) and ast.unparse(inner.func) in ("pytest.skip", "pytest.xfail")
            for inner in ast.walk(node)
        )
        for name, argument in marks:
            if name == "promise":
                yield Proof(argument, file, node.name, skipped)


def _mark(decorator: ast.expr) -> tuple[str, str]:
    """Name and first argument of `@pytest.mark.<name>(<argument>)`; empty for any other decorator."""
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    _, found, name = ast.unparse(call).rpartition("pytest.mark.")
    arguments = decorator.args if isinstance(decorator, ast.Call) else []
    value = arguments[0].value if arguments and isinstance(arguments[0], ast.Constant) else ""
    return (name if found else ""), str(value)
