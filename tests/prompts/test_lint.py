"""Lint and the lock: each rule, where it points, and what it leaves alone."""

from pathlib import Path

import pytest

from moat.domain.errors import DocumentError, PromptError, StorageError
from moat.prompts.catalog import Catalog
from moat.prompts.lint import lint
from moat.prompts.lock import is_edited, publish, read_lock
from moat.prompts.problems import Problem

GOOD = """\
model: assistant
variables:
  question: {type: string}
messages:
  - role: system
    content: |
      Be kind.
      {% include "tone" %}
  - {role: user, content: "{{ question }}"}
"""
TOOL = """\
description: Finds an order.
parameters: {type: object, properties: {id: {type: string}}, required: [id]}
examples: [{id: "7"}]
counter_examples: [{}]
"""


def project(root: Path, prompt: str = GOOD, **files: str) -> Path:
    named = {"prompts/a/1.0.0.yaml": prompt, "prompts/_partials/tone.j2": "Warmly.", "tools/t/1.0.0.yaml": TOOL}
    for path, text in {**named, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def findings(root: Path) -> list[Problem]:
    return lint(root, models={"assistant"}, covered={"a"})


def test_a_good_project_has_no_findings(tmp_path: Path) -> None:
    assert findings(project(tmp_path)) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "place", "message"),
    [
        ("{{ question }}", "{{ question", "template", ":9:28", "unexpected end of template"),
        ("Be kind.", "Be\n      a {% nope %}.", "template", ":8:12", "unknown tag 'nope'"),
        ("Be kind.", "{{ 1|nope }}", "template", ":7:12", "no filter 'nope'"),
        ("Be kind.", "{% macro x() %}{% endmacro %}", "template", ":7:10", "templates have no {% macro %}"),
        ("Be kind.", "{% for a in b recursive %}{% endfor %}", "template", ":7:21", "no recursive loops"),
        ('"tone"', '"tune"', "missing-partial", ":8:19", "no partial 'tune'"),
        (
            "{{ question }}",
            "{{ question }} {{ questoin }}",
            "undeclared-variable",
            ":9:46",
            "'questoin' is not declared",
        ),
        ("{type: string}", "{type: string}\n  plan: {default: x}", "unused-variable", ":4", "'plan'"),
        ("model: assistant", "model: asistant", "unknown-model", ":1", "no model 'asistant'"),
        ("messages:", "params: {n: 1, messages: []}\nmessages:", "reserved-parameter", ":4", "'messages' cannot be"),
        ("messages:", "output: {type: 7}\nmessages:", "output-schema", ":4", "not a JSON Schema"),
        ("messages:", "tools: [t@2.0.0]\nmessages:", "unreadable", ":4", "there is no such tool"),
        ("role: system", "role: sytem", "unreadable", ":5", "invalid enum value"),
        ("Be kind.", "Use sk-proj-" + "a1" * 24, "secret", ":7:11", "an OpenAI API key (sk-proj-...)"),
        ("Be kind.", "Use AKIA" + "A1" * 8, "secret", ":7:11", "an AWS access key id"),
        ("Be kind.", "-----BEGIN RSA PRIVATE KEY-----", "secret", ":7:7", "a private key"),
    ],
)
def test_a_flaw_in_a_prompt_is_found_at_its_place(
    tmp_path: Path, old: str, new: str, rule: str, place: str, message: str
) -> None:
    (problem,) = findings(project(tmp_path, GOOD.replace(old, new)))
    assert (problem.rule, problem.severity) == (rule, "error")
    assert str(problem).startswith(f"prompts/a/1.0.0.yaml{place}")
    assert message in problem.message


def test_a_flaw_in_a_partial_is_one_finding_at_the_partial(tmp_path: Path) -> None:
    root = project(tmp_path, **{"prompts/a/1.1.0.yaml": GOOD, "prompts/_partials/tone.j2": "\nHi {{ nam }}"})
    assert [str(problem) for problem in findings(root)] == [
        "prompts/_partials/tone.j2:2:7: error: the variable 'nam' is not declared [undeclared-variable]. "
        "Declare it under `variables`. There are: question."
    ]
    project(tmp_path, **{"prompts/_partials/tone.j2": "AIza" + "b" * 35, "prompts/a/1.1.0.yaml": GOOD})
    assert [(p.rule, p.path, p.line, p.column) for p in findings(root)] == [
        ("secret", "prompts/_partials/tone.j2", 1, 1)
    ]


@pytest.mark.parametrize(
    ("path", "text", "rule", "line"),
    [
        ("tools/t/1.0.0.yaml", TOOL.replace('id: "7"', "id: 7"), "tool-example", 3),
        ("tools/t/1.0.0.yaml", TOOL.replace("[{}]", "[{}, {id: x}]"), "tool-example", 4),
        ("tools/t/1.0.0.yaml", TOOL.replace("type: object", "type: 7"), "tool-schema", 2),
        ("tools/t/1.0.0.yaml", TOOL.replace("type: object", "$ref: 'http://127.0.0.1:9/x'"), "tool-schema", 2),
        ("tools/t/1.0.0.yaml", TOOL.replace("description", "descripton"), "unreadable", 1),
        ("tools/t/new.yaml", TOOL, "version-name", 0),
        ("tools/a/b/1.0.0.yaml", TOOL, "unreadable", 0),
        ("prompts/a/new.yaml", GOOD, "version-name", 0),
        ("prompts.lock", "- 1", "unreadable", 1),
    ],
)
def test_a_flaw_in_another_file_is_found(tmp_path: Path, path: str, text: str, rule: str, line: int) -> None:
    (problem,) = findings(project(tmp_path, **{path: text}))
    assert (problem.rule, problem.path, problem.line) == (rule, path, line)


def test_a_prompt_without_a_suite_is_a_warning(tmp_path: Path) -> None:
    root = project(tmp_path, **{"prompts/b/1.0.0.txt": "hi {{ name }}"})
    (problem,) = findings(root)
    assert (problem.rule, problem.severity, problem.path) == ("uncovered", "warning", "prompts/b/1.0.0.txt")


def test_an_edited_published_version_must_be_a_new_one(tmp_path: Path) -> None:
    root = project(tmp_path)
    version = Catalog.load(root).get("a", "1.0.0")
    assert read_lock(root) == {}
    publish(root, [version])
    assert list(read_lock(root)) == ["a@1.0.0"]
    assert findings(root) == []
    written = (root / "prompts.lock").read_text()
    project(tmp_path, GOOD.replace("Be kind", "Be rude"))
    (problem,) = findings(root)
    assert problem.rule == "edited-version"
    assert "bump the version" in problem.remedy
    edited = Catalog.load(root).get("a", "1.0.0")
    assert is_edited(read_lock(root), edited)
    with pytest.raises(PromptError, match="bump the version"):
        publish(root, [edited])
    assert (root / "prompts.lock").read_text() == written


def test_the_lock_is_sorted_and_replaced_whole(tmp_path: Path) -> None:
    root = project(tmp_path, **{f"prompts/{n}/1.0.0.yaml": GOOD for n in ("z", "b")})
    catalog = Catalog.load(root)
    for name in ("z", "a", "b"):
        publish(root, [catalog.get(name, "1.0.0")])
    lines = (root / "prompts.lock").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["a@1.0.0", "b@1.0.0", "z@1.0.0"]
    assert sorted(path.name for path in root.iterdir()) == ["prompts", "prompts.lock", "tools"]
    with pytest.raises(StorageError):
        publish(root / "nowhere", [])


def test_findings_come_in_one_order(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        GOOD.replace("Be kind.", "{{ x }} {{ b }} {{ a }}"),
        **{"prompts/c/new.yaml": "", "tools/x/9.yaml": "", "prompts/b/1.0.0.txt": "{{"},
    )
    first = findings(root)
    assert first == findings(root) == sorted(first, key=lambda p: (p.path, p.line, p.column))
    assert len(first) == 7


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "prompts").symlink_to(tmp_path / "prompts")
    with pytest.raises(DocumentError, match="cannot be read"):
        findings(tmp_path)
