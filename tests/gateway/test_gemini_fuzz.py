"""Whatever a client or a server says, the translation answers with its own errors and nothing else."""

import contextlib
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.providers import gemini_embeddings
from moat.adapters.providers.gemini_answer import Reader
from moat.adapters.providers.gemini_errors import error_of
from moat.adapters.providers.gemini_request import request_body
from moat.domain.errors import ProviderError, RequestError, Unsupported
from moat.gateway.format import Incoming
from moat.gateway.formats.gemini import CountTokens, GenerateContent
from moat.gateway.formats.gemini_embeddings import EmbedContent
from moat.testing.fakes import new_call

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


@MANY
@given(st.dictionaries(st.sampled_from(["contents", "systemInstruction"]), shapes(*REQUEST)))
def test_contents_of_clients(body: Any) -> None:
    with contextlib.suppress(RequestError):
        GenerateContent().parse(incoming(body))


@MANY
@given(
    st.dictionaries(
        st.sampled_from(["generationConfig", "tools", "toolConfig", "serviceTier", "safetySettings"]), shapes(*SETTINGS)
    )
)
def test_settings_of_clients(body: Any) -> None:
    with contextlib.suppress(RequestError):
        asked = GenerateContent().parse(incoming({"contents": "Hi", **body}))
        with contextlib.suppress(Unsupported):
            msgspec.json.encode(request_body(new_call(**asked.params)))


@MANY
@given(shapes("generateContentRequest", "requests", "content", "parts", "text", "embedContentConfig", "contents"))
def test_other_requests_of_clients(body: Any) -> None:
    for format in (CountTokens(), EmbedContent(), EmbedContent(batch=True)):
        with contextlib.suppress(RequestError):
            format.parse(incoming(body))


@MANY
@given(st.lists(st.dictionaries(st.sampled_from(MESSAGE), shapes(*MESSAGE), min_size=1), max_size=3))
def test_messages_of_any_shape(said: list[Any]) -> None:
    roles = ["user", "assistant", "tool", "system"]
    messages = [{**one, "role": role} for one in said for role in roles]
    with contextlib.suppress(Unsupported):
        msgspec.json.encode(request_body(msgspec.structs.replace(new_call(), messages=messages)))
    for message in messages:
        with contextlib.suppress(Unsupported):
            msgspec.json.encode(request_body(msgspec.structs.replace(new_call(), messages=[message])))


@MANY
@given(
    st.sampled_from(
        [
            "tools",
            "tool_choice",
            "response_format",
            "thinking",
            "reasoning_effort",
            "google",
            "stop",
            "n",
            "modalities",
            "service_tier",
            "parallel_tool_calls",
            "logprobs",
        ]
    ),
    shapes(*PARAMS),
)
def test_parameters_of_any_shape(name: str, value: Any) -> None:
    with contextlib.suppress(Unsupported):
        msgspec.json.encode(request_body(new_call(**{name: value})))
    for key in ("google", "input", "dimensions"):
        call = new_call(**{"input": "x", key: value})
        with contextlib.suppress(Unsupported):
            gemini_embeddings.ask(call, vertex=False)
            gemini_embeddings.ask(call, vertex=True)


@MANY
@given(shapes(*ANSWER))
def test_answers_of_servers(answer: Any) -> None:
    data = msgspec.json.encode(answer)
    for call in (new_call(), msgspec.structs.replace(new_call(), wire="gemini")):
        reader = Reader(call, where="w")
        with contextlib.suppress(ProviderError):
            reader.take(data, data)
            reader.take(data, data)
            reader.finish()
    assert isinstance(error_of(0, {}, data, where="w"), ProviderError)
    assert isinstance(error_of(429, {}, data, where="w"), ProviderError)


@MANY
@given(shapes("embeddings", "embedding", "values", "predictions", "statistics", "token_count", "usageMetadata"))
def test_embeddings_of_servers(answer: Any) -> None:
    with contextlib.suppress(ProviderError):
        gemini_embeddings.read_answer(new_call(input="x"), msgspec.json.encode(answer), where="w")


@given(st.binary(max_size=40))
def test_bytes_of_servers(data: bytes) -> None:
    assert isinstance(error_of(500, {}, data, where="w"), ProviderError)
    with contextlib.suppress(ProviderError):
        Reader(new_call(), where="w").take(data, data)
