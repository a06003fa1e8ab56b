"""What is wrong with a project's prompts and tools, without running any model.

Rules: `unreadable`, `version-name`, `template`, `missing-partial`, `undeclared-variable`, `unused-variable`,
`unknown-model`, `reserved-parameter`, `output-schema`, `tool-schema`, `tool-example`, `edited-version`, `secret`;
and as a warning `uncovered`.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path

from moat.documents import read_yaml
from moat.domain.errors import InputError, PromptError
from moat.domain.releases import PromptVersion
from moat.prompts.files import Broken, PromptFile, load
from moat.prompts.lock import LOCK, is_edited, read_lock
from moat.prompts.problems import Problem, from_error
from moat.prompts.secrets import find_secrets
from moat.prompts.semver import is_version
from moat.prompts.syntax import Spot, TemplateFlaw, check
from moat.prompts.tools import mistaken_examples, read_tool, schema_flaw
from moat.prompts.tree import TOOLS, Entry, check_name, entries, inside
from moat.prompts.variables import nearest

RESERVED = ("messages", "model", "prompt", "stream", "stream_options", "user")
"""Fields of a request that its caller, the version's messages or the alias decide."""


def lint(root: Path, *, models: AbstractSet[str], covered: AbstractSet[str]) -> list[Problem]:
    """All findings, in order of path, line, column and rule.

    `models` are the aliases of `moat.yaml`; `covered` names the prompts that some suite evaluates.
    """
    loaded = load(root)
    lines = _Lines(root)
    problems = [_unreadable(broken) for broken in loaded.broken]
    try:
        lock = read_lock(root)
    except InputError as error:
        lock = {}
        problems.append(from_error("unreadable", LOCK, error))
    for file in loaded.files:
        problems += _templates(file, lines)
        problems += _model(file, models, lines)
        problems += _params(file, lines)
        problems += _output(file, lines)
        problems += _secrets(file, lines)
        if is_edited(lock, file.prompt):
            problems.append(_edited(file))
    for entry in entries(root, TOOLS):
        problems += _tool(root, entry)
    problems += _uncovered(loaded.files, covered)
    # A partial's flaw shows in every version that includes it; it is one finding.
    return sorted(set(problems), key=lambda p: (p.path, p.line, p.column, p.rule, p.message))


class _Lines:
    """Looks up in which line and column of a file a word stands; files are read only for that."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def column(self, path: str, line: int, word: str) -> int:
        """1-based column of the word, or of the first tag on the line; 0 when neither stands there."""
        lines = (self._root / path).read_text("utf-8").splitlines()
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        if word and word in text:
            return text.index(word) + 1
        tags = [at for tag in ("{{", "{%", "{#") if (at := text.find(tag)) >= 0]
        return min(tags) + 1 if tags else 0

    def key(self, path: str, *keys: str) -> int:
        """1-based line of the value under these keys."""
        return read_yaml(self._root / path, name=path).line(keys) if path.endswith(".yaml") else 1


def _unreadable(broken: Broken) -> Problem:
    rule = "unreadable" if is_version(broken.entry.version) else "version-name"
    return from_error(rule, broken.entry.path, broken.error)


def _templates(file: PromptFile, lines: _Lines) -> Iterator[Problem]:
    prompt = file.prompt
    partials = tuple(prompt.partials.items())
    used: set[str] = set()
    complete = True
    for index, message in enumerate(prompt.messages):
        found = _analyse(message.content, partials)
        if isinstance(found, TemplateFlaw):
            complete = False
            yield _flaw(file, Spot(index, found.partial, found.line), found, lines)
            continue
        used |= found.keys()
        for name in sorted(found.keys() - prompt.variables.keys()):
            partial, line = found[name]
            remedy = "Declare it under `variables`."
            if prompt.variables:
                remedy = f"{remedy} {nearest(name, prompt.variables)}"
            flaw = TemplateFlaw(f"the variable {name!r} is not declared", partial, line, word=name, remedy=remedy)
            yield _flaw(file, Spot(index, partial, line), flaw, lines, rule="undeclared-variable")
    if complete:
        for name in sorted(prompt.variables.keys() - used):
            yield Problem(
                rule="unused-variable",
                path=file.path,
                line=lines.key(file.path, "variables", name),
                message=f"no message uses the variable {name!r}",
                remedy="Use it, or remove it: callers must give it.",
            )


@lru_cache(maxsize=4096)
def _analyse(source: str, partials: tuple[tuple[str, str], ...]) -> Mapping[str, tuple[str, int]] | TemplateFlaw:
    """The variables of a template, or its flaw; versions of a prompt share most of their messages."""
    try:
        return check(source, dict(partials)).variables()
    except TemplateFlaw as flaw:
        return flaw


def _flaw(file: PromptFile, spot: Spot, flaw: TemplateFlaw, lines: _Lines, *, rule: str = "") -> Problem:
    path, _, line = file.place(spot).rpartition(":")
    return Problem(
        rule=rule or flaw.rule,
        path=path,
        line=int(line),
        column=lines.column(path, int(line), flaw.word),
        message=flaw.what,
        remedy=flaw.remedy,
    )


def _model(file: PromptFile, models: AbstractSet[str], lines: _Lines) -> Iterator[Problem]:
    model = file.prompt.model
    # A bare text names no model: its callers do.
    if model not in models and file.path.endswith(".yaml"):
        yield Problem(
            rule="unknown-model",
            path=file.path,
            line=lines.key(file.path, "model"),
            message=f"moat.yaml has no model {model!r}",
            remedy=nearest(model, models),
        )


def _params(file: PromptFile, lines: _Lines) -> Iterator[Problem]:
    for name in RESERVED:
        if name in file.prompt.params:
            yield Problem(
                rule="reserved-parameter",
                path=file.path,
                line=lines.key(file.path, "params", name),
                message=f"{name!r} cannot be a parameter",
                remedy="Remove it: `params` are for the model, such as temperature and max_tokens.",
            )


def _output(file: PromptFile, lines: _Lines) -> Iterator[Problem]:
    if file.prompt.output is not None and (flaw := schema_flaw(file.prompt.output)):
        yield Problem(
            rule="output-schema",
            path=file.path,
            line=lines.key(file.path, "output"),
            message=f"`output` is not a JSON Schema: {flaw}",
        )


def _secrets(file: PromptFile, lines: _Lines) -> Iterator[Problem]:
    for spot, text in _texts(file.prompt):
        for kind, line, start in find_secrets(text):
            path, _, place = file.place(spot._replace(line=line)).rpartition(":")
            yield Problem(
                rule="secret",
                path=path,
                line=int(place),
                column=lines.column(path, int(place), start),
                message=f"this looks like {kind} ({start}...)",
                remedy="Remove and revoke it: it is in git's history, and every call would send it to the model.",
            )


def _texts(prompt: PromptVersion) -> Iterator[tuple[Spot, str]]:
    for index, message in enumerate(prompt.messages):
        yield Spot(index, "", 1), message.content
    for name, source in prompt.partials.items():
        yield Spot(0, name, 1), source


def _edited(file: PromptFile) -> Problem:
    return Problem(
        rule="edited-version",
        path=file.path,
        line=1,
        message=f"{file.prompt.id} is published and was edited since",
        remedy="Restore it (`git log` has it) and bump the version: put the change into a new file.",
    )


def _tool(root: Path, entry: Entry) -> Iterator[Problem]:
    try:
        if not is_version(entry.version) or "/" in check_name(entry.name):
            remedy = "Name the file like tools/lookup_order/1.0.0.yaml."
            raise PromptError("is not a version of a tool", where=entry.path, remedy=remedy)
        document = read_yaml(inside(root, entry.path), name=entry.path)
        tool = read_tool(document, entry.name)
    except InputError as error:
        yield from_error("unreadable" if is_version(entry.version) else "version-name", entry.path, error)
        return
    if flaw := schema_flaw(tool.parameters):
        line = document.line(["parameters"])
        message = f"`parameters` is not a JSON Schema: {flaw}"
        yield Problem(rule="tool-schema", path=entry.path, line=line, message=message)
        return
    for field, index, why in mistaken_examples(tool):
        yield Problem(rule="tool-example", path=entry.path, line=document.line([field, index]), message=why)


def _uncovered(files: tuple[PromptFile, ...], covered: AbstractSet[str]) -> Iterator[Problem]:
    newest = {file.prompt.name: file for file in files}
    for name in sorted(newest.keys() - covered):
        yield Problem(
            rule="uncovered",
            severity="warning",
            path=newest[name].path,
            line=1,
            message=f"no suite evaluates {name}",
            remedy=f"Write one below evals/ with `prompt: {name}`.",
        )
