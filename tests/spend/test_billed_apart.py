"""What providers bill beyond plain tokens: from their bytes through the whole pipeline to dollars, and priced anew.

Dollars are worked out by hand from the price pages named in `moat.spend.surcharges` and in genai-prices.
"""

from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as changed

from moat.adapters.duckdb import DuckTraces
from moat.bootstrap.plugins import provider_kind
from moat.domain.calls import Deployment
from moat.domain.errors import ProviderError
from moat.domain.spans import Span
from moat.domain.usage import from_usd
from moat.pipeline.recipe import build
from moat.ports.kinds import Surroundings
from moat.ports.traces import Charge, RepriceOrder
from moat.spend.prices import PriceTable
from moat.spend.published import published
from moat.testing.fakes import FakeClock, FixedModels, ListSpool, fake_ports, new_call
from moat.testing.loopback import on_loopback
from tests.spend.recorded import anthropic, anthropic_stream, bedrock, gemini, openai, openai_stream, serve

NOON = 1_793_620_800 * 10**9
"""2 November 2026, 12:00 UTC."""
URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "bedrock": "",
}
GROQ, PERPLEXITY, XAI = "https://api.groq.com/openai/v1", "https://api.perplexity.ai", "https://api.x.ai/v1"


class Row(msgspec.Struct, frozen=True):
    """One recorded answer."""

    what: str
    kind: str
    model: str
    answer: list[Any]
    """One object: a whole body. Several: the events of a stream."""
    usd: str | None
    """None: there is no price."""
    params: dict[str, Any] = {}
    headers: dict[str, str] = {}
    url: str = ""
    tier: str = ""
    searches: int = 0
    error: str = ""


CHAT = {
    "prompt_tokens": 1117,
    "completion_tokens": 46,
    "total_tokens": 1163,
    "prompt_tokens_details": {"cached_tokens": 1024},
}
PLAIN = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
CLAUDE = {
    "input_tokens": 2048,
    "cache_read_input_tokens": 1800,
    "cache_creation_input_tokens": 556,
    "cache_creation": {"ephemeral_5m_input_tokens": 456, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 503,
}
LONG = {"input_tokens": 150_000, "cache_read_input_tokens": 60_000, "output_tokens": 1000}
SEARCHED = {**CLAUDE, "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1}}
FLASH = {"promptTokenCount": 1000, "candidatesTokenCount": 80, "thoughtsTokenCount": 400, "totalTokenCount": 1480}
DEEP = {"promptTokenCount": 250_000, "candidatesTokenCount": 2000, "totalTokenCount": 252_000}
CONVERSE = {"inputTokens": 1000, "outputTokens": 200, "totalTokens": 1200}
WEB = {"groundingChunks": [{"web": {"uri": "https://example.org"}}], "webSearchQueries": ["one", "two"]}
MALFORMED = {"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "print(1)"}
GROUNDED = [
    gemini(FLASH, groundingMetadata={"webSearchQueries": ["one"]}, finishReason=None),
    gemini(FLASH, groundingMetadata=WEB),
]


def both(what: str, kind: str, model: str, usage: dict[str, Any], usd: str | None, **more: Any) -> list[Row]:
    """The same answer in one piece and streamed, in OpenAI's or Anthropic's format."""
    said = more.pop("said", {})
    if kind == "anthropic":
        answers = [anthropic({**usage, **said})], anthropic_stream({**usage, **said, "output_tokens": 1}, usage)
    else:
        answers = [openai(usage, **said)], openai_stream(usage, **said)
    return [Row(f"{what}, {how}", kind, model, answer, usd, **more) for how, answer in zip("ws", answers, strict=True)]


# OpenAI: gpt-5 is 1.25 / 0.125 / 10, twice that in priority, half in flex: 93 x 2.50 + 1024 x 0.25 + 46 x 20
# gpt-4.1 is 2 / 0.50 / 8, at 1.75; gpt-5.5 is 5 / 0.50 / 30, at 2.5; a search 0.01, in the preview of gpt-4o 0.025
# Anthropic: Opus 4.6 is 5 / 25, cache 6.25, 10, 0.50: 2048 x 5 + 456 x 6.25 + 100 x 10 + 1800 x 0.50 + 503 x 25
#   = 27565 per million; 6 times that when fast, 1.1 times in the US; 2 times for Opus 4.8
# Sonnet 4.5: 16539 per million, and 0.01 a search; above 200,000 tokens 6 / 0.60 / 22.50
# Gemini 2.5 Flash: 1000 x 0.30 + 480 x 2.50 = 1500; 2.5 Pro above 200,000: 2.50 / 15; Flash 3: 0.50 / 3, 0.014 a query
# Nova Pro: 1000 x 0.80 + 200 x 3.20 = 1440, half in flex, 1.75 times that in priority
ROWS = [
    *both("priority", "openai", "gpt-5", CHAT, "0.0014085", said={"service_tier": "priority"}, tier="priority"),
    *both("named fast", "openai", "gpt-5", CHAT, "0.0014085", said={"service_tier": "fast"}, tier="priority"),
    *both("flex", "openai", "gpt-5", CHAT, "0.000352125", said={"service_tier": "flex"}, tier="flex"),
    *both("default", "openai", "gpt-5", CHAT, "0.00070425", said={"service_tier": "default"}),
    *both("flex was asked", "openai", "gpt-5", CHAT, "0.00070425", params={"service_tier": "flex"}),
    *both("priority 4.1", "openai", "gpt-4.1", PLAIN, "0.0105", said={"service_tier": "priority"}, tier="priority"),
    *both("priority 5.5", "openai", "gpt-5.5", PLAIN, "0.05", said={"service_tier": "priority"}, tier="priority"),
    *both("an unknown tier", "openai", "gpt-5", PLAIN, None, said={"service_tier": "scale"}, tier="scale"),
    *both("a tier without a price", "openai", "gpt-4", PLAIN, None, said={"service_tier": "priority"}, tier="priority"),
    *both("a tier that is no word", "openai", "gpt-5", CHAT, "0.00070425", said={"service_tier": {"a": 1}}),
    *both("searching", "openai", "gpt-4o-search-preview", PLAIN, "0.0325", searches=1),
    *both("searching 5", "openai", "gpt-5-search-api-2025-10-14", PLAIN, "0.01625", searches=1),
    *both("asked to", "openai", "gpt-4o", PLAIN, "0.0175", params={"web_search_options": {}}, searches=1),
    *both("groq", "openai", "llama-3.3-70b-versatile", PLAIN, "0.000985", url=GROQ, said={"service_tier": "on_demand"}),
    *both("groq flex", "openai", "llama-3.3-70b-versatile", PLAIN, "0.000985", url=GROQ, said={"service_tier": "flex"},
          tier="flex"),
    *both("sonar", "openai", "sonar", {**PLAIN, "num_search_queries": 1}, "0.0135", url=PERPLEXITY, searches=1),
    *both("sources", "openai", "grok-4", {**PLAIN, "num_sources_used": 4}, "0.1105", url=XAI, searches=4),
    *both("no price of a search", "openai", "gpt-4", {**PLAIN, "server_tool_use": {"web_search_requests": 2}}, None,
          searches=2),
    *both("nonsense beside the counts", "openai", "gpt-5",
          {**CHAT, "server_tool_use": [1], "num_search_queries": "x", "num_sources_used": -1}, "0.00070425"),
    *both("asked to, and did not", "openai", "gpt-4o", {**PLAIN, "server_tool_use": {"web_search_requests": 0}},
          "0.0075", params={"web_search_options": {}}),
    *both("ran code", "anthropic", "claude-opus-4-6", {**CLAUDE, "server_tool_use": {"code_execution_requests": 1}},
          None),
    *both("searches", "anthropic", "claude-sonnet-4-5", SEARCHED, "0.046539", searches=3),
    *both("fast", "anthropic", "claude-opus-4-6", CLAUDE, "0.16539", said={"speed": "fast"}, tier="fast"),
    *both("fast 4.8", "anthropic", "claude-opus-4-8", CLAUDE, "0.05513", said={"speed": "fast"}, tier="fast"),
    *both("in the US", "anthropic", "claude-opus-4-6", CLAUDE, "0.0303215", said={"inference_geo": "us"}, tier="us"),
    *both("both", "anthropic", "claude-opus-4-6", {**CLAUDE, "server_tool_use": {"web_search_requests": 1}},
          "0.191929", said={"speed": "fast", "inference_geo": "us"}, tier="fast+us", searches=1),
    *both("standard", "anthropic", "claude-opus-4-6", CLAUDE, "0.027565",
          said={"service_tier": "standard", "speed": "standard", "inference_geo": "global"}),
    *both("committed", "anthropic", "claude-opus-4-6", CLAUDE, None, said={"service_tier": "priority"},
          tier="priority"),
    *both("a long context", "anthropic", "claude-sonnet-4-5", LONG, "0.9585"),
    Row("grounded once", "gemini", "gemini-2.5-flash", [gemini(FLASH, groundingMetadata=WEB)], "0.0365", searches=1),
    Row("grounded, s", "gemini", "gemini-2.5-flash", GROUNDED, "0.0365", searches=1),
    Row("each query", "gemini", "gemini-3-flash-preview", GROUNDED, "0.02994", searches=2),
    Row("maps", "gemini", "gemini-3-flash-preview",
        [gemini(FLASH, groundingMetadata={"groundingChunks": [{"maps": {}}]})], "0.01594", searches=1),
    Row("own files", "gemini", "gemini-3-flash-preview",
        [gemini(FLASH, groundingMetadata={"groundingChunks": [{"retrievedContext": {}}]})], "0.00194"),
    Row("nonsense", "gemini", "gemini-2.5-flash", [gemini(FLASH, groundingMetadata=[1])], "0.0015"),
    Row("by header", "gemini", "gemini-2.5-flash", [gemini(FLASH)], "0.0027",
        headers={"x_gemini_service_tier": "priority"}, tier="priority"),
    Row("vertex", "gemini", "gemini-2.5-flash", [gemini({**FLASH, "trafficType": "ON_DEMAND_PRIORITY"})], "0.0027",
        tier="priority"),
    Row("vertex, flex, s", "gemini", "gemini-2.5-flash",
        [gemini(FLASH, finishReason=None), gemini({**FLASH, "trafficType": "ON_DEMAND_FLEX"})], "0.00075", tier="flex"),
    Row("vertex, on demand", "gemini", "gemini-2.5-flash", [gemini({**FLASH, "trafficType": "ON_DEMAND"})], "0.0015"),
    Row("long", "gemini", "gemini-2.5-pro", [gemini(DEEP)], "0.655"),
    Row("long, flex", "gemini", "gemini-2.5-pro", [gemini({**DEEP, "serviceTier": "flex"})], "0.3275", tier="flex"),
    Row("malformed", "gemini", "gemini-2.5-flash", [gemini(FLASH, **MALFORMED)], "0.0015", error="provider_down"),
    Row("malformed, s", "gemini", "gemini-2.5-flash", [gemini(FLASH, finishReason=None), gemini(FLASH, **MALFORMED)],
        "0.0015", error="provider_down"),
    Row("malformed, grounded", "gemini", "gemini-2.5-flash", [gemini(FLASH, groundingMetadata=WEB, **MALFORMED)],
        "0.0365", error="provider_down", searches=1),
    Row("no candidates", "gemini", "gemini-2.5-flash", [{"candidates": [], "usageMetadata": FLASH}], "0.0015",
        error="provider_down"),
    Row("a picture", "gemini", "gemini-2.5-flash",
        [gemini(FLASH, content={"parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]})], "0.0015",
        error="unsupported_operation"),
    Row("flex", "bedrock", "amazon.nova-pro-v1:0", [bedrock(CONVERSE, serviceTier={"type": "flex"})], "0.00072",
        tier="flex"),
    Row("priority", "bedrock", "amazon.nova-pro-v1:0", [bedrock(CONVERSE, serviceTier={"type": "priority"})],
        "0.00252", tier="priority"),
    Row("default", "bedrock", "amazon.nova-pro-v1:0", [bedrock(CONVERSE, serviceTier={"type": "default"})], "0.00144"),
    Row("reserved", "bedrock", "amazon.nova-pro-v1:0", [bedrock(CONVERSE, serviceTier={"type": "reserved"})], None,
        tier="reserved"),
    Row("malformed", "bedrock", "amazon.nova-pro-v1:0", [bedrock(CONVERSE, stopReason="malformed_tool_use")],
        "0.00144", error="provider_down"),
]  # fmt: skip


def no_provider(name: str) -> Any:
    raise AssertionError(name)


async def recorded(row: Row, root: Path) -> tuple[list[Span], PriceTable]:
    """Ask through the whole pipeline; what is recorded, and the table it was priced with."""
    deployment, kind = Deployment("p", row.model), provider_kind(row.kind, "")
    tariff = published(row.model, row.url or URLS[row.kind], row.kind)
    table = PriceTable({("assistant", deployment): tariff}, "table-1")
    spool = ListSpool()
    with on_loopback(serve(row.answer, **row.headers)) as url:
        more = {} if row.kind == "openai" else {"api_key": "k"}
        more |= {"region": "us-east-1"} if row.kind == "bedrock" else {}
        config = msgspec.convert({"kind": row.kind, "base_url": url, **more}, kind.config)
        provider = kind.build(config, Surroundings(name="p", root=root, provider=no_provider))
        models = FixedModels({"assistant": [f"p/{row.model}"]}, {"p": provider}, retries=0)
        ports = replace(fake_ports(provider, spool=spool), models=models, prices=table, clock=FakeClock(NOON))
        call = changed(new_call(stream=len(row.answer) > 1), params=row.params)
        with suppress(ProviderError):
            _ = [event async for event in build(ports)(call)]
        await provider.aclose()
    return spool.spans, table


@pytest.mark.anyio
@pytest.mark.promise("money-11")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}: {row.what}")
async def test_an_answer_costs_what_the_price_pages_say(row: Row, tmp_path: Path) -> None:
    spans, _ = await recorded(row, tmp_path)
    (attempt,) = [span for span in spans if span.kind == "attempt"]
    assert (attempt.tier, attempt.searches, attempt.error) == (row.tier, row.searches, row.error)
    assert attempt.cost == (None if row.usd is None else from_usd(row.usd))
    assert not attempt.usage_estimated
    assert [span.cost for span in spans if span.kind == "call"] == [attempt.cost]


@pytest.mark.anyio
@pytest.mark.promise("money-11")
async def test_all_of_it_is_priced_anew_from_what_is_stored(tmp_path: Path) -> None:
    spans: list[Span] = []
    tables: dict[str, PriceTable] = {}
    for number, row in enumerate(ROWS[::3]):
        found, tables[str(number)] = await recorded(row, tmp_path)
        spans += [changed(span, provider=str(number)) for span in found]
    segment = tmp_path / "segment"
    segment.write_bytes(b"\n".join(map(msgspec.json.encode, spans)) + b"\n")
    stored: list[int | None] = []

    def price(charge: Charge) -> int | None:
        at = Deployment("p", charge.deployment.model)
        cost = tables[charge.deployment.provider].cost(at, charge.alias, charge.usage, charge.started_ns)
        assert cost == charge.cost, charge
        stored.append(cost)
        return cost

    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as traces:
        traces.ingest([segment])
        done = traces.reprice(RepriceOrder(actor="Ada", price_version="new"), price)
    costs = [span.cost for span in spans if span.kind == "attempt"]
    assert sorted(map(str, stored)) == sorted(map(str, costs))
    assert done.before == done.after == sum(cost or 0 for cost in costs) > 0
