"""Rendering: values, places of errors, and the sandbox against its attackers."""

import contextlib
import resource
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moat.domain.errors import PromptError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.prompts import syntax
from moat.prompts.syntax import TemplateFlaw, check
from moat.prompts.templates import JinjaRenderer
from tests.prompts.attacks import ESCAPES, EXHAUSTIONS, PARTIALS

KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def version(*templates: str, **fields: Any) -> PromptVersion:
    messages = tuple(MessageTemplate("user", template) for template in templates)
    return PromptVersion(name="support/answer", version="1.0.0", model="assistant", messages=messages, **fields)


def rendered(template: str, partials: dict[str, str] | None = None, **values: Any) -> str:
    variables = {name: Variable(type=KINDS[type(value)]) for name, value in values.items()}
    prompt = version(template, variables=variables, partials=partials or {})
    return JinjaRenderer().render(prompt, values)[0]["content"]


ROWS = [{"a": 2, "t": "foo bar"}, {"a": 1, "t": "<b>"}, {"a": 2, "t": "z"}]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ xs|map(attribute='t')|join(', ') }}", "foo bar, <b>, z"),
        ("{{ xs|sort(attribute='a')|map(attribute='a')|list }}", "[1, 2, 2]"),
        ("{% for k, v in xs|groupby('a') %}{{ k }}={{ v|length }};{% endfor %}", "1=1;2=2;"),
        ("{{ xs|selectattr('a', 'equalto', 2)|list|length }}", "2"),
        ("{{ xs|rejectattr('a', 'eq', 2)|map(attribute='t')|first }}", "<b>"),
        (
            "{{ n|round(2) }} {{ n|round(1, 'ceil') }} {{ '%.1f'|format(n) }} {{ '%(x)05d'|format(x=7) }}",
            "3.14 3.2 3.1 00007",
        ),
        (
            "{{ s|trim|title }} {{ s.strip().split() }} {{ s.upper()|trim }} {{ '--a-'|trim('-') }}",
            "Hi There ['hi', 'there'] HI THERE a",
        ),
        ("{{ xs|sum(attribute='a') }} {{ xs|map(attribute='a')|max }} {{ range(1, 4)|join }}", "5 2 123"),
        ("{{ xs[0].t[:3] }} {{ xs[-1]['t'] }} {{ xs[1:]|length }} {{ 'abc'[::-1] }}", "foo z 2 cba"),
        (
            "{{ d|tojson }} {{ d.items }} {{ d.b.c is none }} {{ d.zz|default('q') }}",
            '{"items": ["é"], "b": {"c": null}} [\'é\'] True q',
        ),
        ("{{ [1]|tojson(indent=1) }}", "[\n 1\n]"),
        ("{{ d.b.keys()|list }} {{ d.b.get('x', 'y') }} {{ d.nope is defined }}", "['c'] y False"),
        (
            "{% for x in xs if x.a == 2 %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{{ x.t }} {% endfor %}",
            "1afoo bar 2bz ",
        ),
        ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
        ("{% set ns = namespace(i=0) %}{% for x in xs %}{% set ns.i = ns.i + x.a %}{% endfor %}{{ ns.i }}", "5"),
        (
            "{{ 'yes' if xs else 'no' }} {{ 7 // 2 }} {{ 7 % 3 }} {{ 2**10 }} {{ -n|int }} {{ 5 / 2 }}",
            "yes 3 1 1024 -3 2.5",
        ),
        ("{{ 1 < 2 <= 2 }}", "True"),
        ("{{ 'ab' * 2 }}{{ 2 * 'c' }}{{ 'a' + 'b' }}{{ [1] + [2] }}{{ 'a' ~ 1 ~ none }}", "ababccab[1, 2]a1None"),
        ("{% filter upper %}abc{{ s }}{% endfilter %}{% with a = 1 %}{{ a }}{% endwith %}", "ABC HI THERE 1"),
        ("{% set t %}x{{ n }}{% endset %}{{ t }}{% raw %}{{ no }}{% endraw %}{# c #}", "x3.14159{{ no }}"),
        (
            "{{ ['<']|map('escape')|first }} {{ 'a\nb'|indent(2) }} {{ 'a b'|urlencode }} {{ 'a b c'|wordcount }}",
            "&lt; a\n  b a%20b 3",
        ),
        ("{{ 'a-b-c'|replace('-', '+') }} {{ 'a-b-c'|replace('-', '', 1) }}", "a+b+c ab-c"),
        ("{{ 'abcdefghijk'|truncate(5, true) }}|{{ 'a'|center(3) }}|", "ab...| a |"),
        (
            "{{ [3, 1]|sort }} {{ d.b|dictsort }} {{ [1, 1, 2]|unique|list }} {{ range(3)|batch(2)|list }}",
            "[1, 3] [('c', None)] [1, 2] [[0, 1], [2]]",
        ),
        (
            "{{ 'x' in 'xyz' }} {{ 1 is in [1] }} {{ 4 is divisibleby 2 }} {{ [1, 2]|select('odd')|list }}",
            "True True True [1]",
        ),
        ("{% include 'tone' %} {% for x in [1, 2] %}{% include 'item' %}{% endfor %}", "Be kind. -1-2"),
    ],
)
def test_a_template_renders(template: str, expected: str) -> None:
    values = {"xs": ROWS, "n": 3.14159, "s": " hi there ", "d": {"items": ["é"], "b": {"c": None}}}
    partials = {"tone": "Be kind.", "item": "-{{ x }}"}
    assert rendered(template, partials, **values) == expected


def test_messages_keep_their_roles_and_order() -> None:
    prompt = PromptVersion(
        name="a",
        version="1.0.0",
        model="m",
        messages=(MessageTemplate("system", "You are {{ who }}."), MessageTemplate("user", "Hi")),
        variables={"who": Variable(default="Ada")},
    )
    assert JinjaRenderer().render(prompt, {}) == [
        {"role": "system", "content": "You are Ada."},
        {"role": "user", "content": "Hi"},
    ]


PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "for",
        "in",
        "if",
        "else",
        "endfor",
        "endif",
        "set",
        "endset",
        "with",
        "endwith",
        "filter",
        "endfilter",
        "include",
        "recursive",
        "loop",
        "xs",
        "x",
        "ns",
        "namespace",
        "range",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        ":",
        "|",
        "=",
        "==",
        "~",
        "+",
        "-",
        "*",
        "**",
        "%",
        "/",
        "//",
        "<",
        "'a'",
        "'%s'",
        '"tone"',
        "1",
        "2",
        "0",
        "-1",
        "none",
        "true",
        "not",
        "and",
        "or",
        "is",
        "defined",
        "upper",
        "join",
        "map",
        "sort",
        "groupby",
        "tojson",
        "format",
        "list",
        "first",
        "default",
        "batch",
        "replace",
        ".a",
        ".items()",
        "loop.index",
        "loop.cycle(1)",
        "range(3)",
        "text",
        "raw",
        "endraw",
        "import",
        "macro",
        "block",
        "self",
        "caller",
    ]
)


@pytest.mark.promise("inj-2")
@settings(max_examples=400)
@example(["{% for", "loop", "in", "xs", "%}", "{% endfor %}"])
@example(["{% set", "loop", "=", "1", "%}", "{{ loop }}"])
@given(st.lists(PIECES, max_size=14))
def test_any_template_renders_or_fails_with_a_typed_error(pieces: list[str]) -> None:
    text = " ".join(pieces)
    for source in (text, f"{{{{ {text} }}}}", f"{{% for x in xs %}}{{{{ {text} }}}}{{% endfor %}}"):
        with contextlib.suppress(PromptError):
            assert isinstance(rendered(source, PARTIALS, xs=ROWS), str)
        with contextlib.suppress(TemplateFlaw):
            assert isinstance(check(source, PARTIALS).variables(), dict)


@pytest.mark.promise("inj-2")
@given(st.text())
def test_a_value_is_never_rendered_again(value: str) -> None:
    for text in (value, "{{ 1 + 1 }}" + value, value + "{% include 'tone' %}"):
        assert rendered("{{ v }}", v=text) == text
        assert rendered("{% set x = v %}{{ x ~ '' }}", v=text) == text


@pytest.mark.promise("inj-2")
@pytest.mark.parametrize("name", [*ESCAPES, *(pytest.param(name, marks=pytest.mark.no_cover) for name in EXHAUSTIONS)])
def test_an_attack_fails_in_bounded_time_and_memory(name: str) -> None:
    source = {**ESCAPES, **EXHAUSTIONS}[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.thread_time()
    with pytest.raises(PromptError):
        rendered(source, PARTIALS)
    assert time.thread_time() - began < 30  # CPU seconds; they take one or two
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{ a }} {{ b.c }} {{ d|default(e) }} {{ range(f) }}", ["a", "b", "d", "e", "f"]),
        ("{% for x in xs %}{{ x }}{{ y }}{{ loop.index }}{% endfor %}{{ x }}", ["x", "xs", "y"]),
        ("{% set a = b %}{{ a }}{% with c = d %}{{ c }}{% endwith %}", ["b", "d"]),
        ("{% include 'uses' %}", ["inner"]),
        ("{% if a %}{% set b = 1 %}{% endif %}{{ b }}", ["a", "b"]),
        ("{% raw %}{{ a }}{% endraw %}{# {{ b }} #}", []),
    ],
)
def test_the_variables_of_a_template(template: str, names: list[str]) -> None:
    found = check(template, {"uses": "\n{{ inner }}"}).variables()
    assert sorted(found) == names
    if "inner" in found:
        assert found["inner"] == ("uses", 2)


def test_a_large_but_honest_prompt_renders() -> None:
    documents = [{"id": i, "text": "lorem ipsum " * 400} for i in range(100)]
    text = rendered("{% for d in docs %}[{{ d.id }}] {{ d.text|trim }}\n{% endfor %}", docs=documents)
    assert len(text) > 450_000


@pytest.mark.parametrize(
    ("template", "what", "place"),
    [
        ("a\n{{ x", "unexpected end of template", "messages[0] line 2"),
        ("a\n\n{% nope %}", "unknown tag 'nope'", "messages[0] line 3"),
        ("a\n{{ 1 / 0 }}\n", "division by zero", "messages[0] line 2"),
        ("{% for a in [1] %}\n\n{{ a.b }}{% endfor %}", "no attribute 'b'", "messages[0] line 3"),
        ("a\n{% include 'bad' %}", "'nothing' is undefined", "partial 'bad' of support/answer@1.0.0 line 2"),
        ("a\n{% include 'worse' %}", "unknown tag", "partial 'worse' of support/answer@1.0.0 line 3"),
        ("a\n{% include 'gone' %}", "no partial 'gone'", "messages[0] line 2"),
        ("{{ 'a' + 1 }}", "can only concatenate str", "line 1"),
        ("{{ {} + 1 }}", "cannot use + on an object and a number", "line 1"),
        ("{{ 'a' * 'b' }}", "cannot multiply a text and a text", "line 1"),
        ("{{ none[1:] }}", "only texts and lists have parts; this is null", "line 1"),
        ("{{ 'a'|round }}", "round takes a number (this is a text)", "line 1"),
        ("{{ x + 1 }}", "'x' is undefined", "line 1"),
        ("{{ x() }}", "cannot call x", "line 1"),
        ("{{ x.y() }}", "'x' is undefined", "line 1"),
        ("{{ [].y() }}", "has no attribute 'y'", "line 1"),
        ("{{ [x] }}", "'x' is undefined", "line 1"),
        ("{{ [1][x] }}", "has no element", "line 1"),
        ("{{ [1][5] }}", "", "line 1"),
        ("{{ 'a'|format(1, a=2) }}", "positional or named", "line 1"),
    ],
)
def test_an_error_says_what_and_where(template: str, what: str, place: str) -> None:
    with pytest.raises(PromptError) as caught:
        rendered(template, {"bad": "fine\n{{ nothing }}", "worse": "\n\n{% nope %}"})
    assert what in caught.value.what
    assert place in caught.value.where


@pytest.mark.parametrize(
    ("given", "what", "where"),
    [
        ({"question": "a", "pln": "free"}, "has no variable 'pln'", "variables.pln"),
        ({}, "2 variables that are not given: question, count", "variables"),
        ({"question": "a"}, "variable that is not given: count", "variables"),
        ({"question": 7, "count": 1}, "must be of type string (it is an integer)", "variables.question"),
        ({"question": "a", "count": True}, "must be of type integer (it is a boolean)", "variables.count"),
        ({"question": None, "count": 1}, "must be of type string (it is null)", "variables.question"),
        (
            {"question": "a", "count": 1, "plan": "gold"},
            "must be one of 'free', 'pro' (it is 'gold')",
            "variables.plan",
        ),
        ({"question": "a", "count": 1, "plan": "g" * 99}, "...", "variables.plan"),
    ],
)
def test_variables_are_checked_before_rendering(given: dict[str, Any], what: str, where: str) -> None:
    prompt = version(
        "{{ question }} {{ count }} {{ plan }}",
        variables={
            "question": Variable(),
            "count": Variable(type="integer"),
            "plan": Variable(default="free", enum=["free", "pro"]),
        },
    )
    with pytest.raises(PromptError) as caught:
        JinjaRenderer().render(prompt, given)
    assert what in caught.value.what
    assert caught.value.where == where
    if "pln" in given:
        assert caught.value.remedy == "Did you mean 'plan'?"


VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.lists(st.integers()))


@given(st.dictionaries(st.from_regex(r"v_[a-z]{1,8}", fullmatch=True), VALUES))
def test_declared_values_arrive_unchanged(values: dict[str, Any]) -> None:
    variables = {name: Variable(type=KINDS[type(value)]) for name, value in values.items()}
    prompt = version(*("{{ [" + name + "] }}" for name in values), variables=variables)
    texts = [message["content"] for message in JinjaRenderer().render(prompt, values)]
    assert texts == [str([value]) for value in values.values()]


def test_the_cache_is_bounded_and_each_version_is_itself() -> None:
    renderer = JinjaRenderer(cache=2)
    prompts = [version(f"text {index}") for index in range(6)]
    for _ in range(2):
        assert [renderer.render(p, {})[0]["content"] for p in prompts] == [f"text {i}" for i in range(6)]
        assert renderer.render(prompts[-1], {})[0]["content"] == "text 5"
    assert len(renderer._compiled) == 2


def test_a_template_is_bounded_with_all_that_it_includes() -> None:
    partial = "x" * 200_000
    assert len(check("{% include 'a' %}" * 5, {"a": partial}).texts) == 6
    with pytest.raises(TemplateFlaw, match="longer than 1024 KiB with what it includes"):
        check("{% include 'a' %}" * 6, {"a": partial})


def test_the_templates_of_a_prompt_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself, five hundred of them would take minutes."""
    including = version(*["{% include 'a' %}"] * 6, partials={"a": "x" * 200_000})
    with pytest.raises(PromptError, match="longer than 1024 KiB with what it includes"):
        JinjaRenderer().compile(including)
    monkeypatch.setattr(syntax, "MAX_NODES", 100)
    assert len(JinjaRenderer().compile(version(*["{{ 1 }}" * 10] * 5))) == 5
    with pytest.raises(PromptError, match="larger than 100 parts"):
        JinjaRenderer().compile(version(*["{{ 1 }}" * 10] * 50))
