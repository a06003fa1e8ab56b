"""The code that one function of a file rests on, so that another function beside it is no change of it.

Of a file's top level only functions and imports can be left aside, and only where nothing that is kept names them, not
even as text, and where making them runs no code of the file. Whatever is not that plain counts as a whole.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from moat.domain.releases import digest
from moat.evals.project_code import ProjectFunction

DYNAMIC = frozenset(
    ("globals", "locals", "vars", "dir", "eval", "exec", "compile", "getattr", "__import__", "__dict__", "modules")
)
"""By these, code reaches names that do not stand in it."""
KNOWN = sys.stdlib_module_names | {"moat"}
"""Modules whose import changes nothing."""
PLAIN = (ast.Name, ast.Attribute, ast.Constant, ast.Subscript, ast.Tuple, ast.BinOp, ast.BitOr, ast.expr_context)
"""What decorators, annotations and defaults may be made of."""


def code_of(function: ProjectFunction) -> str:
    """A digest over it; that of everything in its files (`ProjectFunction.digest`) where it cannot be told apart."""
    try:
        body = ast.parse(function.path.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return function.digest
    kept = _kept(body, function.spec.rpartition(":")[2], function.root)
    return function.digest if kept is None else digest([ast.dump(statement) for statement in kept])


def _kept(body: Sequence[ast.stmt], name: str, root: Path) -> list[ast.stmt] | None:
    """The statements that count; None for a file that is to be taken as a whole."""
    if any(_is_project(statement, root) for statement in ast.walk(ast.Module(list(body), []))):
        return None
    beside = [statement for statement in body if _is_inert(statement)]
    kept = [statement for statement in body if statement not in beside]
    names = {name}.union(*map(_mentioned, kept), *(_mentioned_by_making(statement) for statement in beside))
    while found := [statement for statement in beside if _binds(statement) & names]:
        beside = [statement for statement in beside if statement not in found]
        kept += found
        names |= set().union(*map(_mentioned, found))
    return None if names & DYNAMIC else [statement for statement in body if statement in kept]


def _is_project(node: ast.AST, root: Path) -> bool:
    """Does it import a file of the project, or might it?"""
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
        if node.level or any(alias.name == "*" for alias in node.names):
            return True
    elif isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    else:
        return False
    tops = [module.partition(".")[0] for module in modules]
    return any((root / top).exists() or (root / f"{top}.py").exists() for top in tops)


def _is_inert(statement: ast.stmt) -> bool:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            making = [node for part in _making(statement) for node in ast.walk(part)]
            return not name.startswith("__") and all(isinstance(node, PLAIN) for node in making)
        case ast.Import(names=names):
            return all(alias.name.partition(".")[0] in KNOWN for alias in names)
        case ast.ImportFrom(module=str(module)):
            return module.partition(".")[0] in KNOWN - {"__future__"}
        case _:
            return False


def _making(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """What runs when a function is made."""
    arguments = function.args
    yield from function.decorator_list
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    yield from (each.annotation for each in every if each is not None and each.annotation is not None)
    if function.returns is not None:
        yield function.returns


def _mentioned_by_making(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    return set().union(*map(_mentioned, _making(statement)))


def _mentioned(node: ast.AST) -> set[str]:
    """Every name in some code, those of attributes and texts included."""
    found = set()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)) | ast.alias(name=name):
                found.add(name)
            case ast.Global(names=names):
                found.update(names)
            case _:
                pass
    return found


def _binds(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(alias.asname or alias.name).partition(".")[0] for alias in names}
        case _:
            return set()
