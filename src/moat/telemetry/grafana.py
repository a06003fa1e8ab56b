"""A Grafana dashboard that answers: how fast, how expensive, how reliable, how good.

The JSON model is Grafana's own (dashboard schema 39, from Grafana 11). Queries are PromQL with Grafana's variables.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES = {"environment": "llm_requests_total", "model": "llm_requests_total", "feature": "llm_requests_total"}
"""Which can be chosen at the top, and the metric that has their values."""
WIDTH, HEIGHT = 24, 8
"""Of the grid, and of a panel, in Grafana's units."""

_WHICH = 'environment=~"$environment",model=~"$model",feature=~"$feature"'


class _Panel(NamedTuple):
    """One plot: queries by legend."""

    title: str
    unit: str
    queries: dict[str, str]
    meaning: str = ""
    span: int = 8


def _rate(metric: str, more: str = "") -> str:
    return f"rate({metric}{{{_WHICH}{more}}}[$__rate_interval])"


def _quantile(quantile: float, metric: str, by: str = "le") -> str:
    return f"histogram_quantile({quantile}, sum by ({by}) ({_rate(metric)}))"


def _quantiles(metric: str) -> dict[str, str]:
    return {f"p{round(100 * quantile)}": _quantile(quantile, metric) for quantile in (0.5, 0.95, 0.99)}


_ROWS: dict[str, tuple[_Panel, ...]] = {
    "How fast?": (
        _Panel("Latency", "s", _quantiles("llm_latency_seconds_bucket"), "Of calls with an answer. Slow: p95 > 5 s."),
        _Panel("Latency p95 by model", "s", {"{{model}}": _quantile(0.95, "llm_latency_seconds_bucket", "le, model")}),
        _Panel("First token", "s", _quantiles("llm_first_token_seconds_bucket"), "Of streamed calls."),
        _Panel(
            "Tokens per second",
            "none",
            {
                "{{model}}": f"sum by (model) ({_rate('llm_streamed_tokens_total')}) / "
                f"sum by (model) ({_rate('llm_streaming_seconds_total')})"
            },
            "Of streamed answers, after the first token.",
        ),
        _Panel("Calls under way", "none", {"all processes": "sum(moat_requests_under_way)"}),
        _Panel(
            "Time per output token",
            "s",
            {
                "p95": "histogram_quantile(0.95, sum by (le) "
                "(rate(gen_ai_server_time_per_output_token_seconds_bucket[$__rate_interval])))"
            },
        ),
    ),
    "How expensive?": (
        _Panel(
            "Dollars per hour by feature",
            "currencyUSD",
            {"{{feature}}": f"3600 * sum by (feature) ({_rate('llm_cost_dollars_total')})"},
        ),
        _Panel(
            "Dollars today",
            "currencyUSD",
            {
                "by price": "sum(increase(llm_cost_dollars_total[24h]))",
                "at $2 per million tokens": "sum(increase(llm_tokens_total[24h])) * 0.000002",
            },
            "The last 24 hours; the second is what LLMDailySpendHigh looks at.",
        ),
        _Panel(
            "Dollars per call",
            "currencyUSD",
            {
                "{{feature}}": f"sum by (feature) ({_rate('llm_cost_dollars_total')}) / "
                f"sum by (feature) ({_rate('llm_requests_total')})"
            },
        ),
        _Panel("Tokens per second by type", "none", {"{{type}}": f"sum by (type) ({_rate('llm_tokens_total')})"}),
        _Panel(
            "Left of limits", "none", {"{{limit}} ({{unit}})": "moat_limit_left"}, "Of the fullest counter of each."
        ),
        _Panel(
            "Cache hit rate",
            "percentunit",
            {
                "{{alias}}": "sum by (alias) (rate(moat_cache_hits_total[$__rate_interval]) + "
                "rate(moat_cache_similar_total[$__rate_interval])) / sum by (alias) "
                "(rate(moat_cache_hits_total[$__rate_interval]) + rate(moat_cache_similar_total[$__rate_interval]) + "
                "rate(moat_cache_misses_total[$__rate_interval]))"
            },
            "Low: below 30 %; below 15 % it costs more than it gives.",
        ),
    ),
    "How reliable?": (
        _Panel("Calls per second", "reqps", {"{{model}}": f"sum by (model) ({_rate('llm_requests_total')})"}),
        _Panel(
            "Failed calls",
            "percentunit",
            {
                "{{error}}": "sum by (error) ("
                + _rate("llm_requests_total", ',error!=""')
                + ") / ignoring (error) group_left () sum ("
                + _rate("llm_requests_total")
                + ")"
            },
            "By kind of error. Above 1 % for all but the caller's own mistakes an alert fires.",
        ),
        _Panel("Open breakers", "none", {"{{deployment}}": "moat_breaker_open"}),
        _Panel(
            "Failed requests to providers",
            "percentunit",
            {
                "{{gen_ai_provider_name}}": "sum by (gen_ai_provider_name) "
                '(rate(gen_ai_client_operation_duration_seconds_count{error_type!=""}[$__rate_interval])) / '
                "sum by (gen_ai_provider_name) "
                "(rate(gen_ai_client_operation_duration_seconds_count[$__rate_interval]))"
            },
        ),
        _Panel(
            "Retries and fallbacks",
            "none",
            {
                "retries {{deployment}}": "rate(moat_retries_total[$__rate_interval])",
                "fallbacks {{deployment}}": "rate(moat_fallbacks_total[$__rate_interval])",
            },
        ),
        _Panel(
            "Trace store behind",
            "s",
            {"oldest record": "max(moat_spool_oldest_seconds)"},
            "Age of the oldest records that are not in the trace store.",
        ),
    ),
    "How good?": (
        _Panel(
            "What people say",
            "none",
            {
                "of 5": '1 + 4 * sum(increase(llm_score_sum{name="feedback"}[24h])) / '
                'sum(increase(llm_score_count{name="feedback"}[24h]))'
            },
            "Mean of 24 hours. Low: below 3.5.",
        ),
        _Panel(
            "Scores of sampled answers",
            "percentunit",
            {
                "{{name}}": 'sum by (name) (increase(llm_score_sum{source="scorer"}[24h])) / '
                'sum by (name) (increase(llm_score_count{source="scorer"}[24h]))'
            },
        ),
        _Panel("Evaluations", "percentunit", {"{{suite}} {{prompt}}@{{version}}": "moat_eval_score"}),
        _Panel("Share of each release", "percentunit", {"{{prompt}} {{version}} {{arm}}": "moat_release_share"}),
        _Panel(
            "Guards",
            "none",
            {"{{action}}": f"sum by (action) ({_rate('llm_guard_actions_total')})"},
            "Calls per second.",
        ),
        _Panel("Prompt drift", "none", {"{{environment}} {{prompt}} {{kind}}": "moat_prompt_drift"}),
    ),
}


def dashboard() -> str:
    """The JSON to import, or to provision."""
    content = {
        "title": "LLM operations",
        "uid": "moat-llm-operations",
        "tags": ["moat", "llm"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [*_variables()]},
        "annotations": {"list": []},
        "links": [],
        "panels": [*_panels()],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}
    for name, metric in VARIABLES.items():
        query = f"label_values({metric}, {name})"
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"query": query, "refId": f"Variable{name.capitalize()}"},
            "refresh": 2,
            "includeAll": True,
            "allValue": ".*",
            "multi": True,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "hide": 0,
            "sort": 1,
        }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in _ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        }
        top, left = top + 1, 0
        for panel in panels:
            number += 1
            if left + panel.span > WIDTH:
                top, left = top + HEIGHT, 0
            yield _plot(panel, number, {"x": left, "y": top, "w": panel.span, "h": HEIGHT})
            left += panel.span
        top += HEIGHT


def _plot(panel: _Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
                "exemplar": True,
            }
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }
