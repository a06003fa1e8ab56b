"""Judges that nobody compared with people, in `moat gate`."""

from tests.bootstrap.projects import Project


def test_a_judge_that_nobody_checked_decides_nothing_and_is_marked(branch: Project) -> None:
    branch.ok("judge", "add", "relevance", "--model", "assistant")
    scorer = "  - {kind: judge, name: relevant, metric: relevance, model: assistant}\n"
    gate = "  - {score: relevant, min: 0.1}\n"
    text = (branch.root / "evals/smoke.yaml").read_text("utf-8")
    text = text.replace("scorers:\n", f"scorers:\n{scorer}").replace("gates:\n", f"gates:\n{gate}")
    (branch.root / "evals/smoke.yaml").write_text(text, "utf-8")
    done = branch.run("gate", "--base", "main", "--suite", "smoke", "--json")
    assert done.code == 2, done
    (each,) = done.json["evaluated"]
    assert each["marks"]["relevant"]["text"].startswith("uncalibrated")
    out = branch.run("gate", "--base", "main", "--suite", "smoke", "--markdown", str(branch.root / "r.md")).out
    assert "judge relevant: " in out
    assert "Judge relevant: " in (branch.root / "r.md").read_text("utf-8")


def test_what_a_suite_allows_of_a_judge_it_allows_for_a_threshold_too(branch: Project) -> None:
    branch.ok("judge", "add", "relevance", "--model", "assistant")
    scorer = "  - {kind: judge, name: relevant, metric: relevance, model: assistant}\n"
    gate = "  - {score: relevant, min: 0.1, uncalibrated: allow}\n"
    branch.replace("evals/smoke.yaml", {"scorers:\n": f"scorers:\n{scorer}", "gates:\n": f"gates:\n{gate}"})
    done = branch.run("gate", "--base", "main", "--suite", "smoke", "--min-relevant", "0.2", "--json")
    gates = [gate for each in done.json["evaluated"] for gate in each["report"]["gates"]]
    own, asked = [gate for gate in gates if gate["gate"]["score"] == "relevant"]
    assert (own["gate"]["min"], asked["gate"]["min"]) == (0.1, 0.2)
    assert not any("uncalibrated" in gate["reason"] for gate in (own, asked))
