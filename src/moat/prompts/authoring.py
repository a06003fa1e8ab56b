"""Writing prompt and tool files: as YAML that people read, new files only, and never outside the project."""

import errno
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from moat.documents import parse_yaml
from moat.domain.errors import ConflictError, DocumentError, PromptError, StorageError
from moat.domain.releases import PromptVersion, Variable
from moat.prompts.semver import is_version, order
from moat.prompts.tools import Tool
from moat.prompts.tree import PROMPTS, TOOLS, check_name, inside

FIRST_VERSION = "1.0.0"
Bump = Literal["major", "minor", "patch"]

_CREATED_BY = re.compile(r"^created_by:.*$", re.MULTILINE)
_FIRST_KEY = re.compile(r"^(?=[A-Za-z_]+:)", re.MULTILINE)
_NUMBER_LIKE = tuple("-+.0123456789")

_TEMPLATE = """\
description: {description}
created_by: {author}
model: {model}
params: {{temperature: 0.2, max_tokens: 400}}
variables:
  question: {{type: string, description: What the user asks.}}
messages:
  - role: system
    content: |
      You answer questions in at most three sentences.
      When you do not know the answer, say so.
  - role: user
    content: "{{{{ question }}}}"
"""


def prompt_path(name: str, version: str, suffix: str = ".yaml") -> str:
    """Where a version's file belongs, relative to the root. Raises `PromptError` for a bad name or version."""
    return f"{PROMPTS}/{check_name(name)}/{_checked(version)}{suffix}"


def tool_path(name: str, version: str) -> str:
    """Where a tool's file belongs, relative to the root. Raises `PromptError` for a bad name or version."""
    return f"{TOOLS}/{check_name(name)}/{_checked(version)}.yaml"


def next_version(versions: Sequence[str], bump: Bump) -> str:
    """The version after the newest; after a pre-release, the release it prepares. 1.0.0 when there is none."""
    if not versions:
        return FIRST_VERSION
    major, minor, patch, is_release, *_ = order(max(versions, key=order))
    if not is_release:
        return f"{major}.{minor}.{patch}"
    bumped = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
    return ".".join(map(str, bumped[bump]))


def first_text(name: str, *, model: str, author: str) -> str:
    """A prompt file to begin with: it lints, renders and can be asked as it is."""
    return _TEMPLATE.format(
        description=_quoted(f"Say in one sentence what {name} is for."), author=_quoted(author), model=_quoted(model)
    )


def copied_text(text: str, author: str) -> str:
    """A YAML prompt file's text for the next version: `created_by` is replaced, all else stays, comments included."""
    before = parse_yaml(text).data
    line = f"created_by: {_quoted(author)}"
    pattern, new = (_CREATED_BY, line) if "created_by" in before else (_FIRST_KEY, f"{line}\n")
    changed = pattern.sub(lambda _: new, text, count=1)
    try:
        understood = parse_yaml(changed).data == {**before, "created_by": author}
    except DocumentError:
        understood = False
    return changed if understood else text


def prompt_text(prompt: PromptVersion) -> str:
    """A version as YAML, the same for the same version; reading it gives the version again.

    Tools are referred to, and partials included, by name: their own files are not part of it.
    """
    variables = {name: _declaration(variable) for name, variable in prompt.variables.items()}
    messages = [_Block(role=message.role, content=message.content) for message in prompt.messages]
    return yaml_text(
        {
            **prompt.metadata,
            "model": prompt.model,
            **({"params": prompt.params} if prompt.params else {}),
            **({"variables": variables} if variables else {}),
            "messages": messages,
            **({"tools": list(prompt.tools)} if prompt.tools else {}),
            **({"output": prompt.output} if prompt.output is not None else {}),
        }
    )


def tool_text(tool: Tool) -> str:
    """A tool as YAML; reading it gives the tool again."""
    examples = {"examples": tool.examples, "counter_examples": tool.counter_examples}
    given = {key: value for key, value in examples.items() if value}
    return yaml_text({"description": tool.description, "parameters": tool.parameters, **given})


def create_files(root: Path, files: Mapping[str, str]) -> None:
    """Write new files, by path relative to the root: all of them whole, or none.

    Raises `ConflictError` for one that exists, `DocumentError` for a path that leaves the project, through links
    too, and `StorageError` when the disk refuses.
    """
    for path in files:
        target = root / path
        _stay_inside(root, path)
        if target.exists() or target.is_symlink():
            raise ConflictError("exists already", where=path, remedy="Give it another name or version.")
    written: list[Path] = []
    path = ""
    try:
        for path, text in files.items():
            _create(root / path, text)
            written.append(root / path)
    except BaseException as error:
        for file in written:
            file.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise ConflictError("exists already", where=path, remedy="Give it another name or version.") from None
        if isinstance(error, OSError):
            raise StorageError(f"cannot be written: {error.strerror}", where=path) from None
        raise


def _stay_inside(root: Path, path: str) -> None:
    """Links on the way are refused even when they end in the project: a folder that is one is not read either."""
    if "\0" in path or path.startswith("/") or ".." in path.split("/"):
        raise DocumentError("leads outside the project", where=repr(path))
    inside(root, path)
    for parent in list(Path(path).parents)[:-1]:
        if (root / parent).is_symlink():
            raise DocumentError("is a link", where=str(parent), remedy="Put the folder itself into the project.")


def _create(target: Path, text: str) -> None:
    """A new file, there only once it is whole; `link` refuses to replace what somebody else just made."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "a file is where its folder should be") from None
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", dir=target.parent, prefix=".moat-") as draft:
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
        os.chmod(draft.name, 0o644)
        os.link(draft.name, target)


def _checked(version: str) -> str:
    if not is_version(version):
        raise PromptError(f"{version!r} is not a semantic version", remedy="Write it like 1.4.0.")
    return version


def _declaration(variable: Variable) -> dict[str, Any]:
    given = msgspec.to_builtins(variable)
    return {key: value for key, value in given.items() if (key, value) not in (("enum", None), ("description", ""))}


class _Block(dict[str, Any]):
    """A mapping written over several lines even when it is short."""


class _Dumper(yaml.SafeDumper):
    """Lines break where the text does; what our reader would take for a number is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _QuotingDumper(_Dumper):
    """Every text in quotes: for what blocks cannot hold."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else '"' if text.startswith(_NUMBER_LIKE) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


def _represent_block(dumper: yaml.SafeDumper, data: _Block) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=False)


_Dumper.add_representer(str, _represent_text)
_QuotingDumper.add_representer(str, _represent_quoted)
_Dumper.add_representer(_Block, _represent_block)
_QuotingDumper.add_representer(_Block, _represent_block)


def yaml_text(data: dict[str, Any]) -> str:
    """YAML that reads back as the same data. Raises `PromptError` for what no YAML file can hold."""
    for dumper in (_Dumper, _QuotingDumper):
        try:
            text: str = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10_000)
            if msgspec.json.encode(parse_yaml(text).data) == msgspec.json.encode(data):
                return text
        except (yaml.YAMLError, DocumentError, UnicodeError):
            continue
    raise PromptError("it holds what a YAML file cannot", remedy="Numbers are finite, text is Unicode.")


def _quoted(text: str) -> str:
    """A YAML scalar on one line."""
    return msgspec.json.encode(text).decode()
