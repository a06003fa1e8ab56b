"""Retrieval by judge: claims and documents, counted here and not by the model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.judges.forms import average_precision
from tests.evals.judges.worlds import World, shown

pytestmark = pytest.mark.anyio

CASE = Case(id="c", variables={"question": "q?"}, expected="Reference.", context=["Doc one.", "Doc two.", "Doc three."])
ANSWER = Answered("Answer.")


def claims(*supported):
    listed = [{"claim": f"claim {n}", "source": "", "supported": each} for n, each in enumerate(supported, 1)]
    return {"reasoning": "so", "claims": listed}


def documents(*useful):
    listed = [{"number": n, "reason": "", "useful": each} for n, each in enumerate(useful, 1)]
    return {"reasoning": "so", "documents": listed}


@pytest.mark.parametrize("metric", ["groundedness", "context_recall"])
async def test_the_share_of_claims_that_are_supported_and_which_are_not(metric, tmp_path) -> None:
    world = World(tmp_path, lambda call: claims(True, False, True, True))
    score = await world.scorer(metric=metric).score(CASE, ANSWER)
    assert (score.value, score.reason) == (0.75, "not supported: claim 2")
    assert [each["supported"] for each in score.evidence["votes"][0]["evidence"]["claims"]] == [True, False, True, True]
    text = shown(world.judge.calls[0])
    assert "Doc one.\n[end of document 1" in text
    assert "Doc three.\n[end of document 3" in text
    assert ("Reference." in text) is (metric == "context_recall")


async def test_documents_that_the_target_names_come_before_those_of_the_case(tmp_path) -> None:
    world = World(tmp_path, lambda call: claims(True))
    await world.scorer(metric="groundedness").score(CASE, Answered("Answer.", context=["Found by the target."]))
    assert "Found by the target." in shown(world.judge.calls[0])
    assert "Doc one." not in shown(world.judge.calls[0])


async def test_nothing_claimed_and_nothing_found_are_not_run(tmp_path) -> None:
    world = World(tmp_path, lambda call: claims())
    score = await world.scorer(metric="groundedness").score(CASE, ANSWER)
    assert (score.status, score.value, score.reason) == ("not_run", None, "the response claims nothing")
    assert score.cost == 110
    for metric in ("groundedness", "context_recall", "context_precision"):
        score = await world.scorer(metric=metric).score(Case(id="c", expected="x", variables={"question": "q"}), ANSWER)
        assert score.status == "not_run"


@pytest.mark.parametrize(
    ("useful", "value"),
    [
        ((True, True, True), 1),
        ((True, False, False), 1),
        ((True, False, True), (1 + 2 / 3) / 2),
        ((False, False, True), 1 / 3),
        ((False, False, False), 0),
    ],
)
async def test_context_precision_is_the_average_precision_of_the_order(useful, value, tmp_path) -> None:
    world = World(tmp_path, lambda call: documents(*useful))
    score = await world.scorer(metric="context_precision").score(CASE, ANSWER)
    assert score.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("metric", "reply"),
    [
        ("context_precision", documents(True, True)),
        ("context_precision", documents(True, True, True, True)),
        ("context_precision", {"documents": [{"number": 1, "useful": True}] * 3}),
        ("context_precision", {"documents": [{"number": n, "useful": "yes"} for n in (1, 2, 3)]}),
        ("context_precision", {"documents": [{"number": True, "useful": True}]}),
        ("groundedness", {"claims": "none"}),
        ("groundedness", {"claims": ["a"]}),
        ("groundedness", {"claims": [{"claim": "a"}]}),
        ("groundedness", {"claims": [{"claim": "a", "supported": 1}]}),
        ("groundedness", {"score": 1}),
    ],
)
async def test_a_list_that_is_not_whole_is_an_error(metric, reply, tmp_path) -> None:
    world = World(tmp_path, lambda call: reply)
    score = await world.scorer(metric=metric).score(CASE, ANSWER)
    assert (score.status, score.value, len(world.judge.calls)) == ("error", None, 2)


@given(st.lists(st.booleans(), max_size=30))
def test_average_precision_is_best_when_the_useful_come_first(useful) -> None:
    value = average_precision(useful)
    assert 0 <= value <= average_precision(sorted(useful, reverse=True)) <= 1
    assert (value == 0) is not any(useful)
