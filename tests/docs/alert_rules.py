"""The table of shipped alert rules, as `docs/alerts.md` has it."""

from moat.domain.alerting import Rule
from moat.telemetry.alerts.messages import shown
from moat.telemetry.alerts.shipped import SHIPPED
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "alerts.md"
HEAD = "| rule | answers | fires | window | at least | severity |\n|---|---|---|---|---|---|\n"


def rules_table() -> str:
    """In the order in which they are shipped."""
    return HEAD + "\n".join(map(_row, SHIPPED)) + "\n"


def with_table(text: str) -> str:
    """The page with the table as it should be."""
    start = text.index(HEAD.splitlines()[0])
    end = text.index("\n\n", start) + 1
    return text[:start] + rules_table() + text[end:]


def _row(rule: Rule) -> str:
    seed = rule.seed.replace(" | ", ", ").replace("|", ",")
    cells = (f"`{rule.name}`", seed, _fires(rule), _window(rule.window_s), f"{rule.min_samples:,}", rule.severity)
    return f"| {' | '.join(cells)} |"


def _fires(rule: Rule) -> str:
    if rule.measure in ("slow_calls", "expensive_calls"):
        return f"`{rule.measure}`: each above {rule.limit:g} {'s' if rule.measure == 'slow_calls' else 'dollar'}"
    if rule.relative:
        return f"`{rule.measure}` {rule.side} {rule.threshold:g}x baseline"
    if not rule.threshold:
        return f"`{rule.measure}`: each"
    return f"`{rule.measure}` {rule.side} {shown(rule.measure, rule.threshold)}"


def _window(seconds: int) -> str:
    return f"{seconds // 86_400} d" if seconds % 86_400 == 0 else f"{seconds // 60} min"
