"""The official OpenAI SDK against the gateway's other endpoints, over a server that answers like OpenAI."""

import base64
import urllib.error
import urllib.request

import openai
import pytest

from tests.gateway.conftest import SECRET, Over
from tests.gateway.openai_peer import WAVE, Answer, OpenAIPeer, embeddings, events

FORM = (
    b'--cut\r\nContent-Disposition: form-data; name="model"\r\n\r\nassistant\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF\r\n--cut--\r\n'
)


def test_embeddings_come_in_the_sdks_own_encoding(over: Over) -> None:
    peer = OpenAIPeer(embeddings=embeddings([[0.25, -0.5], [1.0, 0.0]]))
    gateway = over(peer)

    answer = gateway.client().embeddings.create(model="assistant", input=["one", "two"], user="ada")

    assert [entry.embedding for entry in answer.data] == [[0.25, -0.5], [1.0, 0.0]]
    assert peer.asked[0].json == {
        "model": "large",
        "input": ["one", "two"],
        "user": "ada",
        "encoding_format": "base64",
    }
    call = gateway.spool.calls[0]
    assert (call.input_tokens, call.output_tokens, call.usage_estimated, call.user) == (8, 0, False, "ada")


@pytest.mark.promise("money-6")
def test_a_missing_usage_is_estimated_and_flagged(over: Over) -> None:
    body = {"object": "list", "data": [], "model": "peer", "usage": {"prompt_tokens": "many"}}
    gateway = over(OpenAIPeer(embeddings=Answer(body)))

    gateway.client().embeddings.create(model="assistant", input="twelve chars", encoding_format="float")

    call = gateway.spool.calls[0]
    assert (call.input_tokens, call.usage_estimated) == (3, True)


@pytest.mark.promise("money-6")
def test_completions_whole_and_streamed(over: Over) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}

    def choice(text: str, reason: str | None) -> dict[str, object]:
        return {"text": text, "index": 0, "finish_reason": reason, "logprobs": None}

    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "peer"}
    pieces = [{**head, "choices": [choice("Once ", None)]}, {**head, "choices": [choice("upon", "stop")]}]
    end = {**head, "choices": [], "usage": usage}
    whole = {**head, "choices": [choice("Once upon", "stop")], "usage": usage}
    peer = OpenAIPeer(completions=[Answer(whole), events(*pieces, end), events(*pieces, end)])
    gateway = over(peer)
    client = gateway.client()

    answer = client.completions.create(model="assistant", prompt="Tell")
    hidden = list(client.completions.create(model="assistant", prompt="Tell", stream=True))
    shown = list(
        client.completions.create(model="assistant", prompt="Tell", stream=True, stream_options={"include_usage": True})
    )

    assert answer.choices[0].text == "Once upon"
    assert "".join(chunk.choices[0].text for chunk in hidden) == "Once upon"
    assert [chunk.usage.total_tokens for chunk in shown if chunk.usage] == [12]
    assert [(call.input_tokens, call.output_tokens) for call in gateway.spool.calls] == [(5, 7)] * 3
    assert peer.asked[1].json["stream_options"] == {"include_usage": True}


def test_a_completion_that_breaks_off_is_no_answer(over: Over) -> None:
    piece = {
        "id": "1",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [{"text": "On", "index": 0}],
    }
    gateway = over(OpenAIPeer(completions=events(piece, done=False)))

    with pytest.raises(openai.APIError) as caught:
        list(gateway.client().completions.create(model="assistant", prompt="Tell", stream=True))

    assert "end mark" in caught.value.message
    assert gateway.spool.calls[0].error == "stream_cut"


def test_moderations(over: Over) -> None:
    result = {"flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.9}}
    gateway = over(OpenAIPeer(moderations=Answer({"id": "modr-1", "model": "m", "results": [result]})))

    answer = gateway.client().moderations.create(model="assistant", input="I will ...")

    assert answer.results[0].flagged
    assert gateway.spool.calls[0].usage_estimated


@pytest.mark.promise("money-6")
def test_rerank_counts_searches_or_tokens(over: Over) -> None:
    cohere = {
        "id": "1",
        "results": [{"index": 1, "relevance_score": 0.9}],
        "meta": {"billed_units": {"search_units": 2}, "tokens": {"input_tokens": 31, "output_tokens": 0}},
    }
    jina = {"model": "j", "results": [], "usage": {"total_tokens": 44}}
    gateway = over(OpenAIPeer(rerank=[Answer(cohere), Answer(jina)]))
    client = gateway.client()
    body = {"model": "assistant", "query": "which?", "documents": ["this", "that"], "top_n": 1}

    answer = client.post("/rerank", body=body, cast_to=object)
    client.post("/rerank", body=body, cast_to=object)

    assert answer == cohere
    assert [(call.units, call.input_tokens) for call in gateway.spool.calls] == [(2, 31), (0, 44)]


@pytest.mark.promise("money-6")
def test_images_by_tokens_and_by_the_piece(over: Over) -> None:
    by_tokens = {
        "created": 1,
        "data": [{"b64_json": base64.b64encode(b"png").decode()}],
        "usage": {
            "input_tokens": 12,
            "output_tokens": 1056,
            "total_tokens": 1068,
            "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
        },
    }
    by_piece = {"created": 1, "data": [{"url": "https://images/1"}, {"url": "https://images/2"}]}
    gateway = over(OpenAIPeer(images__generations=[Answer(by_tokens), Answer(by_piece)]))
    client = gateway.client()

    image = client.images.generate(model="assistant", prompt="a boat").data[0]
    several = client.images.generate(model="assistant", prompt="a boat", n=2).data

    assert base64.b64decode(image.b64_json) == b"png"
    assert len(several) == 2
    assert [(call.input_tokens, call.output_tokens, call.units) for call in gateway.spool.calls] == [
        (12, 1056, 0),
        (0, 0, 2),
    ]


def test_images_stream_to_their_last_event(over: Over) -> None:
    partial = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "aA==", "created_at": 1}
    usage = {"input_tokens": 12, "output_tokens": 90, "total_tokens": 102}
    last = {"type": "image_generation.completed", "b64_json": "aGk=", "created_at": 1, "usage": usage}
    gateway = over(OpenAIPeer(images__generations=events(partial, last, done=False, named=True)))

    came = list(gateway.client().images.generate(model="assistant", prompt="a boat", stream=True, partial_images=1))

    assert [event.type for event in came] == ["image_generation.partial_image", "image_generation.completed"]
    assert gateway.spool.calls[0].output_tokens == 90


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_files_pass_through_forms_untouched(over: Over) -> None:
    body = {"created": 1, "data": [{"b64_json": "aGk="}]}
    peer = OpenAIPeer(images__edits=Answer(body), images__variations=Answer(body))
    gateway = over(peer)
    client = gateway.client()
    picture = b"\x89PNG\r\n\x1a\n--not-a-boundary\r\n" + bytes(range(256))

    client.images.edit(
        model="assistant", image=[("a.png", picture), ("b.png", picture)], mask=("mask.png", picture), prompt="more"
    )
    client.images.create_variation(model="assistant", image=("boat.png", picture), n=1)

    for asked in peer.asked:
        assert picture in asked.body
        assert b'name="model"\r\n\r\nlarge\r\n' in asked.body
        assert b"assistant" not in asked.body
        assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert int(asked.headers["content-length"]) == len(asked.body)
    assert [call.units for call in gateway.spool.calls] == [1, 1]


def test_speech_is_the_providers_bytes_and_type(over: Over) -> None:
    gateway = over(OpenAIPeer(audio__speech=Answer(WAVE, kind="audio/wav")))
    client = gateway.client()

    with client.audio.speech.with_streaming_response.create(
        model="assistant", voice="alloy", input="Good day", response_format="wav"
    ) as response:
        kind, heard = response.headers["content-type"], response.read()

    assert (kind, heard) == ("audio/wav", WAVE)
    assert (gateway.spool.calls[0].units, gateway.spool.calls[0].usage_estimated) == (8, False)


@pytest.mark.promise("money-6")
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_transcriptions_in_json_and_in_plain_words(over: Over) -> None:
    tokens = {
        "text": "Good day",
        "usage": {
            "type": "tokens",
            "input_tokens": 14,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
            "output_tokens": 45,
            "total_tokens": 59,
        },
    }
    duration = {"text": "Good day", "usage": {"type": "duration", "seconds": 9.2}}
    verbose = {"text": "Good day", "duration": "3.0", "language": "english"}
    peer = OpenAIPeer(
        audio__transcriptions=[
            Answer(tokens),
            Answer(duration),
            Answer(verbose),
            Answer(b"1\n00:00:00,000 --> 00:00:01,000\nGood day\n", kind="text/plain"),
        ],
        audio__translations=Answer({"text": "Good day"}),
    )
    gateway = over(peer)
    client = gateway.client()

    def heard(**options: object) -> object:
        return client.audio.transcriptions.create(model="assistant", file=("day.wav", WAVE), **options)

    assert heard().text == "Good day"  # type: ignore[attr-defined]
    assert heard().text == "Good day"  # type: ignore[attr-defined]
    assert heard(response_format="verbose_json").text == "Good day"  # type: ignore[attr-defined]
    assert "-->" in heard(response_format="srt")  # type: ignore[operator]
    assert client.audio.translations.create(model="assistant", file=("day.wav", WAVE)).text == "Good day"
    calls = gateway.spool.calls
    assert (calls[0].input_tokens, calls[0].audio_input_tokens, calls[0].output_tokens) == (14, 14, 45)
    assert [call.units for call in calls] == [0, 10, 3, 1, 0]
    assert [call.usage_estimated for call in calls] == [False, False, False, True, True]
    assert calls[0].output == {"text": "Good day"}


@pytest.mark.promise("money-6")
def test_transcripts_can_be_streamed(over: Over) -> None:
    delta = {"type": "transcript.text.delta", "delta": "Good day"}
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
    last = {"type": "transcript.text.done", "text": "Good day", "usage": usage}
    gateway = over(OpenAIPeer(audio__transcriptions=events(delta, last, done=False)))

    came = list(gateway.client().audio.transcriptions.create(model="assistant", file=("a.wav", WAVE), stream=True))

    assert [event.type for event in came] == ["transcript.text.delta", "transcript.text.done"]
    call = gateway.spool.calls[0]
    assert (call.input_tokens, call.output, call.stream) == (14, {"text": "Good day"}, True)


def test_one_model_by_its_name(over: Over) -> None:
    client = over(OpenAIPeer()).client()

    assert client.models.retrieve("assistant").id == "assistant"
    assert [model.id for model in client.models.list()] == ["assistant", "spare"]
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nothing/of that")
    assert "assistant, spare" in caught.value.message


def test_the_sdk_tries_again_when_told_to_wait(over: Over) -> None:
    busy = Answer({"error": {"message": "slow down"}}, 429, headers={"retry-after-ms": "1"})
    peer = OpenAIPeer(embeddings=[busy, embeddings([[1.0]])])
    client = over(peer).client()

    answer = client.with_options(max_retries=1).embeddings.create(model="assistant", input="a")

    assert answer.data[0].embedding == [1.0]
    assert len(peer.asked) == 2


MALFORMED = [
    ("/embeddings", {"input": "a"}, "model"),
    ("/embeddings", {"model": "assistant"}, "input"),
    ("/embeddings", {"model": "assistant", "input": "a", "stream": True}, "stream"),
    ("/embeddings", {"model": 7, "input": "a"}, "model"),
    ("/completions", {"model": "assistant", "prompt": "a", "stream": "yes"}, "stream"),
    ("/completions", {"model": "assistant", "prompt": "a", "stream_options": []}, "stream_options"),
    ("/rerank", {"model": "assistant", "query": "a"}, "documents"),
    ("/images/edits", {"model": "assistant", "prompt": "a"}, "content-type"),
]


def test_a_malformed_request_names_the_parameter(over: Over) -> None:
    peer = OpenAIPeer()
    client = over(peer).client()

    for path, body, parameter in MALFORMED:
        with pytest.raises(openai.BadRequestError) as caught:
            client.post(path, body=body, cast_to=object)
        assert (path, caught.value.param) == (path, parameter)
    assert not peer.asked


MALFORMED_FORMS = [
    ("cut", b"", "begin"),
    ("cut", FORM.replace(b'name="model"', b'name="other"'), "model"),
    ("cut", FORM.replace(b'name="model"', b'name="file"'), "model"),
    ("cut", FORM.replace(b'filename="a"', b"x=y"), "file"),
    ("cut", FORM[: FORM.index(b"--cut--")], "boundary"),
    ("c" * 5000, FORM, "boundary"),
    ('"c[u]t"', FORM, "boundary"),
]


@pytest.mark.promise("inj-5")
def test_a_malformed_form_is_refused_before_anybody_is_asked(over: Over) -> None:
    peer = OpenAIPeer(audio__transcriptions=Answer({"text": "Good day"}))
    gateway = over(peer)

    def send(boundary: str, body: bytes) -> tuple[int, str]:
        kind = f"multipart/form-data; boundary={boundary}"
        headers = {"content-type": kind, "authorization": f"Bearer {SECRET}"}
        request = urllib.request.Request(f"{gateway.url}/v1/audio/transcriptions", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    for boundary, body, words in MALFORMED_FORMS:
        status, said = send(boundary, body)
        assert (status, words in said) == (400, True), said
    assert not peer.asked
    assert send("cut", FORM) == (200, '{"text": "Good day"}')


@pytest.mark.anyio
async def test_the_asynchronous_client_does_it_too(over: Over) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    piece = {"text": "Once", "index": 0, "finish_reason": "stop", "logprobs": None}
    text = {"id": "1", "object": "text_completion", "created": 1, "model": "m", "choices": [piece], "usage": usage}
    peer = OpenAIPeer(
        embeddings=embeddings([[0.5]]),
        completions=events(text),
        audio__speech=Answer(WAVE, kind="audio/wav"),
    )
    gateway = over(peer)

    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=SECRET, max_retries=0) as client:
        vectors = await client.embeddings.create(model="assistant", input="a")
        stream = await client.completions.create(model="assistant", prompt="Tell", stream=True)
        said = [chunk.choices[0].text async for chunk in stream]
        async with client.audio.speech.with_streaming_response.create(
            model="assistant", voice="alloy", input="Good day"
        ) as response:
            heard = await response.read()

    assert (vectors.data[0].embedding, said, heard) == ([0.5], ["Once"], WAVE)
