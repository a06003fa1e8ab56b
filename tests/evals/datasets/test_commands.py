"""`moat dataset` and `moat eval init` on a real project."""

import json
import subprocess

import pytest

from tests.bootstrap.projects import PROMPT, Project, eventually

INPUT, MISSING, CONFLICT, ACCESS = 65, 66, 75, 77
DATA = "evals/datasets/support.jsonl"


def first_line_changed(project: Project) -> None:
    file = project.root / DATA
    first, *others = file.read_text("utf-8").splitlines()
    new = '{"id": "new", "question": "Do you sell hats?"}'
    file.write_text("\n".join([first.replace("fleece", "jacket"), *others[1:], new, ""]), "utf-8")


def commit(project: Project, message: str) -> None:
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", "add", "-A"], cwd=project.root, check=True)
    subprocess.run(["git", *author, "commit", "-qm", message], cwd=project.root, check=True)


def test_a_locked_dataset_is_held_there(project: Project) -> None:
    assert [row["state"] for row in project.ok("dataset", "list", "--json").json] == ["not locked", "not locked"]
    assert project.run("dataset", "lock", "support").code == INPUT, "not without a reason"
    assert project.ok("dataset", "lock", "support", "--reason", "The first.", "--json").json["version"] == 1
    project.ok("dataset", "lock", "smoke", "--reason", "The first.")
    assert project.ok("lint").code == 0
    commit(project, "Locked")
    first_line_changed(project)
    done = project.run("lint")
    assert (done.code, f"{DATA}:1: error: was edited since version 1 was locked" in done.out) == (1, True)
    assert [row["state"] for row in project.ok("dataset", "list", "--json").json] == ["locked", "edited"]
    found = project.ok("dataset", "diff", "support", "--json").json
    assert [case["id"] for case in found["added"]] == ["new"]
    assert [case["id"] for case in found["removed"]] == ["returns-member"]
    assert [change["members"] for change in found["changed"]] == [["variables.question"]]
    assert (
        "1 added, 1 removed, 1 changed, 114 the same since version 1." in project.ok("dataset", "diff", "support").out
    )
    said = project.ok("dataset", "lock", "support", "--reason", "One less.")
    assert "version 2 now: 116 cases" in said.out
    assert "as it was locked: version 2" in project.ok("dataset", "lock", DATA).out
    assert project.ok("lint").code == 0
    assert "0 added, 0 removed" in project.ok("dataset", "diff", "support").out
    against = project.ok("dataset", "diff", "support", "--against", "HEAD")
    assert "1 added, 1 removed, 1 changed" in against.out
    assert "version 2, as locked: One less." in project.ok("dataset", "show", "support").out


def test_what_lies_outside_the_project_is_not_locked(project: Project) -> None:
    outside = project.root.parent / "outside.jsonl"
    outside.write_text('{"id": "a"}\n')
    done = project.run("dataset", "lock", str(outside), "--reason", "x")
    assert (done.code, "outside the project" in done.err) == (INPUT, True)
    assert project.ok("dataset", "show", str(outside), "--json").json["coverage"]["cases"] == 1


def test_a_dataset_without_a_lock_is_compared_with_git(project: Project) -> None:
    first_line_changed(project)
    assert "since HEAD" in project.ok("dataset", "diff", "support").out
    (project.root / "evals/datasets/new.csv").write_text("id\na\n")
    assert project.run("dataset", "diff", "new").code == MISSING


def test_a_state_that_was_never_committed_cannot_be_compared(project: Project) -> None:
    first_line_changed(project)
    project.ok("dataset", "lock", "support", "--reason", "Not committed.")
    first_line_changed(project)
    (project.root / DATA).write_text('{"id": "only"}\n')
    done = project.run("dataset", "diff", "support")
    assert (done.code, "no commit has version 1" in done.err) == (MISSING, True)


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("suport", MISSING, "Did you mean 'support'?"), ("x/y.jsonl", MISSING, "there is no dataset"), ("a", INPUT, "2")],
)
def test_a_dataset_is_found_by_its_name_or_said_to_be_missing(
    project: Project, name: str, code: int, said: str
) -> None:
    for suffix in ("csv", "tsv"):
        (project.root / f"evals/datasets/a.{suffix}").write_text("id\na\n")
    done = project.run("dataset", "show", name)
    assert (done.code, said in done.err) == (code, True), done


def test_show_says_what_is_covered_and_who_opened_what_is_held_out(project: Project) -> None:
    shown = project.ok("dataset", "show", "support", "--json").json
    assert (shown["coverage"]["cases"], shown["coverage"]["clusters"], shown["held_out_opened"]) == (116, 112, [])
    said = project.ok("dataset", "show", "support").out
    assert "labels.intent=returns" in said
    assert "thin: labels.intent=complaint: 4 of 116 cases" in said


def test_check_finds_every_kind_of_flaw(project: Project) -> None:
    assert project.ok("dataset", "check", "support", "--json").json["pairs"] == []
    prompt = (project.root / f"prompts/{PROMPT}/1.2.0.yaml").read_text("utf-8")
    question = "How long may I take to send back trousers that I ordered for my son last week?"
    where = f"prompts/{PROMPT}/1.2.0.yaml"
    project.replace(where, {"messages:\n": f"messages:\n  - {{role: user, content: '{question}'}}\n"})
    assert (project.root / where).read_text("utf-8") != prompt
    lines = [
        {"id": "a", "variables": {"question": question}, "split": "dev"},
        {"id": "b", "variables": {"question": question}, "split": "held-out"},
        {"id": "c", "variables": {"questions": "x"}, "cluster": "k", "split": "dev"},
        {"id": "d", "variables": {"question": "Hello"}, "cluster": "k", "split": "test"},
        {"id": "e", "tags": "x"},
    ]
    (project.root / "evals/datasets/odd.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = project.run("dataset", "check", "odd", "--prompt", PROMPT)
    assert done.code == 1
    for said in (
        "odd.jsonl:5: error: expected `array`",
        "odd.jsonl:2: error: a and b: the same words, in the splits dev and held-out [leak]",
        "warning: the cluster 'k' is in several splits: dev, test [leak]",
        "odd.jsonl:3: error: c: support/answer@1.2.0 has no variable 'questions'. Did you mean 'question'? [variables]",
        "odd.jsonl:3: error: c: support/answer@1.2.0 needs the variable 'question' [variables]",
        "odd.jsonl:1: error: a: 100 % of its words stand in message 1 of support/answer@1.2.0",
        "warning: 3 independent pieces can show changes of the pass rate from 81 points on",
    ):
        assert said in done.out, said


def test_splits_are_written_once_and_shown(project: Project) -> None:
    assert "(none)" in project.ok("dataset", "split", "support").out
    done = project.ok("dataset", "split", "support", "dev=0.8", "held-out=0.2", "--json")
    sizes = done.json["splits"]
    assert (sizes["dev"] + sizes["held-out"], set(sizes)) == (116, {"dev", "held-out"})
    assert 10 < sizes["held-out"] < 40
    again = project.run("dataset", "split", "support", "dev=1")
    assert (again.code, "has splits already" in again.err) == (CONFLICT, True)
    project.ok("dataset", "split", "smoke", "dev=1")
    card = project.root / "evals/datasets/smoke.card.yaml"
    card.write_text("# ours\nowner: Ada\n")
    project.ok("dataset", "split", "smoke", "dev=100%")
    assert card.read_text() == "# ours\nowner: Ada\nsplits: {dev: 1}\n"
    assert project.run("dataset", "split", "smoke", "dev").code == INPUT
    assert len(project.ok("dataset", "list", "--json").json) == 2, "a card is no dataset"


def test_an_export_is_the_same_dataset(project: Project) -> None:
    digest = project.ok("dataset", "show", "support", "--json").json["digest"]
    for suffix in ("csv", "parquet", "yaml"):
        path = project.root / f"evals/datasets/copy.{suffix}"
        project.ok("dataset", "export", "support", "--to", str(path))
        assert project.ok("dataset", "show", str(path), "--json").json["digest"] == digest
        path.unlink()
    out = project.root / "golden.jsonl"
    project.ok("dataset", "export", "support", "--to", str(out), "--tag", "golden")
    assert len(out.read_text("utf-8").splitlines()) == 19
    assert project.run("dataset", "export", "support", "--to", str(out)).code == CONFLICT
    assert project.run("dataset", "export", "support", "--to", str(out), "--tag", "no").code == INPUT


def test_cases_come_from_traces_and_from_feedback(project: Project) -> None:
    project.release("1.0.0", "staging")
    key = project.key()
    with project.serving() as server:
        for question in ("Is my mail ada@corp.io right?", "Where is my parcel?", "Where is my parcel?"):
            status, _ = server.ask(question, key, at="staging")
            assert status == 200
        empty = project.run("dataset", "from-traces", "grown", "--prompt", "no/such")
        assert (empty.code, "no recorded call matches" in empty.err) == (MISSING, True)
        eventually(lambda: len(project.ok("traces", "--json").json) == 3)
        look = project.ok("dataset", "from-traces", "grown", "--prompt", PROMPT, "--dry-run")
        assert "2 cases would be added to evals/datasets/grown.jsonl" in look.out
        assert not (project.root / "evals/datasets/grown.jsonl").exists()
        made = project.ok("dataset", "from-traces", "grown", "--prompt", PROMPT, "--tag", "seen", "--json").json
    assert sorted(case["variables"]["question"] for case in made["cases"]) == [
        "Is my mail [email address] right?", "Where is my parcel?",
    ]  # fmt: skip
    assert made["left_out"] == {"is there already, or asks the same": 1}
    assert {case["source"] for case in made["cases"]} == {f"trace:{case['id']}" for case in made["cases"]}
    again = project.ok("dataset", "from-traces", "grown", "--prompt", PROMPT)
    assert "0 cases added" in again.out
    ids = [case["id"] for case in made["cases"]]
    said = [
        {"trace": ids[0], "score": "down", "correction": "Yes.", "id": "f1"},
        {"trace": "req_gone", "score": 0},
        {"trace": ids[1], "score": "up"},
    ]
    (project.root / "said.jsonl").write_text("\n".join(map(json.dumps, said)))
    file = str(project.root / "said.jsonl")
    found = project.ok("dataset", "from-feedback", "liked", file, "--only", "down", "--json").json
    assert [(case["expected"], case["source"]) for case in found["cases"]] == [("Yes.", "feedback:f1")]
    assert found["left_out"] == {"no trace or request of this id is recorded": 1}
    (project.root / "fixed.jsonl").write_text(json.dumps({"case": ids[0], "correction": "No."}))
    fixed = project.ok("dataset", "from-feedback", "liked", str(project.root / "fixed.jsonl"), "--review")
    assert "1 case corrected in evals/datasets/liked.jsonl" in fixed.err
    (case,) = map(json.loads, (project.root / "evals/datasets/liked.jsonl").read_text().splitlines())
    assert (case["expected"], case["source"]) == ("No.", f"review:{ids[0]}")


def test_a_first_suite_is_written_and_runs(project: Project) -> None:
    done = project.run("eval", "init")
    assert (done.code, "every prompt has a suite" in done.err) == (CONFLICT, True)
    project.ok("prompt", "new", "greeting")
    said = project.ok("eval", "init").out
    assert "evals/greeting.yaml" in said
    assert "8 cases can show changes of the pass rate from" in said
    assert project.ok("lint").code == 0
    ran = project.ok("eval", "run", "greeting@1.0.0", "--suite", "greeting", "--json")
    assert ran.json[0]["run"]["cases"] == 8
    again = project.run("eval", "init", "greeting")
    assert (again.code, "exists already" in again.err) == (CONFLICT, True)
    assert project.run("eval", "init", "no/such").code == MISSING


def test_a_first_dataset_is_made_of_recorded_calls(project: Project) -> None:
    release = project.release("1.0.0", "staging")
    assert release
    with project.serving() as server:
        assert server.ask("Where is my parcel?", project.key(), at="staging")[0] == 200
    said = project.ok("eval", "init", PROMPT, "--name", "seen").out
    assert "1 case, from calls of the last 30 days" in said
    (case,) = map(json.loads, (project.root / "evals/datasets/seen.jsonl").read_text().splitlines())
    assert case["variables"] == {"question": "Where is my parcel?"}


def test_feedback_that_cannot_be_used_changes_nothing(project: Project) -> None:
    (project.root / "f.jsonl").write_text('{"case": "no-such", "correction": "x"}\n')
    before = (project.root / DATA).read_bytes()
    done = project.run("dataset", "from-feedback", "support", str(project.root / "f.jsonl"))
    assert (done.code, "no case 'no-such'" in done.err) == (INPUT, True)
    assert (project.root / DATA).read_bytes() == before


def test_cases_of_another_tool_are_imported(project: Project) -> None:
    file = project.root / "promptfooconfig.yaml"
    file.write_text("tests:\n  - vars: {question: Hi?}\n    assert: [{type: javascript, value: x}]\n")
    said = project.ok("dataset", "import", str(file), "theirs").out
    assert "1 case of promptfoo added to evals/datasets/theirs.jsonl" in said
    assert "not imported: assert javascript of 1 case" in said
    again = project.run("dataset", "import", str(file), "theirs")
    assert (again.code, "stands twice" in again.err) == (INPUT, True)


def test_who_opened_the_held_out_cases_is_shown(project: Project) -> None:
    project.ok("dataset", "split", "smoke", "dev=0.5", "held-out=0.5")
    refused = project.run("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke", "--split", "held-out")
    assert (refused.code, "for releases only" in refused.err) == (ACCESS, True)
    project.ok("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke", "--split", "held-out", "--release")
    (opening,) = project.ok("dataset", "show", "smoke", "--json").json["held_out_opened"]
    assert opening["run"].startswith("run_")
    assert f"run {opening['run']}" in project.ok("dataset", "show", "smoke").out


def test_a_broken_dataset_is_listed_with_its_reason(project: Project) -> None:
    (project.root / "evals/datasets/broken.jsonl").write_text("oops\n")
    states = {row["dataset"]: row["state"] for row in project.ok("dataset", "list", "--json").json}
    assert states["evals/datasets/broken.jsonl"].startswith("broken: evals/datasets/broken.jsonl:1")
    assert "not locked" in project.ok("dataset", "list").out
