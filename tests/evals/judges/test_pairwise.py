"""`kind: pairwise`: which of two answers is better, asked in both orders."""

import msgspec
import pytest

from moat.domain.errors import ConfigError, DocumentError, ProviderDown
from moat.domain.scores import Case
from moat.evals.answer import Answered
from tests.evals.judges.worlds import World, a_scorer, shown

pytestmark = pytest.mark.anyio

CASE = Case(id="c1", variables={"question": "How long?"}, expected="The reference says 30 days.")
ANSWER = Answered("My answer: 30 days.")


def is_first(call, text="My answer"):
    content = shown(call)
    first = content.rpartition("[first response")[2].partition("[end of first response")[0]
    return text in first


def better(call, wins):
    """A judge that sees which one is mine."""
    return {"reasoning": "r", "winner": "first" if is_first(call) == wins else "second"}


@pytest.mark.parametrize(
    ("reply", "value", "swayed"),
    [
        (lambda call: better(call, True), 1.0, False),
        (lambda call: better(call, False), 0.0, False),
        (lambda call: {"reasoning": "r", "winner": "first"}, 0.5, True),
        (lambda call: {"reasoning": "r", "winner": "second"}, 0.5, True),
        (lambda call: {"reasoning": "r", "winner": "tie"}, 0.5, False),
        (lambda call: {"reasoning": "r", "winner": "first" if is_first(call) else "tie"}, 0.5, False),
    ],
)
async def test_both_orders_are_asked_and_a_preference_that_turns_is_a_tie(reply, value, swayed, tmp_path) -> None:
    world = World(tmp_path, reply)
    score = await world.scorer(kind="pairwise").score(CASE, ANSWER)
    assert (score.value, score.status) == (value, "ok")
    assert sorted(is_first(call) for call in world.judge.calls) == [False, True]
    (vote,) = score.evidence["votes"]
    assert vote["evidence"]["swayed"] is swayed
    assert vote["evidence"]["lengths"] == {"answer": 19, "other": 27}
    assert score.cost == 220


async def test_equal_answers_are_a_tie_for_free_and_no_reference_is_not_run(tmp_path) -> None:
    world = World(tmp_path, lambda call: better(call, True))
    scorer = world.scorer(kind="pairwise")
    assert (await scorer.score(CASE, Answered("The reference says 30 days."))).value == 0.5
    assert (await scorer.score(Case(id="c2"), ANSWER)).status == "not_run"
    assert world.judge.calls == []


async def test_against_the_answers_of_another_version(tmp_path) -> None:
    lines = [{"case": "c1", "answer": "Theirs 0", "value": None}, {"case": "c1", "repeat": 1, "answer": "Theirs 1"}]
    (tmp_path / "evals").mkdir()
    file = tmp_path / "evals" / "before.jsonl"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    world = World(tmp_path, lambda call: better(call, True))
    scorer = world.scorer(kind="pairwise", against="before.jsonl")
    assert (await scorer.score(CASE, Answered("My answer", repeat=1))).value == 1
    assert all("Theirs 1" in shown(call) for call in world.judge.calls)
    assert (await scorer.score(Case(id="other"), ANSWER)).status == "not_run"
    before = scorer.identity
    file.write_bytes(file.read_bytes().replace(b"Theirs", b"Others"))
    assert a_scorer(kind="pairwise", against="before.jsonl").pin(world).identity != before


async def test_a_panel_of_pairs_and_a_failure_in_one_order(tmp_path) -> None:
    def reply(call):
        if call.model == "b" and is_first(call):
            return ProviderDown("gone")
        return better(call, True)

    world = World(tmp_path, reply, aliases=("a", "b"))
    score = await world.scorer(kind="pairwise", panel=["a", "b"], repeats=2).score(CASE, ANSWER)
    assert (score.status, len(score.evidence["votes"])) == ("error", 4)
    world.judge.reply = lambda call: better(call, call.model == "a")
    split = await world.scorer(kind="pairwise", panel=["a", "b"]).score(CASE, ANSWER)
    assert (split.value, split.evidence["disagreement"]) == (0.5, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no answers"),
        (b'{"case": "a", "answer": "x"}\n{"case": "a", "answer": "y"}', "before.jsonl:2"),
        (b'\n{"case": "a"}', "before.jsonl:2"),
        (b'{"case": "a", "answer": "\xff"}', "before.jsonl:1"),
    ],
)
def test_a_broken_file_of_answers_is_named_with_its_line(content, words, tmp_path) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "before.jsonl").write_bytes(content)
    world = World(tmp_path, lambda call: "")
    with pytest.raises(ConfigError, match=words):
        a_scorer(kind="pairwise", against="before.jsonl").pin(world)


def test_other_answers_come_from_inside_the_project_and_the_prompt_takes_two(tmp_path) -> None:
    world = World(tmp_path / "project", lambda call: "")
    (tmp_path / "outside.jsonl").write_text('{"case": "a", "answer": "x"}')
    with pytest.raises((ConfigError, DocumentError), match=r"outside|leaves"):
        a_scorer(kind="pairwise", against="../../outside.jsonl").pin(world)
    with pytest.raises(ConfigError, match=r"No such file|cannot be read"):
        a_scorer(kind="pairwise", against="missing.jsonl").pin(world)
    with pytest.raises(ConfigError, match="first"):
        a_scorer(kind="pairwise", prompt="judges/relevance@1.0.0").pin(world)
