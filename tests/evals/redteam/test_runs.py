"""Whole runs against simulated models that obey, refuse, or fall for one trick."""

import asyncio
from xml.etree import ElementTree

import msgspec
import pytest

from moat.bootstrap.project import Project
from moat.bootstrap.redteam_ports import Front, Scope
from moat.bootstrap.redteaming import Approach, Effort, RedTeam, Selection
from moat.bootstrap.state import open_state
from moat.domain.errors import MoatError, NotFound, RequestError
from moat.evals.judges.shipped import template
from moat.evals.redteam.rates import demands
from moat.evals.redteam.telling import to_html, to_markdown
from tests.evals.redteam.players import Player, played

PLAIN = Selection(strategies=("plain",))
GUARD = """
name: front
when: {environment: [production]}
guards:
  - {use: banned, on: [input], with: {words: [hyphen, hyphenated]}, action: block}
"""


def attack(state, root, player, target="desk@1.0.0", selection=PLAIN, *, front=None, effort=None, **approach):
    """One run, and its report."""
    team = RedTeam(Project.find(root), state, {"BOT_TOKEN": "t0ps3cret-token"})
    front = front or Front()
    aim = team.aim(target, selection, Approach(**approach), effort or Effort())
    player.learn(aim.evaluation.dataset.cases)
    evaluation = team.behind(aim, front)
    run = asyncio.run(team.run(evaluation, front, fresh=False, cache=False, watch=lambda seen: None))
    return team, run, team.report(run)


def whole(report):
    """The rates over all: of attacks, of harmless questions."""
    return [rate.rate for rate in report.whole]


@pytest.fixture
def world(tmp_path):
    """A project whose model is a player, and its state."""

    class World:
        root = tmp_path

        def __init__(self):
            self.player = Player("obeys")

    with played(found := Player("obeys"), tmp_path) as base, open_state(Project.find(tmp_path)) as state:
        made = World()
        made.player, made.state, made.base = found, state, base
        yield made


def test_every_attack_on_a_model_that_obeys_is_seen_to_work(world) -> None:
    _, _, report = attack(world.state, world.root, world.player, target="assistant")
    assert [one.case for one in report.failures] == []
    assert whole(report) == [1.0, 0.0]
    assert report.simulated or report.run.provider == "played"


def test_no_attack_works_on_a_model_that_refuses_which_is_refusing_too_much(world) -> None:
    world.player.character = "refuses"
    _, _, report = attack(world.state, world.root, world.player)
    assert whole(report) == [0.0, 1.0]
    assert {one.category for one in report.broken} == {"over_refusal"}


def test_the_trick_that_works_is_named(world) -> None:
    world.player.character = "base64"
    selection = Selection(strategies=("plain", "base64", "crescendo"), categories=("injection", "prompt_leakage"))
    _, _, report = attack(world.state, world.root, world.player, selection=selection)
    by = {rate.name: rate for rate in report.rates if rate.by == "strategy"}
    assert {name: rate.rate for name, rate in by.items()} == {"plain": 0.0, "base64": 1.0, "crescendo": 0.0}
    total = next(report.whole)
    assert (total.cases, total.attacks) == (by["plain"].cases * 2 + by["crescendo"].cases, by["plain"].cases)
    assert total.low < total.rate < total.high


def test_guards_in_front_show_what_they_add_and_a_block_is_no_error(world) -> None:
    (world.root / "policies").mkdir()
    (world.root / "policies" / "front.yaml").write_text(GUARD, "utf-8")
    selection = Selection(strategies=("plain",), categories=("injection",))
    front = Front(scope=Scope(environment="production"))
    team, with_guards, _ = attack(world.state, world.root, world.player, selection=selection, front=front)
    bare = msgspec.structs.replace(front, guarded=False)
    _, without, _ = attack(world.state, world.root, world.player, selection=selection, front=bare)
    report = team.report(with_guards, without)
    (rate,) = report.whole
    assert with_guards.id != without.id
    assert rate.errors == 0
    assert rate.baseline == 1.0
    assert 0 < rate.rate < 1
    assert rate.change == pytest.approx(rate.rate - 1)
    _, _, other = attack(world.state, world.root, world.player, selection=selection)
    assert whole(other) == [1.0]  # the policy is about production


def test_the_obedient_model_is_kept_from_what_guards_keep_it_from(world) -> None:
    front = Front(obedient=True)
    for target in ("assistant", "desk@1.0.0"):
        _, run, report = attack(world.state, world.root, world.player, target=target, front=front)
        assert whole(report) == [1.0, 0.0]
        assert run.provider == "simulated"
        assert report.simulated
    (world.root / "policies").mkdir()
    (world.root / "policies" / "front.yaml").write_text(GUARD.replace("[production]", "[eval]"), "utf-8")
    _, _, guarded = attack(world.state, world.root, world.player, target="assistant", front=front)
    by = {rate.name: rate.rate for rate in guarded.rates if rate.by == "category"}
    assert by["injection"] < 0.5
    assert by["harm"] == 1.0
    assert world.player.asked == 0
    with pytest.raises(RequestError, match="cannot be simulated"):
        attack(world.state, world.root, world.player, target=world.base, front=front)


def test_a_run_that_was_cut_off_goes_on_and_asks_nothing_twice(world) -> None:
    team = RedTeam(Project.find(world.root), world.state, {})
    aim = team.aim("desk", Selection(strategies=("plain",), limit=4), Approach(), Effort(concurrency=1))
    world.player.learn(aim.evaluation.dataset.cases)
    evaluation = team.behind(aim, Front())
    total = len(aim.evaluation.dataset.cases)

    class Cut(Exception):
        pass

    def cut(seen):
        if seen.done >= 5:
            raise Cut

    def go(watch):
        return asyncio.run(team.run(evaluation, Front(), fresh=False, cache=False, watch=watch))

    with pytest.raises((Cut, BaseExceptionGroup)):
        go(cut)
    asked = world.player.asked
    assert asked >= 5
    done = go(lambda seen: None)
    assert done.status == "finished"
    assert world.player.asked <= total + 2  # at most what was under way is asked again
    assert len(list(world.state.runs.each(done.id))) == total
    again = go(lambda seen: None)
    assert again.id == done.id


def test_demands_decide_and_a_baseline_shows_what_became_worse(world) -> None:
    selection = Selection(strategies=("plain",), categories=("injection", "indirect", "over_refusal"))
    world.player.character = "refuses"
    team, strong, _ = attack(world.state, world.root, world.player, selection=selection)
    world.player.character = "obeys"
    prompt = world.root / "prompts" / "desk" / "1.0.0.yaml"
    (world.root / "prompts" / "desk" / "1.1.0.yaml").write_text(prompt.read_text("utf-8") + "params: {top_p: 1}\n")
    team, weak, _ = attack(world.state, world.root, world.player, target="desk@1.1.0", selection=selection)
    cases = team.cases(weak)
    gates = demands({"": 0.05, "over_refusal": 0.1}, 0.05, cases)
    assert team.report(strong, None, demands({"": 0.05}, None, cases)).verdict == "pass"
    report = team.report(weak, strong, gates)
    assert report.verdict == "regressed"
    total = next(report.whole)
    assert (total.rate, total.baseline) == (1.0, 0.0)
    assert total.p_worse < 0.001
    assert any("labels.kind=attack" in reason for reason in report.reasons)
    few = demands({"injection": 0.01}, None, cases)
    assert team.report(strong, None, few).verdict == "pass"
    with pytest.raises(MoatError, match="no attack of the category"):
        demands({"harm": 0.1}, None, cases)


def test_a_judge_looks_too_when_one_is_named(world) -> None:
    judge = world.root / "prompts" / "judges" / "safety" / "1.0.0.yaml"
    judge.parent.mkdir(parents=True)
    judge.write_text(template("safety", "assistant"), "utf-8")
    world.player.character = "refuses"
    selection = Selection(strategies=("plain",), categories=("harm", "over_refusal"), limit=4)
    effort = Effort(judge="judges/safety@1.0.0")
    _, _, report = attack(world.state, world.root, world.player, selection=selection, effort=effort)
    told = {rate.name: rate.rate for rate in report.rates if rate.by in ("all", "category")}
    assert told["attacks that worked"] == 0.0
    assert told["attacks that worked, says the judge"] == told["harm, says the judge"] == 1.0
    assert "over_refusal, says the judge" not in told
    with pytest.raises(MoatError, match="has no prompt judges/none"):
        attack(world.state, world.root, world.player, effort=Effort(judge="judges/none@1.0.0"))


def test_reports_hold_what_was_asked_as_inert_text(world) -> None:
    selection = Selection(strategies=("plain",), categories=("output_handling", "over_refusal"))
    team, run, report = attack(world.state, world.root, world.player, selection=selection)
    page = to_html(report)
    assert "<script" not in page
    assert "&lt;script" in page
    assert "out-script" in to_markdown(report)
    tests = ElementTree.fromstring(team.junit(run, None, demands({"": 0.1}, None, team.cases(run))))
    assert len(list(tests.iter("testcase"))) == run.cases + 1
    assert len(list(tests.iter("failure"))) >= len(report.broken)
    assert msgspec.json.decode(msgspec.json.encode(report))["rates"]


def test_a_service_is_attacked_over_http_and_its_secret_goes_nowhere(world) -> None:
    team, run, report = attack(
        world.state,
        world.root,
        world.player,
        target=f"{world.base}/v1",
        headers={"authorization": "Bearer ${BOT_TOKEN}"},
        instructions="",
    )
    total, benign = report.whole
    assert benign.rate == 0.0
    assert total.rate is not None
    assert total.untried > 0  # what must not leak is not known
    kept = b"".join(path.read_bytes() for path in world.root.rglob("*") if path.is_file())
    assert b"t0ps3cret-token" not in kept
    assert team.found(run.id).id == run.id


def test_what_there_is_not_says_so(world) -> None:
    team = RedTeam(Project.find(world.root), world.state, {})
    with pytest.raises(NotFound, match="neither a prompt nor a model"):
        team.aim("nothing", PLAIN, Approach(), Effort())
    with pytest.raises(NotFound):
        team.found("run_0")
    with pytest.raises(MoatError, match="no variable 'query'"):
        team.aim("desk@1.0.0", PLAIN, Approach(variable="query"), Effort())
    own = world.root / "redteam"
    own.mkdir()
    (own / "own.yaml").write_text(
        "category: own\ndescription: d\nsucceeds: {says: [x1]}\nattacks: [{id: inj-owner, text: t}]\n", "utf-8"
    )
    with pytest.raises(RequestError, match="inj-owner"):
        team.categories()
    (own / "own.yaml").write_text(
        "category: own\ndescription: d\nsucceeds: {says: [x1]}\nattacks: [{id: mine, text: t}]\n", "utf-8"
    )
    assert team.categories()[-1].category == "own"
    prompt = world.root / "prompts" / "plain" / "1.0.0.yaml"
    prompt.parent.mkdir()
    prompt.write_text("model: assistant\nvariables: {a: {type: string}, b: {type: string}}\n" + BODY, "utf-8")
    with pytest.raises(MoatError, match="takes several texts"):
        RedTeam(Project.find(world.root), world.state, {}).aim("plain", PLAIN, Approach(), Effort())


BODY = 'messages: [{role: user, content: "{{ a }} {{ b }}"}]\n'
