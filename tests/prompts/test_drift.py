"""What is served against files, git, lock, evidence and models: a table of worlds and what they say."""

from typing import Any

import msgspec
import pytest

from moat.domain.errors import PromptError
from moat.domain.policies import GuardConfig, PolicyConfig, PolicyScope
from moat.domain.releases import (
    Arm,
    Assignment,
    Evidence,
    MessageTemplate,
    PromptVersion,
    Release,
    prompt_digest,
)
from moat.prompts.catalog import Catalog
from moat.prompts.drift import Ground, drifts
from moat.prompts.files import Broken, PromptFile
from moat.prompts.tree import Entry

PATH = "prompts/answer/1.0.0.yaml"
PARTS = frozenset({PATH, "prompts/_partials/tone.j2", "tools/lookup/2.0.0.yaml"})
PASSED = Evidence(run="run_1", suite="support", dataset_digest="d", score=1.0, verdict="pass")


def prompt(text: str = "Hello") -> PromptVersion:
    return PromptVersion(
        name="answer",
        version="1.0.0",
        messages=(MessageTemplate("user", text),),
        model="assistant",
        partials={"tone": "Kindly."},
        tools=("lookup@2.0.0",),
    )


def release(**changes: Any) -> Release:
    served = prompt()
    whole = Release(
        id="rel_1",
        content=served,
        prompt_digest=prompt_digest(served),
        deployments=("fake/large",),
        commit="c0ffee" + "0" * 34,
        evidence=(PASSED,),
    )
    return msgspec.structs.replace(whole, **changes)


def ground(**changes: Any) -> Ground:
    whole = Ground(
        catalog=Catalog([PromptFile(prompt(), PATH)]),
        lock={"answer@1.0.0": prompt_digest(prompt())},
        committed=PARTS,
        models={"assistant": ("fake/large",)},
        required={"production": ["support"]},
    )
    return whole._replace(**changes)


GUARDED = PolicyConfig(
    name="all", when=PolicyScope(environment=["staging"]), guards=[GuardConfig(use="pii", action="flag")]
)
OTHERS = PolicyConfig(
    name="others", when=PolicyScope(prompt=["another"]), guards=[GuardConfig(use="pii", action="flag")]
)


def assignment(**changes: Any) -> Assignment:
    whole = Assignment(
        environment="production",
        prompt="answer",
        sequence=1,
        arms=(Arm("rel_1"),),
        actor="Ada",
        reason="it burns",
        created_ns=0,
    )
    return msgspec.structs.replace(whole, **changes)


BROKEN = Catalog(broken=[Broken(Entry("answer", "1.0.0", PATH), PromptError("it is not YAML", where=f"{PATH}:3"))])
EDITED = Catalog([PromptFile(prompt("Edited"), PATH)])
DIRTY = release(dirty=True)


@pytest.mark.parametrize(
    ("served", "on", "expected"),
    [
        (release(), ground(), []),
        (release(), ground(catalog=Catalog()), ["not-in-files"]),
        (release(), ground(catalog=BROKEN), ["broken-file"]),
        (release(), ground(catalog=EDITED), ["edited"]),
        # Not in git: the file itself, a partial, a tool; or nothing of it any more, and never was.
        (release(), ground(committed=frozenset()), ["not-committed"]),
        (release(), ground(committed=PARTS - {"prompts/_partials/tone.j2"}), ["not-committed"]),
        (release(), ground(committed=PARTS - {"tools/lookup/2.0.0.yaml"}), ["not-committed"]),
        (DIRTY, ground(catalog=EDITED), ["edited", "not-committed"]),
        (release(commit=""), ground(catalog=Catalog()), ["not-in-files", "not-committed"]),
        # Released before it was committed; now a commit holds it.
        (DIRTY, ground(), []),
        # Nobody can say where there is no git.
        (DIRTY, ground(committed=None), []),
        (DIRTY, ground(committed=None, catalog=EDITED), ["edited"]),
        (release(), ground(lock={}), ["not-locked"]),
        (release(), ground(lock={"answer@1.0.0": "sha256:other"}), ["locked-otherwise"]),
        (release(evidence=()), ground(required={}), ["never-evaluated"]),
        (release(evidence=()), ground(), ["never-evaluated", "verdict-missing"]),
        (release(evidence=(msgspec.structs.replace(PASSED, verdict=""),)), ground(), ["verdict-missing"]),
        (release(evidence=(msgspec.structs.replace(PASSED, suite="smoke"),)), ground(), ["verdict-missing"]),
        (release(), ground(required={"production": ["support", "safety"]}), ["verdict-missing"]),
        (release(), ground(required={"production": ["support", "other"]}, suites={"other": "another"}), []),
        (release(), ground(required={"production": ["other"]}, suites={"other": "another"}), ["verdict-missing"]),
        (release(), ground(models={"assistant": ("fake/small",)}), ["model-changed"]),
        (release(), ground(models={}), ["model-changed"]),
        (release(), ground(policies=[GUARDED]), ["policy-changed"]),
        (release(policies=(GUARDED.id,)), ground(), ["policy-changed"]),
        (release(policies=(GUARDED.id,)), ground(policies=[GUARDED, OTHERS]), []),
        # Released before deployments were noted, or of a prompt without a model.
        (release(deployments=()), ground(models={}), []),
    ],
)
def test_each_way_to_drift(served: Release, on: Ground, expected: list[str]) -> None:
    found = drifts([assignment()], {served.id: served}, on)
    assert [drift.kind for drift in found] == expected
    assert all(drift.message and drift.remedy for drift in found)


def test_broken_glass_is_told_until_it_is_mended() -> None:
    under = assignment(overridden=("production requires support",))
    (found,) = drifts([under], {"rel_1": release()}, ground())
    assert found.kind == "overridden"
    for word in ("Ada", "it burns", "requires support"):
        assert word in found.message


def test_every_arm_is_compared_and_each_release_once() -> None:
    served = {name: release(id=name, evidence=()) for name in ("rel_1", "rel_2", "rel_3")}
    under = assignment(arms=(Arm("rel_1", 10.0), Arm("rel_2", 0.0), Arm("rel_1", 1.0)), shadow=Arm("rel_3", 0.5))
    found = drifts([under], served, ground(required={}))
    assert [(drift.release, drift.kind) for drift in found] == [
        (name, "never-evaluated") for name in ("rel_1", "rel_2", "rel_3")
    ]


def test_a_shadow_needs_no_verdict_since_nobody_sees_it() -> None:
    served = {name: release(id=name, evidence=()) for name in ("rel_1", "rel_2")}
    under = assignment(shadow=Arm("rel_2", 1.0))
    found = [(drift.release, drift.kind) for drift in drifts([under], served, ground())]
    assert found == [("rel_1", "never-evaluated"), ("rel_1", "verdict-missing"), ("rel_2", "never-evaluated")]


def test_a_release_the_store_lacks_is_passed_over() -> None:
    assert drifts([assignment()], {}, ground()) == []


def test_findings_stand_in_order_and_name_their_place() -> None:
    under = [assignment(environment=name) for name in ("staging", "production")]
    found = drifts(under, {"rel_1": release(evidence=())}, ground(required={}))
    assert [(drift.environment, drift.prompt, drift.version, drift.release) for drift in found] == [
        ("production", "answer", "1.0.0", "rel_1"),
        ("staging", "answer", "1.0.0", "rel_1"),
    ]
