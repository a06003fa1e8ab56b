"""Alert rules as files for Prometheus: plain, and as the resource of the Prometheus operator (Kubernetes)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from moat.domain.alerting import Rule
from moat.telemetry.promql import duration, expression

EVERY_SECONDS = 60
"""Between two evaluations, by the server and, as its default is, by Prometheus."""

SPEND: dict[str, Any] = {
    "name": "llm_cost",
    "rules": [
        {
            "alert": "LLMDailySpendHigh",
            "expr": "sum(increase(llm_tokens_total[24h])) * 0.000002 > 50",
            "for": "5m",
            "annotations": {"summary": "LLM daily spend exceeding $50 threshold"},
        }
    ],
}
"""At one price for every token: where all models are priced, `LLMDailySpend` is exact."""


class _OfServer(NamedTuple):
    """A rule about the server itself."""

    alert: str
    expr: str
    lasting: str
    severity: str
    summary: str
    remedy: str


_SERVER = (
    _OfServer(
        "MoatRefusesCalls",
        "moat_spool_refusing > 0",
        "0s",
        "critical",
        "Calls are refused: the disk takes no records.",
        "Free space on the disk of .moat/spool, or repair it; nothing else is needed.",
    ),
    _OfServer(
        "MoatIsDegraded",
        "moat_serving_problems > 0 or moat_reload_age_seconds > 30",
        "5m",
        "warning",
        "Parts of the project are broken and served as they last were.",
        "`moat status` names them.",
    ),
    _OfServer(
        "MoatTracesLag",
        "moat_spool_oldest_seconds > 60",
        "5m",
        "warning",
        "Records wait for the trace store, and the spool grows.",
        "The server's log says why they are not shipped; nothing is lost as long as the disk has room.",
    ),
    _OfServer(
        "MoatSegmentsRejected",
        "moat_spool_rejected_segments > 0",
        "0s",
        "warning",
        "The trace store would not take some records.",
        "The `.reason` files in .moat/spool/rejected say why.",
    ),
    _OfServer(
        "MoatWorkersDie",
        "increase(moat_workers_replaced_total[15m]) > 3",
        "0s",
        "warning",
        "Worker processes end again and again.",
        "The server's log has their exit codes; memory limits are the usual reason.",
    ),
    _OfServer(
        "MoatBreakerOpen",
        "moat_breaker_open > 0",
        "5m",
        "warning",
        "A deployment is left alone after failures.",
        "`moat status` and the provider's status page; fallbacks answer if the alias has any.",
    ),
    _OfServer(
        "MoatLimitNearlyUsed",
        "moat_limit_used_share > 0.9",
        "0s",
        "warning",
        "The fullest counter of a limit is above 90 %.",
        "`moat limits` says whose it is.",
    ),
    _OfServer(
        "MoatServesWhatIsNotInGit",
        'max by (environment, prompt, kind) (moat_prompt_drift{environment="production"}) > 0',
        "15m",
        "warning",
        "What runs is not what stands in git.",
        "docs/operations.md lists the kinds of drift and what to do.",
    ),
    _OfServer(
        "MoatEvalRegressed",
        "moat_eval_regressed > 0",
        "0s",
        "warning",
        "The newest evaluation of a suite was found worse.",
        "`moat eval list` and `moat eval compare` show it.",
    ),
)


def groups(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Of all rules that Prometheus can watch."""
    named = [made for rule in rules if (made := _alert(rule)) is not None]
    return [
        SPEND,
        {"name": "llm_alerts", "rules": named},
        {"name": "moat_server", "rules": [*map(_of_server, _SERVER)]},
    ]


def rules_file(rules: Sequence[Rule]) -> str:
    """For `rule_files` of prometheus.yml."""
    return _yaml({"groups": groups(rules)})


def operator_resource(rules: Sequence[Rule]) -> str:
    """For `kubectl apply`: two PrometheusRules."""
    spend, *others = groups(rules)
    return "---\n".join(
        _yaml(
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "moat"}},
                "spec": {"groups": found},
            }
        )
        for name, found in (("llm-cost-alerts", [spend]), ("moat-alerts", others))
    )


def alert_name(rule: str) -> str:
    """What a rule is called there.

    >>> alert_name("latency-p95")
    'LLMLatencyP95'
    """
    return "LLM" + "".join(word.capitalize() for word in rule.replace(".", "-").replace("_", "-").split("-"))


def _alert(rule: Rule) -> dict[str, Any] | None:
    found = expression(rule)
    if found is None:
        return None
    annotations = {"summary": rule.meaning, "description": "It is {{ $value | humanize }}.", "remedy": rule.remedy}
    if rule.seed:
        annotations["row"] = rule.seed
    return {
        "alert": alert_name(rule.name),
        "expr": found,
        "for": duration((rule.after - 1) * EVERY_SECONDS),
        "labels": {"severity": rule.severity, "rule": rule.name},
        "annotations": {name: _plain(text) if name != "description" else text for name, text in annotations.items()},
    }


def _of_server(rule: _OfServer) -> dict[str, Any]:
    return {
        "alert": rule.alert,
        "expr": rule.expr,
        "for": rule.lasting,
        "labels": {"severity": rule.severity},
        "annotations": {"summary": rule.summary, "remedy": rule.remedy},
    }


def _plain(text: str) -> str:
    """Words of moat.yaml that are no template."""
    return text.replace("{{", '{{ "{{" }}')


def _yaml(content: Any) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10_000)
    return text
