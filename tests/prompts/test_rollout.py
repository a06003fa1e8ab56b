"""Which version answers, and for how many."""

import json
import math
import subprocess
import sys
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from moat.domain.errors import NotFound
from moat.domain.releases import Arm, Assignment, Evidence, MessageTemplate, PromptRef, PromptVersion, Release
from moat.prompts.catalog import Catalog
from moat.prompts.files import PromptFile
from moat.prompts.manifest import Setting, make_release
from moat.prompts.rollout import Rollout


def prompt(version: str, name: str = "answer") -> PromptVersion:
    return PromptVersion(name=name, version=version, model="m", messages=(MessageTemplate("user", version),))


def catalog(*prompts: PromptVersion) -> Catalog:
    return Catalog([PromptFile(p, f"prompts/{p.name}/{p.version}.yaml", (1,)) for p in prompts])


def released(version: PromptVersion) -> Release:
    return make_release(version, Setting(), commit="c", dirty=False, author="Ada", now_ns=1)


def assigned(*arms: Arm, environment: str = "production", name: str = "answer", **fields: Any) -> Assignment:
    return Assignment(
        environment=environment, prompt=name, sequence=1, arms=arms, actor="Ada", reason="", created_ns=1, **fields
    )


def serving(*assignments: Assignment, releases: list[Release]) -> Rollout:
    return Rollout(catalog(*{r.id: r.content for r in releases}.values()), releases, assignments, "production")


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


@pytest.mark.no_cover
@pytest.mark.parametrize("weights", [(1, 1), (0.9, 0.1), (50, 30, 20), (1, 0, 3)])
def test_users_are_split_by_weight_and_stay_where_they_are(weights: tuple[float, ...]) -> None:
    prompts = [prompt(f"{index}.0.0") for index in range(len(weights))]
    releases = [released(p) for p in prompts]
    arms = [Arm(r.id, w) for r, w in zip(releases, weights, strict=True)]
    rollout = Rollout(catalog(*prompts), releases, [assigned(*arms)], "production")
    users = [f"user-{index}" for index in range(100_000)]
    chosen = [rollout.resolve(ref(), user).prompt.version for user in users]
    counted = Counter(chosen)
    served = [(p.version, w) for p, w in zip(prompts, weights, strict=True) if w]
    assert set(counted) == {version for version, _ in served}
    expected = [w / math.fsum(weights) * len(users) for _, w in served]
    assert chisquare([counted[version] for version, _ in served], expected).pvalue > 1e-4
    again = Rollout(catalog(*prompts), releases, [assigned(*arms)], "production")
    assert chosen == [again.resolve(ref(), user).prompt.version for user in users]
    free = Counter(rollout.resolve(ref(), "").prompt.version for _ in range(5_000))
    shares = [w / math.fsum(weights) * 5_000 for _, w in served]
    assert chisquare([free[version] for version, _ in served], shares).pvalue > 1e-9


@settings(max_examples=20)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=4), st.text(min_size=1))
def test_a_growing_canary_moves_nobody_off_it(more: list[float], experiment: str) -> None:
    old, new = released(prompt("1.0.0")), released(prompt("2.0.0"))
    on_canary = set[int]()
    for share in sorted([10, 25, 50, *more]):
        arms = Arm(new.id, share, "canary"), Arm(old.id, 100 - share, "stable")
        rollout = serving(assigned(*arms, experiment=experiment, progress="open"), releases=[old, new])
        now = {user for user in range(300) if rollout.resolve(ref(), str(user)).arm == "canary"}
        assert on_canary <= now
        on_canary = now


@pytest.mark.no_cover
def test_two_experiments_are_independent() -> None:
    arms = [released(prompt(f"{number}.0.0")) for number in range(3)]
    splits = [
        serving(assigned(*(Arm(r.id, 1) for r in arms), experiment=name, progress="open"), releases=arms)
        for name in ("production/answer#7", "production/answer#8")
    ]
    users = [f"user-{index}" for index in range(100_000)]
    pairs = Counter(tuple(split.resolve(ref(), user).prompt.version for split in splits) for user in users)
    versions = [release.version for release in arms]
    table = [[pairs[first, second] for second in versions] for first in versions]
    assert chi2_contingency(table).pvalue > 1e-4


CHOOSE = """
import json, sys
from moat.domain.releases import Arm, choose
print(json.dumps([choose((Arm("a", 1), Arm("b", 2), Arm("c", 3)), sys.argv[1], f"ü{u}") for u in range(200)]))
"""


def test_every_process_chooses_the_same() -> None:
    chosen = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", CHOOSE, "production/answer#7"],
                env={"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": ""},
                capture_output=True,
                check=True,
            ).stdout
        )
        for seed in ("1", "2")
    ]
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) == {0, 1, 2}


def test_an_answer_says_its_arm_and_the_rollout_that_is_under_way() -> None:
    old, new = released(prompt("1.0.0")), released(prompt("2.0.0"))
    arms = Arm(new.id, 50, "canary"), Arm(old.id, 50, "stable")
    expected = {"2.0.0": "canary", "1.0.0": "stable"}
    for progress, experiment in (("open", "e"), ("paused", "e"), ("closed", "")):
        rollout = serving(assigned(*arms, experiment="e", progress=progress), releases=[old, new])
        found = [rollout.resolve(ref(), str(user)) for user in range(20)]
        assert {(f.prompt.version, f.arm, f.experiment) for f in found} == {
            (version, arm, experiment) for version, arm in expected.items()
        }
        asked = rollout.resolve(ref(version="1.0.0"), "ada")
        assert (asked.release, asked.arm, asked.experiment) == (old, "", "")


def test_two_arms_of_one_release_keep_their_names() -> None:
    same = released(prompt("1.0.0"))
    rollout = serving(assigned(Arm(same.id, 1, "control"), Arm(same.id, 1, "again")), releases=[same])
    assert {rollout.resolve(ref(), str(user)).arm for user in range(50)} == {"control", "again"}


def test_an_arm_without_a_share_is_ready_and_not_for_callers() -> None:
    blue, green = released(prompt("1.0.0")), released(prompt("2.0.0"))
    arms = Arm(green.id, 0, "green"), Arm(blue.id, 1, "blue")
    rollout = Rollout(catalog(blue.content), [blue, green], [assigned(*arms)], "production")
    assert {rollout.resolve(ref(), str(user)).arm for user in range(50)} == {"blue"}
    warm = rollout.resolve(PromptRef(name="answer", environment="production", release=green.id), "ada")
    assert (warm.release, warm.arm) == (green, "green")
    with pytest.raises(NotFound, match="for this key"):
        rollout.resolve(PromptRef(name="answer", version="2.0.0", released_only=True), "ada")
    with pytest.raises(NotFound, match="no version"):
        rollout.resolve(ref(version="2.0.0"), "ada")


def test_a_release_by_id_is_answered_whatever_is_served() -> None:
    old, new, other = released(prompt("1.0.0")), released(prompt("2.0.0")), released(prompt("1.0.0", "other"))
    rollout = serving(assigned(Arm(new.id)), releases=[old, new, other])
    for environment in ("production", "nowhere"):
        asked = PromptRef(name="answer", environment=environment, release=old.id, released_only=True)
        assert rollout.resolve(asked, "ada").release == old
    for unknown in ("rel_nope", other.id):
        with pytest.raises(NotFound, match=f"no release {unknown} of answer"):
            rollout.resolve(PromptRef(name="answer", release=unknown), "ada")


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_a_shadow_answers_its_share_of_users_and_always_the_same(share: float) -> None:
    old, new = released(prompt("1.0.0")), released(prompt("2.0.0"))
    trial = assigned(Arm(old.id), experiment="e", progress="open", shadow=Arm(new.id, share, "shadow"))
    rollout = serving(trial, releases=[old, new])
    users = [f"user-{index}" for index in range(10_000)]
    copied = [rollout.shadow(ref(), user) for user in users]
    assert copied == [rollout.shadow(ref(), user) for user in users]
    assert set(copied) <= {"", new.id}
    free = [rollout.shadow(ref(), "") for _ in users]
    for found in (copied, free):
        count = sum(map(bool, found))
        assert count == share * len(users) if share in (0, 1) else abs(count / len(users) - share) < 0.03
    assert {rollout.resolve(ref(), user).prompt.version for user in users[:100]} == {"1.0.0"}
    answer = rollout.resolve(PromptRef(name="answer", release=new.id), "ada")
    assert (answer.arm, answer.experiment) == ("shadow", "e")


def test_a_shadow_is_for_what_the_environment_serves() -> None:
    old, new = released(prompt("1.0.0")), released(prompt("2.0.0"))
    trial = assigned(Arm(old.id), shadow=Arm(new.id, 1, "shadow"))
    rollout = serving(trial, releases=[old, new])
    assert rollout.shadow(ref(), "ada") == rollout.shadow(ref(environment="production"), "ada") == new.id
    for asked in (ref(version="1.0.0"), ref(environment="staging"), PromptRef(name="x"), ref(version="latest")):
        assert rollout.shadow(asked, "ada") == ""
    assert rollout.shadow(PromptRef(name="answer", release=new.id), "ada") == ""


def test_who_is_copied_says_nothing_of_the_arm() -> None:
    releases = [released(prompt(f"{number}.0.0")) for number in range(3)]
    arms = [Arm(release.id, 1) for release in releases]
    trial = assigned(*arms[:2], experiment="e", progress="open", shadow=msgspec.structs.replace(arms[2], weight=0.5))
    rollout = serving(trial, releases=releases)
    pairs = Counter(
        (rollout.resolve(ref(), str(user)).prompt.version, bool(rollout.shadow(ref(), str(user))))
        for user in range(20_000)
    )
    table = [[pairs[release.version, copied] for copied in (True, False)] for release in releases[:2]]
    assert chi2_contingency(table).pvalue > 1e-4


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
    with pytest.raises(NotFound, match="for this key"):
        rollout.resolve(ask("2.0.0"), "")


def test_an_assignment_that_makes_no_sense_hinders_no_other_and_keeps_what_was_served() -> None:
    one = released(prompt("1.0.0"))
    before = serving(assigned(Arm(one.id)), releases=[one])
    flawed = assigned(Arm("rel_nope"))
    fresh = Rollout(catalog(), [one], [flawed], "production")
    assert "no release rel_nope" in fresh.flaws[0]
    with pytest.raises(NotFound):
        fresh.resolve(ref(), "")
    kept = Rollout(catalog(), [one], [flawed, assigned(Arm(one.id), environment="dev")], "production", (), before)
    assert kept.resolve(ref(), "").release == one
    assert kept.resolve(ref(environment="dev"), "").release == one
    assert len(kept.flaws) == 1


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan, math.inf])
def test_a_shadow_gets_a_share_or_the_assignment_is_refused(weight: float) -> None:
    one = released(prompt("1.0.0"))
    assert "share" in serving(assigned(Arm(one.id), shadow=Arm(one.id, weight)), releases=[one]).flaws[0]
    unknown = serving(assigned(Arm(one.id), shadow=Arm("rel_nope", 0.5)), releases=[one])
    assert "no release rel_nope" in unknown.flaws[0]


@pytest.mark.parametrize("weights", [(0.0,), (-1.0, 2.0), (math.nan,), (math.inf,), (1e308, 1e308), ()])
def test_weights_that_are_no_shares_are_refused(weights: tuple[float, ...]) -> None:
    one = prompt("1.0.0")
    release = released(one)
    assigned_so = assigned(*(Arm(release.id, w) for w in weights))
    assert "share" in Rollout(catalog(one), [release], [assigned_so], "production").flaws[0]


def test_a_release_is_identified_by_what_ships() -> None:
    one = prompt("1.0.0")
    evidence = Evidence(run="run_1", suite="s", dataset_digest="d", score=1.0)
    first = make_release(one, Setting(), commit="a", dirty=False, author="Ada", now_ns=1)
    second = make_release(one, Setting(), commit="b", dirty=True, author="Bo", now_ns=2, evidence=[evidence])
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
