"""Rules of tool files."""

from collections.abc import Iterator
from pathlib import Path

from moat.documents import read_yaml
from moat.domain.errors import InputError, PromptError
from moat.prompts.linting.texts import source_text
from moat.prompts.problems import Problem, from_error
from moat.prompts.semver import is_version
from moat.prompts.tools import mistaken_examples, read_tool, schema_flaw
from moat.prompts.tree import Entry, check_name, inside


def tool(root: Path, entry: Entry) -> Iterator[Problem]:
    """`unreadable`, `version-name`, `tool-schema`, `tool-example`, `secret` and `pii` of one tool."""
    try:
        if not is_version(entry.version) or "/" in check_name(entry.name):
            remedy = "Name the file like tools/lookup_order/1.0.0.yaml."
            raise PromptError("is not a version of a tool", where=entry.path, remedy=remedy)
        document = read_yaml(inside(root, entry.path), name=entry.path)
        found = read_tool(document, entry.name)
    except InputError as error:
        yield from_error("unreadable" if is_version(entry.version) else "version-name", entry.path, error)
        return
    yield from source_text(entry.path, document.source)
    if flaw := schema_flaw(found.parameters):
        line = document.line(["parameters"])
        message = f"`parameters` is not a JSON Schema: {flaw}"
        yield Problem(rule="tool-schema", path=entry.path, line=line, message=message)
        return
    for field, index, why in mistaken_examples(found):
        yield Problem(rule="tool-example", path=entry.path, line=document.line([field, index]), message=why)
