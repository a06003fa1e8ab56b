"""Texts of prompt files that are still being written: read and linted as if they stood in the project."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from moat.documents import parse_yaml
from moat.domain.errors import ConflictError, DocumentError, InputError, PromptError, RequestError
from moat.prompts.files import INCLUDE, PromptFile, partial_path, read_prompt, read_text
from moat.prompts.lint import lint
from moat.prompts.linting.tokens import Economics
from moat.prompts.lock import LOCK
from moat.prompts.problems import Problem
from moat.prompts.semver import is_version
from moat.prompts.tree import PROMPTS, TOOLS, check_name, entries, inside, is_name

MAX_DRAFT = 2**18
"""Characters of a draft."""


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file of a prompt version would hold."""

    name: str
    version: str
    text: str


def draft_path(root: Path, name: str, version: str) -> str:
    """Where a version's file stands, or would, relative to the root. Raises `PromptError` for a bad name or version."""
    check_name(name)
    if not is_version(version):
        raise PromptError(f"{version!r} is not a semantic version", where="version", remedy="Write it like 1.4.0.")
    spellings = (f"{version}.yaml", *(f"{v}{version}{suffix}" for v in ("", "v") for suffix in (".txt", ".md")))
    paths = [f"{PROMPTS}/{name}/{spelling}" for spelling in spellings]
    return next((path for path in paths if (root / path).is_file()), paths[0])


def read_draft(root: Path, draft: Draft) -> PromptFile:
    """The version that a draft is, with the partials and tools of the project at `root`. Nothing is written there.

    Raises `PromptError` or `DocumentError` with file and line.
    """
    path = draft_path(root, draft.name, draft.version)
    with _laid_out(root, path, draft) as folder:
        return read_prompt(folder, draft.name, draft.version)


def lint_draft(
    root: Path, draft: Draft, *, models: AbstractSet[str], covered: AbstractSet[str], economics: Economics
) -> list[Problem]:
    """What `lint` would find in a draft's own file and in what it includes, were it in the project at `root`.

    Nothing is written there. Raises `PromptError` for a name or version that no file can have.
    """
    path = draft_path(root, draft.name, draft.version)
    with _laid_out(root, path, draft) as folder:
        problems = lint(folder, models=models, covered=covered, economics=economics)
        try:
            own = {path, *read_prompt(folder, draft.name, draft.version).paths}
        except InputError:
            own = {path}
    return [problem for problem in problems if problem.path in own]


@contextmanager
def _laid_out(root: Path, path: str, draft: Draft) -> Iterator[Path]:
    """A folder for a while, with the draft and as much of the project as its rules look at: the other versions of the
    prompt, the lock, partials and tools.
    """
    if len(draft.text) > MAX_DRAFT:
        raise RequestError(f"a draft has at most {MAX_DRAFT:,} characters", where="text")
    with TemporaryDirectory(prefix="moat-") as made:
        folder = Path(made)
        _write(folder, path, draft.text)
        others = [entry.path for entry in entries(root, f"{PROMPTS}/{draft.name}") if not entry.name]
        tools = [entry.path for entry in entries(root, TOOLS)] if _has_tools(draft) else []
        texts = [draft.text]
        for other in (LOCK, *others, *tools):
            if other != path and (root / other).is_file():
                try:
                    text = read_text(inside(root, other), other)
                except DocumentError:
                    continue  # lint of the project says so: it is no matter of this draft
                _write(folder, other, text)
                texts.append(text)
        _write_partials(root, folder, texts)
        yield folder


def _has_tools(draft: Draft) -> bool:
    try:
        data = parse_yaml(draft.text, name=draft.name).data
    except DocumentError:
        return False
    return isinstance(data, dict) and bool(data.get("tools"))


def _write_partials(root: Path, folder: Path, texts: list[str]) -> None:
    """Those that texts include, directly or through others."""
    waiting, known = texts, set[str]()
    while waiting:
        for name in INCLUDE.findall(waiting.pop()):
            path = partial_path(name)
            if name in known or not is_name(name) or not (root / path).is_file():
                continue
            known.add(name)
            source = read_text(inside(root, path), path)
            _write(folder, path, source)
            waiting.append(source)


def _write(folder: Path, path: str, text: str) -> None:
    file = folder / path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8", newline="")
    except (FileExistsError, NotADirectoryError):
        raise ConflictError("a file of the project has the name of a folder of this one", where=path) from None
    except UnicodeEncodeError:
        raise DocumentError("not UTF-8 text", where=path) from None
