"""Which version answers, and for how many."""

import math
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from moat.domain.errors import AccessError, NotFound, PromptError
from moat.domain.releases import Arm, Assignment, Evidence, MessageTemplate, PromptRef, PromptVersion, Release
from moat.prompts.catalog import Catalog
from moat.prompts.files import PromptFile
from moat.prompts.manifest import make_release
from moat.prompts.rollout import Rollout


def prompt(version: str, name: str = "answer") -> PromptVersion:
    return PromptVersion(name=name, version=version, model="m", messages=(MessageTemplate("user", version),))


def catalog(*prompts: PromptVersion) -> Catalog:
    return Catalog([PromptFile(p, f"prompts/{p.name}/{p.version}.yaml", (1,)) for p in prompts])


def released(version: PromptVersion) -> Release:
    return make_release(version, commit="c", dirty=False, author="Ada", now_ns=1)


def assigned(*arms: Arm, environment: str = "production", name: str = "answer") -> Assignment:
    return Assignment(environment=environment, prompt=name, sequence=1, arms=arms, actor="Ada", reason="", created_ns=1)


def ref(version: str = "", environment: str = "") -> PromptRef:
    return PromptRef(name="answer", version=version, environment=environment)


def test_an_exact_version_and_what_an_environment_serves() -> None:
    one, two = prompt("1.0.0"), prompt("2.0.0")
    release = released(one)
    rollout = Rollout(catalog(one, two), [release], [assigned(Arm(release.id))], "production")
    for wanted in (ref(), ref(environment="production"), ref(version="1.0.0")):
        found = rollout.resolve(wanted, "ada")
        assert (found.prompt, found.release) == (one, release)
    assert rollout.resolve(ref(version="2.0.0"), "").release is None
    assert rollout.resolve(ref(version="1.0.0", environment="staging"), "").release is None


def test_what_is_not_there_is_named() -> None:
    one = prompt("1.0.0")
    release = released(one)
    rollout = Rollout(catalog(one), [release], [assigned(Arm(release.id))], "dev")
    with pytest.raises(NotFound, match=r"no release of answer is assigned to 'dev'.*serve it: prod.*1\.0\.0"):
        rollout.resolve(ref(), "")
    for wanted in (ref(version="latest"), ref(environment="latest")):
        with pytest.raises(NotFound, match=r"no latest version.*1\.0\.0"):
            rollout.resolve(wanted, "")
    with pytest.raises(NotFound, match=r"no version '3\.0\.0'"):
        rollout.resolve(ref(version="3.0.0"), "")
    with pytest.raises(NotFound, match="no prompt 'nope'"):
        rollout.resolve(PromptRef(name="nope"), "")


@pytest.mark.parametrize("weights", [(1, 1), (0.9, 0.1), (50, 30, 20), (1, 0, 3)])
def test_users_are_split_by_weight_and_stay_where_they_are(weights: tuple[float, ...]) -> None:
    prompts = [prompt(f"{index}.0.0") for index in range(len(weights))]
    releases = [released(p) for p in prompts]
    arms = [Arm(r.id, w) for r, w in zip(releases, weights, strict=True)]
    rollout = Rollout(catalog(*prompts), releases, [assigned(*arms)], "production")
    users = [f"user-{index}" for index in range(5_000)]
    chosen = [rollout.resolve(ref(), user).prompt.version for user in users]
    counted = Counter(chosen)
    served = [(p.version, w) for p, w in zip(prompts, weights, strict=True) if w]
    assert set(counted) == {version for version, _ in served}
    expected = [w / math.fsum(weights) * len(users) for _, w in served]
    assert chisquare([counted[version] for version, _ in served], expected).pvalue > 1e-4
    again = Rollout(catalog(*prompts), releases, [assigned(*arms)], "production")
    assert chosen == [again.resolve(ref(), user).prompt.version for user in users]
    free = Counter(rollout.resolve(ref(), "").prompt.version for _ in range(5_000))
    assert chisquare([free[version] for version, _ in served], expected).pvalue > 1e-9


@settings(max_examples=30)
@given(st.floats(0.05, 0.9), st.floats(0.0, 0.09))
def test_raising_a_share_moves_nobody_back(share: float, more: float) -> None:
    old, new = prompt("1.0.0"), prompt("2.0.0")
    releases = [released(old), released(new)]

    def on_new(weight: float) -> set[int]:
        arms = (Arm(releases[1].id, weight), Arm(releases[0].id, 1 - weight))
        rollout = Rollout(catalog(old, new), releases, [assigned(*arms)], "production")
        return {user for user in range(200) if rollout.resolve(ref(), str(user)).prompt is new}

    assert on_new(share) <= on_new(share + more)


def test_a_user_falls_elsewhere_for_another_prompt_or_environment() -> None:
    prompts = [prompt(version, name) for name in ("answer", "other") for version in ("1.0.0", "2.0.0")]
    releases = [released(p) for p in prompts]
    split = {
        (place, name): assigned(*(Arm(r.id) for r in releases if r.prompt == name), environment=place, name=name)
        for place in ("staging", "production")
        for name in ("answer", "other")
    }
    rollout = Rollout(catalog(*prompts), releases, split.values(), "production")
    chosen = {
        key: [rollout.resolve(PromptRef(name=key[1], environment=key[0]), str(u)).prompt.version for u in range(300)]
        for key in split
    }
    assert len({tuple(versions) for versions in chosen.values()}) == 4


def test_what_is_released_is_served_whatever_became_of_its_file() -> None:
    one = prompt("1.0.0")
    release = released(one)
    edited = msgspec.structs.replace(one, messages=(MessageTemplate("user", "edited"),))
    for files in (catalog(), catalog(edited)):
        rollout = Rollout(files, [release], [assigned(Arm(release.id))], "production")
        by_environment = rollout.resolve(PromptRef(name="answer", environment="production"), "")
        by_version = rollout.resolve(PromptRef(name="answer", version="1.0.0"), "")
        assert (by_environment.prompt, by_environment.release) == (one, release)
        assert by_version == by_environment


def test_a_caller_bound_to_its_environment_gets_no_unreleased_version() -> None:
    one, two = prompt("1.0.0"), prompt("2.0.0")
    release = released(one)
    rollout = Rollout(catalog(one, two), [release], [assigned(Arm(release.id))], "production")

    def ask(version: str) -> PromptRef:
        return PromptRef(name="answer", version=version, environment="production", released_only=True)

    assert rollout.resolve(ask("1.0.0"), "").release == release
    with pytest.raises(AccessError, match="not served in 'production'"):
        rollout.resolve(ask("2.0.0"), "")


def test_an_assignment_of_an_unknown_release_is_refused_by_name() -> None:
    with pytest.raises(PromptError, match=r"1 assignment.*no release rel_nope"):
        Rollout(catalog(), [], [assigned(Arm("rel_nope"))], "production")


@pytest.mark.parametrize("weights", [(0.0,), (-1.0, 2.0), (math.nan,), (math.inf,), ()])
def test_weights_that_are_no_shares_are_refused(weights: tuple[float, ...]) -> None:
    one = prompt("1.0.0")
    release = released(one)
    with pytest.raises(PromptError, match="share"):
        Rollout(catalog(one), [release], [assigned(*(Arm(release.id, w) for w in weights))], "production")


def test_a_release_is_identified_by_what_ships() -> None:
    one = prompt("1.0.0")
    evidence = Evidence(run="run_1", suite="s", dataset_digest="d", score=1.0)
    first = make_release(one, commit="a", dirty=False, author="Ada", now_ns=1)
    second = make_release(one, commit="b", dirty=True, author="Bo", now_ns=2, evidence=[evidence])
    assert first.id == second.id
    assert first.id.startswith("rel_")
    assert len(first.id) == 20
    assert second.evidence == (evidence,)
    assert (second.commit, second.dirty, second.author, second.created_ns) == ("b", True, "Bo", 2)
    changed = [
        msgspec.structs.replace(one, **change)
        for change in ({"model": "x"}, {"version": "1.0.1"}, {"params": {"seed": 1}})
    ]
    assert len({first.id, *(released(p).id for p in changed)}) == 4
