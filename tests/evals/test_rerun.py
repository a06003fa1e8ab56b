"""Recorded calls taken apart, and what two answers to them are worth: no store, no files."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.calls import Message
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.domain.spans import Span
from moat.evals.rerun import Question, Reply, Unusable, estimate, messages_of, question
from moat.evals.rerun_report import changes, measures, paired
from moat.evals.scorers import KINDS
from moat.pipeline.stages.resolve import params_of
from moat.prompts.templates import JinjaRenderer

RENDERER = JinjaRenderer()
OLD = PromptVersion(
    name="answer",
    version="1.0.0",
    messages=(MessageTemplate("system", "Be kind."), MessageTemplate("user", "{{ question }}")),
    model="assistant",
    variables={"question": Variable()},
    params={"temperature": 0.2, "max_tokens": 100},
    output={"type": "object"},
)
NEW = msgspec.structs.replace(
    OLD, version="2.0.0", messages=(MessageTemplate("system", "Be very, very kind."), *OLD.messages[1:])
)


def recorded(messages: list[Message], variables: dict[str, Any], **changes: Any) -> Span:
    params = {**params_of(OLD), **changes.pop("params", {})}
    whole = Span(
        span_id="s",
        trace_id="t",
        kind="call",
        name="chat",
        started_ns=1,
        duration_ns=10**6,
        request_id="req_1",
        prompt="answer",
        version="1.0.0",
        model="assistant",
        input_tokens=10,
        output_tokens=5,
        input={"messages": messages, "params": params, "variables": variables},
        output={"text": "old"},
    )
    return msgspec.structs.replace(whole, **changes)


SAID = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.text()}), max_size=4
)


@given(own=SAID, asked=st.text(min_size=1))
def test_what_the_caller_said_is_found_behind_the_prompt(own: list[Message], asked: str) -> None:
    sent = [*RENDERER.render(OLD, {"question": asked}), *own]
    found = question(recorded(sent, {"question": asked}), OLD, RENDERER)
    assert messages_of(found, OLD, RENDERER) == sent
    assert messages_of(found, NEW, RENDERER) == [*RENDERER.render(NEW, {"question": asked}), *own]


@given(own=SAID, asked=st.text(min_size=1))
def test_and_before_its_last_message_for_clients_that_send_messages_only(own: list[Message], asked: str) -> None:
    before = RENDERER.render(OLD, {"question": asked})
    sent = [*before[:-1], *own, *before[-1:]]
    found = question(recorded(sent, {"question": asked}), OLD, RENDERER)
    # Where what came first is the question itself, both readings are the same words in another order.
    in_order = sorted(sent, key=lambda message: sorted(message.items()))
    assert sorted(messages_of(found, OLD, RENDERER), key=lambda message: sorted(message.items())) == in_order


def test_a_callers_own_parameters_and_model_are_kept_and_the_prompts_are_not() -> None:
    sent = RENDERER.render(OLD, {"question": "?"})
    params = {"temperature": 0.9, "seed": 7, "stream_options": {"include_usage": True}}
    found = question(recorded(sent, {"question": "?"}, params=params, model="large"), OLD, RENDERER)
    assert found.params == {"temperature": 0.9, "seed": 7}
    assert found.alias(NEW) == "large"
    plain = question(recorded(sent, {"question": "?"}), OLD, RENDERER)
    assert (plain.params, plain.alias(msgspec.structs.replace(NEW, model="other"))) == ({}, "other")
    assert plain.alias(msgspec.structs.replace(NEW, model="")) == "assistant", "a version without a model of its own"


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (recorded([], {}, input=None), "not recorded"),
        (recorded([], {}, output=None), "not recorded"),
        (recorded([], {}, input={"truncated": 10**6, "text": "x"}), "cut off"),
        (recorded([], {"question": "?"}), "does not begin"),
        (recorded([{"role": "user", "content": "?"}], {"question": "?"}), "does not begin"),
        (recorded([], {"other": "?"}), "cannot be rendered"),
    ],
)
def test_what_cannot_be_taken_apart_says_why(span: Span, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        question(span, OLD, RENDERER)


def test_the_estimate_scales_what_was_used() -> None:
    found = question(recorded(RENDERER.render(OLD, {"question": "?"}), {"question": "?"}), OLD, RENDERER)
    assert found.characters == len("Be kind.?")
    seen = estimate([found], NEW, RENDERER, lambda alias, usage: 3 * usage.total)
    scaled = round(10 * len("Be very, very kind.?") / len("Be kind.?"))
    assert (seen.calls, seen.input_tokens, seen.output_tokens) == (1, scaled, 5)
    assert (seen.cost, seen.unpriced) == (3 * (scaled + 5), 0)
    unpriced = estimate([found], NEW, RENDERER, lambda alias, usage: None)
    assert (unpriced.cost, unpriced.unpriced) == (None, 1)
    uncounted = msgspec.structs.replace(found, old=Reply())
    assert estimate([uncounted], NEW, RENDERER, lambda alias, usage: usage.input).cost == 5, "four characters a token"


def asked_as(number: int, old: Reply, cluster: str = "") -> Question:
    return Question(
        request=f"req_{number}",
        version="1.0.0",
        cluster=cluster or f"req_{number}",
        variables={"question": "How?"},
        messages=[],
        from_messages=False,
        params={},
        model="",
        recorded_model="assistant",
        stream=False,
        characters=1,
        old=old,
    )


@pytest.mark.anyio
async def test_better_worse_and_same_are_counted_over_what_has_a_score() -> None:
    scorers = [
        msgspec.convert({"kind": "length", "max": 4}, KINDS["length"]),
        msgspec.convert({"kind": "equals"}, KINDS["equals"]),
    ]
    texts = [("long enough", "ok"), ("ok", "much too long"), ("ok", "fine"), ("ok", "ok")]
    pairs = [
        await paired(
            asked_as(n, Reply(text=old, cost=10, latency_ns=10**6)), Reply(text=new, latency_ns=3 * 10**6), scorers
        )
        for n, (old, new) in enumerate(texts)
    ]
    length, equals = changes(pairs)
    assert (length.n, length.better, length.worse, length.same) == (4, 1, 1, 2)
    assert length.low < length.difference == 0 < length.high
    assert (equals.n, equals.not_run) == (0, 4), "recorded calls have no expected answer"
    latency, *others = measures(pairs)
    assert (latency.old, latency.new, latency.difference) == (1, 3, 2)
    assert [delta.name for delta in others] == ["input", "output"], "a cost is compared where both are known"
    assert pairs[0].question == "How?"
    assert measures([]) == changes([]) == []


@pytest.mark.anyio
async def test_calls_of_one_session_are_one_piece_of_evidence() -> None:
    async def spread(cluster: str) -> float:
        replies = [(Reply(input_tokens=10), Reply(input_tokens=10 + n)) for n in (1, 1, 5, 5)]
        names = [cluster and f"{cluster}{n // 2}" for n in range(4)]
        pairs = [await paired(asked_as(n, old, names[n]), new, []) for n, (old, new) in enumerate(replies)]
        tokens = next(delta for delta in measures(pairs) if delta.name == "input")
        return tokens.high - tokens.low

    assert await spread("session") > await spread("")
