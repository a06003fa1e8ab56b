"""A version that comes over the network is read as its file would be, and nothing is written."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from moat.domain.errors import DocumentError, PromptError
from moat.domain.releases import prompt_digest
from moat.prompts.catalog import Catalog
from moat.prompts.submission import read_submission

DRAFT: dict[str, Any] = {
    "model": "assistant",
    "variables": {"name": {"type": "string"}},
    "messages": [{"role": "user", "content": '{{ name }}: {% include "tone" %} {% include "deep/er" %}'}],
    "tools": ["find@1.0.0"],
}
FILE = """\
model: assistant
variables:
  name: {type: string}
messages:
  - {role: user, content: '{{ name }}: {% include "tone" %} {% include "deep/er" %}'}
tools: [find@1.0.0]
"""


def project(root: Path) -> Path:
    for path, text in {
        "prompts/_partials/tone.j2": "Be kind.",
        "prompts/_partials/deep/er.j2": "Be brief.",
        "prompts/old/1.0.0.yaml": FILE,
        "tools/find/1.0.0.yaml": "description: Finds.\nparameters: {type: object}\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def read(root: Path, name: str = "new", version: str = "2.0.0", **change: Any) -> Any:
    return read_submission(root, name, version, {**DRAFT, **change}, models=frozenset({"assistant"}))


def test_it_is_the_version_that_its_file_would_be(tmp_path: Path) -> None:
    root = project(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    prompt = read(root)
    assert prompt.id == "new@2.0.0"
    assert prompt_digest(prompt) == prompt_digest(Catalog.load(root).get("old", "1.0.0"))
    assert sorted(tmp_path.rglob("*")) == before


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example('Zoë 😀 漢字 \u2028 \x7f \x85 \ufeff \t \r\n "quoted" \\ back # no comment: a\n- x\n\x00')
@given(st.text(st.characters(exclude_characters="{", exclude_categories=["Cs"])))
def test_any_text_arrives_as_it_was_sent(tmp_path: Path, text: str) -> None:
    messages = [*DRAFT["messages"], {"role": "user", "content": text}]
    assert read(project(tmp_path), messages=messages).messages[1].content == text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "nobody"}, "unknown-model"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "user", "content": "{{ name"}]}, "template"),
        ({"messages": [{"role": "user", "content": '{{ name }} {% include "none" %}'}]}, "missing-partial"),
        ({"messages": "text"}, r"\$\.messages"),
        ({"tools": ["find@2.0.0"]}, "no such tool"),
        ({"tools": ["../find@1.0.0", 7]}, r"\$\.tools"),
        ({"tools": ["../../etc/find@1.0.0"]}, "is not a name|not a reference"),
        ({"tools": "find@1.0.0"}, r"\$\.tools"),
        ({"output": {"type": 7}}, "output-schema"),
        ({"nope": 1}, "nope"),
    ],
)
def test_what_lint_would_find_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(PromptError, match=said):
        read(project(tmp_path), **change)


@pytest.mark.promise("inj-8")
@pytest.mark.parametrize("name", ["../up", "/etc/x", "a\0b", "a/../../b", "", ".", "..", "_partials/x", "a" * 65])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(PromptError, match="is not a name"):
        read(project(tmp_path / "inner"), name=name)
    with pytest.raises(PromptError, match="semantic version"):
        read(project(tmp_path / "inner"), version=f"1.0.0/{name}x")
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


@pytest.mark.promise("inj-8")
def test_a_partial_that_is_a_link_out_of_the_project_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush", "utf-8")
    root = project(tmp_path / "inner")
    (root / "prompts/_partials/tone.j2").unlink()
    (root / "prompts/_partials/tone.j2").symlink_to(tmp_path / "secret")
    with pytest.raises((PromptError, DocumentError), match="leaves the project"):
        read(root)
