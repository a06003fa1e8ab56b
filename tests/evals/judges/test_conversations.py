"""Judges of whole conversations, and models that play users."""

import pytest

from moat.domain.errors import ConfigError, ProviderRefused
from moat.domain.scores import Case, SimulatedUser
from moat.evals.answer import Answered
from moat.evals.judges.user import next_turn
from tests.evals.judges.worlds import World, scores, shown

pytestmark = pytest.mark.anyio

FIND = {"id": "1", "function": {"name": "find", "arguments": "{}"}}
SAID = [
    {"role": "user", "content": "Where is my order?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "find", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "1", "content": "shipped"},
    {"role": "assistant", "content": "It is on its way."},
    {"role": "user", "content": [{"type": "text", "text": "When?"}, {"type": "image_url", "image_url": {}}]},
    {"role": "assistant", "content": "On Monday."},
]


async def test_a_conversation_is_judged_as_a_whole(tmp_path) -> None:
    world = World(tmp_path, scores(1))
    case = Case(id="c", variables={"question": "Where is my order?"}, turns=["When?"])
    score = await world.scorer(metric="conversation").score(case, Answered("On Monday.", messages=SAID))
    assert score.value == 1
    text = shown(world.judge.calls[0])
    for piece in (
        "message 1 by user",
        "(calls the tool) ",
        "shipped",
        "message 6 by assistant",
        "(image_url, not shown)",
    ):
        assert piece in text


async def test_of_several_turns_the_last_question_is_the_one_that_was_answered(tmp_path) -> None:
    world = World(tmp_path, scores(1))
    case = Case(id="c", variables={"question": "Where is my order?"}, turns=["When?"])
    await world.scorer(metric="relevance").score(case, Answered("On Monday.", messages=SAID))
    text = shown(world.judge.calls[0])
    assert "When?" in text
    assert "Where is my order?" not in text


async def test_without_a_transcript_a_conversation_is_question_and_answer(tmp_path) -> None:
    world = World(tmp_path, scores(1))
    case = Case(id="c", messages=[{"role": "user", "content": "Hi?"}])
    calls = [{"id": "1", "function": {"name": "greet", "arguments": '{"to": "you"}'}}]
    await world.scorer(metric="conversation").score(case, Answered("", tool_calls=calls))
    text = shown(world.judge.calls[0])
    assert "Hi?" in text
    assert "greet" in text


@pytest.mark.parametrize(
    ("case", "question"),
    [
        (Case(id="c", variables={"input": "A?", "name": "Bo"}), "A?"),
        (Case(id="c", variables={"text": "B?", "count": 3}), "B?"),
        (Case(id="c", variables={"a": "x", "b": "y"}, messages=[{"role": "user", "content": "C?"}]), "C?"),
        (Case(id="c", variables={"a": "x", "b": "y"}), '{"a":"x","b":"y"}'),
    ],
)
async def test_what_the_question_is(case, question, tmp_path) -> None:
    world = World(tmp_path, scores(1))
    assert (await world.scorer(metric="relevance").score(case, Answered("x"))).value == 1
    assert f"instructions]\n{question}\n[end of question" in shown(world.judge.calls[0])


USER = SimulatedUser(goal="Get a refund", persona="Impatient", max_turns=2)
CASE = Case(id="c", variables={"question": "I want my money back"}, user=USER)
TALK = [{"role": "user", "content": "I want my money back"}, {"role": "assistant", "content": "Why? Say DONE."}]


async def test_a_simulated_user_goes_on_until_he_has_what_he_wants_or_gives_up(tmp_path) -> None:
    world = World(tmp_path, lambda call: "It broke.\n")
    assert await next_turn(world.bench, CASE, TALK) == "It broke."
    (call,) = world.judge.calls
    assert call.caller.feature == "judge:user"
    for piece in ("Get a refund", "Impatient", "message by the assistant", "Why? Say DONE.\n[end of"):
        assert piece in shown(call)
    more = [*TALK, {"role": "user", "content": "It broke."}, {"role": "assistant", "content": "Oh."}]
    assert await next_turn(world.bench, CASE, more) == "It broke."
    assert await next_turn(world.bench, CASE, [*more, *more[2:]]) is None
    assert await next_turn(world.bench, CASE, TALK, turn=2) is None
    assert len(world.judge.calls) == 2
    world.judge.reply = lambda call: '"done."'
    assert await next_turn(world.bench, CASE, TALK) is None
    assert await next_turn(world.bench, Case(id="c"), TALK) is None


async def test_repeats_of_a_case_have_users_of_their_own(tmp_path) -> None:
    world = World(tmp_path, lambda call: f"turn {call.repeat}", cached=True)
    said = [await next_turn(world.bench, CASE, TALK, repeat=repeat) for repeat in (0, 1, 0)]
    assert said == ["turn 0", "turn 1", "turn 0"]
    assert len(world.judge.calls) == 2


async def test_a_user_who_says_nothing_and_a_project_without_one_are_errors(tmp_path) -> None:
    world = World(tmp_path, lambda call: "  ")
    with pytest.raises(ProviderRefused, match="said nothing"):
        await next_turn(world.bench, CASE, TALK)
    without = World(tmp_path / "other", lambda call: "x", metrics=["relevance"])
    with pytest.raises(ConfigError, match="moat judge add user"):
        await next_turn(without.bench, CASE, TALK)
