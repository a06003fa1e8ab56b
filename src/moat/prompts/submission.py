"""A prompt version that comes over the network: read and linted exactly as its file would be."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from moat.domain.errors import InputError, PromptError
from moat.domain.releases import PromptVersion
from moat.prompts.files import read_prompt
from moat.prompts.lint import lint
from moat.prompts.semver import is_version
from moat.prompts.tree import PARTIALS, PROMPTS, TOOLS, check_name, inside, is_name

_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def read_submission(
    root: Path, name: str, version: str, content: dict[str, Any], *, models: frozenset[str]
) -> PromptVersion:
    """The version that a prompt file with this content would be in the project at `root`, whose partials and tools it
    may use. Nothing is written there.

    Raises `PromptError` with all that lint finds wrong, or the first thing that cannot be read.
    """
    check_name(name)
    if not is_version(version):
        raise PromptError(f"{version!r} is not a semantic version", where="version", remedy="Write it like 1.4.0.")
    with TemporaryDirectory(prefix="moat-") as folder:
        draft = Path(folder)
        _borrow(root, draft, content.get("tools"))
        path = draft / PROMPTS / name / f"{version}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(_yaml(content), "utf-8")
        try:
            file = read_prompt(draft, name, version)
        except InputError as error:
            raise PromptError(error.what, where="prompt", remedy=error.remedy) from None
        problems = [p for p in lint(draft, models=models, covered={name}) if p.severity == "error"]
    if problems:
        found = "; ".join(f"{p.message} [{p.rule}]" for p in problems)
        remedies = dict.fromkeys(p.remedy for p in problems if p.remedy)
        raise PromptError(found, where="prompt", remedy=" ".join(remedies))
    return file.prompt


def _yaml(content: dict[str, Any]) -> str:
    """JSON is YAML, but for characters that YAML takes for line breaks or not at all."""
    text = msgspec.json.format(msgspec.json.encode(content)).decode()
    return _NOT_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _borrow(root: Path, draft: Path, tools: Any) -> None:
    """Copy the partials, and the tools that are named, of a project."""
    paths = [file.relative_to(root).as_posix() for file in (root / PARTIALS).rglob("*.j2")]
    for reference in tools if isinstance(tools, list) else ():
        name, _, version = reference.partition("@") if isinstance(reference, str) else ("", "", "")
        path = f"{TOOLS}/{name}/{version}.yaml"
        if is_name(name) and is_version(version) and (root / path).exists():
            paths.append(path)
    for path in dict.fromkeys(paths):
        copy = draft / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(inside(root, path).read_bytes())
