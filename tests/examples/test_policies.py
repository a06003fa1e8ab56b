"""The example's guards: their tests hold, the shop's own data and instructions are known to them, evals stay right."""

import asyncio
from pathlib import Path

import pytest

from moat.bootstrap.guarding import policies
from moat.bootstrap.project import Project
from moat.evals.datasets import load_dataset
from moat.guards.engine.rules import Policy
from moat.guards.engine.trying import broken, tried
from moat.prompts.templates import JinjaRenderer

EXAMPLE = Path(__file__).parents[2] / "examples" / "support-assistant"
PROJECT = Project(EXAMPLE)
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")


def baseline() -> Policy:
    settings = PROJECT.settings
    (found,) = policies(EXAMPLE, settings.config, settings.document)
    return found


def test_each_example_beside_it_comes_out_as_it_says() -> None:
    policy = baseline()
    assert {test.expect for test in policy.config.tests} == {"pass", "redact", "fallback", "block"}
    assert {test.at for test in policy.config.tests} == {"input", "documents", "tool_results", "output"}
    flaws = {test.text: asyncio.run(broken(policy, test)) for test in policy.config.tests}
    assert {text: flaw for text, flaw in flaws.items() if flaw} == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_prompts_go_to_the_model_as_they_are_and_hold_the_canary(version: str) -> None:
    rendered = JinjaRenderer().render(PROJECT.catalog.get("support/answer", version), {"question": "Hello?"})
    (canary,) = next(rule.config.with_["canaries"] for rule in baseline().rules if rule.name == "leak")
    assert canary in " ".join(rendered[0]["content"].split())
    found = asyncio.run(tried([_only(baseline(), "pii", "secrets")], rendered[0]["content"]))
    assert found.action == "pass"


def test_guards_take_no_honest_question_for_an_attack_but_few() -> None:
    policy = _only(baseline(), "takeover")
    cases = load_dataset(EXAMPLE / "evals" / "datasets" / "support.jsonl").cases
    hit = {
        case.id: bool(case.labels.get("must_refuse"))
        for case in cases
        if asyncio.run(tried([policy], case.variables["question"])).action != "pass"
    }
    assert sum(hit.values()) >= 4
    assert len(hit) - sum(hit.values()) <= 2


def _only(policy: Policy, *names: str) -> Policy:
    return Policy(policy.config, tuple(rule for rule in policy.rules if rule.name in names), policy.file)
