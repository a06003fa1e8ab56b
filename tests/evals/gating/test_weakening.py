"""A suite that measures otherwise than before: what is said of it, and how the suite says why."""

import pytest
from msgspec.structs import replace

from moat.evals.gating.plan import ProjectState, SuiteState, VersionState
from moat.evals.gating.weakening import Loss, weakened
from moat.evals.suites import Gate, Replaced

FACTS, TONE = {"kind": "contains", "name": "facts", "path": "a"}, {"kind": "judge", "name": "tone", "judge": {"p": 1}}
SUITE = SuiteState(
    prompt="",
    target="t",
    answers="function bot.py:answer",
    asking="a",
    recorded="r",
    scorers="s",
    measures={"facts": FACTS, "tone": TONE, "extra": {"kind": "length"}},
    gates="g",
    demands=(Gate(score="facts", margin=0.1), Gate(score="tone", min=0.5)),
    dataset="one",
    asked=("evals/a.jsonl", ""),
    user="u",
    model="m",
    repeats=(3, 3),
    timeout=60.0,
)
MOVED = {"dataset": "two", "asked": ("evals/b.jsonl", "")}


def losses(old, new, demanded=()):
    return [
        loss._replace(text=loss.text.removeprefix("s: "))
        for loss in weakened(ProjectState(suites={"s": new}), ProjectState(suites={"s": old}), demanded)
    ]


def because(**what):
    return Replaced(reason="it had to be", **what)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"asked": ("evals/b.jsonl", "")}, ""),  # renamed
        (MOVED, "evals/a.jsonl to evals/b.jsonl"),
        ({**MOVED, "replaced": (because(dataset="evals/older.jsonl"),)}, "evals/a.jsonl to evals/b.jsonl"),
    ],
)
def test_another_dataset_needs_a_reason_of_its_own(changed, said):
    found = [loss.text for loss in losses(SUITE, replace(SUITE, **changed))]
    assert found == ([f"dataset changed from {said}, and no `replaces` says why"] if said else [])


def test_a_dataset_that_is_edited_needs_a_lock_with_a_new_reason():
    edited = "evals/a.jsonl was edited, and no `moat dataset lock evals/a.jsonl --reason TEXT` says why"
    assert losses(SUITE, replace(SUITE, dataset="two")) == [Loss(edited)]
    assert losses(SUITE, replace(SUITE, dataset="two", locked="1: more cases")) == []
    assert losses(SUITE, replace(SUITE, dataset="one", locked="1: as it is")) == []
    assert losses(replace(SUITE, locked="1: x"), replace(SUITE, dataset="two", locked="1: x")) == [Loss(edited)]


@pytest.mark.parametrize(
    ("changed", "key", "said"),
    [
        (MOVED, {"dataset": "evals/a.jsonl"}, "dataset changed from evals/a.jsonl to evals/b.jsonl"),
        (
            {"answers": "responses c.jsonl", "asking": "b", "recorded": "x"},
            {"part": "target"},
            "responses c.jsonl answers, and function bot.py:answer did",
        ),
        ({"asking": "b"}, {"part": "target"}, "function bot.py:answer is asked or read otherwise than before"),
        (
            {"recorded": "x"},
            {"part": "target"},
            "function bot.py:answer was edited, and who gave these answers cannot be seen",
        ),
        (
            {"prompt": "p", "answers": "prompt p"},
            {"part": "target"},
            "no longer evaluates function bot.py:answer, but prompt p",
        ),
        (
            {"dataset": "two", "asked": ("evals/a.jsonl", "easy")},
            {"part": "split"},
            "the cases of split easy are asked, and all cases were",
        ),
        ({"model": "n"}, {"part": "model"}, "its model is n, and was m"),
        ({"user": "v"}, {"part": "users"}, "another plays the users of its cases, or otherwise"),
        ({"repeats": (2, 3)}, {"part": "repeats"}, "each case is answered 2 to 3 times, and was 3 times"),
        ({"repeats": (1, 1)}, {"part": "repeats"}, "each case is answered once, and was 3 times"),
        ({"timeout": 90.0}, {"part": "timeout"}, "an answer may take 90 s, and might take 60 s"),
        (
            {"measures": {**SUITE.measures, "facts": {**FACTS, "kind": "length", "max": 9}}},
            {"scorer": "facts"},
            "facts is scored otherwise than before (length instead of contains)",
        ),
        (
            {"measures": {**SUITE.measures, "facts": {**FACTS, "path": "b", "values": ["x"]}}},
            {"scorer": "facts"},
            "facts is scored otherwise than before (path, values)",
        ),
        (
            {"measures": {**SUITE.measures, "tone": {**TONE, "judge": {"p": 2}}}},
            {"scorer": "tone"},
            "tone is scored otherwise than before (its prompt or what stands behind its model)",
        ),
        (
            {"calibrated": {"tone": "kappa 1"}},
            {"scorer": "tone"},
            "what is known of the judge of tone comes with this change",
        ),
    ],
)
def test_what_measures_otherwise_is_told_unless_the_suite_says_why_this_time(changed, key, said):
    new, why = replace(SUITE, **changed), because(**key)
    ((text, reason),) = losses(SUITE, new)
    inside = next(f"{{{name}: {value}, reason: ...}}" for name, value in key.items())
    hint = "`replaces`" if "dataset" in key else f"`replaces: {inside}`"
    assert (text, reason) == (f"{said}, and no {hint} says why", "")
    assert losses(SUITE, replace(new, replaced=(because(scorer="x"), why))) == [Loss(said, "it had to be")]
    stale = losses(replace(SUITE, replaced=(why,)), replace(new, replaced=(why,)))
    assert [loss.reason for loss in stale] == [""], "the reason was there before: it was of another change"


@pytest.mark.parametrize(
    "changed",
    [
        {"target": "u"},  # the bot's own code
        {"measures": {**SUITE.measures, "new": {"kind": "json"}}},
        {"measures": {**SUITE.measures, "extra": {"kind": "length", "max": 9}}},  # nothing is demanded of it
        {"demands": (*SUITE.demands, Gate(score="extra", min=0.9))},
        {"demands": (Gate(score="facts", margin=0.05, min=0.9), SUITE.demands[1])},
        {"repeats": (3, 5)},
        {"timeout": 30.0},
    ],
)
def test_ordinary_work_is_not_told(changed):
    assert losses(SUITE, replace(SUITE, **changed)) == []
    assert losses(SUITE, replace(SUITE, model="", user="")) != []
    assert losses(replace(SUITE, model="", user=""), SUITE) == [], "nobody answered, and nobody played a user"


def test_a_score_that_a_command_demands_is_as_one_with_a_gate():
    old = replace(SUITE, demands=())
    gone = replace(old, measures={})
    assert losses(old, gone) == []
    ((text, _),) = losses(old, gone, {"facts": 0.9})
    assert text.startswith("the score facts is gone, of which --min-facts demands something, and no `replaces: {scorer")
    assert len(losses(old, replace(old, measures={"facts": TONE}), {"facts": 0.9})) == 1
    assert losses(old, replace(old, measures={"facts": TONE}), {"tone": 0.9})[0].text.startswith(
        "the score tone is gone"
    )


def version(number, **more):
    return VersionState(version=number, digest=f"{number}{more}", model=more.pop("model", "m"), **more)


def test_simulated_answers_that_change_with_what_they_answer_for():
    suite = SuiteState(prompt="p", target="", scorers="s", gates="g", dataset="d")

    def state(*versions, **invented):
        return ProjectState(prompts={"p": versions}, suites={"s": suite}, invented=invented)

    one = version("1.0.0")
    before = state(one, m=("rules",), other=("rules", "tape"), real=())
    for after in (before, state(one, m=("tape",)), state(one, version("1.1.0", model="real"), m=("rules",), real=())):
        assert list(weakened(after, before)) == []
    edited = "s: the model {} answers from files of the project that are not as before"
    for alias, after in {
        "m": state(one, m=("better",)),
        "fake": state(one, version("1.1.0", model="fake"), m=("rules",), fake=("new",)),
    }.items():
        ((text, _),) = weakened(after, before)
        assert text == f"{edited.format(alias)}, and no `replaces: {{part: model, reason: ...}}` says why"


def test_an_output_that_changes_with_the_prompt_whose_answers_are_held_against_it():
    suite = SuiteState(
        prompt="p",
        target="",
        scorers="s",
        gates="g",
        dataset="d",
        measures={"valid": {}},
        demands=(Gate(score="valid", min=1),),
        shaped=frozenset({"valid"}),
    )
    before = ProjectState(prompts={"p": (version("1.0.0", output="strict"),)}, suites={"s": suite})
    same, other = (
        replace(before, prompts={"p": (*before.prompts["p"], version("1.1.0", output=output))})
        for output in ("strict", "anything")
    )
    assert list(weakened(same, before)) == []
    ((text, _),) = weakened(other, before)
    assert text.startswith(
        "s: valid is judged by the prompt's own `output`, which is another in 1.1.0, and no `replaces"
    )
    own = replace(suite, shaped=frozenset())
    assert list(weakened(replace(other, suites={"s": own}), replace(before, suites={"s": own}))) == []


def test_a_prompt_does_not_lose_its_suites_by_another_name():
    suite = SuiteState(prompt="p", target="", answers="prompt p", scorers="s", gates="g", dataset="d")
    before = ProjectState(prompts={"p": (version("1.0.0"),)}, suites={"s": suite})
    assert list(weakened(ProjectState(), before)) == [], "it is gone for good"
    ((text, _),) = weakened(ProjectState(prompts={"q": (version("2.0.0"),)}), before)
    assert text == "p went with what evaluates it, and q came, which no suite evaluates"
    after = ProjectState(
        prompts={"q": (version("2.0.0"),)}, suites={"s": replace(suite, prompt="q", answers="prompt q")}
    )
    ((text, _),) = weakened(after, before)
    assert text.startswith("s: no longer evaluates prompt p, but prompt q, and no `replaces: {part: target")
    renamed = replace(suite, prompt="q", answers="prompt q")
    for name in ("s", "t"):
        after = ProjectState(prompts={"q": before.prompts["p"]}, suites={name: renamed})
        assert list(weakened(after, before)) == []


def test_a_suite_that_cannot_be_read_at_the_base_is_not_new():
    before = ProjectState(unreadable={"s": "no file a.jsonl"})
    for after in (ProjectState(), ProjectState(suites={"s": SUITE})):
        ((text, _),) = weakened(after, before)
        assert text == "the suite s cannot be read at the base, so nobody knows what it loses: no file a.jsonl"


def test_releases_go_on_requiring_their_suites():
    before = ProjectState(suites={"s": SUITE}, required={"production": frozenset({"s"}), "old": frozenset({"s"})})
    ((text, _),) = weakened(replace(before, required={"production": frozenset()}), before)
    assert text == "production no longer requires the suite s of a release"


def test_what_is_red_team_stays_it():
    before = ProjectState(suites={"s": SUITE}, red_team=frozenset({"s", "gone"}))
    ((text, _),) = weakened(replace(before, red_team=frozenset()), before)
    assert text == "the suite s is no longer red team, which every change is judged by"
