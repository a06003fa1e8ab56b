"""Python functions of the project that a suite names as `path.py:function`: found, identified, and only then run."""

import ast
import asyncio
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from moat.domain.errors import ConfigError

MAX_FILES = 1000
"""Files of the project that one function may rest on."""


class ProjectFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function that is in a file of the project. Nothing was run to find it."""

    spec: str
    """As it is named: `evals/scorers.py:polite`."""
    root: Path
    """The project's folder, resolved."""
    digest: str
    """Over the file's text and that of every file of the project that it imports, directly or not."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.root / self.spec.rpartition(":")[0]

    def load(self) -> Callable[..., Any]:
        """Run the file, and return the function. The project's folder joins `sys.path`, as if it ran there.

        Raises `ConfigError` with file and line for whatever the file raises.
        """
        file, _, name = self.spec.rpartition(":")
        try:
            function = getattr(self._module(), name, None)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the project's own code: whatever it raises is told with its place
            what = f"cannot be imported: {type(error).__name__}: {error}"
            raise ConfigError(what, where=self.place_of(error)) from error
        if not callable(function):
            raise ConfigError(f"{name!r} is no function", where=file)
        loaded: Callable[..., Any] = function
        return loaded

    def place_of(self, error: BaseException) -> str:
        """`file:line` where the project's code raised, or called what did; the file when it is not known."""
        if isinstance(error, SyntaxError) and error.filename:
            return f"{self._shown(error.filename)}:{error.lineno}"
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(self.root)]
        return f"{self._shown(frames[-1].filename)}:{frames[-1].lineno}" if frames else self.spec.rpartition(":")[0]

    def _shown(self, file: str) -> str:
        path = Path(file)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else file

    def _module(self) -> ModuleType:
        """A module for exactly this text, so that a file that was changed is not taken for the one before."""
        name = f"moat_project_{self.digest.removeprefix('sha256:')[:16]}_{self.path.stem}"
        if name in sys.modules:
            return sys.modules[name]
        if str(self.root) not in sys.path:
            sys.path.append(str(self.root))
        loader = _Uncached(name, str(self.path))
        module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=str(self.path)))
        module.__file__ = str(self.path)
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def is_meant_for_us(error: BaseException) -> bool:
    """Of what comes out of the project's own code: did somebody press Ctrl-C, or cancel this task?

    Whatever else it raises is an error of its own, `SystemExit` too: no code under test chooses our exit code.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


class _Uncached(SourceFileLoader):
    """Reads the text, never byte code: that is told from older one by the second and the length only."""

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """None: then no byte code is looked for."""
        raise OSError("byte code is not wanted")


def find_function(spec: str, root: Path, where: str) -> ProjectFunction:
    """What `spec` (`path.py:function`) names in a project, without running it.

    Raises `ConfigError` for a file outside the project, one that is not there or is not Python, and one that does not
    define the function; `where` is the place that names it.
    """
    file, colon, name = spec.rpartition(":")
    remedy = "Write it as `path.py:function`, from the project's folder."
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise ConfigError(f"{spec!r} names no function", where=where, remedy=remedy)
    root = root.resolve()
    path = (root / file).resolve()
    if not path.is_relative_to(root):
        raise ConfigError(
            f"{file} is outside of the project", where=where, remedy="Only the project's own code is run."
        )
    if not path.is_file():
        raise ConfigError(f"there is no file {file}", where=where, remedy=remedy)
    tree = _parsed(path, file)
    if name not in _defined(tree):
        raise ConfigError(f"there is no function {name!r}", where=file, remedy=f"It is named by {where}.")
    return ProjectFunction(spec=spec, root=root, digest=_digest(path, root, name))


def _parsed(path: Path, shown: str) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=shown)
    except SyntaxError as error:
        raise ConfigError(f"not valid Python: {error.msg}", where=f"{shown}:{error.lineno}") from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"cannot be read: {error}", where=shown) from None


def _defined(tree: ast.Module) -> set[str]:
    """Names that a file's top level gives a meaning: functions, classes, assignments, imports."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
            case ast.Assign():
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return names


def _digest(path: Path, root: Path, name: str) -> str:
    texts = hashlib.sha256()
    texts.update(name.encode())
    for file in sorted(_closure(path, root)):
        content = file.read_bytes()
        texts.update(f"\0{file.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        texts.update(content)
    return f"sha256:{texts.hexdigest()}"


def _closure(path: Path, root: Path) -> set[Path]:
    """The file, and the files of the project that it imports, directly or not. Imports that only running the code would
    show (`importlib`, names put together) are not seen, and those that leave the project are not followed.
    """
    seen, waiting = {path}, [path]
    while waiting:
        for found in _imported(waiting.pop(), root):
            if found not in seen and found.is_relative_to(root) and len(seen) < MAX_FILES:
                seen.add(found)
                waiting.append(found)
    return seen


def _imported(path: Path, root: Path) -> Iterator[Path]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(root, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if 0 < node.level <= len(path.parents) else root
            module = node.module or ""
            yield from _files(base, module)
            for alias in node.names:
                yield from _files(base, f"{module}.{alias.name}".strip("."))


def _files(base: Path, module: str) -> Iterator[Path]:
    """The files that importing a dotted name below a folder would run, of those that are there."""
    here = base
    for step in filter(None, module.split(".")):
        here = here / step
        for file in (here / "__init__.py", here.with_name(f"{here.name}.py")):
            if file.is_file():
                yield file


def imported_names(path: Path) -> set[str]:
    """First parts of what a file imports absolutely; nothing of one that cannot be read."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@contextmanager
def instead(root: Path, other: Path) -> Iterator[None]:
    """For a while, imports of the project's own code are of the copy of it at `root`, not of that at `other`.

    What was imported from `other` is as before afterwards, and nothing of `root` is left.
    """
    path, kept = sys.path[:], _loaded(other)
    for name in kept:
        del sys.modules[name]
    sys.path[:] = [str(root.resolve()), *(entry for entry in path if Path(entry).resolve() != other.resolve())]
    try:
        yield
    finally:
        for name in [*_loaded(root), *_loaded(other)]:
            del sys.modules[name]
        sys.path[:] = path
        sys.modules.update(kept)
        importlib.invalidate_caches()


def _loaded(root: Path) -> dict[str, ModuleType]:
    """Modules that are a project's own: not what is installed in a folder of it, nor Moat."""
    root, found = root.resolve(), {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        if not isinstance(file, str) or name.partition(".")[0] in ("moat", "__main__"):
            continue
        path = Path(file)
        if path.is_relative_to(root):
            parts = path.relative_to(root).parts
            if "site-packages" not in parts and not any(part.startswith(".") for part in parts):
                found[name] = module
    return found
