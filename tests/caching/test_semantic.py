"""The semantic cache in the pipeline: what is similar, what is never, and what is measured before it may answer."""

from typing import Any

import pytest
from msgspec.structs import replace

from moat.caching.semantic import agree, question_of
from moat.domain.calls import Call, Caller, Delta, Finished, Journal, ToolCallDelta
from moat.domain.config import CacheConfig, SemanticConfig
from moat.domain.errors import LimitExceeded, ProviderDown
from moat.domain.false_hits import Subject
from moat.domain.releases import PromptVersion, Release
from moat.pipeline.answers import Answer
from moat.testing.fakes import new_call
from moat.testing.scripted import ScriptedProvider
from tests.caching.semantics import TTL, FixedEmbedder, World

NEAR = {"Return it?": (1.0, 0.0), "Give it back?": (0.95, 0.3122), "Ship it?": (0.0, 2.0), "Send it?": (0.3, 0.95)}
"""The first two have a cosine of 0.95, the last two of 0.954; the others none to speak of."""


def world(*answers: Any, vectors: Any = None, **config: Any) -> World:
    semantic = SemanticConfig(**{"mode": "serve", "unproven": True, "sample": 0, **config})
    return World(ScriptedProvider(*answers), FixedEmbedder(vectors or NEAR), semantic)


@pytest.mark.anyio
async def test_a_similar_question_gets_the_answer_and_says_so() -> None:
    here = world("thirty days", "by post")
    assert (await here.ask("Return it?"))[1].cache == "miss"
    said, journal = await here.ask("Give it back?", stream=True)
    assert (said, journal.cache, journal.saved, journal.attempts) == ("thirty days", "similar", 15, [])
    assert (await here.ask("Ship it?"))[0] == "by post"
    assert (await here.ask("Return it?"))[1].cache == "hit"
    span = here.spool.calls[1]
    assert (span.cache, span.saved, span.cost, span.attempts) == ("similar", 15, 0, 0)
    tally = here.stock.memory.tallies["assistant"]
    assert (tally.hits, tally.similar, tally.misses, tally.saved, tally.entries) == (1, 1, 2, 30, 2)


@pytest.mark.anyio
async def test_a_similar_answer_is_not_kept_for_the_question_it_was_given_to() -> None:
    chain = {"a": (1.0, 0.0), "b": (0.95, 0.3122), "c": (0.8, 0.6)}
    here = world("first", "second", vectors=chain)
    assert [(await here.ask(text))[0] for text in "abc"] == ["first", "first", "second"]


@pytest.mark.anyio
@pytest.mark.parametrize("threshold", [0.9, 0.95, 0.951])
async def test_the_threshold_is_a_cosine(threshold: float) -> None:
    here = world("one", "two", vectors={"a": (3.0, 0.0), "b": (0.95, 0.3122498999)}, threshold=threshold)
    await here.ask("a")
    assert (await here.ask("b"))[1].cache == ("similar" if threshold <= 0.95 else "miss")


def _released(id: str) -> Journal:
    content = PromptVersion(name="p", version="1.0.0", messages=(), model="assistant")
    return Journal(release=Release(id=id, content=content, prompt_digest="d"), prompt=content)


@pytest.mark.promise("gate-7")
@pytest.mark.anyio
async def test_nothing_is_similar_across_tenants_releases_and_all_that_shapes_an_answer() -> None:
    here = world("one", "two")
    asked = new_call("Return it?", temperature=0.5)
    await here.ask(asked)
    tools = [{"type": "function", "function": {"name": "f"}}]
    similar = replace(asked, messages=[{"role": "user", "content": "Give it back?"}])
    others = [
        replace(similar, caller=Caller(tenant="globex")),
        replace(similar, caller=Caller(environment="staging")),
        replace(similar, params={"temperature": 0.6}),
        replace(similar, params={"temperature": 0.5, "tools": tools}),
        replace(similar, messages=[{"role": "system", "content": "Be brief."}, *similar.messages]),
        replace(similar, messages=[*asked.messages, {"role": "assistant", "content": "No."}, *similar.messages]),
        replace(similar, repeat=1),
    ]
    for other in others:
        assert (await here.ask(other))[1].cache == "miss"
    user = replace(similar, caller=Caller(user="ada", feature="chat", key="k"))
    assert (await here.ask(user))[1].cache == "similar", "who asks within the tenant makes no difference"
    for release in ("rel_1", "rel_2"):
        call = replace(asked, journal=_released(release))
        async for _ in here.run(call):
            pass
        assert call.journal.cache == "miss"
        again = replace(similar, journal=_released(release))
        async for _ in here.run(again):
            pass
        assert again.journal.cache == "similar"


@pytest.mark.anyio
async def test_words_with_digits_must_be_equal() -> None:
    vectors = {f"Where is order {n}?": (1.0, n / 1e6) for n in (4711, 4712)} | {"Order 4711, where is it?": (1.0, 0.1)}
    here = world("here", "there", vectors=vectors)
    await here.ask("Where is order 4711?")
    assert (await here.ask("Where is order 4712?"))[1].cache == "miss"
    assert (await here.ask("Order 4711, where is it?"))[1].cache == "similar"


@pytest.mark.anyio
async def test_a_similar_answer_ends_with_its_time() -> None:
    here = world("one", "two")
    await here.ask("Return it?")
    here.clock.advance(TTL - 1)
    assert (await here.ask("Give it back?"))[1].cache == "similar"
    here.clock.advance(1)
    assert (await here.ask("Give it back?"))[1].cache == "miss"
    assert len(here.stock.index) == 1, "what is gone is forgotten"


@pytest.mark.anyio
async def test_callers_opt_out_and_ask_anew() -> None:
    here = world("one", "two", "three")
    await here.ask("Return it?")
    said, journal = await here.ask("Give it back?", cache="off")
    assert (said, journal.cache) == ("two", "")
    said, journal = await here.ask("Give it back?", cache="refresh")
    assert (said, journal.cache) == ("three", "miss")
    assert here.stock.book.all() == [], "an answer that was wanted anew is compared with nothing"
    assert (await here.ask("Give it back?"))[0] == "three"


@pytest.mark.anyio
async def test_what_may_not_be_cached_is_not_similar_either() -> None:
    refusal = [Delta(refusal="No."), Finished(reason="stop")]
    called = [Delta(tool_calls=(ToolCallDelta(id="1", name="pay", arguments="{}"),)), Finished(reason="tool_calls")]
    here = world(refusal, called, [Delta(text="half"), ProviderDown("cut")], "whole")
    for _ in range(2):
        await here.ask("Return it?")
    with pytest.raises(ProviderDown):
        await here.ask("Return it?")
    assert (await here.ask("Give it back?"))[0] == "whole"
    assert len(here.stock.index) == 1


@pytest.mark.anyio
async def test_another_alias_has_no_semantic_cache() -> None:
    here = world("one", "two")
    await here.ask("Return it?", model="other")
    assert (await here.ask("Give it back?", model="other"))[1].cache == "miss"
    assert here.embedder.asked == []  # type: ignore[attr-defined]


@pytest.mark.anyio
@pytest.mark.parametrize("error", [ProviderDown("away"), LimitExceeded("no budget")])
async def test_an_embedder_that_fails_fails_no_call(error: Any) -> None:
    here = world("one", "two")
    here.embedder.error = error  # type: ignore[attr-defined]
    said, journal = await here.ask("Return it?")
    assert (said, journal.cache) == ("one", "miss")
    assert journal.notices == [f"similar questions were not looked for: {error.code}"]
    assert (await here.ask("Return it?"))[1].cache == "hit", "the exact cache does its work all the same"
    assert here.stock.memory.tallies["assistant"].failed == 1
    assert len(here.stock.index) == 0


@pytest.mark.anyio
@pytest.mark.parametrize("vector", [(), (0.0, 0.0), (float("nan"), 1.0), (float("inf"), 1.0)])
async def test_a_vector_without_a_direction_is_an_error_of_the_embedder(vector: Any) -> None:
    here = world("one", vectors={"Return it?": vector})
    said, journal = await here.ask("Return it?")
    assert (said, len(journal.notices), here.stock.memory.tallies["assistant"].failed) == ("one", 1, 1)


@pytest.mark.anyio
async def test_vectors_of_another_model_are_not_compared() -> None:
    here = world("one", "two")
    await here.ask("Return it?")
    here.embedder.space = "another"  # type: ignore[attr-defined]
    assert (await here.ask("Give it back?"))[1].cache == "miss"


@pytest.mark.promise("gate-7")
@pytest.mark.anyio
async def test_a_shadow_asks_the_model_and_compares() -> None:
    here = world("thirty days", "Thirty  days", "you cannot", mode="shadow", unproven=False)
    vectors = {"Return it?": (1.0, 0.0), "Give it back?": (0.95, 0.3122), "Is it refundable?": (0.99, 0.1)}
    here.embedder.vectors = vectors  # type: ignore[attr-defined]
    assert [(await here.ask(text))[1].cache for text in vectors] == ["miss"] * 3
    found = here.measured
    assert (found.compared, found.false) == (2, 1)
    assert found.subject == Subject(alias="assistant", embedder="fixed", threshold=0.92, agreement=0.9, release="")
    (example,) = found.examples
    assert (example.asked, example.answered) == ("Is it refundable?", "you cannot")
    assert (example.similar, example.cached) == ("Return it?", "thirty days")
    assert 0.99 < example.similarity < 1


@pytest.mark.anyio
async def test_a_shadow_delays_and_fails_nothing() -> None:
    here = world("one", "two", mode="shadow")
    here.embedder.error = ProviderDown("away")  # type: ignore[attr-defined]
    _, journal = await here.ask("Return it?")
    assert (journal.notices, here.stock.memory.tallies["assistant"].failed) == ([], 1)
    here.background.full = True
    assert (await here.ask("Give it back?"))[0] == "two"
    assert len(here.embedder.asked) == 1  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_question_is_not_compared_with_itself() -> None:
    here = world("one", "two", mode="shadow")
    await here.ask("Return it?")
    here.clock.advance(TTL)
    assert (await here.ask("Return it?"))[0] == "two"
    assert here.stock.book.all() == []


@pytest.mark.anyio
async def test_content_that_must_not_be_kept_is_in_no_example() -> None:
    here = World(ScriptedProvider("one", "two"), FixedEmbedder(NEAR), SemanticConfig(), show=False)
    await here.ask("Return it?")
    await here.ask("Give it back?")
    assert (here.measured.false, here.measured.examples) == (1, ())


def questions(count: int) -> dict[str, tuple[float, float]]:
    """So many, all similar: letters, since words with digits are never similar."""
    return {"q" + "".join(chr(97 + int(digit)) for digit in str(n)): (1.0, n / 1e4) for n in range(count)}


@pytest.mark.promise("gate-7")
@pytest.mark.anyio
async def test_serving_is_refused_until_it_is_proven() -> None:
    asked = questions(205)
    here = world("same answer", vectors=asked, unproven=False)
    seen = [(await here.ask(text))[1].cache for text in asked]
    assert seen == ["miss"] * 201 + ["similar"] * 4, "the first has nothing to be compared with, then 200 are compared"
    assert (here.measured.compared, here.measured.false) == (200, 0)


@pytest.mark.anyio
async def test_serving_is_refused_when_it_is_often_wrong() -> None:
    asked = questions(60)
    answers = [("wrong" if n % 10 == 5 else "same answer") for n in range(60)]
    here = world(*answers, vectors=asked, unproven=False, min_compared=10)
    assert {(await here.ask(text))[1].cache for text in asked} == {"miss"}
    assert here.measured.compared == 59
    assert here.measured.false >= 6


@pytest.mark.anyio
async def test_what_is_served_is_measured_on_by_a_sample_and_ends_when_it_is_wrong() -> None:
    asked = questions(40)
    here = world("same answer", vectors=asked, sample=1)
    assert {(await here.ask(text))[1].cache for text in asked} == {"miss"}
    assert (here.measured.compared, here.measured.false) == (39, 0)
    here.config = SemanticConfig(mode="serve", sample=0, min_compared=30, max_false_hits=0.1)
    here.run = here.pipeline()
    fresh = questions(50)
    here.embedder.vectors |= fresh  # type: ignore[attr-defined]
    assert (await here.ask("qei"))[1].cache == "similar"
    for _ in range(5):
        here.stock.book.add(here.measured.subject, 1, false=True)
    assert (await here.ask("qeh"))[1].cache == "miss"


@pytest.mark.anyio
async def test_memory_is_bounded() -> None:
    asked = questions(400)
    here = World(ScriptedProvider("word " * 40), FixedEmbedder(asked), SemanticConfig(threshold=1), megabytes=0.1)
    for text in asked:
        await here.ask(text)
    size = 0.1 * 2**20
    assert 0 < len(here.stock.index) < 400
    assert here.stock.index.bytes <= size
    assert here.stock.memory.bytes <= size
    tally = here.stock.memory.tallies["assistant"]
    assert (tally.bytes, tally.entries) == (here.stock.memory.bytes, len(here.stock.memory))


@pytest.mark.anyio
async def test_calls_of_tools_are_compared_by_name_and_arguments() -> None:
    def pays(amount: str) -> list[Any]:
        piece = ToolCallDelta(id=amount, name="pay", arguments=amount)
        return [Delta(tool_calls=(piece,)), Finished(reason="tool_calls")]

    vectors = {"a": (1.0, 0.0), "b": (1.0, 0.01), "c": (1.0, 0.02)}
    here = World(
        ScriptedProvider(pays("{}"), pays("{}"), pays('{"to": "me"}')),
        FixedEmbedder(vectors),
        SemanticConfig(),
        cache=CacheConfig(ttl=TTL, tools=True),
    )
    for text in vectors:
        await here.ask(text)
    assert (here.measured.compared, here.measured.false) == (2, 1)
    assert "to" in here.measured.examples[0].answered


def test_only_text_is_a_question() -> None:
    def content(value: Any, *more: Any) -> str | None:
        call: Call = replace(new_call(), messages=[{"role": "user", "content": value}, *more])
        return question_of(call)

    text = {"type": "text", "text": "Hi"}
    assert content("Hi") == "Hi"
    assert content([text, text]) == "Hi\nHi"
    assert content("Hi", {"role": "assistant", "content": "So"}) == "Hi"
    odd: list[Any] = [
        "",
        " \n",
        "x" * 8_001,
        None,
        5,
        [],
        [5],
        [{"type": "text", "text": 5}],
        [text, {"type": "image_url", "image_url": {"url": "data:"}}],
        [{**text, "cache_control": {}}],
    ]
    assert [content(value) for value in odd] == [None] * len(odd)
    assert question_of(replace(new_call(), messages=[])) is None
    assert question_of(replace(new_call(), messages=[{"role": "system", "content": "Hi"}])) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Within 30 days.", "within  30 days.\n", True),
        (
            "You can return it within 30 days of buying it.",
            "You can return it within 30 days of buying it!",
            True,
        ),
        (
            "You can return it within 30 days of buying it.",
            "You can return it within 60 days of buying it.",
            False,
        ),
        ("Yes, you can.", "No, you cannot.", False),
        ("", "", True),
        ("?", "!", False),
        ("x" * 20_001, "x" * 20_001, True),
        ("x" * 20_001, "x" * 20_002, False),
    ],
)
def test_when_answers_agree(one: str, other: str, same: bool) -> None:
    assert agree(Answer(text=one), Answer(text=other), 0.9) is same
    assert agree(Answer(text=other), Answer(text=one), 0.9) is same
