"""What a gate compares with: everything as the merge base would have answered, whatever was stored since."""

import json

from tests.bootstrap.projects import Project
from tests.evals.gating.repositories import commit, git


def suite(project: Project, target: str, expected: str = "yes", more: str = "") -> None:
    lines = [
        json.dumps({"id": f"c{i}", "variables": {"input": f"question {i}"}, "expected": expected}) for i in range(80)
    ]
    (project.root / "evals/datasets/bot.jsonl").write_text("\n".join(lines))
    (project.root / "evals/bot.yaml").write_text(
        f"{target}\ndataset: datasets/bot.jsonl\nscorers: [{{kind: equals}}{more}]\n"
        "gates: [{score: equals, margin: 0.05}]\n"
    )


def based(project: Project) -> None:
    commit(project.root)
    git(project.root, "branch", "--force", "base")


def says(project: Project, provider: str, text: str) -> None:
    (project.root / f"simulation/{provider}.yaml").write_text(f"rules: [{{user: '.', answers: [{{text: '{text}'}}]}}]")


def models(project: Project, **use: str) -> None:
    """Aliases on the providers `yes` and `no`, which always say so."""
    providers = "".join(f"  {name}: {{kind: simulated, rules: simulation/{name}.yaml}}\n" for name in ("yes", "no"))
    for name in ("yes", "no"):
        says(project, name, name)
    aliases = "".join(f"  {alias}: {{use: [{provider}/any]}}\n" for alias, provider in use.items())
    project.replace("moat.yaml", {"providers:\n": f"providers:\n{providers}", "models:\n": f"models:\n{aliases}"})


def only(project: Project, code: int) -> dict:
    done = project.run("gate", "--base", "base", "--suite", "bot", "--json")
    assert done.code == code, done
    (each,) = done.json["evaluated"]
    return each


def test_a_broken_function_never_becomes_its_own_baseline(branch: Project) -> None:
    (branch.root / "app").mkdir()
    (branch.root / "shared").mkdir()
    (branch.root / "shared/words.py").write_text("WORD = 'yes'\n")
    (branch.root / "app/bot.py").write_text("from shared.words import WORD\n\ndef answer(case):\n    return WORD\n")
    suite(branch, "target: {kind: function, path: app/bot.py:answer}")
    based(branch)
    (branch.root / "shared/words.py").write_text("WORD = 'no'\n")
    for _ in range(2):
        each = only(branch, 1)
        assert each["pair"]["reasons"] == ["the target of bot changed"], "what the function imports is part of it"
        (score,) = each["report"]["comparison"]["scores"]
        assert (score["baseline"]["mean"], score["candidate"]["mean"]) == (1, 0)


def test_recorded_answers_are_compared_with_those_of_the_base(branch: Project) -> None:
    def record(text: str) -> None:
        lines = [json.dumps({"id": f"c{i}", "text": text}) for i in range(80)]
        (branch.root / "evals/answers.jsonl").write_text("\n".join(lines))

    record("yes")
    suite(branch, "target: {kind: responses, path: answers.jsonl}")
    based(branch)
    record("no")
    for _ in range(2):
        (score,) = only(branch, 1)["report"]["comparison"]["scores"]
        assert (score["baseline"]["mean"], score["candidate"]["mean"]) == (1, 0)


def test_another_model_behind_the_alias_of_a_bare_model_is_judged(branch: Project) -> None:
    models(branch, bot="yes")
    suite(branch, "target: {kind: model, model: bot}")
    based(branch)
    branch.replace("moat.yaml", {"use: [yes/any]": "use: [no/any]"})
    for _ in range(2):
        each = only(branch, 1)
        assert each["pair"]["reasons"] == ["the model bot changed"]
        (score,) = each["report"]["comparison"]["scores"]
        assert (score["baseline"]["mean"], score["candidate"]["mean"]) == (1, 0)


def test_another_model_of_the_suite_is_judged(branch: Project) -> None:
    models(branch, one="yes", two="no")
    (branch.root / "prompts/bot").mkdir()
    (branch.root / "prompts/bot/1.0.0.txt").write_text("Answer: {{ input }}")
    suite(branch, "prompt: bot\nmodel: one")
    based(branch)
    branch.replace("evals/bot.yaml", {"model: one": "model: two"})
    each = only(branch, 1)
    assert each["pair"]["reasons"] == ["the suite bot names another model"]
    runs = each["report"]["comparison"]
    assert (runs["baseline"]["model"], runs["candidate"]["model"]) == ("one", "two")


def test_what_stands_behind_a_judge_is_part_of_the_judge_on_both_sides(branch: Project) -> None:
    models(branch, bot="yes", grader="yes")
    branch.ok("judge", "add", "relevance", "--model", "grader")
    suite(branch, "target: {kind: model, model: bot}", more=", {kind: judge, metric: relevance, name: relevant}")
    based(branch)
    says(branch, "yes", '{"reasoning": "fine", "score": 1}')
    each = only(branch, 1)
    assert {"the scorers of bot changed", "the model bot changed"} <= set(each["pair"]["reasons"])
    equals, relevant = each["report"]["comparison"]["scores"]
    assert (equals["baseline"]["mean"], equals["candidate"]["mean"]) == (1, 0)
    assert relevant["baseline"]["mean"] == relevant["candidate"]["mean"], "the judge of today judges both"
    assert relevant["baseline"]["missing"] == 0


def test_a_stored_run_is_not_shown_for_another_setting_of_the_same_model(branch: Project) -> None:
    models(branch, bot="yes")
    suite(branch, "target: {kind: model, model: bot}")
    first = branch.ok("eval", "run", "--suite", "bot", "--json").json[0]["run"]["id"]
    assert branch.ok("eval", "run", "--suite", "bot", "--json").json[0]["run"]["id"] == first
    says(branch, "yes", "no")
    assert branch.ok("eval", "run", "--suite", "bot", "--json").json[0]["run"]["id"] != first
    scores = [run["score"] for run in branch.ok("eval", "list", "--suite", "bot", "--json").json]
    assert scores == [0, 1]
