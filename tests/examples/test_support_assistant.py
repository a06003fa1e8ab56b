"""The example is right in itself: labels follow from the policy, the simulated model tells versions apart."""

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest

from moat.bootstrap.settings import load_settings
from moat.documents import decode, read_yaml
from moat.domain.calls import Call, Event
from moat.domain.config import Config
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case, Score
from moat.evals.answer import Answered
from moat.evals.datasets import load_dataset
from moat.evals.scorers import Bench
from moat.evals.suites import Suite, load_suite
from moat.prompts.catalog import Catalog
from moat.prompts.lint import lint
from moat.prompts.templates import JinjaRenderer
from moat.testing.simulated import ask
from moat.testing.simulation import Question, Simulation, Skill, read_simulation

EXAMPLE = Path(__file__).parents[2] / "examples" / "support-assistant"
DATASETS = ("support", "smoke")
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
CATALOG = Catalog.load(EXAMPLE)
RENDERER = JinjaRenderer()
LABELS = {"intent", "facts", "must_refuse", "escalate"}


@lru_cache
def suite(name: str) -> Suite:
    return load_suite(EXAMPLE / "evals" / f"{name}.yaml")


@lru_cache
def cases(name: str) -> tuple[Case, ...]:
    return load_dataset(suite(name).dataset).cases


def policy() -> str:
    return " ".join((EXAMPLE / "prompts" / "_partials" / "policy.j2").read_text("utf-8").split()).lower()


def intents() -> set[str]:
    output = CATALOG.get("support/answer", "1.0.0").output
    assert output is not None
    return set(output["properties"]["intent"]["enum"])


def accepted(case: Case) -> set[str]:
    intent = case.labels["intent"]
    return set(intent) if isinstance(intent, list) else {intent}


def question(prompt: PromptVersion, case: Case) -> Question:
    return ask([*RENDERER.render(prompt, case.variables), *case.messages])


def scores(simulation: Simulation, version: str, name: str) -> dict[str, list[Score]]:
    """The suite's scores of the simulated model's answers, by case."""
    prompt = CATALOG.get("support/answer", version)
    scorers = [scorer.bind(Bench(ask=unreachable, prompt=prompt)) for scorer in suite(name).scorers]

    async def score_all() -> dict[str, list[Score]]:
        return {case.id: [await scorer.score(case, view(case)) for scorer in scorers] for case in cases(name)}

    def view(case: Case) -> Answered:
        answer = simulation.choose(question(prompt, case))
        assert answer is not None, case.id
        return Answered(answer.text)

    return asyncio.run(score_all())


def unreachable(call: Call) -> AsyncGenerator[Event, None]:
    raise AssertionError("no scorer of this suite asks a model")


def mean(simulation: Simulation, version: str, score: str) -> float:
    found = [s for by_case in scores(simulation, version, "support").values() for s in by_case if s.name == score]
    values = [s.value for s in found if s.value is not None]
    return sum(values) / len(values)


def missed(by_case: dict[str, list[Score]]) -> dict[str, set[str]]:
    """The cases that lost points, and in which scores."""
    wrong = {case: {s.name for s in found if s.value is not None and s.value < 1} for case, found in by_case.items()}
    return {case: names for case, names in wrong.items() if names}


def told_everything(simulation: Simulation) -> Simulation:
    """The same rules for a model that has every skill."""
    skills = {name: Skill(when="", with_=1.0, without=1.0) for name in simulation.rules.skills}
    return Simulation(msgspec.structs.replace(simulation.rules, skills=skills))


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return read_simulation(EXAMPLE / "simulation" / "support.yaml")


def test_there_are_enough_cases_and_none_twice() -> None:
    support, smoke = cases("support"), cases("smoke")
    assert len(support) >= 72
    assert len(smoke) == 6
    for key in ("id", "asked"):
        seen = Counter(
            case.id if key == "id" else str((case.variables["question"], case.messages)) for case in support + smoke
        )
        assert [value for value, times in seen.items() if times > 1] == []


@pytest.mark.parametrize("dataset", DATASETS)
def test_labels_are_of_the_declared_kinds(dataset: str) -> None:
    for case in cases(dataset):
        assert case.labels.keys() <= LABELS, case.id
        assert accepted(case) <= intents(), case.id
        assert case.labels.get("facts") != [], case.id
        assert case.tags, case.id
        if case.labels.get("must_refuse"):
            assert case.labels["intent"] == "other", case.id
            assert "escalate" not in case.labels, case.id


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_fact_follows_from_the_policy_or_the_customers_order(dataset: str) -> None:
    text = policy()
    for case in cases(dataset):
        known = text + msgspec.json.encode(case.variables.get("order", {})).decode().lower()
        assert [fact for fact in case.labels.get("facts", []) if fact.lower() not in known] == [], case.id


def test_slices_that_gates_rest_on_are_large_enough() -> None:
    support = cases("support")
    assert sum(case.labels.get("must_refuse") is True for case in support) >= 12
    assert sum(case.labels.get("must_refuse") is False for case in support) >= 12
    assert sum(case.labels.get("escalate") is True for case in support) >= 5
    assert intents() == set().union(*map(accepted, support))


def test_data_card_explains_every_tag() -> None:
    card = (EXAMPLE / "evals" / "datasets" / "README.md").read_text("utf-8")
    tags = {tag for dataset in DATASETS for case in cases(dataset) for tag in case.tags}
    assert [tag for tag in sorted(tags) if f"`{tag}`" not in card] == []
    for dataset in DATASETS:
        assert f"`{dataset}.jsonl` ({len(cases(dataset))} cases" in card


def test_conversations_share_a_cluster() -> None:
    talks = [case for case in cases("support") if "conversation" in case.tags]
    assert {case.cluster for case in talks} == {"talk-tent", "talk-gas", "talk-club"}
    assert all(case.id.startswith(case.cluster) for case in talks)
    assert all(not case.cluster for case in cases("support") if case not in talks)


def test_prompts_and_tools_are_clean() -> None:
    assert lint(EXAMPLE, models={"assistant"}, covered={"support/answer"}) == []
    assert CATALOG.versions("support/answer") == VERSIONS


def test_both_configurations_name_the_same_things() -> None:
    simulated = load_settings(EXAMPLE).config
    openai = decode(read_yaml(EXAMPLE / "moat.openai.yaml"), Config)
    assert simulated.models.keys() - {"taped"} == openai.models.keys() == {"assistant"}
    assert simulated.environments == openai.environments
    for config in (simulated, openai):
        deployments = config.models["assistant"].use
        assert len(deployments) == 2
        assert {deployment.split("/")[0] for deployment in deployments} <= config.providers.keys()


@pytest.mark.parametrize("name", DATASETS)
def test_suites_evaluate_the_prompt_and_every_label_is_scored(name: str) -> None:
    assert suite(name).prompt in CATALOG.names()
    assert suite(name).gates
    every = scores(read_simulation(EXAMPLE / "simulation" / "support.yaml"), "1.2.0", name)
    assert {s.status for found in every.values() for s in found} <= {"ok", "not_run"}
    for scorer in suite(name).scorers:
        assert any(s.name == scorer.name and s.status == "ok" for found in every.values() for s in found)


@pytest.mark.parametrize("version", VERSIONS)
def test_context_reaches_the_model_and_stays_out_when_there_is_none(version: str) -> None:
    prompt = CATALOG.get("support/answer", version)
    context = {"customer_name": "Ines", "member": True, "order": {"number": "RL-00001"}}
    bare, full = (RENDERER.render(prompt, {"question": "{{ 7 * 6 }}?", **more}) for more in ({}, context))
    assert bare[-1] == full[-1] == {"role": "user", "content": "{{ 7 * 6 }}?"}
    for told in ("The customer's name is Ines.", "is a member of Trail Club.", '"RL-00001"'):
        assert told in full[0]["content"]
        assert told not in bare[0]["content"]


def test_each_version_says_what_it_is_meant_to_say(simulation: Simulation) -> None:
    expected = {
        "1.0.0": {"json", "grounded", "refuse"},
        "1.1.0": set(),
        "1.2.0": {"json", "grounded", "refuse", "figures", "hold"},
    }
    for version, skills in expected.items():
        system = question(CATALOG.get("support/answer", version), cases("smoke")[0]).system
        assert {name for name, skill in simulation.rules.skills.items() if re.search(skill.when, system)} == skills


def test_simulated_model_with_every_skill_is_good_but_not_perfect(simulation: Simulation) -> None:
    assert missed(scores(told_everything(simulation), "1.2.0", "support")) == {
        "complaint-robot": {"intent"},
        "edge-two-topics": {"facts"},
        "edge-adding-up": {"facts"},
        "edge-snorkel": {"intent", "facts"},
        "refuse-review-payload": {"refusal"},
    }


def test_every_rule_answers_some_case(simulation: Simulation) -> None:
    prompt = CATALOG.get("support/answer", "1.0.0")
    asked = [question(prompt, case).user for dataset in DATASETS for case in cases(dataset)]
    patterns = [re.compile(rule.user, re.DOTALL) for rule in simulation.rules.rules]
    first = {next(index for index, pattern in enumerate(patterns) if pattern.search(text)) for text in asked}
    assert [patterns[index].pattern for index in range(len(patterns)) if index not in first] == []


@pytest.mark.parametrize("score", ["facts", "intent", "refusal", "valid_json"])
def test_harmless_looking_version_is_clearly_worse_and_the_next_is_not(simulation: Simulation, score: str) -> None:
    baseline, friendlier, exact = (mean(simulation, version, score) for version in VERSIONS)
    assert friendlier <= baseline - 0.2
    assert exact >= baseline
    assert score not in ("facts", "refusal") or exact > baseline


def test_first_version_passes_its_floor(simulation: Simulation) -> None:
    assert 0.75 <= mean(simulation, "1.0.0", "facts") <= 0.85


@pytest.mark.parametrize("version", ["1.0.0", "1.2.0"])
def test_smoke_cases_go_well(simulation: Simulation, version: str) -> None:
    assert missed(scores(simulation, version, "smoke")) == {}


MOAT = Path(sys.executable).with_name("moat")


def moat(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([MOAT, *arguments], cwd=project, capture_output=True, text=True, timeout=120, check=False)


def test_the_gate_blocks_the_worse_version_and_lets_the_better_one_pass(tmp_path: Path) -> None:
    project = tmp_path / "project"
    moat(tmp_path, "init", str(project))

    worse = moat(project, "gate", "support/answer@1.1.0", "--json")
    better = moat(project, "gate", "support/answer@1.2.0", "--json")

    assert (worse.returncode, better.returncode) == (1, 0), worse.stderr + better.stderr
    verdicts = {report["comparison"]["candidate"]["suite"]: report for report in json.loads(worse.stdout)}
    assert verdicts["support"]["verdict"] == "regressed"
    assert {gate["gate"]["score"] for gate in verdicts["support"]["gates"] if gate["verdict"] == "regressed"} == {
        "facts",
        "intent",
        "refusal",
    }
    assert [report["verdict"] for report in json.loads(better.stdout)] == ["pass", "pass"]
    assert {report["comparison"]["baseline"]["version"] for report in json.loads(better.stdout)} == {"1.0.0"}


def test_the_recording_answers_the_smoke_suite_and_an_unrecorded_question_is_an_error(tmp_path: Path) -> None:
    project = tmp_path / "project"
    moat(tmp_path, "init", str(project))

    recorded = moat(project, "eval", "run", "support/answer@1.2.0", "--suite", "smoke", "--model", "taped", "--json")
    missing = moat(project, "eval", "run", "support/answer@1.1.0", "--suite", "smoke", "--model", "taped")

    assert recorded.returncode == 0, recorded.stderr
    assert json.loads(recorded.stdout)[0]["run"]["score"] == 1.0
    assert missing.returncode == 66
    assert "recordings/smoke.jsonl" in missing.stderr
    assert "record" in missing.stderr
