"""Whoever changes the bot may not change what it is measured by as well: not without saying so."""

import json
from pathlib import Path

import pytest

from tests.bootstrap.projects import Project
from tests.evals.gating.repositories import commit, git

SUITE = """\
target: {kind: function, path: bot.py:answer}
dataset: datasets/fn.jsonl
scorers: [{kind: equals}, {kind: python, name: short, path: evals/own.py:short}]
gates: [{score: equals, margin: 0.05, min: 0.9}, {score: short, min: 0.9}]
"""
OWN = "LIMIT = 9\n\n\ndef short(answer, case):\n    return len(answer.text) < LIMIT\n"
TARGET, SCORERS = SUITE.splitlines()[0], SUITE.splitlines()[2]


@pytest.fixture
def bot(branch: Project) -> Project:
    """A bot that was right on the base, `base`, and whose answers are wrong now."""
    data = branch.root / "evals/datasets"
    cases = [{"id": f"c{i}", "variables": {"x": f"q{i}"}, "expected": f"a{i}"} for i in range(120)]
    (data / "fn.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    said = [{"id": case["id"], "text": case["expected"]} for case in cases]
    (data / "canned.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in said))
    (branch.root / "bot.py").write_text('def answer(x):\n    return "a" + x[1:]\n')
    (branch.root / "evals/own.py").write_text(OWN)
    (branch.root / "evals/fn.yaml").write_text(SUITE)
    commit(branch.root)
    git(branch.root, "branch", "--force", "base")
    (branch.root / "bot.py").write_text('def answer(x):\n    return "wrong"\n')
    return branch


def gate(project: Project):
    done = project.run("gate", "--base", "base", "--suite", "fn", "--json")
    return done.code, done.json


def test_a_broken_bot_is_blocked_and_better_code_passes(bot: Project) -> None:
    assert gate(bot)[0] == 1
    (bot.root / "bot.py").write_text('def answer(x):\n    return f"a{x[1:]}"\n')
    bot.replace(
        "evals/fn.yaml", {SCORERS: SCORERS.replace("}]", "}, {kind: length, max: 5}]"), "min: 0.9}]": "min: 1}]"}
    )
    code, found = gate(bot)
    assert (code, found["weakened"]) == (0, []), "another scorer, a stricter gate, and the bot's own code"


@pytest.mark.parametrize(
    ("edit", "said", "key"),
    [
        (
            {TARGET: "target: {kind: responses, path: datasets/canned.jsonl}"},
            "responses datasets/canned.jsonl answers, and function bot.py:answer did",
            "part: target",
        ),
        (
            {TARGET: "target: {kind: function, path: evals/own.py:right}"},
            "function evals/own.py:right answers, and function bot.py:answer did",
            "part: target",
        ),
        (
            {"{kind: equals}": "{kind: length, name: equals, max: 99}"},
            "equals is scored otherwise than before (length instead of equals)",
            "scorer: equals",
        ),
    ],
    ids=["recorded answers", "another function", "another scorer"],
)
def test_what_hides_a_broken_bot_is_not_decided_until_the_suite_says_why(bot: Project, edit, said, key) -> None:
    (bot.root / "evals/own.py").write_text(OWN + '\n\ndef right(x):\n    return "a" + x[1:]\n')
    bot.replace("evals/fn.yaml", edit)
    code, found = gate(bot)
    assert (code, found["verdict"]) == (2, "inconclusive")
    assert found["weakened"] == [f"fn: {said}, and no `replaces: {{{key}, reason: ...}}` says why"]
    with (bot.root / "evals/fn.yaml").open("a") as file:
        file.write(f"replaces: {{{key}, reason: we moved}}\n")
    code, found = gate(bot)
    assert (code, found["weakened"]) == (0, [])
    assert f"fn: {said}. The suite says why: we moved" in found["notes"], "reviewers see it"


def test_the_code_of_a_scorer_is_part_of_the_measure(bot: Project) -> None:
    (bot.root / "bot.py").write_text('def answer(x):\n    return "a" + x[1:]  # as it was\n')
    (bot.root / "evals/own.py").write_text(OWN.replace("9", "999"))
    code, found = gate(bot)
    assert (code, [text.partition(", and")[0] for text in found["weakened"]]) == (
        2,
        ["fn: short is scored otherwise than before (its code)"],
    )


def test_prices_are_what_costs_are_measured_by(bot: Project) -> None:
    bot.replace("evals/fn.yaml", {"{kind: equals}": "{kind: all_of, name: equals, of: [{kind: cost, max_usd: '1'}]}"})
    commit(bot.root)
    git(bot.root, "branch", "--force", "base")
    text = (bot.root / "moat.yaml").read_text("utf-8")
    (bot.root / "moat.yaml").write_text(f"{text}\ndeployments:\n  simulated/other: {{price: {{input: '0.01'}}}}\n")
    (said,) = gate(bot)[1]["weakened"]
    assert said.startswith("fn: equals is scored otherwise than before (prices in moat.yaml), and no `replaces")


def test_a_suite_that_is_shut_after_the_change_was_not_evaluated(bot: Project) -> None:
    path = bot.root / "evals/datasets/fn.jsonl"
    cases = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(json.dumps({**case, "split": "held-out"}) + "\n" for case in cases))
    with (bot.root / "evals/fn.yaml").open("a") as file:
        file.write("split: held-out\nreplaces: {part: split, reason: they are for releases}\n")
    code, found = gate(bot)
    assert (code, found["evaluated"]) == (2, [])
    assert "only `--release` opens" in found["failures"][0]


def test_a_dataset_beside_the_suites_is_read_from_the_base_too(bot: Project) -> None:
    (bot.root / "data").mkdir()
    (bot.root / "evals/datasets/fn.jsonl").rename(bot.root / "data/fn.jsonl")
    bot.replace("evals/fn.yaml", {"datasets/fn.jsonl": "../data/fn.jsonl"})
    (bot.root / "evals/datasets/link.jsonl").symlink_to("../../data/fn.jsonl")
    (bot.root / "evals/linked.yaml").write_text(SUITE.replace("fn.jsonl", "link.jsonl"))
    (bot.root / "evals/lost.yaml").write_text(SUITE.replace("datasets/fn.jsonl", "../data/none.jsonl"))
    commit(bot.root)
    git(bot.root, "branch", "--force", "base")
    for name in ("fn", "linked", "lost"):
        (bot.root / f"evals/{name}.yaml").unlink()
    lost, *gone = bot.run("gate", "--base", "base", "--json").json["weakened"]
    assert lost.startswith("the suite lost cannot be read at the base, so nobody knows what it loses: evals/..")
    assert gone == [f"the suite {name} is gone, which evaluates a target of its own" for name in ("fn", "linked")]


def test_stored_runs_that_come_with_a_change_are_not_believed(bot: Project) -> None:
    state = bot.root / ".moat/state.db"
    assert gate(bot)[0] == 1
    assert state.exists()
    git(bot.root, "add", "--force", str(state))
    commit(bot.root)
    code, found = gate(bot)
    assert (code, found["evaluated"]) == (1, [])
    assert [problem["rule"] for problem in found["lint"]["problems"] if problem["severity"] == "error"] == [
        "committed-state"
    ]


def test_simulated_answers_may_not_change_along_with_what_they_answer_for(branch: Project, tmp_path: Path) -> None:
    rules = branch.root / "simulation/support.yaml"
    rules.write_text(f"# nobody sees this\n{rules.read_text('utf-8')}", "utf-8")
    found = branch.run("gate", "--base", "main", "--suite", "smoke", "--json").json
    said = "smoke: the model assistant answers from files of the project that are not as before"
    assert f"{said}, and no `replaces: {{part: model, reason: ...}}` says why" in found["weakened"]
    with (branch.root / "evals/smoke.yaml").open("a") as file:
        file.write("replaces: {part: model, reason: recorded anew}\n")
    found = branch.run("gate", "--base", "main", "--suite", "smoke", "--json").json
    assert f"{said}. The suite says why: recorded anew" in found["notes"]


@pytest.mark.parametrize(
    "replaces",
    ["{reason: x}", "{part: target, scorer: equals, reason: x}", "{part: budget, reason: x}", "[{scorer: equals}]"],
)
def test_a_reason_is_for_one_thing(bot: Project, replaces: str) -> None:
    with (bot.root / "evals/fn.yaml").open("a") as file:
        file.write(f"replaces: {replaces}\n")
    done = bot.run("lint")
    assert done.code == 1
    assert "evals/fn.yaml" in done.out
