"""Guards on what is no chat: completions, transcripts, images, reranks, forms with files."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Finished, Operation
from moat.domain.errors import GuardBlocked
from moat.testing.fakes import new_call
from moat.testing.scripted import Step
from tests.guards.test_engine import World, guards

pytestmark = pytest.mark.anyio


def asking(operation: Operation, *, stream: bool = False, **params: Any) -> Call:
    return replace(new_call(stream=stream), operation=operation, messages=[], params=params)


def answers(body: Any, content_type: str = "") -> list[Step]:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return [Delta(raw=raw, content_type=content_type), Finished(reason="stop")]


def events(*bodies: Any) -> list[Step]:
    lines = [b"data: " + msgspec.json.encode(body) + b"\n\n" for body in bodies]
    return [*(Delta(raw=line) for line in lines), Finished(reason="stop")]


async def told(world: World, call: Call) -> bytes:
    return b"".join(event.raw or b"" for event in await world.events(call) if isinstance(event, Delta))


REDACT = {"use": "digits", "action": "redact"}


async def test_what_spells_out_a_text_goes_when_the_text_is_changed() -> None:
    choice = {
        "index": 0,
        "text": "call 1234567 now",
        "logprobs": {"tokens": ["call", " 1234567", " now"], "top_logprobs": [{" 1234567": -0.1}]},
    }
    world = World(guards(REDACT), answers({"choices": [choice], "usage": {"total_tokens": 9}}))
    answer = await told(world, asking("completions", prompt="Whom?", logprobs=2))
    assert b"1234567" not in answer
    assert msgspec.json.decode(answer)["choices"][0]["text"] == "call <NUMBER_1> now"


async def test_every_choice_of_a_completion_is_looked_at_and_so_is_a_streamed_one() -> None:
    pieces = ["call 1234", "567 now", " and 7654321"]
    one = [{"choices": [{"index": index, "text": text}]} for text in pieces for index in (0, 1)]
    world = World(guards(REDACT), events(*one))
    answer = await told(world, asking("completions", stream=True, prompt="Whom?", n=2))
    lines = [msgspec.json.decode(line[6:]) for line in answer.split(b"\n") if line.startswith(b"data: {")]
    said = [
        "".join(line["choices"][0]["text"] for line in lines if line["choices"][0]["index"] == each) for each in (0, 1)
    ]
    assert said == ["call <NUMBER_1> now and <NUMBER_2>"] * 2
    assert len(lines) == 6, "it still comes in its pieces"


@pytest.mark.promise("guard-1")
async def test_a_transcript_with_its_segments_and_words() -> None:
    body = {
        "text": "It is 1234567 and so on.",
        "segments": [
            {"id": 0, "text": " It is 1234567", "tokens": [50364, 467]},
            {"id": 1, "text": " and so on.", "tokens": [50365]},
        ],
        "words": [{"word": word, "start": 0.1} for word in ("It", "is", "1234567", "and", "so", "on")],
    }
    world = World(guards(REDACT), answers(body, "application/json"))
    answer = msgspec.json.decode(await told(world, asking("transcription", response_format="verbose_json")))
    assert answer["text"] == "It is <NUMBER_1> and so on."
    assert [segment["text"] for segment in answer["segments"]] == [" It is <NUMBER_1>", " and so on."]
    assert [segment["tokens"] for segment in answer["segments"]] == [None, None]
    assert [word["word"] for word in answer["words"]] == ["It", "is", "<NUMBER_1>", "and", "so", "on"]
    assert "1234567" not in world.kept


async def test_a_streamed_transcript() -> None:
    steps = events(
        {"type": "transcript.text.delta", "delta": "It is 123", "logprobs": [{"token": "1"}]},
        {"type": "transcript.text.delta", "delta": "4567 and"},
        {"type": "transcript.text.done", "text": "It is 1234567 and"},
    )
    answer = await told(World(guards(REDACT), steps), asking("transcription", stream=True))
    lines = [msgspec.json.decode(line[6:]) for line in answer.split(b"\n") if line.startswith(b"data:")]
    assert "".join(line.get("delta", "") for line in lines) == "It is <NUMBER_1> and"
    assert lines[-1]["text"] == "It is <NUMBER_1> and"
    assert lines[0]["logprobs"] is None


async def test_subtitles() -> None:
    raw = b"1\n00:00:00,000 --> 00:00:02,000\nIt is 1234567.\n"
    world = World(guards(REDACT), answers(raw, "text/plain; charset=utf-8"))
    assert b"It is <NUMBER_1>." in await told(world, asking("transcription", response_format="srt"))


@pytest.mark.promise("guard-1")
async def test_how_an_image_model_took_its_prompt() -> None:
    body = {"data": [{"b64_json": "AAAA", "revised_prompt": "A plate that reads 1234567"}]}
    world = World(guards(REDACT), answers(body))
    answer = msgspec.json.decode(await told(world, asking("images", prompt="A plate")))
    assert answer["data"] == [{"b64_json": "AAAA", "revised_prompt": "A plate that reads <NUMBER_1>"}]


async def test_documents_that_were_ranked_come_back_as_they_were() -> None:
    rule = {"use": "digits", "action": "redact", "on": ["documents"]}
    body = {"results": [{"index": 0, "document": {"text": "No. <NUMBER_1>"}}, {"index": 1, "document": "none"}]}
    world = World(guards(rule), answers(body))
    call = asking("rerank", query="which?", documents=["No. 1234567", "none"], return_documents=True)
    answer = msgspec.json.decode(await told(world, call))
    assert [result["document"] for result in answer["results"]] == [{"text": "No. 1234567"}, "none"]
    assert world.provider.calls[0].params["documents"] == ["No. <NUMBER_1>", "none"]


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("operation", ["embeddings", "moderations", "images", "speech", "rerank", "completions"])
async def test_the_question_of_every_operation_is_guarded(operation: Operation) -> None:
    params: dict[str, Any] = {
        "input": "I am 1234567",
        "prompt": "I am 1234567",
        "query": "1234567",
        "documents": ["is 7654321"],
    }
    world = World(guards({"use": "digits", "action": "redact"}), answers({"choices": []}))
    await told(world, asking(operation, **params))
    assert "1234567" not in msgspec.json.encode(world.provider.calls[0].params).decode() + world.kept
    with pytest.raises(GuardBlocked):
        await told(World(guards({"use": "digits", "action": "block"})), asking(operation, **params))


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
    b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nIt is 1234567, as ever\r\n'
    b'--b\r\nContent-Disposition: form-data; name="include[]"\r\n\r\nlogprobs\r\n'
    b'--b\r\nContent-Disposition: form-data; name="include[]"\r\n\r\nof 7654321\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF1234567\r\n--b--\r\n'
)


@pytest.mark.promise("guard-1")
async def test_a_form_goes_out_without_what_was_redacted_of_its_fields() -> None:
    world = World(guards(REDACT), answers({"text": "As ever <NUMBER_1>"}, "application/json"))
    params: dict[str, Any] = {"prompt": "It is 1234567, as ever", "include[]": ["logprobs", "of 7654321"]}
    call = replace(asking("transcription", **params), upload=FORM, upload_type="multipart/form-data; boundary=b")
    assert await told(world, call) == b'{"text":"As ever 1234567"}'
    sent = FORM.replace(b"It is 1234567", b"It is <NUMBER_1>").replace(b"of 7654321", b"of <NUMBER_2>")
    assert world.provider.calls[0].upload == sent


@pytest.mark.parametrize("operation", ["embeddings", "completions"])
async def test_a_fixed_answer_is_one_to_chats_alone(operation: Operation) -> None:
    rule = {"use": "digits", "action": "fallback", "on": ["input"], "fallback": {"answer": "No."}}
    world = World(guards(rule))
    with pytest.raises(GuardBlocked, match="found number in the input"):
        await told(world, asking(operation, input="1234567", prompt="1234567"))
    assert world.provider.calls == []


async def test_a_completion_is_asked_for_again_and_not_of_the_cache() -> None:
    bad, good = ({"choices": [{"index": 0, "text": text}]} for text in ("NO WAY", "no way"))
    rule = {"use": "shouts", "action": "retry", "on": ["output"]}
    world = World(guards(rule), answers(bad), answers(good))
    assert b"no way" in await told(world, asking("completions", prompt="May I?"))
    assert [call.cache for call in world.provider.calls] == ["use", "refresh"]


async def test_an_answer_that_cannot_be_read_goes_nowhere() -> None:
    world = World(guards(REDACT), answers(b"\xff\xfe{"))
    with pytest.raises(GuardBlocked, match="cannot be read"):
        await told(world, asking("completions", prompt="x"))


@pytest.mark.parametrize("use", ["schema", "length"])
async def test_what_is_no_answer_is_not_judged_as_one(use: str) -> None:
    options: dict[str, Any] = {"schema": {"type": "object"}} if use == "schema" else {"max": 3}
    rule = {"use": use, "with": options, "action": "block", "on": ["output"]}
    image = {"data": [{"b64_json": "AAAA", "revised_prompt": "A long description"}]}
    assert b"A long description" in await told(World(guards(rule), answers(image)), asking("images", prompt="A plate"))
    ranked = {"results": [{"index": 0, "document": {"text": "A long document"}}]}
    call = asking("rerank", query="which?", documents=["A long document"])
    assert b"A long document" in await told(World(guards(rule), answers(ranked)), call)
    completed = {"choices": [{"index": 0, "text": "A long answer"}]}
    with pytest.raises(GuardBlocked):
        await told(World(guards(rule), answers(completed)), asking("completions", prompt="x"))
