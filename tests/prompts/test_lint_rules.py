"""Rules about length, parameters, people's data and the order of versions; and what lint saves itself."""

import gc
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moat.prompts.catalog import Catalog
from moat.prompts.files import read_prompt
from moat.prompts.lint import lint, lint_version
from moat.prompts.linting.templates import skeleton
from moat.prompts.linting.tokens import Economics
from moat.prompts.lock import publish
from moat.prompts.personal import find_personal
from moat.prompts.problems import Problem
from moat.prompts.syntax import MARKUP, TemplateFlaw, check

SMALL = "model: m\nmessages:\n  - {role: user, content: 'Hi'}\n"
WORDS = "word " * 200


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def findings(root: Path, economics: Economics | None = None) -> list[Problem]:
    return lint(root, models={"m"}, covered={"a"}, economics=economics)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("temperature: 2.5", "'temperature' must be a number from 0 to 2 (it is 2.5)"),
        ("temperature: true", "must be a number"),
        ("top_p: -1", "must be a number from 0 to 1"),
        ("max_tokens: 0", "must be an integer from 1"),
        ("max_tokens: 1.5", "must be an integer from 1"),
        ("stop: [a, b, c, d, e]", "must be a text, or 1 to 4 texts"),
        ("stop: ['']", "must be a text"),
        ("seed: x", "must be an integer"),
        ("presence_penalty: 3", "from -2 to 2"),
        ("n: 0", "from 1"),
    ],
)
def test_a_parameter_outside_its_range_is_an_error(tmp_path: Path, params: str, message: str) -> None:
    root = write(tmp_path, {"prompts/a/1.0.0.yaml": f"{SMALL}params:\n  {params}\n"})
    (problem,) = findings(root)
    assert (problem.rule, problem.severity, problem.line) == ("parameter", "error", 5)
    assert message in problem.message


def test_a_parameter_that_is_nearly_a_known_one_is_a_warning(tmp_path: Path) -> None:
    good = "temperature: 0, top_p: 1, top_k: 3, stop: x, seed: -1, n: 1, frequency_penalty: -2, my_own: 7"
    root = write(tmp_path, {"prompts/a/1.0.0.yaml": f"{SMALL}params: {{{good}, temprature: 1}}\n"})
    (problem,) = findings(root)
    assert (problem.rule, problem.severity) == ("parameter", "warning")
    assert "Did you mean 'temperature'?" in problem.remedy


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Ask jane.doe@acme.io.", "an email address"),
        ("Call +49 30 901820 now", "a phone number"),
        ("Card 4012 8888 8888 1881", "a card number"),
        ("IBAN DE89 3704 0044 0532 0130 00", "an IBAN"),
        ("SSN 219-09-9999", "a US social security number"),
    ],
)
def test_data_about_people_is_found(text: str, kind: str) -> None:
    assert [(found, line) for found, line, _ in find_personal(f"\n{text}")] == [(kind, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "Write to name@example.com, a@b.test or x@mail.example.org.",
        "Orders look like 4012-8888-8888-1882 or 2024-01-02 10:00.",
        "The test card is 4242 4242 4242 4242.",
        "Not DE88 3704 0044 0532 0130 00.",
        "000-12-3456, 666-12-3456, 123-00-4567, 123-45-6789",
        "+1 202 555 0123, +43 512 555 010 and 1 + 20000000000000000000",
        "Version 1.2.3, 14 days, 100000000 records, @mention",
    ],
)
def test_what_is_nobodys_is_left_alone(text: str) -> None:
    assert list(find_personal(text)) == []


def test_secrets_and_people_are_found_in_defaults_partials_and_tools(tmp_path: Path) -> None:
    tool = "description: T\nparameters: {type: object}\nexamples:\n  - {mail: jane@acme.io}\n"
    prompt = (
        "model: m\nvariables:\n  who: {type: object, default: {mail: [jo@acme.io]}}\n"
        "messages:\n  - {role: user, content: '{{ who }}{% include \"p\" %}'}\n"
    )
    files = {"prompts/a/1.0.0.yaml": prompt, "prompts/_partials/p.j2": "\nBy jim@acme.io", "tools/t/1.0.0.yaml": tool}
    assert [(p.rule, p.severity, p.path, p.line, p.column) for p in findings(write(tmp_path, files))] == [
        ("pii", "warning", "prompts/_partials/p.j2", 2, 4),
        ("pii", "warning", "prompts/a/1.0.0.yaml", 3, 0),
        ("pii", "warning", "tools/t/1.0.0.yaml", 4, 0),
    ]
    write(tmp_path, {"tools/t/1.0.0.yaml": tool.replace("jane@acme.io", "AKIA" + "A1" * 8)})
    assert ("secret", "error", 4) in [(p.rule, p.severity, p.line) for p in findings(tmp_path)]


def test_a_prompt_over_its_budget_is_an_error(tmp_path: Path) -> None:
    text = f"{SMALL.replace('Hi', WORDS + '{{ x }}')}variables: {{x: {{}}}}\ntoken_budget: 250\n"
    root = write(tmp_path, {"prompts/a/1.0.0.yaml": text})
    assert findings(root) == []
    write(root, {"prompts/a/1.0.0.yaml": text.replace("250", "249")})
    (problem,) = findings(root)
    assert (problem.rule, problem.severity, problem.line) == ("token-budget", "error", 5)
    assert "about 250 tokens" in problem.message


@pytest.mark.parametrize(
    ("stated", "known", "said"),
    [
        ("", Economics(), "(estimated)"),
        ("", Economics(prices={"m": 600_000}), "$149.40 more per million calls"),
        (
            "",
            Economics(prices={"m": 600_000}, calls={"a": 1000}),
            "$0.1494 a month more at 1,000 calls, as in the last",
        ),
        ("calls_per_month: 2000", Economics(prices={"m": 600_000}, calls={"a": 1}), "$0.2988 a month more at 2,000"),
    ],
)
def test_growth_is_reported_with_its_price(tmp_path: Path, stated: str, known: Economics, said: str) -> None:
    grown = f"model: m\nmessages: [{{role: user, content: '{{% include \"p\" %}}'}}]\n{stated}\n"
    files = {"prompts/a/1.9.0.yaml": SMALL, "prompts/a/1.10.0.yaml": grown, "prompts/_partials/p.j2": WORDS}
    (problem,) = findings(write(tmp_path, files), known)
    assert (problem.rule, problem.severity, problem.path) == ("token-growth", "warning", "prompts/a/1.10.0.yaml")
    assert "about 1 -> 250 tokens since 1.9.0" in problem.message
    assert said in problem.message
    write(tmp_path, {"prompts/a/1.10.0.yaml": f"{grown}token_budget: 300\n"})
    assert findings(tmp_path, known) == [], "it is meant"
    write(tmp_path, files)
    publish(tmp_path, [Catalog.load(tmp_path).get("a", "1.10.0")])
    assert [p.rule for p in findings(tmp_path, known)] == ["version-order"], "what is published stays as it is"


def test_published_versions_stay_and_new_ones_come_after(tmp_path: Path) -> None:
    root = write(tmp_path, {f"prompts/a/1.{minor}.0.yaml": SMALL for minor in (9, 10)})
    publish(root, [Catalog.load(root).get("a", "1.10.0")])
    (problem,) = findings(root)
    assert (problem.rule, problem.severity, problem.path) == ("version-order", "warning", "prompts/a/1.9.0.yaml")
    (root / "prompts/a/1.10.0.yaml").unlink()
    (problem,) = findings(root)
    assert (problem.rule, problem.severity, problem.path, problem.line) == (
        "missing-version",
        "error",
        "prompts.lock",
        1,
    )
    write(root, {"prompts/a/1.10.0.yaml": "model: ["})
    assert [p.rule for p in findings(root)] == ["unreadable"], "a broken file is not a missing one"


def test_an_edited_partial_or_tool_is_named(tmp_path: Path) -> None:
    prompt = "model: m\nmessages: [{role: user, content: '{% include \"p\" %}'}]\ntools: [t@1.0.0]\n"
    tool = "description: T\nparameters: {type: object}\n"
    files = {"prompts/a/1.0.0.yaml": prompt, "prompts/_partials/p.j2": "x", "tools/t/1.0.0.yaml": tool}
    publish(write(tmp_path, files), Catalog.load(tmp_path).all())
    write(tmp_path, {"prompts/_partials/p.j2": "y"})
    (problem,) = findings(tmp_path)
    assert problem.rule == "edited-version"
    assert "prompts/_partials/p.j2, tools/t/1.0.0.yaml" in problem.message


def test_one_version_is_linted_without_the_others(tmp_path: Path) -> None:
    bad = SMALL.replace("Hi", "{{ x }}")
    root = write(tmp_path, {"prompts/a/1.0.0.yaml": bad, "prompts/b/1.0.0.yaml": "model: [", "prompts.lock": "- 1"})
    found = lint_version(root, read_prompt(root, "a", "1.0.0"), models={"other"})
    assert [p.rule for p in found] == ["unknown-model", "undeclared-variable"]


def test_a_tool_without_an_exact_version_is_refused(tmp_path: Path) -> None:
    for reference in ("t", "t@latest"):
        root = write(tmp_path, {"prompts/a/1.0.0.yaml": f"{SMALL}tools: [{reference}]\n"})
        (problem,) = findings(root)
        assert (problem.rule, problem.line) == ("unreadable", 4)


PIECES = st.sampled_from(
    ["text ", "it's ", '"', "{{ x }}", "{{ y|upper }}", "{% if x %}", "{% endif %}", "{# x #}", "{# it's #}",
     '{{ "}}" }}',
     '{{ "}}" ~ z ~ "{{ a }}" }}', "{{ {'a': x} }}", "{% raw %}", "{% endraw %}", "}}", "{{", "%}", "\n",
     "{{ \"'\" ~ '}}' }}",
     "{% set w = x %}", "{{ w }}", "{{ 'a\\'}}' }}"]
)  # fmt: skip


def needs(source: str) -> object:
    try:
        return set(check(source, {}).variables())
    except TemplateFlaw:
        return "a flaw"


@given(st.lists(PIECES, max_size=10).map("".join))
@example('{{ "}}" ~ z ~ "{{ a }}" }}')
def test_the_skeleton_of_a_template_needs_what_the_template_needs(source: str) -> None:
    assert needs(skeleton(source)) == needs(source)


def test_what_must_not_be_in_git_is_found_in_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "prompts" / "p"
    folder.mkdir(parents=True)
    key = "sk-proj-" + "a1B2" * 10
    (folder / "1.0.0.yaml").write_text(f"model: 7\nmessages:\n- role: user\n  content: use {key}\n", "utf-8")
    found = lint(tmp_path, models={"m"}, covered={"p"})
    assert [(problem.rule, problem.line) for problem in found] == [("unreadable", 1), ("secret", 4)]


def test_a_reference_to_a_version_is_no_address() -> None:
    assert list(find_personal("Use lookup_order@1.0.0 and support/answer@1.2.0.")) == []


@pytest.mark.parametrize("opening", ["{#", "{%", "{{"])
def test_markup_that_nobody_closed_is_looked_at_once(opening: str) -> None:
    """From its first opening to the end, and not anew from each opening within."""
    (found,) = MARKUP.finditer(opening * 10_000)
    assert found.span() == (0, 20_000)
    assert skeleton(opening * 10_000) == opening * 10_000


def test_lint_keeps_nothing_of_what_is_typed(tmp_path: Path) -> None:
    """Every pause in typing is another text."""
    tracemalloc.start()
    try:
        for number in range(30):
            prompt = f"model: m\nmessages:\n  - {{role: user, content: '{{% include \"a\" %}} {number} {{{{ x'}}\n"
            write(tmp_path, {"prompts/a/1.0.0.yaml": prompt, "prompts/_partials/a.j2": f"{number} {'x' * 200_000}"})
            assert any(problem.rule == "template" for problem in findings(tmp_path))
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
