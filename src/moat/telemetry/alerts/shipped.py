"""The rules that every project has, each with the row of the metrics table that it answers.

`docs/alerts.md` lists them, which a test holds to this file; `moat deploy metrics` writes them for Prometheus.
"""

from moat.domain.alerting import Rule

OURS = (
    "not error in (client_closed, invalid_request, invalid_prompt, not_found, access_denied, limit_exceeded, "
    "content_filter, data_refused, approval_required, approval_denied)"
)
"""Calls that did not end by what the caller did, or as policies want it: the others say nothing of how reliable the
service is."""

QUARTER = 900
HOUR = 3600
DAY = 86_400
WEEK = 7 * DAY

_ALIAS = ("environment", "model")
_FEATURE = ("environment", "feature")
_DOWN = ("provider-down",)
FAITHFUL = ("faithfulness", "groundedness", "hallucination")
RELEVANT = ("relevance", "retrieval_relevance", "context_relevance", "context_precision")


_LATENCY = (
    Rule(
        name="latency-p50",
        seed="Latency (p50/p95/p99) | Provider performance | p95 > 2x baseline",
        measure="latency_p50",
        side="above",
        threshold=2.0,
        relative=True,
        by=_ALIAS,
        window_s=QUARTER,
        min_samples=50,
        inhibited_by=_DOWN,
        meaning="Half of the answers take more than twice as long as usual at this hour.",
        remedy="`moat traces search` with `latency >` shows which; look at the provider's status, the length of the "
        "prompts, and what was released.",
    ),
    Rule(
        name="latency-p95",
        seed="Performance | Latency p50, p95, p99 | p95 > 5s",
        measure="latency_p95",
        side="above",
        threshold=5.0,
        by=_ALIAS,
        window_s=QUARTER,
        min_samples=100,
        severity="critical",
        inhibited_by=_DOWN,
        meaning="One answer in twenty takes longer than five seconds.",
        remedy="Look at the slowest traces; a faster model as fallback (`strategy: fastest`) or `hedge_after` helps at "
        "once.",
    ),
    Rule(
        name="latency-p95-baseline",
        seed="Latency (p50/p95/p99) | Provider performance | p95 > 2x baseline",
        measure="latency_p95",
        side="above",
        threshold=2.0,
        relative=True,
        by=_ALIAS,
        window_s=QUARTER,
        min_samples=100,
        inhibited_by=(*_DOWN, "latency-p95"),
        meaning="The slow answers are more than twice as slow as usual at this hour.",
        remedy="Compare providers in `moat report --by provider`; look at what was released.",
    ),
    Rule(
        name="latency-p99",
        seed="Latency (p50/p95/p99) | Provider performance | p95 > 2x baseline",
        measure="latency_p99",
        side="above",
        threshold=2.0,
        relative=True,
        by=_ALIAS,
        window_s=HOUR,
        min_samples=500,
        severity="info",
        inhibited_by=(*_DOWN, "latency-p95", "latency-p95-baseline"),
        meaning="The slowest answers are more than twice as slow as usual at this hour.",
        remedy="Look at retries and fallbacks of these calls: a deadline may be too long.",
    ),
    Rule(
        name="tokens-per-second",
        seed="Performance | Tokens per second | < baseline - 20%",
        measure="tokens_per_second",
        side="below",
        threshold=0.8,
        relative=True,
        by=_ALIAS,
        window_s=HOUR,
        min_samples=50,
        meaning="Streamed answers come more than a fifth slower than usual at this hour.",
        remedy="The provider is short of machines, or serves another model: compare `model_answered` and "
        "`fingerprint` of traces before and now.",
    ),
)

_RELIABILITY = (
    Rule(
        name="provider-down",
        seed="Error rate | Provider reliability | > 1%",
        measure="provider_failures",
        side="above",
        threshold=0.5,
        by=("environment", "provider"),
        window_s=300,
        min_samples=10,
        after=1,
        severity="critical",
        meaning="More than half of the requests to a provider fail.",
        remedy="Fallbacks answer if the alias has any (`use` in moat.yaml); `moat status` shows the breakers.",
    ),
    Rule(
        name="error-rate",
        seed="Reliability | Error rate | > 1%",
        measure="error_rate",
        side="above",
        threshold=0.01,
        by=_ALIAS,
        where=OURS,
        window_s=QUARTER,
        min_samples=20,
        severity="critical",
        inhibited_by=_DOWN,
        meaning="More than one call in a hundred fails, and not by what the caller did.",
        remedy="`moat report --by error,provider` shows of what; `moat traces search error` which.",
    ),
    Rule(
        name="timeout-rate",
        seed="Reliability | Timeout rate | > 0.5%",
        measure="timeout_rate",
        side="above",
        threshold=0.005,
        by=_ALIAS,
        where=OURS,
        window_s=QUARTER,
        min_samples=20,
        inhibited_by=_DOWN,
        meaning="More than one call in two hundred gets no answer in time.",
        remedy="Look at the alias's `deadline` and at fallbacks; `moat traces search 'error = timeout'` shows them.",
    ),
)

_COST = (
    Rule(
        name="cost-per-request",
        seed="Cost | Cost per request | > 2x baseline",
        measure="cost_per_call",
        side="above",
        threshold=2.0,
        relative=True,
        by=_FEATURE,
        window_s=HOUR,
        min_samples=50,
        meaning="A call of this feature costs more than twice what it usually does at this hour.",
        remedy="`moat report --by model,version` shows whether the model, the prompt or its length changed.",
    ),
    Rule(
        name="cost-per-query",
        seed="Cost per query | Unit economics | > budget threshold",
        measure="cost_per_call",
        side="above",
        threshold=0.1,
        by=_FEATURE,
        window_s=HOUR,
        min_samples=50,
        meaning="A call of this feature costs more than it may: ten cents, unless moat.yaml says what.",
        remedy="`moat spend --by model,version` and `moat report weekly` show what it is made of; `above` of this "
        "rule is the budget of a call.",
    ),
    Rule(
        name="daily-spend",
        seed="Cost | Daily spend | > budget",
        measure="spend_today",
        side="above",
        threshold=50.0,
        by=(),
        window_s=DAY,
        min_samples=1,
        after=1,
        severity="critical",
        meaning="Today's spending is above the budget of a day.",
        remedy="`moat spend top` shows who; a limit with `window: day` holds it (docs/limits.md).",
    ),
    Rule(
        name="token-usage",
        seed="Token usage (in/out) | Cost efficiency | > 20% increase",
        measure="tokens_per_call",
        side="above",
        threshold=1.2,
        relative=True,
        by=_FEATURE,
        window_s=HOUR,
        min_samples=100,
        meaning="Calls of this feature take a fifth more tokens, in and out, than usual at this hour.",
        remedy="A longer prompt, longer conversations or chattier answers: `moat report --by version` tells which.",
    ),
)

_QUALITY = (
    Rule(
        name="user-feedback",
        seed="Quality | User feedback score | < 3.5/5",
        measure="feedback",
        side="below",
        threshold=3.5,
        by=_FEATURE,
        window_s=DAY,
        min_samples=10,
        meaning="People give less than 3.5 of 5.",
        remedy="`moat traces search 'score.feedback < 0.5'` shows what they saw; make cases of it (docs/datasets.md).",
    ),
    Rule(
        name="hallucination-rate",
        seed="Quality | Hallucination rate (sampled) | > 5%",
        measure="low_scores",
        side="above",
        threshold=0.05,
        by=_FEATURE,
        score=FAITHFUL,
        window_s=DAY,
        min_samples=30,
        severity="critical",
        meaning="More than one sampled answer in twenty says what its sources do not.",
        remedy="Read the answers that scored low; check retrieval first, then the prompt's wording about sources.",
    ),
    Rule(
        name="retrieval-relevance",
        seed="RAG | Retrieval relevance | < 0.7",
        measure="score",
        side="below",
        threshold=0.7,
        by=_FEATURE,
        score=RELEVANT,
        window_s=DAY,
        min_samples=30,
        meaning="What retrieval finds is not what was asked for.",
        remedy="Look at the questions that scored low: new topics need documents, an index needs a rebuild.",
    ),
    Rule(
        name="eval-score",
        seed="Eval score (rolling) | Output quality | > 5% drop from baseline",
        measure="score",
        side="below",
        threshold=0.95,
        relative=True,
        by=_FEATURE,
        window_s=DAY,
        min_samples=50,
        severity="critical",
        meaning="A score of sampled traffic is more than 5 % lower than in the weeks before.",
        remedy="Compare releases and `model_answered` before and now; `moat rerun` asks the same questions again.",
    ),
    Rule(
        name="confidence-shift",
        seed="Confidence distribution | Calibration drift | Bimodal shift",
        measure="score_shift",
        side="above",
        threshold=0.2,
        by=_FEATURE,
        window_s=DAY,
        min_samples=100,
        meaning="Scores are distributed otherwise than in the weeks before, whatever their mean.",
        remedy="Look at both ends of the scores: two kinds of traffic, or a judge that changed.",
    ),
)

_CACHE = (
    Rule(
        name="cache-hit-rate",
        seed="RAG | Cache hit rate | < 30%",
        measure="cache_hit_rate",
        side="below",
        threshold=0.3,
        by=_ALIAS,
        window_s=HOUR,
        min_samples=200,
        severity="info",
        inhibited_by=("cache-hit-rate-low",),
        meaning="Fewer than three questions in ten are answered from the cache.",
        remedy="`moat cache` shows what it holds: a longer `ttl`, more `cache_mb`, or a prompt without a time of day.",
    ),
    Rule(
        name="cache-hit-rate-low",
        seed="Cache hit rate | Caching effectiveness | < 15% (too low)",
        measure="cache_hit_rate",
        side="below",
        threshold=0.15,
        by=_ALIAS,
        window_s=HOUR,
        min_samples=200,
        meaning="Fewer than three questions in twenty are answered from the cache: it costs more than it gives.",
        remedy="Something in each question differs, such as a date or an id: compare two that should be the same.",
    ),
)


def _single(name: str, measure: str, limit: float, meaning: str, remedy: str, where: str = "") -> Rule:
    return Rule(
        name=name,
        seed="Slow / failed / expensive calls bubble up as alerts",
        measure=measure,  # type: ignore[arg-type]  # three of the measures
        side="above",
        threshold=0.0,
        limit=limit,
        by=_FEATURE,
        where=where,
        window_s=HOUR,
        min_samples=1,
        after=1,
        severity="info",
        inhibited_by=_DOWN,
        meaning=meaning,
        remedy=remedy,
    )


_SINGLE = (
    _single(
        "slow-calls",
        "slow_calls",
        30.0,
        "Single calls took longer than half a minute.",
        "`moat traces show ID` tells where the time went.",
    ),
    _single(
        "failed-calls",
        "failed_calls",
        0.0,
        "Single calls failed, and not by what the caller did.",
        "`moat traces show ID` tells at which provider, and why.",
        OURS,
    ),
    _single(
        "expensive-calls",
        "expensive_calls",
        1.0,
        "Single calls cost more than a dollar.",
        "`moat traces show ID` tells what was sent; a limit with `window: request` holds it.",
    ),
)

SHIPPED: tuple[Rule, ...] = (*_LATENCY, *_RELIABILITY, *_COST, *_QUALITY, *_CACHE, *_SINGLE)
