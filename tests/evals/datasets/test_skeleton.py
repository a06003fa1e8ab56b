"""A first suite can be run as it is."""

import pytest

from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.domain.scores import Case
from moat.evals.datasets import load_dataset
from moat.evals.datasets.fitting import fitting
from moat.evals.datasets.similarity import near_duplicates
from moat.evals.datasets.skeleton import skeleton
from moat.evals.datasets.writing import lines_of
from moat.evals.suites import load_suite

TYPES = {
    "number": Variable(type="number"),
    "count": Variable(type="integer"),
    "list": Variable(type="array"),
    "object": Variable(type="object"),
    "flag": Variable(type="boolean"),
    "level": Variable(enum=["low", "high"]),
    "optional": Variable(default="x"),
}
SCHEMA = {"type": "object", "properties": {"intent": {"enum": ["a", "b"]}, "answer": {"type": "string"}, "x": True}}


@pytest.mark.parametrize(
    ("more", "scorers"),
    [
        ({"variables": {"question": Variable(), **TYPES}}, ["answered", "facts", "refusal"]),
        ({"variables": {}}, ["answered", "facts", "refusal"]),
        ({"output": SCHEMA}, ["valid_json", "intent", "facts", "refusal"]),
        ({"output": {"type": "array"}, "tools": ("t@1.0.0",)}, ["valid_json", "facts", "refusal", "tools"]),
    ],
)
def test_suite_and_cases_are_read_and_fit_the_prompt(tmp_path, more, scorers):
    prompt = PromptVersion(name="a/b: c", version="1.0.0", model="m", messages=(MessageTemplate("user", "x"),), **more)
    made = skeleton(prompt, "datasets/b.jsonl")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "b.yaml").write_text(made.suite)
    (tmp_path / "datasets/b.jsonl").write_text(lines_of(made.cases))
    suite = load_suite(tmp_path / "b.yaml")
    assert ([scorer.name for scorer in suite.scorers], suite.prompt) == (scorers, "a/b: c")
    cases = load_dataset(suite.dataset).cases
    assert cases == made.cases
    assert [flaw for case in cases for flaw in fitting(case, prompt)] == []
    assert near_duplicates(cases) == []


def test_every_choice_of_a_variable_gets_a_case():
    variables = {"question": Variable(), **TYPES}
    made = skeleton(PromptVersion(name="p", version="1.0.0", model="m", messages=(), variables=variables), "d.jsonl")
    assert {case.id for case in made.cases} >= {"level-low", "level-high", "flag-true", "flag-false", "injection"}


@pytest.mark.parametrize(("own", "named"), [("", "m2"), ("m", "")])
def test_the_suite_names_a_model_where_the_prompt_does_not(tmp_path, own, named):
    prompt = PromptVersion(name="p", version="1.0.0", model=own, messages=(MessageTemplate("user", "x"),))
    (tmp_path / "p.yaml").write_text(skeleton(prompt, "d.jsonl", model="m2").suite)
    assert load_suite(tmp_path / "p.yaml").model == named


def test_recorded_cases_come_before_drafts():
    recorded = [Case(id="r", variables={"question": "x"})]
    assert skeleton(PromptVersion(name="p", version="1.0.0", model="m", messages=()), "d", recorded).cases == (
        *recorded,
    )
