"""A project's prompt files -> `PromptVersion`s. One broken file hides no other."""

import gc
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from moat.documents import Document, Parts, decode, read_yaml
from moat.domain.errors import DocumentError, InputError, PromptError
from moat.domain.guards import DataClass
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.prompts.semver import is_version
from moat.prompts.syntax import Spot, TemplateFlaw, check
from moat.prompts.tools import definition, read_tool
from moat.prompts.tree import PARTIALS, PROMPTS, TOOLS, Entry, check_name, entries, inside, is_name
from moat.prompts.variables import mismatch, nearest

MAX_TEXT = 2**20
MAX_MESSAGES = 500
SETTLED_NS = 20_000_000
"""A file that changed less than this before it was looked at may change once more with the same time stamp."""

Stamp = tuple[int, int, int, int]
"""Inode, size, and times of the last change of content and of anything: the same for a file that nobody touched."""

INCLUDE = re.compile(r"""\{%[-+]?\s*include\s+["']([^"']+)["']""")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class PromptFile(NamedTuple):
    """A version and where its text stands."""

    prompt: PromptVersion
    path: str
    """Relative to the project root."""
    lines: tuple[int, ...] = ()
    """1-based line on which each message's template begins."""
    stamp: Stamp | None = None
    """Of the file as it was read; None when it cannot tell whether it changed since."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that make up the version, its own first: what it includes, and its tools. Relative to the root."""
        tools = (f"{TOOLS}/{tool.replace('@', '/')}.yaml" for tool in self.prompt.tools)
        return (self.path, *map(partial_path, self.prompt.partials), *tools)

    def place(self, spot: Spot) -> str:
        """`file:line` of a spot in this version's text."""
        if spot.partial:
            return f"{partial_path(spot.partial)}:{spot.line}"
        return f"{self.path}:{self.lines[spot.message] + spot.line - 1}"


class Broken(NamedTuple):
    """A file that could not be read as a version."""

    entry: Entry
    error: InputError


class Loaded(NamedTuple):
    """What a project's prompt folder holds, in order of path."""

    files: tuple[PromptFile, ...]
    broken: tuple[Broken, ...]


class _Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a prompt file."""

    model: str
    messages: list[MessageTemplate]
    description: str = ""
    owner: str = ""
    tags: list[str] = []
    created_by: str = ""
    token_budget: Annotated[int, msgspec.Meta(ge=1)] | None = None
    calls_per_month: Annotated[int, msgspec.Meta(ge=0)] | None = None
    data_class: DataClass | None = None
    params: dict[str, Any] = {}
    variables: dict[str, Variable] = {}
    tools: list[str] = []
    output: dict[str, Any] | None = None


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector for a while: it would look at each new object again and again, and all of them
    stay (a sixth of the time that 10,000 versions take).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def load(root: Path) -> Loaded:
    """Read all prompts of a project."""
    return Reader(root).load()


def read_prompt(root: Path, name: str, version: str) -> PromptFile:
    """Read one version. Raises `PromptError` or `DocumentError`, also for a name that leads outside the root."""
    check_name(name)
    if not is_version(version):
        raise PromptError(f"{version!r} is not a semantic version", remedy="Write it like 1.4.0.")
    spellings = (f"{version}.yaml", *(f"{v}{version}{suffix}" for v in ("", "v") for suffix in (".txt", ".md")))
    for spelling in spellings:
        path = f"{PROMPTS}/{name}/{spelling}"
        if (root / path).is_symlink() or (root / path).exists():
            return Reader(root).read(Entry(name, version, path))
    raise DocumentError("no such file", where=f"{PROMPTS}/{name}/{version}.yaml")


def partial_path(name: str) -> str:
    """Path of a partial's file, relative to the root."""
    return f"{PARTIALS}/{name}.j2"


class Reader:
    """Reads the files of one root; remembers what it has read.

    With the reader that read the root `before`, it parses only files that changed since.
    """

    def __init__(self, root: Path, before: "Reader | None" = None) -> None:
        self._root = root
        self._files: dict[str, PromptFile] = {}
        self._folders: dict[str, bool] = {}
        """Does the folder lie in the root, whatever is a link?"""
        self._partials: dict[str, str | None] = {}
        self._tools: dict[str, dict[str, Any] | InputError] = {}
        self._parts = Parts()
        self._before = before
        self._same_surroundings = before is not None and self._surrounded_as(before)

    def load(self) -> Loaded:
        """All prompts."""
        broken: list[Broken] = []
        seen: dict[tuple[str, str], str] = {}
        with uncollected():
            for entry in entries(self._root, PROMPTS):
                try:
                    earlier = seen.setdefault((entry.name, entry.version), entry.path)
                    if earlier != entry.path:
                        what, remedy = f"is the same version as {earlier}", "Keep one of them."
                        raise PromptError(what, where=entry.path, remedy=remedy)
                    stamp = self._stamp(entry.path)
                    self._files[entry.path] = self._kept(entry, stamp) or self.read(entry)._replace(stamp=stamp)
                except InputError as error:
                    broken.append(Broken(entry, error))
        self._before, self._parts = None, Parts()
        return Loaded(tuple(self._files.values()), tuple(broken))

    def _surrounded_as(self, before: "Reader") -> bool:
        """Are all partials and tools that were used then the same now?"""
        try:
            return all(self._partial(name) == source for name, source in before._partials.items()) and all(
                self._tool(reference, "") == found
                for reference, found in before._tools.items()
                if not isinstance(found, InputError)
            )
        except InputError:
            return False

    def _kept(self, entry: Entry, stamp: Stamp | None) -> PromptFile | None:
        """The version as it was read before, when its file is the same; with the partials and tools of now."""
        old = self._before._files.get(entry.path) if self._before is not None else None
        if old is None or stamp is None or stamp != old.stamp:
            return None
        if self._same_surroundings:
            return old
        if not entry.path.endswith(".yaml"):  # its variables are those of its partials too
            return None
        prompt = old.prompt
        partials = self._collect(message.content for message in prompt.messages)
        try:
            tools = tuple(self._tool(tool, entry.path) for tool in prompt.tools)
        except PromptError:
            return None
        if (partials, tools) == (prompt.partials, prompt.tool_definitions):
            return old
        return old._replace(prompt=msgspec.structs.replace(prompt, partials=partials, tool_definitions=tools))

    def _stamp(self, path: str) -> Stamp | None:
        try:
            found = os.lstat(f"{self._root}/{path}")
        except OSError:
            return None
        if stat.S_ISLNK(found.st_mode) or time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < SETTLED_NS:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _inside(self, path: str) -> Path:
        """Like `tree.inside`, which costs more than parsing: each folder is resolved once."""
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            real = os.path.realpath(self._root)
            self._folders[folder] = os.path.realpath(self._root / folder).startswith(real + os.sep)
        found = self._root / path
        return found if self._folders[folder] and not found.is_symlink() else inside(self._root, path)

    def read(self, entry: Entry) -> PromptFile:
        """One version. Raises `PromptError` or `DocumentError`."""
        try:
            check_name(entry.name)
        except PromptError as error:
            raise PromptError(error.what, where=entry.path, remedy=error.remedy) from None
        if not is_version(entry.version):
            raise PromptError(
                f"{entry.version!r} is not a semantic version",
                where=entry.path,
                remedy="Name the file like 1.4.0.yaml.",
            )
        file = self._inside(entry.path)
        if not entry.path.endswith(".yaml"):
            return self._text(entry, read_text(file, entry.path))
        document = self._parts.read(file, name=entry.path)
        content = decode(document, _Content, error=PromptError)
        _check(document, content)
        prompt = PromptVersion(
            name=entry.name,
            version=entry.version,
            messages=tuple(content.messages),
            model=content.model,
            variables=content.variables,
            params=content.params,
            tools=tuple(content.tools),
            output=content.output,
            metadata=_metadata(content),
            partials=self._collect(message.content for message in content.messages),
            tool_definitions=tuple(
                self._tool(tool, document.place(["tools", index])) for index, tool in enumerate(content.tools)
            ),
        )
        lines = tuple(document.text_line(["messages", i, "content"]) for i in range(len(content.messages)))
        return PromptFile(prompt, entry.path, lines)

    def _text(self, entry: Entry, source: str) -> PromptFile:
        """A bare text is one user message, and every name in it a required text variable."""
        partials = self._collect([source])
        try:
            names = sorted(check(source, partials).variables())
        except TemplateFlaw:
            names = []  # lint and rendering report the flaw with its place
        prompt = PromptVersion(
            name=entry.name,
            version=entry.version,
            messages=(MessageTemplate("user", source),),
            model="",
            variables={name: Variable() for name in names},
            partials=partials,
        )
        return PromptFile(prompt, entry.path, (1,))

    def _collect(self, sources: Iterable[str]) -> dict[str, str]:
        """Sources of all partials that are included, directly or through others; missing ones are left out."""
        found: dict[str, str] = {}
        waiting = list(sources)
        while waiting:
            for name in INCLUDE.findall(waiting.pop()):
                source = self._partial(name) if name not in found else None
                if source is not None:
                    found[name] = source
                    waiting.append(source)
        return dict(sorted(found.items()))

    def _partial(self, name: str) -> str | None:
        if name not in self._partials:
            path = partial_path(name)
            known = is_name(name) and (self._root / path).exists()
            self._partials[name] = read_text(inside(self._root, path), path) if known else None
        return self._partials[name]

    def _tool(self, reference: str, where: str) -> dict[str, Any]:
        if reference not in self._tools:
            try:
                self._tools[reference] = self._read_tool(reference)
            except InputError as error:
                self._tools[reference] = error
        found = self._tools[reference]
        if isinstance(found, InputError):
            cause = f" ({found.where})" if found.where else ""
            raise PromptError(f"the tool {reference!r}: {found.what}{cause}", where=where, remedy=found.remedy)
        return found

    def _read_tool(self, reference: str) -> dict[str, Any]:
        name, _, version = reference.partition("@")
        if not is_version(version) or "/" in check_name(name):
            raise PromptError("is not a reference to a tool", remedy="Write it like lookup_order@1.0.0.")
        path = f"{TOOLS}/{name}/{version}.yaml"
        if not (self._root / path).exists():
            known = [f"{entry.name}@{entry.version}" for entry in entries(self._root, TOOLS)]
            raise PromptError("there is no such tool", remedy=nearest(reference, known))
        return definition(name, read_tool(read_yaml(inside(self._root, path), name=path), name))


def read_text(file: Path, name: str) -> str:
    """A text file. Raises `DocumentError` for one that is not readable UTF-8 of at most 1 MiB."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_TEXT + 1)
        if len(raw) > MAX_TEXT:
            raise DocumentError(f"larger than {MAX_TEXT // 2**20} MiB", where=name)
        return raw.decode("utf-8").replace("\r\n", "\n")
    except FileNotFoundError:
        raise DocumentError("no such file", where=name) from None
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", where=name) from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DocumentError("not UTF-8 text", where=f"{name}:{line}", remedy="Save it as UTF-8.") from None


def _metadata(content: _Content) -> dict[str, Any]:
    given: Mapping[str, Any] = {
        "description": content.description,
        "owner": content.owner,
        "tags": content.tags,
        "created_by": content.created_by,
        "token_budget": content.token_budget,
        "calls_per_month": content.calls_per_month,
        "data_class": content.data_class,
    }
    return {key: value for key, value in given.items() if value not in ("", [], None)}


def _check(document: Document, content: _Content) -> None:
    """What the types of `_Content` do not say."""
    if not content.messages:
        raise PromptError("a prompt has at least one message", where=document.place(["messages"]))
    if len(content.messages) > MAX_MESSAGES:
        raise PromptError(f"a prompt has at most {MAX_MESSAGES} messages", where=document.place(["messages"]))
    for name, variable in content.variables.items():
        where = document.place(["variables", name])
        if not _IDENTIFIER.fullmatch(name):
            raise PromptError(f"{name!r} cannot be a variable", where=where, remedy="Use letters, digits and '_'.")
        if variable.default is not msgspec.UNSET and (flaw := mismatch(variable, variable.default)):
            raise PromptError(f"the default of {name!r} {flaw}", where=where)
