"""Prompts of other tools, and files that are written for them."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.domain.errors import InputError, MoatError, NotFound, PromptError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.prompts.authoring import (
    create_files,
)
from moat.prompts.exchange import FORMS, Imported, export_prompt, read_foreign
from moat.prompts.exchange.parts import Slot, from_jinja, from_mustache, to_jinja
from moat.prompts.exchange.placing import placed
from moat.prompts.files import read_prompt
from moat.prompts.templates import JinjaRenderer

HARD = st.text(alphabet=st.sampled_from(list("ab {}%#'\"\n-:é|>0")), max_size=30)


def version(*messages: tuple[str, str], **fields: Any) -> PromptVersion:
    """A version of `p` with these messages."""
    given_fields = {"name": "p", "version": "1.0.0", "model": "assistant"} | fields
    return PromptVersion(messages=tuple(MessageTemplate(*message) for message in messages), **given_fields)  # type: ignore[arg-type]


def read(folder: Path, name: str, content: Any, form: str = "auto") -> list[Imported]:
    """A foreign file, read."""
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, "utf-8")
    return read_foreign(folder / name, form)[1]


def rendered(prompt: PromptVersion, **values: Any) -> list[tuple[str, str]]:
    return [(str(m["role"]), str(m["content"])) for m in JinjaRenderer().render(prompt, values)]


@given(HARD)
def test_any_foreign_text_renders_to_itself(text: str) -> None:
    parts = from_mustache(text)
    template = to_jinja(parts)
    assert from_jinja(template, {}) == parts
    names = {part.name for part in parts if isinstance(part, Slot)}
    prompt = version(("user", template), variables=dict.fromkeys(names, Variable()))
    expected = "".join("VALUE" if isinstance(part, Slot) else part for part in parts)
    assert rendered(prompt, **dict.fromkeys(names, "VALUE")) == [("user", expected)]


@settings(deadline=None, max_examples=40)
@given(messages=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), HARD), min_size=1, max_size=3))
@pytest.mark.parametrize("form", sorted(FORMS))
def test_export_and_import_give_the_same_messages(
    form: str, messages: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    templates = [(role, to_jinja(from_mustache(f"{text} {{{{name}}}}"))) for role, text in messages]
    found = {part.name for _, text in templates for part in from_jinja(text, {}) if isinstance(part, Slot)}
    prompt = version(*templates, variables=dict.fromkeys(found, Variable()), params={"temperature": 0.5})
    try:
        text = export_prompt(prompt, form).text
    except PromptError:
        assert form in ("promptfoo", "text")  # the others take everything without logic
        return
    folder = tmp_path_factory.mktemp("x")
    name = {"promptfoo": "x.yaml", "text": "x.txt"}.get(form, "x.json")
    (item,) = read(folder, name, text)
    values = dict.fromkeys(found, "VALUE")
    again = item.prompt
    if form == "text":
        assert rendered(again, **values)[0][1] == rendered(prompt, **values)[0][1]
    else:
        assert rendered(again, **values) == rendered(prompt, **values)
        assert form == "promptfoo" or again.params == prompt.params


def test_langfuse_chat(tmp_path: Path) -> None:
    data = {
        "data": [
            {
                "name": "movie-critic", "version": 3, "type": "chat", "labels": ["production"], "tags": ["film"],
                "prompt": [
                    {"role": "system", "content": "You are a {{level}} critic. {% raw %}{# x #}"},
                    {"role": "user", "content": "{{ movie.title }}"},
                ],
                "config": {"model": "gpt-4o", "temperature": 0.7, "response_format": {"type": "json_object"}},
                "commitMessage": "First",
            }
        ],
        "meta": {"page": 1},
    }  # fmt: skip
    (item,) = read(tmp_path, "langfuse.json", data)
    prompt = item.prompt
    assert (prompt.name, prompt.version, prompt.model) == ("movie-critic", "3.0.0", "gpt-4o")
    assert prompt.messages[0].content == "You are a {{ level }} critic. {{ '{%' }} raw %}{{ '{#' }} x #}"
    assert set(prompt.variables) == {"level", "movie_title"}
    assert (prompt.params, prompt.output) == ({"temperature": 0.7}, None)
    assert prompt.metadata == {"description": "First", "tags": ["film"]}
    assert any("movie.title" in note and "movie_title" in note for note in item.notes)
    assert any("labels are not imported (production)" in note for note in item.notes)
    assert any("kept as text" in note for note in item.notes)


def test_langfuse_text_with_declared_variables(tmp_path: Path) -> None:
    whole = version(
        ("user", "{{ x }}"), variables={"x": Variable(type="integer", default=3)}, output={"type": "object"}
    )
    (item,) = read(tmp_path, "a.json", export_prompt(whole, "langfuse").text)
    assert (item.prompt.variables, item.prompt.output) == (whole.variables, whole.output)
    (odd,) = read(tmp_path, "b.json", {"prompt": "x", "type": "text", "config": {"variables": 3}})
    assert any("config.variables" in note for note in odd.notes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"type": "chat", "prompt": [{"type": "placeholder", "name": "history"}]}, "placeholder 'history'"),
        ({"type": "text", "prompt": "@@@langfusePrompt:name=x|version=1@@@"}, "another Langfuse prompt"),
        ({"type": "text", "prompt": 3}, "`prompt` has the wrong type"),
        ({"type": "chat", "prompt": []}, "holds no messages"),
        ({"type": "text", "prompt": "{{a b}} {{a.b}}"}, "would have the same name"),
        ({"type": "text", "prompt": "x", "version": "new"}, "neither a number nor"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "the role 'tool'"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": []}]}, "tool_calls"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
        ({"messages": [{"role": "user", "content": None}]}, "without text"),
        ({"id": "pmpt_1", "version": "2"}, "kept at OpenAI"),
        ({"prompt": {"id": "pmpt_1"}}, "kept at OpenAI"),
        ({"model": "m", "input": "x", "tools": [{"type": "web_search"}]}, "web_search"),
        ({"template": 3}, "`template` must be"),
        ({"tags": {"mlflow.prompt.text": "[", "_mlflow_prompt_type": "chat"}}, "is not JSON"),
        ({"prompts": []}, "holds no prompts"),
        ({"prompts": ["{% macro x() %}{% endmacro %}"]}, "Nunjucks"),
        ({"prompts": ["{% include 'x.njk' %}"]}, "no partial"),
        ({"prompts": ["{{ x | dump }}"]}, "no filter 'dump'"),
        ({"prompts": [3]}, "a prompt is a text"),
        ({"prompts": ["file://prompt.py"]}, "programs"),
        ({"prompts": ["file://*.txt"]}, "patterns"),
        ({"prompts": ["file://gone.txt"]}, "no such file"),
        ([{"role": "robot", "content": "x"}], "known role"),
        ({"unknown": 1}, "not recognised"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_refused_with_its_reason(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(MoatError) as caught:
        read(tmp_path, "x.json", content)
    assert said in str(caught.value)


KEYS = [
    "name", "version", "type", "prompt", "prompts", "config", "labels", "tags", "data", "template", "messages",
    "input", "instructions", "tools", "model", "model_config", "response_format", "text", "role", "content", "id",
    "raw", "label", "function", "schema", "json_schema", "mlflow.prompt.text", "_mlflow_prompt_type", "variables",
]  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.integers(-1, 3) | st.sampled_from(["", "user", "text", "chat", "{{x}}", "{%", "[1]", "function"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(data=st.dictionaries(st.sampled_from(KEYS), ANYTHING, min_size=1), form=st.sampled_from(["auto", *FORMS]))
def test_whatever_a_file_holds_it_is_read_or_refused(
    data: Any, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("x")
    with suppress(MoatError):
        for item in read(root, "x.json", data, form):
            found = placed(root, item, name="n", version="", model="m")
            create_files(root, found.files)
            read_prompt(root, "n", found.id.partition("@")[2])
            for path in found.files:
                (root / path).unlink()


def test_a_format_that_was_said_must_fit(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="does not look like"):
        read(tmp_path, "x.json", {"messages": []}, "langfuse")
    with pytest.raises(NotFound, match="no format 'word'"):
        read(tmp_path, "x.json", {}, "word")
    with pytest.raises(NotFound, match="no format"):
        export_prompt(version(("user", "x")), "word")
    (item,) = read(tmp_path, "x.json", "{not json}", "text")
    assert item.prompt.messages[0].content == "{not json}"


def test_mlflow_both_shapes(tmp_path: Path) -> None:
    plain = {
        "name": "qa", "version": "2", "template": [{"role": "user", "content": "{{question}}"}],
        "commit_message": "Shorter", "tags": {"team": "a"}, "aliases": ["champion"],
        "response_format": {"type": "object", "properties": {}}, "model_config": {"model_name": "m", "top_p": 0.5},
    }  # fmt: skip
    (item,) = read(tmp_path, "a.json", plain)
    prompt = item.prompt
    assert (prompt.name, prompt.version, prompt.model, prompt.params) == ("qa", "2.0.0", "m", {"top_p": 0.5})
    assert (prompt.output, prompt.metadata["tags"]) == (plain["response_format"], ["team"])
    assert len(item.notes) == 2
    tags = [
        {"key": "mlflow.prompt.text", "value": '[{"role": "system", "content": "Hi {{name}}"}]'},
        {"key": "_mlflow_prompt_type", "value": "chat"},
        {"key": "_mlflow_prompt_model_config", "value": '{"temperature": 0.1}'},
        {"key": "_mlflow_prompt_response_format", "value": '{"type": "object"}'},
    ]
    (stored,) = read(tmp_path, "b.json", {"name": "x", "version": 1, "tags": tags})
    assert stored.prompt.messages == (MessageTemplate("system", "Hi {{ name }}"),)
    assert (stored.prompt.params, stored.prompt.output) == ({"temperature": 0.1}, {"type": "object"})


def test_openai_requests(tmp_path: Path) -> None:
    tool = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": True}
    chat = {
        "model": "gpt-4o", "temperature": 0, "stream": True, "tools": [{"type": "function", "function": tool}],
        "messages": [{"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    }  # fmt: skip
    (item,) = read(tmp_path, "a.json", chat)
    assert item.prompt.messages == (MessageTemplate("developer", "ab"),)
    assert (item.prompt.params, item.prompt.output) == ({"temperature": 0}, {"type": "object"})
    assert item.notes == ("`stream` belongs to a call: left out",)
    responses = {
        "model": "m", "instructions": "Be brief.", "input": "{{q}}", "tools": [{"type": "function", **tool}],
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
    }  # fmt: skip
    (other,) = read(tmp_path, "b.json", responses)
    assert [message.role for message in other.prompt.messages] == ["developer", "user"]
    assert other.prompt.output == {"type": "object"}
    assert other.prompt.tool_definitions == item.prompt.tool_definitions
    (loose,) = read(tmp_path, "c.json", chat | {"response_format": {"type": "json_object"}})
    assert loose.prompt.params["response_format"] == {"type": "json_object"}


def test_promptfoo_configuration(tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("First {{a}}\n---\nSecond {{b}}\n")
    (tmp_path / "chat.json").write_text('[{"role": "system", "content": "{% if x %}x{% endif %}"}]')
    config = """\
prompts:
  - "Hi {{ user.name }}"
  - {label: My Label!, raw: "Text\\n"}
  - file://two.txt
  - chat.json
  - '[{"role": "user", "content": "{{q}}"}]'
tests: [{vars: {q: 1}}]
"""
    items = read(tmp_path, "promptfooconfig.yaml", config)
    assert [item.prompt.name for item in items] == ["", "my-label", "two-1", "two-2", "chat", ""]
    assert [sorted(item.prompt.variables) for item in items] == [["user"], [], ["a"], ["b"], ["x"], ["q"]]
    assert rendered(items[1].prompt) == [("user", "Text\n")]
    assert all("not imported: tests" in item.notes[-1] for item in items)
    assert "Nunjucks tags" in items[4].notes[0]


@pytest.mark.promise("inj-8")
@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd.txt", "link.txt", "folder/../../secret.txt", "a\0.txt"])
def test_promptfoo_files_stay_beside_the_configuration(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InputError):
        read(root, "x.json", {"prompts": [f"file://{path}"]})


def test_text(tmp_path: Path) -> None:
    (item,) = read(tmp_path, "a.md", "# Title\n\n{{ topic }} and {this}\n")
    assert item.prompt.messages[0].content == "# Title\n\n{{ topic }} and {this}"
    (python,) = read(tmp_path, "b.txt", 'About {topic}: {{"a": 1}}')
    assert rendered(python.prompt, topic="x") == [("user", 'About x: {"a": 1}')]
    assert "str.format" in python.notes[0]
    (json_like,) = read(tmp_path, "c.txt", '{"a": 1}')
    assert json_like.prompt.variables == {}


def test_what_a_format_has_no_place_for_is_said() -> None:
    prompt = version(
        ("system", "{{ x }}"), variables={"x": Variable(default=1)}, params={"seed": 1}, tools=("t@1.0.0",), output={},
        metadata={"owner": "me"},
    )  # fmt: skip
    notes = " ".join(export_prompt(prompt, "text").notes)
    assert all(
        word in notes for word in ("role (system)", "variables: x", "assistant", "seed", "t@1.0.0", "output", "owner")
    )
    with pytest.raises(PromptError, match=r"logic \(if\)"):
        export_prompt(version(("user", "{% if x %}x{% endif %}")), "langfuse")
    with pytest.raises(PromptError, match="messages\\[0\\]"):
        export_prompt(version(("user", "{{ '{{' }}x}}")), "mlflow")
    with pytest.raises(PromptError, match="unexpected"):
        export_prompt(version(("user", "{{ ")), "openai")
    partial = version(("user", 'a {% include "t" %} b'), partials={"t": "tone"})
    assert json.loads(export_prompt(partial, "langfuse").text)["prompt"] == "a tone b"


def test_placing_brings_tools_along_and_reuses_equal_ones(tmp_path: Path) -> None:
    function = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": True}
    (item,) = read(
        tmp_path, "a.json", {"messages": [{"role": "user", "content": "x"}], "tools": [{"function": function}]}
    )
    with pytest.raises(PromptError, match="does not say the prompt's name"):
        placed(tmp_path, item, name="", version="", model="m")
    with pytest.raises(PromptError, match="names no model"):
        placed(tmp_path, item, name="a", version="", model="")
    first = placed(tmp_path, item, name="a/b", version="", model="m")
    assert list(first.files) == ["tools/look/1.0.0.yaml", "prompts/a/b/1.0.0.yaml"]
    assert "strict left out" in first.notes[-1]
    create_files(tmp_path, first.files)
    assert read_prompt(tmp_path, "a/b", "1.0.0").prompt.tools == ("look@1.0.0",)
    assert list(placed(tmp_path, item, name="c", version="2.0.0", model="m").files) == ["prompts/c/2.0.0.yaml"]
    function["description"] = "Looks twice."
    (other,) = read(
        tmp_path, "a.json", {"messages": [{"role": "user", "content": "x"}], "tools": [{"function": function}]}
    )
    assert "tools/look/1.1.0.yaml" in placed(tmp_path, other, name="c", version="", model="m").files
    for broken in (
        {},
        {"function": {"name": "x", "parameters": 3}},
        {"function": {"name": "x", "parameters": {"type": 3}}},
    ):
        wrong = Imported(version(("user", "x"), tool_definitions=(broken,)))
        with pytest.raises(PromptError):
            placed(tmp_path, wrong, name="c", version="", model="m")
