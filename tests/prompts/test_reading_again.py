"""Reading a project again takes what is unchanged from before, and sees everything that changed."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import PromptError
from moat.domain.releases import prompt_digest
from moat.prompts.catalog import Catalog
from moat.prompts.files import SETTLED_NS

PROMPT = """\
model: m
messages: [{role: user, content: 'Hi {% include "p" %}'}]
tools: [t@1.0.0]
"""
TOOL = "description: T\nparameters: {type: object}\n"
FILES = {
    "prompts/a/1.0.0.yaml": PROMPT,
    "prompts/b/1.0.0.yaml": "model: m\nmessages: [{role: user, content: Hi}]\n",
    "prompts/c/1.0.0.txt": '{% include "p" %}',
    "prompts/_partials/p.j2": "x",
    "tools/t/1.0.0.yaml": TOOL,
}


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def settled(root: Path) -> Catalog:
    """Loaded when the files' time stamps are old enough to be believed."""
    time.sleep(2 * SETTLED_NS / 1e9)
    return Catalog.load(root)


def test_unchanged_files_are_not_parsed_again(tmp_path: Path) -> None:
    before = settled(write(tmp_path, FILES))
    again = Catalog.load(tmp_path, before)
    assert all(new is old for new, old in zip(again.all(), before.all(), strict=True))
    write(tmp_path, {"prompts/b/1.0.0.yaml": FILES["prompts/b/1.0.0.yaml"].replace("Hi", "Ho")})
    third = Catalog.load(tmp_path, again)
    assert third.get("b", "1.0.0").messages[0].content == "Ho"
    assert third.get("a", "1.0.0") is before.get("a", "1.0.0")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("prompts/_partials/p.j2", "y {{ name }}"),
        ("prompts/_partials/p.j2", '{% include "q" %}'),
        ("tools/t/1.0.0.yaml", TOOL.replace("T", "U")),
        ("prompts/d/1.0.0.yaml", FILES["prompts/b/1.0.0.yaml"]),
        ("prompts/b/1.0.0.yaml", "model: ["),
        ("tools/t/1.0.0.yaml", "description: ["),
    ],
)
def test_what_changed_is_seen_as_by_a_fresh_reading(tmp_path: Path, path: str, text: str) -> None:
    before = settled(write(tmp_path, FILES))
    write(tmp_path, {path: text})
    again, fresh = Catalog.load(tmp_path, before), Catalog.load(tmp_path)
    assert again.all() == fresh.all()
    assert [str(flaw.error) for flaw in again.broken] == [str(flaw.error) for flaw in fresh.broken]
    assert Catalog.load(tmp_path, again).all() == fresh.all()


def test_what_is_mended_removed_or_replaced_is_seen(tmp_path: Path) -> None:
    root = write(tmp_path, FILES)
    (root / "tools/t/1.0.0.yaml").unlink()
    before = settled(root)
    with pytest.raises(PromptError, match="no such tool"):
        before.get("a", "1.0.0")
    write(root, FILES)
    (root / "prompts/b/1.0.0.yaml").unlink()
    again = Catalog.load(root, before)
    assert again.get("a", "1.0.0").tool_definitions
    assert again.names() == ("a", "c")
    kept = (root / "prompts/a/1.0.0.yaml").stat()
    (root / "new").write_text(PROMPT.replace("Hi", "Ho"), "utf-8")
    os.utime(root / "new", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    (root / "new").replace(root / "prompts/a/1.0.0.yaml")
    assert Catalog.load(root, again).get("a", "1.0.0").messages[0].content.startswith("Ho")


CONTENT: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be kind.\nÜber: 'all' # no\n"}, {"role": "user", "content": "{{ q }}"}],
    "variables": {"q": {"type": "string", "default": "1"}, "n": {"type": "integer", "default": 7}},
    "params": {"temperature": 0.2, "stop": ["---", "no"]},
    "output": {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "string"}}},
}
GOLDEN = "sha256:1d5976333a7e0795dc03600d9fd168511173362189c9bcf044d9cdaad2e2745c"
"""Written down: the same on every platform, in every release of Moat."""


def shuffled(value: Any, order: list[int]) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: order[(len(key) + ord(key[0])) % len(order)])
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(
    st.permutations(range(7)),
    st.sampled_from([True, False, None]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(20, 200),
)
def test_the_digest_is_that_of_the_content_not_of_its_formatting(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    flow: bool | None,
    ascii_only: bool,
    line_end: str,
    width: int,
) -> None:
    root = tmp_path_factory.mktemp("p")
    text = yaml.safe_dump(
        shuffled(CONTENT, order), default_flow_style=flow,
        allow_unicode=not ascii_only, width=width, sort_keys=False,
    )  # fmt: skip
    path = root / "prompts/a/1.0.0.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(f"# a note\n{text}\n# another\n".replace("\n", line_end).encode())
    assert prompt_digest(Catalog.load(root).get("a", "1.0.0")) == GOLDEN
