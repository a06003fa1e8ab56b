"""What changed, and what has to be evaluated for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.evals.gating.plan import Change, ProjectState, SuiteState, VersionState, plan

SUITE = SuiteState(prompt="p", target="", scorers="s1", gates="g1", dataset="d1")


def versions(**digests):
    return tuple(VersionState(version=f"1.{n}.0", digest=d, model="m") for n, d in enumerate(digests.values()))


BEFORE = ProjectState(prompts={"p": versions(a="A", b="B")}, suites={"main": SUITE}, models={"m": "m1", "other": "o1"})


def test_nothing_changed_and_nothing_runs():
    found = plan(BEFORE, BEFORE)
    assert (found.changes, found.pairs) == ((), ())


def test_red_team_runs_whatever_changed_and_as_long_as_the_base_says_so():
    named = replace(BEFORE, red_team=frozenset({"main"}))
    for now, before in ((named, BEFORE), (BEFORE, named)):
        (pair,) = plan(now, before).pairs
        assert (pair.version, pair.baseline_version) == ("1.1.0", "1.1.0")
        assert pair.reasons == ("red team: every change is judged by it",)


def test_without_a_base_everything_runs_and_compares_with_nothing():
    (pair,) = plan(BEFORE, None).pairs
    assert (pair.version, pair.baseline_version) == ("1.1.0", "")
    assert pair.reasons == ("p@1.1.0 is new", "the suite main is new")


def test_a_new_version_is_compared_with_the_newest_of_the_base():
    after = replace(BEFORE, prompts={"p": versions(a="A", b="B", c="C")})
    found = plan(after, BEFORE)
    assert found.changes == (Change(kind="prompt", name="p@1.2.0", what="new"),)
    (pair,) = found.pairs
    assert (pair.version, pair.baseline_prompt, pair.baseline_version) == ("1.2.0", "p", "1.1.0")
    assert pair.reasons == ("p@1.2.0 is new",)


def test_of_several_changed_versions_the_newest_is_judged_and_the_others_are_told():
    after = replace(BEFORE, prompts={"p": versions(a="A2", b="B2")})
    found = plan(after, BEFORE)
    assert [(pair.version, pair.reasons) for pair in found.pairs] == [("1.1.0", ("p@1.1.0 is changed",))]
    assert found.left_out == ("p@1.0.0",)


def test_the_same_content_under_another_number_or_name_is_no_change_to_evaluate():
    copied = replace(BEFORE, prompts={"p": versions(a="A", b="B", c="B")})
    found = plan(copied, BEFORE)
    assert found.pairs == ()
    assert found.changes[0].detail == "the content of p@1.1.0"
    renamed = replace(BEFORE, prompts={"q": versions(a="A", b="B")}, suites={"main": replace(SUITE, prompt="q")})
    found = plan(renamed, BEFORE)
    assert found.pairs == ()
    assert found.changes == (Change(kind="prompt", name="q", what="renamed", detail="was p"),)


def test_an_old_content_that_comes_back_as_the_newest_version_is_judged():
    back = replace(BEFORE, prompts={"p": versions(a="A", b="B", c="A")})
    found = plan(back, BEFORE)
    assert found.changes[0].detail == "the content of p@1.0.0"
    (pair,) = found.pairs
    assert (pair.version, pair.baseline_version, pair.reasons) == ("1.2.0", "1.1.0", ("p@1.2.0 is new",))


def test_a_renamed_prompt_with_a_new_version_is_compared_with_what_it_was():
    after = replace(BEFORE, prompts={"q": versions(a="A", b="B", c="C")}, suites={"main": replace(SUITE, prompt="q")})
    (pair,) = plan(after, BEFORE).pairs
    assert (pair.baseline_prompt, pair.baseline_version) == ("p", "1.1.0")


@pytest.mark.parametrize("part", ["scorers", "gates", "dataset", "user"])
def test_a_changed_part_of_a_suite_runs_it_on_the_newest_version(part):
    after = replace(BEFORE, suites={"main": replace(SUITE, **{part: "other"})})
    found = plan(after, BEFORE)
    assert found.changes == (Change(kind=part, name="main", what="changed"),)
    assert [(p.version, p.baseline_version, p.reasons) for p in found.pairs] == [
        ("1.1.0", "1.1.0", (f"the {part} of main changed",))
    ]


def test_a_changed_model_runs_what_it_answers_for():
    for models, runs in (({"m": "m2", "other": "o1"}, True), ({"m": "m1", "other": "o2"}, False)):
        found = plan(replace(BEFORE, models=models), BEFORE)
        assert len(found.changes) == 1
        assert [pair.reasons for pair in found.pairs] == ([("the model m changed",)] if runs else [])


def test_a_suite_that_asks_a_model_itself_runs_when_that_changed():
    bare = replace(SUITE, prompt="", target="t", asks=("m", "other"))
    before = replace(BEFORE, suites={"bare": bare})
    assert plan(before, before).pairs == ()
    (pair,) = plan(replace(before, models={"m": "m2", "other": "o1"}), before).pairs
    assert (pair.prompt, pair.reasons) == ("", ("the model m changed",))


def test_another_model_of_a_suite_runs_it_on_versions_that_name_none():
    after = {"main": replace(SUITE, model="other")}
    assert plan(replace(BEFORE, suites=after), BEFORE).pairs == (), "every version names its own"
    bare = {"p": (VersionState(version="1.0.0", digest="A", model=""),)}
    before = replace(BEFORE, prompts=bare)
    found = plan(replace(before, suites=after), before)
    assert [pair.reasons for pair in found.pairs] == [("the suite main names another model",)]
    assert found.changes[0].detail == "its model was none"


def test_a_suite_of_another_target_runs_when_that_changed():
    before = replace(BEFORE, suites={"http": replace(SUITE, prompt="", target="t1")})
    after = replace(BEFORE, suites={"http": replace(SUITE, prompt="", target="t2")})
    assert plan(before, before).pairs == ()
    (pair,) = plan(after, before).pairs
    assert (pair.prompt, pair.reasons) == ("", ("the target of http changed",))


def test_what_no_suite_covers_is_told():
    after = replace(BEFORE, prompts={**BEFORE.prompts, "q": versions(a="Q")})
    assert plan(after, BEFORE).uncovered == ("q",)


def test_a_removed_suite_is_told():
    found = plan(replace(BEFORE, suites={}), BEFORE)
    assert found.changes == (Change(kind="suite", name="main", what="removed"),)


def test_a_suite_of_a_missing_prompt_is_left_to_lint():
    after = replace(BEFORE, suites={"main": replace(SUITE, prompt="gone", gates="g2")})
    assert plan(after, BEFORE).pairs == ()


def test_everything_runs_when_it_is_asked_for():
    (pair,) = plan(BEFORE, BEFORE, everything=True).pairs
    assert (pair.version, pair.baseline_version, pair.reasons) == ("1.1.0", "1.1.0", ("everything is asked for",))


def test_a_pre_release_is_no_baseline_where_there_is_another():
    rc = (*versions(a="A"), VersionState(version="1.1.0-rc.1", digest="R", model="m"))
    before = replace(BEFORE, prompts={"p": rc})
    after = replace(BEFORE, prompts={"p": (*rc, VersionState(version="1.1.0", digest="N", model="m"))})
    assert plan(after, before).pairs[0].baseline_version == "1.0.0"


STATES = st.builds(
    lambda prompts, suites, models: ProjectState(
        prompts={
            n: tuple(VersionState(version=f"1.{i}.0", digest=d, model="m") for i, d in enumerate(ds))
            for n, ds in prompts.items()
        },
        suites={n: replace(SUITE, prompt=p, scorers=s, dataset=d) for n, (p, s, d) in suites.items()},
        models=models,
    ),
    st.dictionaries(st.sampled_from("pqr"), st.lists(st.sampled_from("ABCD"), min_size=1, max_size=3, unique=True)),
    st.dictionaries(
        st.sampled_from("xy"), st.tuples(st.sampled_from("pqr"), st.sampled_from("12"), st.sampled_from("12"))
    ),
    st.dictionaries(st.just("m"), st.sampled_from("12")),
)


def came_back(versions, name, now, before):
    """Is the newest version a new number, and not what was the newest?"""
    gone = sorted(before.prompts.keys() - now.prompts.keys())
    shared = [old for old in gone if {v.digest for v in before.prompts[old]} & {v.digest for v in versions}]
    there = before.prompts.get(name) or (before.prompts[shared[0]] if shared else ())
    last = versions[-1]
    return bool(there) and last.version not in [v.version for v in there] and last.digest != there[-1].digest


@given(STATES, STATES)
def test_a_suite_runs_exactly_when_something_about_it_changed(now, before):
    found = plan(now, before)
    known = {v.digest for vs in before.prompts.values() for v in vs}
    for name, suite in now.suites.items():
        there = now.prompts.get(suite.prompt)
        same = name in before.suites and replace(before.suites[name], prompt=suite.prompt) == suite
        new = there and (any(v.digest not in known for v in there) or came_back(there, suite.prompt, now, before))
        moved = "m" in before.models and before.models["m"] != now.models.get("m")
        assert any(pair.suite == name for pair in found.pairs) == bool(there and (new or not same or moved))
    assert plan(now, now).pairs == ()
    assert plan(now, now).changes == ()
