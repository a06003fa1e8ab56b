"""Whatever a client or a server says, the translation answers with its own errors and nothing else."""

from functools import partial
from itertools import product
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.providers import gemini_embeddings
from moat.adapters.providers.gemini_answer import Reader
from moat.adapters.providers.gemini_errors import error_of
from moat.adapters.providers.gemini_request import request_body
from moat.domain.calls import Delta, Finished
from moat.domain.errors import ProviderError, RequestError, Unsupported
from moat.gateway.format import Incoming
from moat.gateway.formats.gemini import CountTokens, GenerateContent
from moat.gateway.formats.gemini_embeddings import EmbedContent
from moat.testing.fakes import new_call
from tests.refusing import unless_refused

WORDS = st.sampled_from(["", "x", "user", "model", "function", "text", "image_url", "AUTO", "f", "application/json"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | WORDS


def shapes(*names: str) -> st.SearchStrategy[Any]:
    """JSON whose members have names that mean something here."""
    keys = st.sampled_from(names)
    return st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )


def words(text: str) -> list[str]:
    return text.split()


REQUEST = words(
    "contents parts role text thought thoughtSignature inlineData mimeType data fileData fileUri "
    "functionCall name args id functionResponse response systemInstruction"
)
SETTINGS = words(
    "generationConfig responseSchema responseJsonSchema responseMimeType responseModalities "
    "thinkingConfig type anyOf thinkingLevel thinkingBudget stopSequences maxOutputTokens tools "
    "functionDeclarations parameters properties items name toolConfig functionCallingConfig mode "
    "allowedFunctionNames serviceTier logprobs responseLogprobs minItems"
)
ANSWER = words(
    "candidates content parts text thought thoughtSignature functionCall name args id inlineData "
    "finishReason promptFeedback blockReason usageMetadata promptTokenCount modelVersion error code "
    "message status details"
)
MESSAGE = words(
    "role content type text image_url url tool_calls function name arguments id tool_call_id file "
    "file_data file_id input_audio data format google extra_content thought_signature reasoning_content "
    "refusal is_error"
)
PARAMS = words(
    "type function name parameters json_schema schema mode tools allowed_tools generationConfig "
    "thinkingConfig thinkingBudget budget_tokens toolConfig google"
)

CHECKED = words(
    "tools tool_choice response_format thinking reasoning_effort google stop n modalities service_tier "
    "parallel_tool_calls logprobs"
)

MANY = settings(max_examples=100, deadline=None)


def incoming(body: Any) -> Incoming:
    return Incoming(body=msgspec.json.encode(body), path="m:x", query="", content_type="")


SAID = [{"role": "user", "parts": [{"text": "x"}]}]
PLAIN = [{"role": "user", "content": "x"}]


@MANY
@given(st.dictionaries(st.sampled_from(["contents", "systemInstruction"]), shapes(*REQUEST)))
def test_contents_of_clients(body: Any) -> None:
    sound = {"contents": SAID}
    for said in (body, sound):
        asked = unless_refused(partial(GenerateContent().parse, incoming(said)), RequestError, is_sound=said is sound)
        assert asked is None or (asked.model == "m" and isinstance(asked.messages, list))
        assert said is not sound or (asked and asked.messages == PLAIN)


@MANY
@given(
    st.dictionaries(
        st.sampled_from(["generationConfig", "tools", "toolConfig", "serviceTier", "safetySettings"]), shapes(*SETTINGS)
    )
)
def test_settings_of_clients(body: Any) -> None:
    sound = {"generationConfig": {"maxOutputTokens": 3}}
    for said in (body, sound):
        is_sound, whole = said is sound, incoming({"contents": "Hi", **said})
        asked = unless_refused(partial(GenerateContent().parse, whole), RequestError, is_sound=is_sound)
        if asked is None:
            continue
        assert asked.messages == [{"role": "user", "content": "Hi"}]
        call = new_call(**asked.params)
        sent = unless_refused(partial(request_body, call), Unsupported, is_sound=is_sound)
        assert sent is None or msgspec.json.decode(msgspec.json.encode(sent))["contents"]
        assert not is_sound or (sent and sent["generationConfig"] == {"maxOutputTokens": 3})


@MANY
@given(shapes("generateContentRequest", "requests", "content", "parts", "text", "embedContentConfig", "contents"))
def test_other_requests_of_clients(body: Any) -> None:
    one = {"content": {"parts": [{"text": "x"}]}}
    for format, sound in (
        (CountTokens(), {"contents": SAID}),
        (EmbedContent(), one),
        (EmbedContent(batch=True), {"requests": [one]}),
    ):
        for said in (body, sound):
            asked = unless_refused(partial(format.parse, incoming(said)), RequestError, is_sound=said is sound)
            assert asked is None or asked.model == "m"
            assert said is not sound or (asked and (asked.messages == PLAIN or asked.params["input"] in ("x", ["x"])))


@MANY
@given(st.lists(st.dictionaries(st.sampled_from(MESSAGE), shapes(*MESSAGE), min_size=1), max_size=3))
def test_messages_of_any_shape(said: list[Any]) -> None:
    roles = ["user", "assistant", "tool", "system"]
    messages = [{**one, "role": role} for one in said for role in roles]
    for whole in (messages, *([message] for message in messages), PLAIN):
        call = msgspec.structs.replace(new_call(), messages=whole)
        sent = unless_refused(partial(request_body, call), Unsupported, is_sound=whole is PLAIN)
        assert sent is None or isinstance(msgspec.json.decode(msgspec.json.encode(sent))["contents"], list)
        assert whole is not PLAIN or (sent and sent["contents"] == SAID)


@MANY
@given(st.sampled_from(CHECKED), shapes(*PARAMS))
def test_parameters_of_any_shape(name: str, value: Any) -> None:
    sound = {"stop": "x"}
    for params in ({name: value}, sound):
        call = new_call(**params)
        sent = unless_refused(partial(request_body, call), Unsupported, is_sound=params is sound)
        assert sent is None or msgspec.json.decode(msgspec.json.encode(sent))["contents"]
        assert params is not sound or (sent and sent["generationConfig"] == {"stopSequences": ["x"]})
    for key in ("google", "input", "dimensions", "user"):
        call = new_call(**{"input": "x", key: "x" if key == "user" else value})
        for vertex in (False, True):
            asked = unless_refused(
                partial(gemini_embeddings.ask, call, vertex=vertex), Unsupported, is_sound=key == "user"
            )
            assert asked is None or b'"x"' in msgspec.json.encode(asked.body) or key == "input"


@MANY
@given(shapes(*ANSWER))
def test_answers_of_servers(answer: Any) -> None:
    sound = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]}
    for said, wire in product((answer, sound), ("openai", "gemini")):
        data, is_sound = msgspec.json.encode(said), said is sound
        reader = Reader(msgspec.structs.replace(new_call(), wire=wire), where="w")
        deltas = [unless_refused(partial(reader.take, data, data), ProviderError, is_sound=is_sound) for _ in range(2)]
        end = unless_refused(reader.finish, ProviderError, is_sound=is_sound)
        assert all(delta is None or isinstance(delta, Delta) for delta in deltas)
        assert end is None or isinstance(end, Finished)
        assert not is_sound or (deltas[0] and deltas[0].text == "x" and end and end.reason == "stop")
    data = msgspec.json.encode(answer)
    assert isinstance(error_of(0, {}, data, where="w"), ProviderError)
    assert isinstance(error_of(429, {}, data, where="w"), ProviderError)


@MANY
@given(shapes("embeddings", "embedding", "values", "predictions", "statistics", "token_count", "usageMetadata"))
def test_embeddings_of_servers(answer: Any) -> None:
    sound = {"embedding": {"values": [0.5]}}
    for said in (answer, sound):
        read = partial(gemini_embeddings.read_answer, new_call(input="x"), msgspec.json.encode(said), where="w")
        found = unless_refused(read, ProviderError, is_sound=said is sound)
        if found is not None:
            delta, end = found
            vectors = [one["embedding"] for one in msgspec.json.decode(delta.raw or b"")["data"]]
            assert (len(vectors), end.reason) == (1, "stop")
            assert said is not sound or vectors == [[0.5]]


@given(st.binary(max_size=40))
def test_bytes_of_servers(data: bytes) -> None:
    assert isinstance(error_of(500, {}, data, where="w"), ProviderError)
    sound = msgspec.json.encode({"candidates": [{"content": {"parts": [{"text": "x"}]}}]})
    for said in (data, sound):
        reader = Reader(new_call(), where="w")
        delta = unless_refused(partial(reader.take, said, said), ProviderError, is_sound=said is sound)
        assert delta is None or isinstance(delta, Delta)
        assert said is not sound or (delta and delta.text == "x")
