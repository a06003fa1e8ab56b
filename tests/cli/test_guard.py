"""`moat guard`: what it shows, how it exits, and what it says of policies that make no sense."""

import io

import pytest

from moat.cli.marking import marked
from tests.bootstrap.projects import PROMPT, Project, in_process

POLICY = """
name: desk
when: {{environment: [production, eval]}}
guards:
  - {{use: pii, on: [input, output], action: redact}}
  - {{use: banned, with: {{words: [forbidden]}}, action: block}}
tests:
  - {{text: "Write to ada@example.org", expect: redact, becomes: "{becomes}"}}
  - {{text: "Nothing here", expect: pass}}
"""


def write(project: Project, text: str = POLICY.format(becomes="Write to <EMAIL_1>")) -> None:
    """The only policy."""
    (project.root / "policies").mkdir(exist_ok=True)
    (project.root / "policies" / "desk.yaml").write_text(text.lstrip(), "utf-8")


def test_a_finding_is_marked_where_it_stands_with_its_guard_and_what_it_does(project: Project) -> None:
    write(project)
    lines = project.ok("guard", "check", "One\nWrite to ada@example.org").out.splitlines()
    assert lines[0] == "2 | Write to ada@example.org"
    assert lines[1].startswith("  |          ^^^^^^^^^^^^^^^ email ")
    assert "at 13-28, desk/pii redact" in lines[1]
    assert lines[2:4] == ["action: redact", "becomes: One"]
    assert "desk@" in lines[-1]
    assert "policies/desk.yaml" in lines[-1]


def test_what_is_found_is_no_failure_unless_it_is_asked_for(project: Project) -> None:
    write(project)
    assert project.run("guard", "check", "a forbidden word").code == 0
    assert project.run("guard", "check", "a forbidden word", "--exit-code").code == 1
    assert project.run("guard", "check", "a word", "--exit-code").code == 0
    found = project.ok("guard", "check", "a forbidden word", "--json").json
    assert (found["action"], found["becomes"], found["verdicts"][0]["guard"]) == ("block", "", "banned")


def test_the_text_comes_from_a_file_or_standard_input(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project)
    path = project.root / "letter.txt"
    path.write_text("Write to ada@example.org", "utf-8")
    assert project.ok("guard", "check", "--file", str(path), "--json").json["becomes"] == "Write to <EMAIL_1>"
    monkeypatch.setattr("sys.stdin", io.StringIO("forbidden"))
    assert project.ok("guard", "check", "-", "--json").json["action"] == "block"
    path.write_bytes(b"\xff")
    for arguments, says in (
        (("--file", str(path)), "not UTF-8"),
        (("--file", str(path / "x")), "cannot be read"),
        ((), "give a text"),
        (("text", "--file", str(path)), "give a text"),
    ):
        done = project.run("guard", "check", *arguments)
        assert done.code != 0
        assert says in done.err


def test_a_detector_is_tried_without_a_project(capsys: pytest.CaptureFixture[str]) -> None:
    done = in_process(capsys, "--project", "/", "guard", "check", "Write to ada@example.org", "--use", "pii")
    assert done.code == 0
    assert "detectors/pii flag" in done.out


def test_guards_that_ask_a_model_are_left_out_and_named(project: Project) -> None:
    write(project, "name: judged\nguards: [{use: judge, on: [input], action: block, with: {model: assistant}}]\n")
    said = project.ok("guard", "check", "Hello").out
    assert "Left out, since they ask a model: judge." in said
    assert "action: pass" in said


def test_a_failed_example_shows_its_line_what_was_expected_and_what_it_became(project: Project) -> None:
    write(project)
    assert "2 examples of 1 policy: 0 failed." in project.ok("guard", "test").out
    write(project, POLICY.format(becomes="Write to <MAIL>"))
    done = project.run("guard", "test", str(project.root / "policies"))
    assert done.code == 1
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[0] == "policies/desk.yaml:7: Write to ada@example.org"
    assert "expected  Write to <MAIL>" in lines
    assert "became    Write to <EMAIL_1>" in lines
    problems = [result["problem"] for result in project.run("guard", "test", "--json").json]
    assert [bool(problem) for problem in problems] == [True, False]


@pytest.mark.parametrize(
    ("guards", "says"),
    [
        ("[{use: pi, action: flag}]", "policies/desk.yaml:2: unknown detector 'pi'. Did you mean 'pii'?"),
        ("[{use: zzzz, action: flag}]", "policies/desk.yaml:2: unknown detector 'zzzz'. Detectors: banned, "),
        ("[{use: pii, action: redct}]", "Did you mean 'redact'?"),
        ("[{use: secrets}]", "policies/desk.yaml:2: object missing required field `action` at $.guards[0]. One of: "),
        ("[{use: pii, on: [inputs], action: flag}]", "Did you mean 'input'?"),
        ("[{use: pii, with: {kind: [email]}, action: flag}]", "unknown key 'kind' at $.with. Did you mean 'kinds'?"),
        (
            "\n  - use: pii\n    with:\n      kinds: [emial]\n    action: flag",
            "policies/desk.yaml:5: invalid enum value 'emial'",
        ),
        ("[{use: length, with: {min: 9, max: 2}, action: flag}]", "give `min`, `max` or both"),
    ],
)
@pytest.mark.parametrize("command", [("guard", "test"), ("config", "check")])
def test_a_policy_that_makes_no_sense_is_refused_with_its_place(
    project: Project, guards: str, says: str, command: tuple[str, ...]
) -> None:
    write(project, f"name: desk\nguards: {guards}\n")
    done = project.run(*command)
    assert done.code != 0
    assert says in done.err


def test_policies_that_do_nothing_are_named(project: Project) -> None:
    write(
        project,
        "name: desk\nwhen: {environment: [producton], prompt: [support/answer, gone]}\n"
        "guards: [{use: pii, action: flag}]\n",
    )
    notes = project.ok("config", "check", "--json").json["notes"]
    for place, says in (
        ("policies/desk.yaml:2", "no environment producton"),
        ("policies/desk.yaml:2", "no prompt gone"),
        ("policies/desk.yaml:2", "evals do not run under"),
    ):
        assert any(note.startswith(place) and says in note for note in notes), notes
    assert not any("support/answer" in note for note in notes)
    write(project, "name: desk\n")
    assert any("has no guards" in note for note in project.ok("config", "check", "--json").json["notes"])


def test_policies_and_detectors_are_listed(project: Project) -> None:
    write(project)
    said = project.ok("guard", "list").out
    assert "desk@" in said
    assert "Finds personal data" in said
    one = project.ok("guard", "list", "banned").out
    assert "list of text" in one
    assert "in a stream  512 characters later" in one
    assert project.ok("guard", "list", "judge", "--json").json["options"]["style"] == "json"
    assert "Did you mean 'pii'?" in project.run("guard", "list", "pi").err


def test_what_guards_found_in_calls_is_counted(project: Project) -> None:
    project.guard()
    project.ok("eval", "run", f"{PROMPT}@1.2.0", "--suite", "support")
    found = project.ok("guard", "findings", "--json").json
    takeovers = [row for row in found if row["guard"] == "takeover"]
    assert [(row["kind"], row["place"], row["action"]) for row in takeovers] == [("injection", "input", "fallback")]
    assert 3 <= takeovers[0]["calls"] <= 10
    assert takeovers[0]["last_request"] in project.ok("guard", "findings", "guard = fallback").out
    assert project.ok("guard", "findings", "guard = block", "--json").json == []
    calls = project.ok("traces", "search", "guarded and policy ~ baseline", "--json", "--limit", "1").json
    policy = calls[0]["policy"]
    assert policy.startswith("baseline@")
    assert project.ok("traces", "search", f"policy = {policy}", "--limit", "1", "--json").json
    assert project.ok("traces", "search", "policy = baseline@000000000000", "--json").json == []


def test_marks_fit_wide_and_hidden_characters_and_long_lines() -> None:
    assert [line for line, _ in marked("写a\x1bb", [(2, 3, "x", "")])] == ["1 | 写a\\x1bb", "  |    ^^^^ x"]
    ((line, _), (carets, _)) = marked("a" * 500 + "b" + "a" * 500, [(500, 501, "x", "")])
    assert line == f"1 | …{'a' * 60}b{'a' * 60}…"
    assert carets == f"  | {' ' * 61}^ x"
    assert [line for line, _ in marked("", [(0, 0, "short", "")])] == ["1 | ", "  | ^ short"]
    many = list(marked("ab", [(0, 1, "x", "")] * 60))
    assert many[-1][0] == "... and 10 more."
