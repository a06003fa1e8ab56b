"""Prompt and tool files that are written: readable, inside the project, never over others."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.documents import parse_yaml
from moat.domain.errors import ConflictError, DocumentError, PromptError, StorageError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.prompts.authoring import (
    copied_text,
    create_files,
    first_text,
    next_version,
    prompt_path,
    prompt_text,
    tool_path,
    tool_text,
    yaml_text,
)
from moat.prompts.files import read_prompt
from moat.prompts.templates import JinjaRenderer
from moat.prompts.tools import Tool

HARD = st.text(alphabet=st.sampled_from(list("ab {}%#'\"\n-:é|>0")), max_size=30)
LINES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def version(*messages: tuple[str, str], **fields: Any) -> PromptVersion:
    """A version of `p` with these messages."""
    given_fields = {"name": "p", "version": "1.0.0", "model": "assistant"} | fields
    return PromptVersion(messages=tuple(MessageTemplate(*message) for message in messages), **given_fields)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(LINES, HARD, st.lists(LINES, max_size=2), st.integers() | st.sampled_from(["1e5", "08", "yes", "~", "0x1f"]))
def test_a_written_prompt_is_read_as_the_same(
    tmp_path_factory: pytest.TempPathFactory, text: str, hard: str, tags: list[str], value: Any
) -> None:
    prompt = version(
        ("system", text), ("user", hard), metadata={"description": text, "tags": tags} if text and tags else {},
        params={"stop": [text], "seed": value}, variables={"x": Variable(default=hard)}, output={hard: {text: value}},
    )  # fmt: skip
    try:
        written = prompt_text(prompt)
    except PromptError:
        assert isinstance(value, int)  # more digits than a file may hold
        assert len(str(abs(value))) > 64
        return
    assert prompt_text(prompt) == written
    root = tmp_path_factory.mktemp("x")
    create_files(root, {prompt_path("p", "1.0.0"): written})
    read_back = read_prompt(root, "p", "1.0.0").prompt
    assert (read_back.messages, read_back.params, read_back.output) == (prompt.messages, prompt.params, prompt.output)
    assert (read_back.variables, read_back.metadata) == (prompt.variables, prompt.metadata)


def test_texts_are_written_as_blocks() -> None:
    written = prompt_text(version(("system", "One\nTwo\n"), ("user", "{{ x }}")))
    assert "content: |\n    One\n    Two\n" in written
    with pytest.raises(PromptError, match="cannot"):
        yaml_text({"x": float("inf")})
    with pytest.raises(PromptError, match="cannot"):
        yaml_text({"x": "\ud800"})


@pytest.mark.promise("inj-8")
@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\0b", "", "a//b", ".hidden", "a/./b"])
def test_names_that_could_lead_outside_are_no_names(name: str) -> None:
    for path in (prompt_path, tool_path):
        with pytest.raises(PromptError):
            path(name, "1.0.0")
        with pytest.raises(PromptError):
            path("fine", "../1.0.0")


@pytest.mark.promise("inj-8")
def test_nothing_is_written_outside_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "prompts").symlink_to(outside)
    (root / "inner").mkdir()
    (root / "tools").symlink_to(root / "inner")
    for path in ("prompts/a/1.0.0.yaml", "tools/a/1.0.0.yaml", "../outside/x", "/tmp/x", "a\0b"):
        with pytest.raises(DocumentError):
            create_files(root, {"fine": "x", path: "x"})
    assert [*outside.iterdir(), *(root / "inner").iterdir()] == []
    assert not (root / "fine").exists()


def test_files_are_never_replaced_and_never_half_there(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for taken in ("there", "dangling"):
        with pytest.raises(ConflictError, match="exists already"):
            create_files(tmp_path, {"new": "x", taken: "y"})
    with pytest.raises(StorageError):
        create_files(tmp_path, {"new": "x", "there/below": "y"})
    with pytest.raises(UnicodeEncodeError):
        create_files(tmp_path, {"new": "x", "bad": "\ud800"})
    assert sorted(os.listdir(tmp_path)) == ["dangling", "there"]
    assert (tmp_path / "there").read_text() == "old"


def test_the_next_version() -> None:
    assert next_version([], "major") == "1.0.0"
    assert [next_version(["1.10.0", "1.9.5"], bump) for bump in ("major", "minor", "patch")] == [
        "2.0.0", "1.11.0", "1.10.1",
    ]  # fmt: skip
    assert next_version(["1.0.0", "2.0.0-rc.1"], "patch") == "2.0.0"


def test_a_copy_keeps_comments_and_changes_who_made_it() -> None:
    text = "# why\nmodel: m # this one\ncreated_by: Bob\nmessages: []\n"
    assert copied_text(text, "Ada") == '# why\nmodel: m # this one\ncreated_by: "Ada"\nmessages: []\n'
    assert parse_yaml(copied_text("# why\nmodel: m\n", "A: b")).data == {"model": "m", "created_by": "A: b"}
    folded = "created_by: >\n  Bob\n  B\nmodel: m\n"
    assert copied_text(folded, "Ada") == folded, "what cannot be replaced safely stays"


def test_the_first_version_can_be_used(tmp_path: Path) -> None:
    create_files(tmp_path, {prompt_path("a/b", "1.0.0"): first_text("a/b", model="m", author="Ada <a@b>")})
    prompt = read_prompt(tmp_path, "a/b", "1.0.0").prompt
    assert prompt.metadata["created_by"] == "Ada <a@b>"
    assert JinjaRenderer().render(prompt, {"question": "Why?"})[-1]["content"] == "Why?"


def test_a_tool_is_written_without_what_is_empty() -> None:
    assert tool_text(Tool(description="", parameters={})) == "description: ''\nparameters: {}\n"
