"""Texts of prompt files that are still being written: read and linted as if they stood in the project."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from moat.documents import parse_yaml
from moat.domain.errors import ConflictError, DocumentError, InputError, PromptError, RequestError
from moat.ports.drafts import Draft
from moat.prompts.files import INCLUDE, PromptFile, partial_path, read_prompt, read_text
from moat.prompts.lint import lint, lint_version
from moat.prompts.linting import locked
from moat.prompts.linting.tokens import Economics
from moat.prompts.lock import LOCK, read_lock
from moat.prompts.problems import Problem
from moat.prompts.semver import is_version
from moat.prompts.tree import PROMPTS, TOOLS, check_name, entries, inside, is_name

MAX_DRAFT = 2**18
"""Characters of a draft, and of each of its partials."""


def draft_path(root: Path, name: str, version: str) -> str:
    """Where a version's file stands, or would, relative to the root. Raises `PromptError` for a bad name or version."""
    check_name(name)
    if not is_version(version):
        raise PromptError(f"{version!r} is not a semantic version", where="version", remedy="Write it like 1.4.0.")
    spellings = (f"{version}.yaml", *(f"{v}{version}{suffix}" for v in ("", "v") for suffix in (".txt", ".md")))
    paths = [f"{PROMPTS}/{name}/{spelling}" for spelling in spellings]
    return next((path for path in paths if (root / path).is_file()), paths[0])


def read_draft(root: Path, draft: Draft) -> PromptFile:
    """The version that a draft is, with the tools and the other partials of the project at `root`. Nothing is written
    there.

    Raises `PromptError` or `DocumentError` with file and line.
    """
    path = draft_path(root, draft.name, draft.version)
    with _laid_out(root, path, draft) as folder:
        return read_prompt(folder, draft.name, draft.version)


def lint_draft(
    root: Path,
    draft: Draft,
    *,
    models: AbstractSet[str],
    covered: AbstractSet[str],
    economics: Economics,
    versions: Iterable[PromptFile] = (),
) -> list[Problem]:
    """What `lint` would find in a draft's own file and in what it includes, were it in the project at `root`; and what
    the partials that it changes break in others of the project's `versions`.

    Nothing is written there. Raises `PromptError` for a name or version that no file can have.
    """
    path = draft_path(root, draft.name, draft.version)
    touched = _touched(root, path, draft, versions)
    with _laid_out(root, path, draft, touched) as folder:
        problems = lint(folder, models=models, covered=covered, economics=economics)
        try:
            own = {path, *read_prompt(folder, draft.name, draft.version).paths}
        except InputError:
            own = {path, *map(partial_path, draft.partials)}
    found = [problem for problem in problems if problem.path in own]
    theirs = {file.path for file in touched} - own
    broken = [problem for problem in problems if problem.path in theirs and problem.severity == "error"]
    if broken:
        known = _known(root, touched, models)
        found += [problem for problem in broken if problem not in known]
    return found


def _touched(root: Path, path: str, draft: Draft, versions: Iterable[PromptFile]) -> list[PromptFile]:
    """The versions that would be others with the draft's partials: all that include one that it changes."""
    changed = _changed(root, draft)
    return [
        file
        for file in versions
        if file.path != path and any(file.prompt.partials.get(name, text) != text for name, text in changed.items())
    ]


def _known(root: Path, files: Iterable[PromptFile], models: AbstractSet[str]) -> set[Problem]:
    """What is wrong with them as they are."""
    try:
        lock = read_lock(root)
    except InputError:
        lock = {}
    return {
        problem for file in files for problem in (*lint_version(root, file, models=models), *locked.edited(file, lock))
    }


@contextmanager
def _laid_out(root: Path, path: str, draft: Draft, more: Iterable[PromptFile] = ()) -> Iterator[Path]:
    """A folder for a while, with the draft and as much of the project as its rules look at: the other versions of the
    prompt, `more` versions, the lock, partials and tools.
    """
    _check_sizes(draft)
    with TemporaryDirectory(prefix="moat-") as made:
        folder = Path(made)
        _write(folder, path, draft.text)
        others = [entry.path for entry in entries(root, f"{PROMPTS}/{draft.name}") if not entry.name]
        others += [file.path for file in more if file.path not in others]
        with_tools = _has_tools(draft) or any(file.prompt.tools for file in more)
        tools = [entry.path for entry in entries(root, TOOLS)] if with_tools else []
        texts = [draft.text]
        for other in (LOCK, *others, *tools):
            if other != path and (root / other).is_file():
                try:
                    text = read_text(inside(root, other), other)
                except DocumentError:
                    continue  # lint of the project says so: it is no matter of this draft
                _write(folder, other, text)
                texts.append(text)
        for name, source in _partials(root, texts, _changed(root, draft)).items():
            _write(folder, partial_path(name), source)
        yield folder


def _check_sizes(draft: Draft) -> None:
    """And the names of its partials. Raises `RequestError`, `PromptError`."""
    for where, text in (("text", draft.text), *((f"partials.{name}", text) for name, text in draft.partials.items())):
        if len(text) > MAX_DRAFT:
            raise RequestError(f"a draft has at most {MAX_DRAFT:,} characters", where=where[:100])
    for name in draft.partials:
        check_name(name)


def _has_tools(draft: Draft) -> bool:
    try:
        data = parse_yaml(draft.text, name=draft.name).data
    except DocumentError:
        return False
    return isinstance(data, dict) and bool(data.get("tools"))


def _changed(root: Path, draft: Draft) -> dict[str, str]:
    """The partials that the draft includes and has otherwise than the project; what else it brings is no part of it."""
    included = _partials(root, [draft.text], draft.partials) if draft.partials else {}
    return {name: text for name, text in draft.partials.items() if name in included}


def _partials(root: Path, texts: Iterable[str], own: Mapping[str, str]) -> dict[str, str]:
    """Sources by name of those that texts include, directly or through others: of `own`, else of the project."""
    found: dict[str, str] = {}
    # Between quotes of YAML a name stands as \"tone\" or ''tone''.
    waiting = [text.replace('\\"', '"').replace("''", "'") for text in texts]
    while waiting:
        for name in INCLUDE.findall(waiting.pop()):
            if name in found or not is_name(name):
                continue
            path = partial_path(name)
            if name in own:
                found[name] = own[name]
            elif (root / path).is_file():
                found[name] = read_text(inside(root, path), path)
            else:
                continue
            waiting.append(found[name])
    return found


def _write(folder: Path, path: str, text: str) -> None:
    file = folder / path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8", newline="")
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise ConflictError("a file of the project has the name of a folder of this one", where=path) from None
    except UnicodeEncodeError:
        raise DocumentError("not UTF-8 text", where=path) from None
