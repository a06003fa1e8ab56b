"""What changed between two versions."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.domain.releases import MessageTemplate, PromptVersion, Variable, prompt_digest
from moat.prompts.diff import MAX_COMPARED, PromptDiff, diff, fixed_tokens, marked, words

TEXTS = st.text(alphabet="ab \n.{}é", max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([1.0, 0.5]) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, max_size=3)
PROMPTS = st.builds(
    PromptVersion,
    name=st.just("p"),
    version=st.sampled_from(["1.0.0", "2.0.0"]),
    messages=st.lists(st.builds(MessageTemplate, st.sampled_from(["system", "user"]), TEXTS), max_size=4).map(tuple),
    model=st.sampled_from(["small", "large"]),
    variables=st.dictionaries(
        st.sampled_from(["x", "y"]),
        st.builds(Variable, default=st.sampled_from([msgspec.UNSET, None, "d"])),
        max_size=2,
    ),
    params=OBJECTS,
    output=st.none() | OBJECTS,
    metadata=OBJECTS,
    partials=st.dictionaries(st.sampled_from(["tone", "end"]), TEXTS, max_size=2),
    tool_definitions=st.lists(
        st.builds(lambda d: {"type": "function", "function": {"name": "f", "parameters": d}}, OBJECTS), max_size=2
    ).map(tuple),
)


def prompt(*contents: str, **fields: Any) -> PromptVersion:
    """A version with these messages, the first being the system's."""
    roles = ["system", *["user"] * len(contents)]
    given_fields = {"name": "p", "version": "1.0.0", "model": "m"} | fields
    messages = tuple(MessageTemplate(role, text) for role, text in zip(roles, contents, strict=False))  # type: ignore[arg-type]
    return PromptVersion(messages=messages, **given_fields)


def sides(pieces: Any) -> tuple[str, str]:
    """Both texts that pieces stand for."""
    before = "".join(piece.text for piece in pieces if piece.kind != "new")
    return before, "".join(piece.text for piece in pieces if piece.kind != "gone")


def fields(found: PromptDiff) -> dict[str, tuple[Any, Any]]:
    return {field.path: (field.before, field.after) for field in found.fields}


@settings(deadline=None, max_examples=40)
@given(PROMPTS)
def test_a_version_does_not_differ_from_itself(version: PromptVersion) -> None:
    assert diff(version, version).is_empty


@settings(deadline=None, max_examples=40)
@given(PROMPTS, PROMPTS)
def test_digests_differ_exactly_when_more_than_metadata_does(one: PromptVersion, two: PromptVersion) -> None:
    found = diff(one, two)
    serving = found.texts or [field for field in found.fields if field.path.split(".")[0] != "metadata"]
    # The names of tools are not in the digest, nor are the definitions' versions in these.
    assert bool(serving) == (prompt_digest(one) != prompt_digest(two))


@given(TEXTS, TEXTS)
def test_the_pieces_make_both_texts(one: str, two: str) -> None:
    assert sides(words(one, two)) == (one, two)


@settings(deadline=None, max_examples=40)
@given(PROMPTS, PROMPTS)
def test_every_message_is_accounted_for(one: PromptVersion, two: PromptVersion) -> None:
    found = [text for text in diff(one, two).texts if text.name.startswith("messages")]
    gained = sum(text.change == "added" for text in found) - sum(text.change == "removed" for text in found)
    assert len(two.messages) - len(one.messages) == gained
    changed = [text for text in found if text.change == "changed"]
    assert all(sides(text.pieces)[0] != sides(text.pieces)[1] for text in changed)


def test_words_are_marked_without_colour() -> None:
    assert marked(words("Be a big help now", "Be a small help now!")) == "Be a [-big-]{+small+} help now{+!+}"
    assert marked(words("one two three", "four five three")) == "[-one two-]{+four five+} three"


def test_a_passage_that_is_too_long_to_align_is_replaced_whole() -> None:
    old, new = "a." * MAX_COMPARED, "b!" * MAX_COMPARED
    assert [piece.kind for piece in words(old, new)] == ["gone", "new"]


def test_messages_partials_and_fields() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    before = prompt(
        'Be kind. {% include "tone" %}', "{{ q }}", params={"temperature": 0.2}, partials={"tone": "Short."},
        tools=("look@1.0.0",), tool_definitions=(tool,), output={"properties": {"a": {"enum": [1, 2]}}, "oneOf": [{}]},
    )  # fmt: skip
    after = prompt(
        'Be strict. {% include "tone" %}', "An example", "{{ q }}", version="1.1.0", model="n",
        params={"top_p": 1}, partials={"tone": "Very short.", "end": "Bye."}, tools=("look@1.1.0",),
        tool_definitions=(tool,), output={"properties": {"a": {"enum": [1, 3]}}, "oneOf": [{"a": 1}, {}]},
    )  # fmt: skip
    found = diff(before, after)
    assert [(text.name, text.change, marked(text.pieces)) for text in found.texts] == [
        ("messages[0] system", "changed", 'Be [-kind-]{+strict+}. {% include "tone" %}'),
        ("messages[1] user", "added", "{+An example+}"),
        ("partial end", "added", "{+Bye.+}"),
        ("partial tone", "changed", "[-Short-]{+Very short+}."),
    ]
    assert fields(found) == {
        "model": ("m", "n"),
        "output.oneOf[0].a": (msgspec.UNSET, 1),
        "output.oneOf[1]": (msgspec.UNSET, {}),
        "output.properties.a.enum": ([1, 2], [1, 3]),
        "params.temperature": (0.2, msgspec.UNSET),
        "params.top_p": (msgspec.UNSET, 1),
        "tools.look.version": ("1.0.0", "1.1.0"),
    }
    assert (found.before, found.after) == ("p@1.0.0", "p@1.1.0")
    gone = diff(after, before)
    assert [text.change for text in gone.texts] == ["changed", "removed", "removed", "changed"]
    assert "output.oneOf[1]" in fields(gone)


def test_fixed_tokens_count_partials_tools_and_schemas_but_no_markup() -> None:
    assert fixed_tokens(prompt("a" * 40)) == 10
    assert fixed_tokens(prompt("{{ x }}{# no #}{% if x %}" + "a" * 40 + "{% endif %}")) == 10
    twice = prompt('{% include "tone" %}{% include "tone" %}', partials={"tone": "a" * 20})
    assert fixed_tokens(twice) == 10
    circle = prompt('{% include "a" %}', partials={"a": 'abcd{% include "a" %}'})
    assert fixed_tokens(circle) == 1
    assert fixed_tokens(prompt("", output={"type": "object"})) == 5
    assert fixed_tokens(prompt("", tool_definitions=({"type": "function"},))) == 5
