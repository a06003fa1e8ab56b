"""What the attributes of each convention mean, as a table."""

from typing import Any

import msgspec
import pytest

from moat.domain.spans import Span
from moat.telemetry import conventions
from moat.telemetry.otlp import Policy, decode, messages
from tests.telemetry.test_otlp_encodings import request


def read(attributes: dict[str, Any], *, events: Any = (), policy: Policy | None = None, **changes: Any) -> Span:
    made = request(list(attributes.items()), events=events, **changes).SerializeToString()
    (span,) = decode(made, "protobuf", policy or Policy()).spans
    return span


PLAIN = {"otel.scope.name": "lib", "moat.span_kind": "client"}


def json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@pytest.mark.parametrize(
    ("attributes", "fields"),
    [
        ({"gen_ai.operation.name": "invoke_agent"}, {"operation": "invoke_agent"}),
        ({"openinference.span.kind": "RETRIEVER"}, {"operation": "retrieval"}),
        ({"openinference.span.kind": "CHAIN"}, {"operation": "chain"}),
        ({"traceloop.span.kind": "workflow"}, {"operation": "invoke_workflow"}),
        ({"traceloop.span.kind": "tool", "llm.request.type": "chat"}, {"operation": "chat"}),
        (
            {"traceloop.span.kind": "tool", "traceloop.entity.name": "lookup"},
            {"operation": "execute_tool", "tools": "lookup"},
        ),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup"}, {"tools": "lookup"}),
        ({"openinference.span.kind": "TOOL", "tool.name": "lookup"}, {"tools": "lookup"}),
        ({"gen_ai.operation.name": "chat", "gen_ai.tool.name": "lookup"}, {"tools": ""}),
        (
            {"llm.token_count.prompt": 9, "llm.token_count.completion": 4, "llm.token_count.total": 13},
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "attributes": PLAIN,
            },
        ),
        (
            {
                "gen_ai.usage.cache_read_input_tokens": 3,
                "gen_ai.usage.cache_creation.input_tokens": 2,
                "gen_ai.usage.reasoning_tokens": 7,
                "llm.token_count.completion_details.audio": 1,
            },
            {"cached_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 7, "audio_output_tokens": 1},
        ),
        ({"gen_ai.usage.input_tokens": -4, "gen_ai.usage.output_tokens": "7"}, {"input_tokens": 0, "output_tokens": 0}),
        ({"llm.cost.total": 0.0125}, {"cost": 12_500_000_000}),
        ({"llm.cost.total": float("nan")}, {"cost": None}),
        ({"gen_ai.usage.cost": -1.0}, {"cost": None}),
        ({"gen_ai.response.time_to_first_chunk": 0.25}, {"first_token_ns": 250_000_000}),
        ({"llm.is_streaming": True}, {"stream": True}),
        ({"gen_ai.response.finish_reasons": ["length", "stop"]}, {"finish_reason": "length"}),
        ({"gen_ai.response.finish_reasons": []}, {"finish_reason": ""}),
        ({"gen_ai.openai.response.system_fingerprint": "fp"}, {"fingerprint": "fp"}),
        ({"traceloop.prompt.key": "p", "traceloop.prompt.version": 3}, {"prompt": "p", "version": "3"}),
        ({"traceloop.association.properties.session_id": "s"}, {"session": "s"}),
        ({"llm.request.model_name": "asked", "llm.model_name": "said"}, {"model": "asked"}),
        (
            {"gen_ai.headers": "authorization: secret"},
            {"attributes": PLAIN},
        ),
    ],
)
def test_fields(attributes: dict[str, Any], fields: dict[str, Any]) -> None:
    span = read(attributes)
    assert {name: getattr(span, name) for name in fields} == fields


IMAGE = {"type": "image", "image": {"image": {"url": "u"}}}
PARTS = [
    {"role": "user", "parts": [{"type": "text", "content": "Look"}, {"type": "uri", "uri": "http://x/y.png"}]},
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"ok": True}}]},
]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (
            PARTS,
            [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "Look"}, {"type": "uri", "uri": "http://x/y.png"}],
                },
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": '{"ok":true}'},
            ],
        ),
        (
            [
                {
                    "role": "assistant",
                    "parts": [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "Yes"}],
                }
            ],
            [{"role": "assistant", "content": "Yes", "reasoning_content": "Hm."}],
        ),
        (
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "sun"}]}],
            [{"role": "tool", "tool_call_id": "c1", "content": "sun"}],
        ),
        (
            [{"role": "user", "content": '[{"type":"text","text":"a"},{"type":"text","text":"b"}]'}],
            [{"role": "user", "content": "a\nb"}],
        ),
        (
            [
                {
                    "message": {
                        "role": "user",
                        "contents": [{"message_content": {"type": "image", "image": {"image": {"url": "u"}}}}],
                    }
                }
            ],
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}],
        ),
        (
            [{"role": "assistant", "function_call_name": "look", "function_call_arguments_json": '{"a":1}'}],
            [{"role": "assistant", "tool_calls": [{**CALL, "id": ""}]}],
        ),
        ([{"prompt": {"text": "Once"}}], [{"role": "user", "content": "Once"}]),
        ({"messages": [{"role": "user", "content": "a"}], "model": "m"}, [{"role": "user", "content": "a"}]),
        ("text", None),
        ([{"no": "message"}], None),
        ([1], None),
        ([], None),
    ],
)
def test_messages(said: Any, found: Any) -> None:
    assert messages.messages(said) == found


def test_a_conversation_in_opentelemetrys_attributes() -> None:
    span = read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system_instructions": json([{"type": "text", "content": "Be kind."}]),
            "gen_ai.input.messages": json([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]),
            "gen_ai.output.messages": json(
                [{"role": "assistant", "parts": [{"type": "text", "content": "Ho"}], "finish_reason": "stop"}]
            ),
            "gen_ai.tool.definitions": json([{"type": "function", "name": "look"}]),
            "input.value": "the same, raw",
        }
    )
    assert span.input == {
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
        "params": {"tools": [{"type": "function", "name": "look"}]},
    }
    assert (span.output, span.finish_reason) == ({"text": "Ho"}, "stop")


def test_several_choices_are_kept() -> None:
    said = {f"gen_ai.completion.{number}.content": f"answer {number}" for number in (10, 9)}
    assert read(said).output == {
        "text": "answer 9",
        "choices": [{"text": "answer 9"}, {"text": "answer 10"}],
    }


ANSWERED = '[{"role":"assistant","content":"Ho","finish_reason":"stop"}]'


@pytest.mark.parametrize(
    "events",
    [
        [
            ("gen_ai.user.message", {"content": "Hi"}),
            ("gen_ai.choice", {"message": '{"content":"Ho"}', "finish_reason": "stop"}),
        ],
        [
            ("gen_ai.user.message", {"gen_ai.event.content": '{"content":"Hi"}'}),
            ("gen_ai.choice", {"gen_ai.event.content": '{"message":{"content":"Ho"},"finish_reason":"stop"}'}),
        ],
        [
            ("gen_ai.content.prompt", {"gen_ai.prompt": '[{"role":"user","content":"Hi"}]'}),
            (
                "gen_ai.content.completion",
                {"gen_ai.completion": ANSWERED},
            ),
        ],
        [
            (
                "gen_ai.client.inference.operation.details",
                {
                    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
                    "gen_ai.output.messages": ANSWERED,
                },
            )
        ],
    ],
    ids=["messages", "azure", "earlier", "details"],
)
def test_a_conversation_in_events(events: Any) -> None:
    span = read({}, events=[(name, list(told.items())) for name, told in events])
    assert span.input == {"messages": [{"role": "user", "content": "Hi"}]}
    assert (span.output, span.finish_reason) == ({"text": "Ho"}, "stop")
    assert conventions.EVENTS not in span.attributes


def test_retrieval_reranking_and_embeddings() -> None:
    found = read(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "returns?",
            "retrieval.documents.1.document.content": "B",
            "retrieval.documents.0.document.content": "A",
            "retrieval.documents.0.document.score": 0.9,
            "retrieval.documents.0.document.metadata": '{"page":1}',
        }
    )
    assert found.input == "returns?"
    assert found.output == [{"content": "A", "score": 0.9, "metadata": {"page": 1}}, {"content": "B"}]
    ranked = read(
        {
            "openinference.span.kind": "RERANKER",
            "reranker.query": "q",
            "reranker.input_documents.0.document.content": "A",
            "reranker.output_documents.0.document.content": "B",
            "reranker.model_name": "m",
        }
    )
    assert (ranked.operation, ranked.model) == ("rerank", "m")
    assert ranked.input == {"query": "q", "documents": [{"content": "A"}]}
    assert ranked.output == [{"content": "B"}]
    embedded = read(
        {"embedding.embeddings.0.embedding.text": "A", "embedding.embeddings.0.embedding.vector": [0.1, 0.2]}
    )
    assert embedded.input == {"input": ["A"]}


def test_tools_and_agents_keep_what_they_got_and_gave() -> None:
    tool = read(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "look",
            "gen_ai.tool.call.arguments": '{"a":1}',
            "gen_ai.tool.call.result": '{"b":2}',
        }
    )
    assert (tool.tools, tool.input, tool.output) == ("look", {"a": 1}, {"b": 2})
    step = read({"traceloop.entity.input": '{"args":[1]}', "traceloop.entity.output": "done"})
    assert (step.input, step.output) == ({"args": [1]}, "done")


def test_an_exception_says_what_went_wrong() -> None:
    died = [
        (
            "exception",
            [("exception.type", "ValueError"), ("exception.message", "no"), ("exception.stacktrace", "t" * 99_999)],
        )
    ]
    span = read({}, events=died, status={"code": 2})
    assert (span.error, span.error_message) == ("ValueError", "no")
    (event,) = span.attributes[conventions.EVENTS]
    assert len(event["attributes"]["exception.stacktrace"]) < 5000
    assert read({"error.type": "timeout"}, events=died).error == "timeout"
    handled = read({}, events=died)
    assert (handled.error, handled.error_message) == ("", "")


def test_the_first_piece_of_a_stream() -> None:
    span = read({}, events=[("gen_ai.content.completion.chunk", []), ("gen_ai.content.completion.chunk", [])])
    assert (span.stream, span.first_token_ns) == (True, 1)
    assert conventions.EVENTS not in span.attributes


def test_other_events_and_links_stay() -> None:
    links = [{"trace_id": b"\5" * 16, "span_id": b"\6" * 8}]
    span = read({}, events=[("retry", [("n", 1)])], links=links)
    assert span.attributes[conventions.EVENTS] == [{"name": "retry", "time_ns": 10**18 + 1, "attributes": {"n": 1}}]
    assert span.attributes[conventions.LINKS] == [{"trace_id": "05" * 16, "span_id": "06" * 8}]
    many = read({}, events=[("e", [])] * 200, links=links * 200)
    assert (len(many.attributes[conventions.EVENTS]), many.attributes[conventions.TRUNCATED]) == (128, True)


def test_a_long_flattened_conversation_is_whole() -> None:
    said = {f"llm.input_messages.{number}.message.content": f"m{number}" for number in range(300)}
    span = read(said)
    assert [message["content"] for message in span.input["messages"]] == [f"m{number}" for number in range(300)]
    assert conventions.TRUNCATED not in span.attributes


def test_a_million_attributes_are_cut_or_refused() -> None:
    span = read({f"a{number}": number for number in range(20_000)})
    assert len(span.attributes) == 128 + 3
    assert span.attributes[conventions.TRUNCATED] is True


def test_content_is_kept_by_policy() -> None:
    said = {"gen_ai.prompt.0.content": "x" * 500, "gen_ai.completion.0.content": "canary"}
    short = read(said, policy=Policy(max_content=100))
    assert (short.input["truncated"] > 500, len(short.input["text"])) == (True, 100)
    none = read(said, policy=Policy(content=False))
    assert (none.input, none.output) == (None, None)
