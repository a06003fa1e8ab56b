"""Data goes only where the data-handling policy lets it, and is kept as that says."""

import base64
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace as with_fields
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.batches.reserving import prepare
from moat.domain.calls import Call, Delta, Deployment, Finished, Plan, ToolCallDelta
from moat.domain.errors import ConfigError, DataRefused, ProviderDown, ProviderRefused, RequestError
from moat.domain.guards import more_sensitive
from moat.domain.handling import DataConfig
from moat.domain.releases import MessageTemplate, PromptRef, PromptVersion
from moat.domain.spans import Span
from moat.gateway.opinions import Said, to_keep
from moat.guards.handling.calls import DataPolicy
from moat.guards.handling.capture import DataCapture, modes
from moat.guards.handling.finding import Finder
from moat.pipeline.answers import Answer
from moat.pipeline.counting import build_counter
from moat.pipeline.recipe import build
from moat.testing.fakes import FixedModels, FixedPrompts, ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider, Step, says

pytestmark = pytest.mark.anyio

EMAIL, OTHER = "erika.muster@example.org", "otto.normal@example.net"
KEY = "AKIAQ3EGRJX4KD7WLM2P"

PLACES = {
    "destinations": {
        "cloud": {"providers": ["far"], "region": "us"},
        "house": {"providers": ["own"], "internal": True},
    },
}


class World:
    """A pipeline with two providers, `far` and `own`, and what went through it."""

    def __init__(self, far: Sequence[Any], own: Sequence[Any] = (), *, order: str = "far own", **data: Any) -> None:
        self.far, self.own, self.spool = ScriptedProvider(*far), ScriptedProvider(*own), ListSpool()
        config = msgspec.convert({**PLACES, **data}, DataConfig)
        self.policy = DataPolicy(config, Finder(config.find), ["far", "own"])
        models = FixedModels(
            {"assistant": [f"{name}/model" for name in order.split()]}, {"far": self.far, "own": self.own}
        )
        self.ports = with_fields(
            fake_ports(self.far, spool=self.spool),
            models=models,
            handling=self.policy,
            capture=DataCapture(self.policy, modes(config)),
        )
        self.run = build(self.ports)

    async def answer(self, call: Call) -> Answer:
        answer = Answer()
        async with aclosing(self.run(call)) as events:
            async for event in events:
                answer.add(event)
        return answer

    @property
    def kept(self) -> str:
        """Everything that was recorded."""
        return msgspec.json.encode(self.spool.spans).decode()


def declared(call: Call, data_class: str) -> Call:
    return replace(call, caller=replace(call.caller, data_class=data_class))


REDACT = [
    {"class": "secret", "to": ["external"], "action": "refuse"},
    {"class": "personal", "to": ["external"], "action": "redact"},
]


async def test_personal_data_is_redacted_for_one_destination_and_comes_back_in_its_answer() -> None:
    world = World([says("I wrote to <EMAIL_1>.")], rules=REDACT)
    answer = await world.answer(new_call(f"Write to {EMAIL} and to {EMAIL}."))
    assert world.far.calls[0].messages[-1]["content"] == "Write to <EMAIL_1> and to <EMAIL_1>."
    assert answer.text == f"I wrote to {EMAIL}."
    assert world.spool.calls[0].attributes["moat.data"] == {
        "class": "personal",
        "found": {"personal": 2},
        "redacted_for": ["far"],
    }
    assert EMAIL not in world.kept


async def test_what_may_not_go_to_one_deployment_goes_to_the_next_that_may_have_it() -> None:
    world = World([says("never")], [says("fine")], rules=REDACT)
    assert (await world.answer(new_call(f"My key is {KEY} for {EMAIL}"))).text == "fine"
    assert world.far.calls == []
    assert world.own.calls[0].messages[-1]["content"] == f"My key is {KEY} for {EMAIL}"
    assert KEY not in world.kept


async def test_where_nobody_may_have_it_the_error_says_so_and_never_what_it_was() -> None:
    world = World([says("never")], [says("never")], rules=[{"class": "personal", "action": "refuse"}])
    with pytest.raises(DataRefused) as caught:
        await world.answer(new_call(f"Write to {EMAIL}"))
    assert caught.value.what == "data of the class personal may not go to cloud, house"
    assert caught.value.status == 403
    assert world.far.calls == world.own.calls == []
    assert EMAIL not in world.kept + str(caught.value)
    assert world.spool.calls[0].error == "data_refused"


@pytest.mark.parametrize("failure", [ProviderDown("down"), ProviderRefused("no", status=500)])
async def test_a_fallback_is_no_way_around_the_policy(failure: Exception) -> None:
    world = World(
        [says("never")],
        [failure] * 5,
        order="own far",
        rules=[{"class": "personal", "to": ["cloud"], "action": "refuse"}],
    )
    with pytest.raises(type(failure)):
        await world.answer(new_call(f"Write to {EMAIL}"))
    assert world.far.calls == []


async def test_a_hedge_is_no_way_around_the_policy() -> None:
    world = World([says("never")], [says("slow")], rules=[{"class": "personal", "to": ["cloud"], "action": "refuse"}])

    class Hedging(FixedModels):
        def plan(self, call: Call) -> Plan:
            return replace(super().plan(call), hedge_ns=1)

    models = Hedging({"assistant": ["own/model", "far/model"]}, {"far": world.far, "own": world.own})
    world.run = build(with_fields(world.ports, models=models))
    assert (await world.answer(new_call(f"Write to {EMAIL}"))).text == "slow"
    assert world.far.calls == []


async def test_the_highest_of_what_is_said_and_found_counts() -> None:
    rules = [{"class": "confidential", "to": ["external"], "action": "refuse"}]
    for call in (declared(new_call("Hello"), "confidential"), new_call("About Project Falcon"), new_call(EMAIL)):
        find = [{"class": "confidential", "words": ["project falcon"]}]
        world = World([says("never")], [says("fine")], rules=rules, find=find)
        assert (await world.answer(call)).text == "fine"
        assert world.far.calls == []
    world = World([says("fine")], rules=rules)
    assert (await world.answer(declared(new_call("Hello"), "public"))).text == "fine"


async def test_a_prompt_says_what_it_is_about() -> None:
    world = World(
        [says("never")], [says("fine")], rules=[{"class": "personal", "to": ["external"], "action": "refuse"}]
    )
    version = PromptVersion(
        name="doctor",
        version="1",
        model="assistant",
        messages=(MessageTemplate(role="user", content="Hello"),),
        metadata={"data_class": "personal"},
    )
    world.run = build(with_fields(world.ports, prompts=FixedPrompts(version)))
    call = replace(new_call(), model="", messages=[], prompt=PromptRef(name="doctor", version="1"))
    assert (await world.answer(call)).text == "fine"
    assert world.far.calls == []


async def test_data_that_is_declared_cannot_be_redacted_and_is_refused() -> None:
    world = World([says("never")], [says("fine")], rules=REDACT)
    assert (await world.answer(declared(new_call("Hello"), "personal"))).text == "fine"
    assert world.far.calls == []


@pytest.mark.parametrize(("one", "other", "higher"), [
    ("internal", "SECRET", "SECRET"), ("Personal", "public", "Personal"), ("internal", "nope", "internal"),
    ("", "nope", "nope"), ("public", "", "public"),
])  # fmt: skip
def test_a_class_only_ever_rises_however_it_is_spelled(one: str, other: str, higher: str) -> None:
    assert more_sensitive(one, other) == higher


async def test_an_unknown_class_is_refused() -> None:
    world = World([says("never")], rules=REDACT)
    with pytest.raises(RequestError, match="no data class 'topsecret'"):
        await world.answer(declared(new_call(EMAIL), "topsecret"))
    assert EMAIL not in world.kept


async def test_what_cannot_be_looked_at_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World([says("never")], rules=REDACT)

    def broken(text: str, place: str = "input") -> None:
        raise KeyError(text)

    monkeypatch.setattr(world.policy.finder, "look", broken)
    with pytest.raises(DataRefused, match="failed, so nothing is sent"):
        await world.answer(new_call(EMAIL))
    assert EMAIL not in world.kept


async def test_counting_tokens_sends_nothing_that_a_call_may_not() -> None:
    class Counting(ScriptedProvider):
        async def count_tokens(self, call: Call) -> int:
            self.calls.append(call)
            return 7

    world = World([], rules=REDACT)
    models = FixedModels({"assistant": ["far/model"]}, {"far": (counter := Counting())})
    count = build_counter(with_fields(world.ports, models=models))
    async with aclosing(count(new_call(f"Write to {EMAIL}"))) as events:
        assert [event async for event in events]
    assert counter.calls[0].messages[-1]["content"] == "Write to <EMAIL_1>"
    with pytest.raises(DataRefused):
        async with aclosing(count(new_call(f"My key is {KEY}"))) as events:
            assert [event async for event in events]


async def test_a_batch_at_a_provider_is_prepared_by_the_same_rules() -> None:
    world = World([], rules=REDACT)
    sent = await prepare(new_call(f"Write to {EMAIL}"), world.ports)
    line = sent.journal.handled.sent(replace(sent, deployment=Deployment("far", "model")))
    assert line.messages[-1]["content"] == "Write to <EMAIL_1>"


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("keeping", ["redacted", "hash", "none"])
async def test_what_is_not_kept_is_in_no_part_of_a_record(keeping: str, stream: bool) -> None:
    piece = ToolCallDelta(id="c1", name="pay", arguments=msgspec.json.encode({"to": OTHER, "key": KEY}).decode())
    steps: list[Step] = [Delta(text=f"It is {OTHER[:9]}"), Delta(text=OTHER[9:]), Delta(tool_calls=(piece,))]
    world = World([[*steps, Finished(reason="stop")]], capture={"personal": keeping, "secret": keeping})
    call = new_call(f"Write to {EMAIL}", stream=stream, metadata={"note": [EMAIL]})
    call.messages.append({"role": "tool", "tool_call_id": "c0", "content": [{"type": "text", "text": f"key {KEY}"}]})
    assert (await world.answer(call)).text == f"It is {OTHER}"
    for value in (EMAIL, OTHER, KEY):
        assert value not in world.kept
    assert ("It is" in world.kept) == (keeping != "none")


@pytest.mark.promise("guard-2")
async def test_errors_of_providers_that_quote_the_request_are_kept_without_it() -> None:
    quoted = f'bad request: {{"content": "Write to {EMAIL}"}} and cut: {EMAIL[:9]}...'
    world = World([ProviderRefused(quoted, status=400)])
    with pytest.raises(ProviderRefused):
        await world.answer(new_call(f"Write to {EMAIL}"))
    assert EMAIL not in world.kept
    assert EMAIL[:9] not in world.kept
    assert "bad request" in world.kept


@pytest.mark.promise("guard-2")
async def test_an_error_that_quotes_a_value_of_several_lines_as_json_is_kept_without_it() -> None:
    body = "".join(f"{line:02d}MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n" for line in range(9))
    key = f"-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----"
    quoted = msgspec.json.encode({"content": f"It is {key} ."}).decode()
    world = World([ProviderRefused(f"bad request: {quoted}", status=400)])
    with pytest.raises(ProviderRefused):
        await world.answer(new_call(f"It is {key} ."))
    assert "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj" not in world.kept


@pytest.mark.promise("guard-2")
def test_spans_and_comments_of_applications_are_kept_as_the_rest() -> None:
    capture = World([]).ports.capture
    assert capture is not None
    span = Span(
        span_id="1",
        trace_id="2",
        kind="app",
        name=f"mail {EMAIL}",
        started_ns=1,
        duration_ns=1,
        input={"to": [EMAIL]},
        output=f"sent to {EMAIL}",
        attributes={"http.url": f"https://example.org/?key={KEY}", "count": 3},
        error_message=f"no {EMAIL}",
    )
    kept = capture.span(span)
    for value in (EMAIL, KEY):
        assert value not in msgspec.json.encode(kept).decode()
    assert kept.attributes["count"] == 3
    assert kept.output == "sent to <EMAIL_1>"
    said = to_keep(Said(request_id="r", comment=f"for {EMAIL}", correction={"to": EMAIL}), capture)
    assert (said.comment, said.correction) == ("for <EMAIL_1>", {"to": "<EMAIL_1>"})


async def test_data_of_a_class_that_is_kept_in_full_stays() -> None:
    world = World([says("fine")], capture={"personal": "full"})
    await world.answer(new_call(f"Write to {EMAIL} with {KEY}"))
    assert EMAIL in world.kept
    assert KEY not in world.kept


async def test_what_is_declared_is_kept_as_a_whole_or_not_at_all() -> None:
    for keeping in ("redacted", "none"):
        world = World([says("fine")], capture={"confidential": keeping})
        await world.answer(declared(new_call("Hello there"), "confidential"))
        assert "Hello there" not in world.kept
        assert "fine" not in world.kept
    world = World([says("fine")], capture={"confidential": "hash"})
    await world.answer(declared(new_call("Hello there"), "confidential"))
    assert set(world.spool.calls[0].input or {}) == {"hash"}


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"find": [{"class": "secret"}]}, "find.0"),
        ({"find": [{"class": "secret", "use": "nothing"}]}, "find.0.use"),
        ({"find": [{"class": "secret", "patterns": ["("]}]}, "find.0"),
        ({"destinations": {"x": {"providers": ["gone"]}}}, "destinations.x.providers.0"),
        ({"rules": [{"class": "secret", "to": ["nowhere"], "action": "refuse"}]}, "rules.0.to.0"),
        ({"rules": [{"class": "secret", "to": ["region:eu"], "action": "refuse"}]}, "rules.0.to.0"),
        ({"destinations": {"internal": {"providers": ["far"]}}}, "destinations.internal"),
        ({"destinations": {"region:eu": {"providers": ["far"]}}}, "destinations.region:eu"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(data: dict[str, Any], where: str) -> None:
    config = msgspec.convert(data, DataConfig)
    with pytest.raises(ConfigError) as caught:
        DataPolicy(config, Finder(config.find), ["far"])
    assert caught.value.where == where


RECORD = f"Customer, {EMAIL}, {KEY}, Grüße.\t" * 80


@pytest.mark.parametrize("place", ["message", "part", "tool"])
@pytest.mark.parametrize("lines", [False, True])
async def test_long_base64_is_looked_into(place: str, lines: bool) -> None:
    packed = (base64.encodebytes if lines else base64.b64encode)(RECORD.encode()).decode()
    held: Any = [{"type": "text", "text": "Read this:"}, {"type": "text", "text": packed}]
    message = {"role": "tool" if place == "tool" else "user", "content": held if place == "part" else packed}
    world = World([says("Yes.")], order="far", rules=REDACT, capture={"secret": "none"})
    with pytest.raises(DataRefused):
        await world.answer(replace(new_call(), messages=[{"role": "user", "content": "Go"}, message]))
    assert not world.far.calls
    assert packed[:200] not in world.kept


async def test_what_stands_in_long_base64_is_redacted_and_the_rest_is_as_it_was() -> None:
    front, back = "Nothing to see here. " * 300, "Nor here. " * 300
    world = World([says("Yes.")], order="far", rules=REDACT)
    await world.answer(new_call(base64.b64encode(f"{front}{EMAIL} {back}".encode()).decode()))
    before, after = world.far.calls[0].messages[-1]["content"].split("<EMAIL_1>")
    assert base64.b64decode(before).decode() == front
    assert base64.b64decode(after).decode().endswith(back)


async def test_what_is_no_base64_of_a_text_is_a_text() -> None:
    world = World([says("Yes.")], order="far", rules=REDACT)
    with pytest.raises(DataRefused):
        await world.answer(new_call("A" * 4100 + "/" + KEY))
    sound = {"data": base64.b64encode(b"RIFF" + bytes(6_000)).decode(), "format": "wav"}
    heard = replace(new_call(), messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": sound}]}])
    assert (await world.answer(heard)).text == "Yes."


async def test_words_behind_a_whole_value_are_no_part_of_it() -> None:
    world = World([says("Yes.")], order="far", rules=REDACT)
    call = replace(new_call(), messages=[{"role": "user", "content": text} for text in (f"I am {EMAIL}", "no thanks")])
    await world.answer(call)
    assert [message["content"] for message in world.far.calls[0].messages] == ["I am <EMAIL_1>", "no thanks"]
