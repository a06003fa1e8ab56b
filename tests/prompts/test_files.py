"""Prompt files: what they become, what is refused, and that nothing outside the root is read."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moat.domain.errors import InputError, NotFound, PromptError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable, prompt_digest
from moat.prompts.catalog import Catalog
from moat.prompts.files import load, read_prompt
from moat.prompts.semver import is_version, order
from moat.prompts.syntax import Spot
from moat.prompts.templates import JinjaRenderer

ANSWER = """\
description: Answers a customer's question.
owner: support
tags: [support]
model: assistant
params: {temperature: 0.2}
variables:
  question: {type: string}
  plan: {type: string, default: free}
messages:
  - role: system
    content: |
      You are kind.
      {% include "tone" %}
  - role: user
    content: "{{ question }} ({{ plan }})"
tools: [lookup_order@1.0.0]
output: {type: object}
"""
TOOL = """\
description: Finds an order.
parameters: {type: object, properties: {id: {type: string}}, required: [id]}
examples: [{id: "7"}]
counter_examples: [{}]
"""
SMALL = "model: m\nmessages: [{role: user, content: hi}]\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def test_a_prompt_file_becomes_a_version(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "prompts/support/answer/1.0.0.yaml": ANSWER,
            "prompts/_partials/tone.j2": "Warmly. {% include 'deep/er' %}",
            "prompts/_partials/deep/er.j2": "Very.",
            "tools/lookup_order/1.0.0.yaml": TOOL,
        },
    )
    (file,), broken = load(tmp_path)
    prompt = file.prompt
    assert not broken
    assert prompt.id == "support/answer@1.0.0"
    assert prompt.messages[1] == MessageTemplate("user", "{{ question }} ({{ plan }})")
    assert prompt.variables["plan"] == Variable(default="free")
    assert prompt.partials == {"deep/er": "Very.", "tone": "Warmly. {% include 'deep/er' %}"}
    assert prompt.metadata == {
        "description": "Answers a customer's question.",
        "owner": "support",
        "tags": ["support"],
    }
    assert prompt.tool_definitions[0]["type"] == "function"
    assert prompt.tool_definitions[0]["function"]["name"] == "lookup_order"
    assert prompt.tool_definitions[0]["function"]["parameters"]["required"] == ["id"]
    assert read_prompt(tmp_path, "support/answer", "1.0.0") == file
    assert file.place(Spot(0, "", 2)) == "prompts/support/answer/1.0.0.yaml:13"
    assert file.place(Spot(1, "", 1)) == "prompts/support/answer/1.0.0.yaml:15"
    assert file.place(Spot(0, "tone", 3)) == "prompts/_partials/tone.j2:3"


def test_the_digest_follows_the_text_of_partials_and_not_the_metadata(tmp_path: Path) -> None:
    files = {
        "prompts/a/1.0.0.yaml": ANSWER,
        "prompts/_partials/tone.j2": "one",
        "tools/lookup_order/1.0.0.yaml": TOOL,
    }
    first = prompt_digest(load(write(tmp_path, files)).files[0].prompt)
    write(tmp_path, {"prompts/a/1.0.0.yaml": ANSWER.replace("owner: support", "owner: sales")})
    assert prompt_digest(load(tmp_path).files[0].prompt) == first
    write(tmp_path, {"prompts/_partials/tone.j2": "two"})
    assert prompt_digest(load(tmp_path).files[0].prompt) != first


def test_a_bare_text_is_one_user_message_with_its_names_as_variables(tmp_path: Path) -> None:
    write(tmp_path, {"prompts/hi/v1.2.0.txt": "Hi {{ name }}\r\n{{ name }}!", "prompts/hi/1.3.0.md": "{{ oops"})
    catalog = Catalog.load(tmp_path)
    prompt = catalog.get("hi", "1.2.0")
    assert prompt.messages == (MessageTemplate("user", "Hi {{ name }}\n{{ name }}!"),)
    assert prompt.variables == {"name": Variable()}
    assert read_prompt(tmp_path, "hi", "1.2.0").prompt == prompt
    with pytest.raises(PromptError) as caught:
        JinjaRenderer(where=catalog.where).render(catalog.get("hi", "1.3.0"), {})
    assert caught.value.where == "prompts/hi/1.3.0.md:1"


@pytest.mark.parametrize(
    ("old", "new", "what", "line"),
    [
        ("model: assistant", "modle: assistant", "unknown key 'modle'", 4),
        ("model: assistant\n", "", "missing required field `model`", 1),
        ("role: user", "role: wizard", "invalid enum value 'wizard'", 14),
        ("temperature: 0.2}", "temperature: 0.2", "not valid YAML", 6),
        (
            "plan: {type: string, default: free}",
            "plan: {type: integer, default: free}",
            "default of 'plan' must be",
            8,
        ),
        ("plan: {type", "pl-an: {type", "'pl-an' cannot be a variable", 8),
        ("[lookup_order@1.0.0]", "[lookup_ordr@1.0.0]", "there is no such tool", 16),
        ("[lookup_order@1.0.0]", "[lookup_order]", "is not a reference to a tool", 16),
        ("[lookup_order@1.0.0]", "[../x@1.0.0]", "'../x' is not a name", 16),
        ("[lookup_order@1.0.0]", "[bad.name@1.0.0]", "is not a function name", 16),
        ("[lookup_order@1.0.0]", "[broken@1.0.0, broken@1.0.0]", "missing required field `description`", 16),
        (ANSWER, "model: m\nmessages: []\n", "at least one message", 2),
        (ANSWER, "", "expected `object`", 1),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_hides_no_other(
    tmp_path: Path, old: str, new: str, what: str, line: int
) -> None:
    text = ANSWER.replace(old, new)
    tools = {"lookup_order/1.0.0": TOOL, "bad.name/1.0.0": TOOL, "broken/1.0.0": "parameters: {}"}
    write(tmp_path, {f"tools/{name}.yaml": tool for name, tool in tools.items()})
    write(tmp_path, {"prompts/a/1.0.0.yaml": text, "prompts/b/1.0.0.yaml": SMALL})
    catalog = Catalog.load(tmp_path)
    assert catalog.names() == ("b",)
    with pytest.raises(PromptError) as caught:
        catalog.get("a", "1.0.0")
    found = caught.value
    assert what in found.what
    assert f"prompts/a/1.0.0.yaml:{line}" in f"{found.where}:"


def test_files_that_are_no_versions(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "prompts/a/1.0.yaml": SMALL,
            "prompts/a/latest.yaml": SMALL,
            "prompts/a/1.0.0.yaml": SMALL,
            "prompts/a/v1.0.0.txt": "the same version",
            "prompts/2.0.0.yaml": SMALL,
            "prompts/a b/1.0.0.yaml": SMALL,
            "prompts/notes/README.rst": "passed over",
            "prompts/.hidden/1.0.0.yaml": "passed over",
        },
    )
    (tmp_path / "prompts/c").mkdir()
    (tmp_path / "prompts/d").mkdir()
    (tmp_path / "prompts/d/1.0.0.yaml").write_bytes(b"model: \xff")
    (tmp_path / "prompts/c/1.0.0.yaml").write_bytes(b"model: \xff")
    (tmp_path / "prompts/c/1.0.0.txt").write_bytes(b"ok\n\xff")
    (tmp_path / "prompts/c/2.0.0.txt").write_bytes(b"x" * (2**20 + 1))
    files, broken = load(tmp_path)
    assert [file.path for file in files] == ["prompts/a/1.0.0.yaml"]
    assert [(b.entry.path, b.error.what) for b in broken] == [
        ("prompts/2.0.0.yaml", "'' is not a name"),
        ("prompts/a/1.0.yaml", "'1.0' is not a semantic version"),
        ("prompts/a/latest.yaml", "'latest' is not a semantic version"),
        ("prompts/a/v1.0.0.txt", "is the same version as prompts/a/1.0.0.yaml"),
        ("prompts/a b/1.0.0.yaml", "'a b' is not a name"),
        ("prompts/c/1.0.0.txt", "not UTF-8 text"),
        ("prompts/c/1.0.0.yaml", "is the same version as prompts/c/1.0.0.txt"),
        ("prompts/c/2.0.0.txt", "larger than 1 MiB"),
        ("prompts/d/1.0.0.yaml", "not UTF-8 text"),
    ]
    assert load(tmp_path / "nowhere") == ((), ())


@pytest.mark.promise("inj-8")
@given(st.text(max_size=30))
@example("../secret")
@example("a/../../secret")
@example("/etc/passwd")
@example("a\0b")
@example("a//b")
@example("..")
@example("")
def test_a_name_never_leads_outside_the_root(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.mktemp("world")
    write(root, {"secret/1.0.0.yaml": SMALL, "project/prompts/a/1.0.0.yaml": SMALL})
    for version in ("1.0.0", name):
        if (name, version) == ("a", "1.0.0"):
            continue
        with pytest.raises(InputError):
            read_prompt(root / "project", name, version)
    with pytest.raises(NotFound):
        Catalog.load(root / "project").get("a", name)


@pytest.mark.promise("inj-8")
def test_a_link_never_leads_outside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "project"
    outside = write(
        tmp_path / "outside", {"1.0.0.yaml": SMALL, "1.0.0.txt": "secret", "tone.j2": "secret", "tool.yaml": TOOL}
    )
    uses = "model: m\nmessages: [{role: user, content: \"{% include 'tone' %}\"}]\n"
    write(root, {"prompts/a/1.0.0.yaml": uses, "prompts/b/1.0.0.yaml": SMALL + "tools: [t@1.0.0]\n"})
    write(root, {"prompts/c/2.0.0.yaml": SMALL})
    for folder in ("prompts/_partials", "tools/t", "prompts/d"):
        (root / folder).mkdir(parents=True)
    (root / "prompts/_partials/tone.j2").symlink_to(outside / "tone.j2")
    (root / "tools/t/1.0.0.yaml").symlink_to(outside / "tool.yaml")
    (root / "prompts/c/1.0.0.yaml").symlink_to(outside / "1.0.0.yaml")
    (root / "prompts/c/1.1.0.txt").symlink_to(outside / "1.0.0.txt")
    (root / "prompts/c/3.0.0.yaml").symlink_to(root / "prompts/c/2.0.0.yaml")
    (root / "prompts/d/1.0.0.yaml").symlink_to(root / "prompts/d/1.0.0.yaml")
    (root / "prompts/whole").symlink_to(outside, target_is_directory=True)
    files, broken = load(root)
    assert [file.prompt.id for file in files] == ["c@2.0.0", "c@3.0.0"]
    assert {b.entry.path: "leaves the project" in b.error.what for b in broken} == {
        "prompts/a/1.0.0.yaml": True,
        "prompts/b/1.0.0.yaml": True,
        "prompts/c/1.0.0.yaml": True,
        "prompts/c/1.1.0.txt": True,
        "prompts/d/1.0.0.yaml": False,
    }
    with pytest.raises(InputError):
        read_prompt(root, "whole", "1.0.0")


def test_the_catalog_answers_with_what_there_is(tmp_path: Path) -> None:
    versions = ["1.0.0", "1.10.0", "1.2.0", "2.0.0-rc.1", "2.0.0"]
    write(tmp_path, {f"prompts/support/answer/{v}.yaml": SMALL for v in versions})
    catalog = Catalog.load(tmp_path)
    assert catalog.versions("support/answer") == ("1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "2.0.0")
    with pytest.raises(NotFound, match=r"Did you mean 'support/answer'\?"):
        catalog.get("support/anser", "1.0.0")
    with pytest.raises(NotFound, match=r"no version '3\.0\.0'.*1\.0\.0, 1\.2\.0"):
        catalog.get("support/answer", "3.0.0")
    for version in ("latest", ""):
        with pytest.raises(NotFound, match=r"no latest version.*1\.0\.0, 1\.2\.0"):
            catalog.get("support/answer", version)
    with pytest.raises(NotFound, match="There are none"):
        Catalog().get("x", "1.0.0")
    one = catalog.get("support/answer", "1.0.0")
    stored = msgspec.json.decode(msgspec.json.encode(one), type=PromptVersion)
    assert catalog.where(stored, Spot(0, "", 4)) == catalog.where(one, Spot(0, "", 4))
    assert catalog.where(stored, Spot(0, "", 4)).startswith("prompts/support/answer/1.0.0.yaml:")
    edited = msgspec.structs.replace(one, messages=(MessageTemplate("user", "other"),))
    assert catalog.where(edited, Spot(0, "", 4)) == "support/answer@1.0.0 messages[0] line 4"


def test_versions_are_ordered_as_the_specification_says() -> None:
    ordered = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"]
    ordered += ["1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.0+build", "2.0.0", "2.1.0", "2.10.0"]
    shuffled = ordered[::2] + ordered[1::2]
    assert sorted(shuffled, key=order) == ordered
    for text in (
        "1",
        "1.0",
        "01.0.0",
        "1.0.0-",
        "1.0.0-01",
        "v1.0.0",
        "1.0.0\n",
        "1.0.٣",
        "",
        "latest",
        "1.0.0+" * 20,
    ):
        assert not is_version(text)
        with pytest.raises(PromptError):
            order(text)
