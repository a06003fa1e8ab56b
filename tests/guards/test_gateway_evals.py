"""Evaluations ask under the same guards as callers."""

import pytest

from tests.bootstrap.projects import PROMPT, Project


@pytest.mark.promise("guard-1")
def test_what_a_guard_stops_is_no_answer_in_an_evaluation_either(project: Project) -> None:
    def score() -> float:
        project.run("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke", "--limit", "2")
        found: float = project.ok("eval", "list", "--json").json[0]["score"]
        return found

    before = score()
    folder = project.root / "policies"
    folder.mkdir(exist_ok=True)
    rule = "{use: length, on: [output], action: block, with: {max: 3}}"
    (folder / "short.yaml").write_text(f"name: short\nguards: [{rule}]\n", "utf-8")
    assert (before, score()) == (1.0, 0.0)
