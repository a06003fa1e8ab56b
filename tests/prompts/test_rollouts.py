"""The next assignment of an environment, whatever was done before: one state machine against a simple model."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moat.domain.errors import ConflictError, InputError, NotFound
from moat.domain.releases import Arm, Assignment, Strategy, choose
from moat.ports.releases import Plan
from moat.prompts import rollouts
from moat.prompts.rollouts import Act

ACT = Act(prompt="p", environment="production", actor="ada", reason="why not", now_ns=7)
RELEASES = st.sampled_from([f"rel_{letter}" for letter in "abcd"])
PERCENT = st.floats(0.01, 99.9)
USERS = [f"user {number}" for number in range(300)]


class Rollouts(RuleBasedStateMachine):
    """`pile` is what was served whole and not fled from since; `new` is what a rollout under way brings."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Assignment] = []
        self.pile: list[str] = []
        self.new: str = ""

    def append(self, assignment: Assignment) -> Assignment:
        self.history.insert(0, assignment)
        return assignment

    def settle(self, release: str) -> None:
        """It serves everybody."""
        self.new = ""
        if self.pile[-1:] != [release]:
            self.pile.append(release)

    @precondition(lambda self: not self.new)
    @rule(release=RELEASES)
    def release_whole(self, release: str) -> None:
        made = rollouts.begin(self.history, release, Plan(), ACT)
        if self.pile[-1:] == [release]:
            assert made is None
            return
        assert made is not None
        assert (made.arms, made.progress, made.experiment) == ((Arm(release),), "closed", "")
        self.append(made)
        self.settle(release)

    @precondition(lambda self: not self.new)
    @rule(release=RELEASES, strategy=st.sampled_from(["canary", "blue_green", "ab", "shadow"]), percent=PERCENT)
    def begin(self, release: str, strategy: Strategy, percent: float) -> None:
        plan = Plan(strategy=strategy, percent=percent)
        if not self.pile or self.pile[-1] == release:
            with pytest.raises(ConflictError):
                rollouts.begin(self.history, release, plan, ACT)
            return
        made = rollouts.begin(self.history, release, plan, ACT)
        assert made is not None
        self.append(made)
        self.new = release
        old = self.pile[-1]
        expected = {
            "canary": (Arm(release, percent, "canary"), Arm(old, 100 - percent, "stable")),
            "blue_green": (Arm(release, 0.0, "green"), Arm(old, 1.0, "blue")),
            "ab": (Arm(release, 50.0, "treatment"), Arm(old, 50.0, "control")),
            "shadow": (Arm(old),),
        }
        assert made.arms == expected[strategy]
        assert made.shadow == (Arm(release, percent / 100, "shadow") if strategy == "shadow" else None)
        assert made.progress == "open"
        assert made.experiment not in {earlier.experiment for earlier in self.history[1:]}

    @precondition(lambda self: self.new)
    @rule(release=RELEASES)
    def nothing_begins_while_a_rollout_is_under_way(self, release: str) -> None:
        with pytest.raises(ConflictError, match="under way"):
            rollouts.begin(self.history, release, Plan(), ACT)

    @precondition(lambda self: self.new)
    @rule(percent=PERCENT)
    def change_share(self, percent: float) -> None:
        before = self.history[0]
        if before.strategy != "canary":
            with pytest.raises(InputError, match="no share"):
                rollouts.promote(self.history, ACT, percent=percent)
            return
        made = self.append(rollouts.promote(self.history, ACT, percent=percent))
        assert [arm.name for arm in made.arms] == ["canary", "stable"]
        assert [arm.release for arm in made.arms] == [arm.release for arm in before.arms]
        assert made.salt == before.salt
        assert made.progress == "open"
        if percent >= before.arms[0].weight:
            was = {user for user in USERS if choose(before.arms, before.salt, user) == 0}
            assert was <= {user for user in USERS if choose(made.arms, made.salt, user) == 0}

    @precondition(lambda self: self.new)
    @rule(winner=st.sampled_from(["treatment", "control", ""]))
    def promote(self, winner: str) -> None:
        before = self.history[0]
        comparing = before.strategy == "ab"
        if comparing != bool(winner):
            with pytest.raises(InputError):
                rollouts.promote(self.history, ACT, arm=winner)
            return
        made = self.append(rollouts.promote(self.history, ACT, arm=winner))
        self.settle(self.pile[-1] if winner == "control" else self.new)
        assert made.progress == "closed"
        if before.strategy == "blue_green":
            assert [(arm.release, arm.weight, arm.name) for arm in made.arms] == [
                (self.pile[-1], 1.0, "green"),
                (self.pile[-2], 0.0, "blue"),
            ]
        else:
            assert made.arms == (Arm(self.pile[-1]),)

    @precondition(lambda self: self.new)
    @rule()
    def pause_or_resume(self) -> None:
        before = self.history[0]
        paused = before.progress == "paused"
        right, wrong = (rollouts.resume, rollouts.pause) if paused else (rollouts.pause, rollouts.resume)
        with pytest.raises(ConflictError):
            wrong(self.history, ACT)
        made = self.append(right(self.history, ACT))
        assert made.progress == ("open" if paused else "paused")
        assert (made.arms, made.shadow, made.salt) == (before.arms, before.shadow, before.salt)

    @rule(how=st.sampled_from([rollouts.abort, rollouts.roll_back]))
    def go_back(self, how: Callable[[rollouts.History, Act], Assignment]) -> None:
        """To where the last assignment points; and a second time further back, never forward."""
        if not self.new and (how is rollouts.abort or len(self.pile) < 2):
            with pytest.raises(NotFound):
                how(self.history, ACT)
            return
        before = self.history[0]
        made = self.append(how(self.history, ACT))
        if self.new:
            self.new = ""
        else:
            self.pile.pop()
            assert not before.returns_to or made.returns_to < before.returns_to
        assert made.arms == before.replaces == (Arm(self.pile[-1]),)
        assert made.progress == "closed"
        target = self.history[-made.returns_to]
        assert (target.sequence, rollouts._main(target)) == (made.returns_to, self.pile[-1])

    @precondition(lambda self: not self.new)
    @rule()
    def there_is_nothing_to_steer(self) -> None:
        steering: tuple[Callable[..., Any], ...] = (rollouts.promote, rollouts.pause, rollouts.resume, rollouts.abort)
        for steer in steering:
            with pytest.raises(NotFound, match="no rollout"):
                steer(self.history, ACT)

    @invariant()
    def the_history_has_no_gap(self) -> None:
        assert [a.sequence for a in reversed(self.history)] == list(range(1, len(self.history) + 1))

    @invariant()
    def what_is_served_is_the_top_of_the_pile(self) -> None:
        assert rollouts.settled(self.history) == (self.pile[-1] if self.pile else "")
        assert rollouts.under_way(self.history) == bool(self.new)
        if self.history:
            below = self.pile[-1:] if self.new else self.pile[-2:-1]
            assert self.history[0].replaces == tuple(map(Arm, below))


Rollouts.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestRollouts = Rollouts.TestCase


def served(*releases: str) -> list[Assignment]:
    """A history of releases that served everybody one after another."""
    history: list[Assignment] = []
    for release in releases:
        made = rollouts.begin(history, release, Plan(), ACT)
        assert made is not None
        history.insert(0, made)
    return history


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(strategy="canary"), "less than 100 percent"),
        (Plan(strategy="canary", percent=100), "less than 100 percent"),
        (Plan(strategy="canary", percent=-1), "more than 0"),
        (Plan(strategy="canary", percent=float("nan")), "more than 0"),
        (Plan(strategy="shadow", percent=100.5), "at most 100 percent"),
        (Plan(strategy="canary", percent=5, arms=(Arm("rel_b"),)), "for an experiment"),
        (Plan(experiment="tone"), "for an experiment"),
        (Plan(strategy="ab", arms=(Arm("rel_b", 1, "new"),)), "at least two arms"),
        (Plan(strategy="ab", arms=(Arm("rel_b", 1, "new"), Arm("rel_a", 1, "new"))), "a name of its own"),
        (Plan(strategy="ab", arms=(Arm("rel_b", 1, ""), Arm("rel_a", 1, "old"))), "cannot be a name"),
        (Plan(strategy="ab", arms=(Arm("rel_b", 0, "new"), Arm("rel_a", 1, "old"))), "weight above 0"),
        (Plan(strategy="ab", arms=(Arm("rel_b", float("inf"), "new"), Arm("rel_a", 1, "old"))), "weight above 0"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: Plan, said: str) -> None:
    with pytest.raises(InputError, match=said):
        rollouts.begin(served("rel_a"), "rel_b", plan, ACT)


@pytest.mark.parametrize("percent", [0, 100, -5, float("nan")])
def test_a_share_that_is_none_is_refused(percent: float) -> None:
    history = served("rel_a")
    canary = rollouts.begin(history, "rel_b", Plan(strategy="canary", percent=5), ACT)
    assert canary is not None
    with pytest.raises(InputError, match="less than 100 percent"):
        rollouts.promote([canary, *history], ACT, percent=percent)


def test_a_shadow_may_take_a_copy_of_every_call() -> None:
    made = rollouts.begin(served("rel_a"), "rel_b", Plan(strategy="shadow", percent=100), ACT)
    assert made is not None
    assert made.shadow == Arm("rel_b", 1.0, "shadow")


def test_an_experiment_has_the_arms_it_was_given_and_one_of_them_wins() -> None:
    history = served("rel_a")
    arms = (Arm("rel_b", 1, "short"), Arm("rel_c", 1, "long"), Arm("rel_a", 2, "old"))
    made = rollouts.begin(history, "rel_b", Plan(strategy="ab", experiment="tone", arms=arms), ACT)
    assert made is not None
    assert (made.arms, made.experiment) == (arms, "production/p/tone#2")
    history.insert(0, made)
    for wrong, said in (("", "which arm won"), ("loud", "no arm 'loud'")):
        with pytest.raises(InputError, match=said) as caught:
            rollouts.promote(history, ACT, arm=wrong)
        assert "short, long, old" in str(caught.value)
    assert rollouts.promote(history, ACT, arm="long").arms == (Arm("rel_c"),)


def test_what_serves_everybody_may_be_compared_with_itself_when_the_arms_say_so() -> None:
    arms = (Arm("rel_a", 1, "one"), Arm("rel_a", 1, "two"))
    made = rollouts.begin(served("rel_a"), "rel_a", Plan(strategy="ab", arms=arms), ACT)
    assert made is not None
    assert made.arms == arms


def test_a_winner_is_for_experiments_only() -> None:
    history = served("rel_a")
    for plan in (Plan(strategy="canary", percent=5), Plan(strategy="blue_green"), Plan(strategy="shadow", percent=5)):
        made = rollouts.begin(history, "rel_b", plan, ACT)
        assert made is not None
        with pytest.raises(InputError, match="no winner"):
            rollouts.promote([made, *history], ACT, arm="stable")


def test_rules_once_broken_stay_on_record_until_the_rollout_is_undone() -> None:
    history = served("rel_a")
    broken = Act(prompt="p", environment="production", actor="ada", reason="!", now_ns=8, overridden=("is frozen",))
    made = rollouts.begin(history, "rel_b", Plan(strategy="canary", percent=5), broken)
    assert made is not None
    history.insert(0, made)
    more = rollouts.promote(history, broken, percent=50)
    assert more.overridden == ("is frozen",)
    held = rollouts.pause([more, *history], ACT)
    assert rollouts.promote([held, more, *history], ACT).overridden == ("is frozen",)
    assert rollouts.abort([held, more, *history], ACT).overridden == ()
