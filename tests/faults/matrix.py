"""docs/fault-matrix.md from the table of scenarios."""

from pathlib import Path

from moat.testing.faults_kinds import FAULTS
from tests.faults.scenarios import ELSEWHERE, SCENARIOS, Scenario, with_fallback

PAGE = Path(__file__).parents[2] / "docs" / "fault-matrix.md"

HEAD = """\
<!-- made by `python -m tests.faults.regenerate` from tests/faults/scenarios.py; do not edit -->

# Fault matrix

What a client gets when a provider fails, and what is recorded. Every cell is a test over real sockets
([`tests/faults/test_matrix.py`](../tests/faults/test_matrix.py)): a client, the gateway, and a
[server that fails on purpose](faults.md). The columns *whole* and *streamed* hold for chat completions, responses
and messages alike, whether the provider speaks OpenAI's chat or Anthropic's messages.

- **200** is an answer. **200 with a fallback** means that a second deployment gave it: failures before the first byte
  are invisible to a client whose model has one.
- A **status** is an error before the first byte. Its body has the shape of the endpoint; next to it stands the error's
  `code`, as in [errors](errors.md) and in the record.
- **cut** is a stream that had begun: it ends in an error event, without the end mark, and so never looks complete.
  Nothing is tried again then.

In every case the call and each attempt are recorded with the code, the connection to the provider is kept only after
a response that was complete, and no task is left.

| fault | what the provider does | whole | streamed | embeddings | with a fallback |
|---|---|---|---|---|---|
"""

TAIL = """
Tested elsewhere, because they take more than one request or much memory:

"""


def render() -> str:
    """The page."""
    rows = "".join(_row(scenario) for scenario in SCENARIOS)
    others = "".join(f"- `{name}`, {FAULTS[name].what}: [`{path}`](../{path})\n" for name, path in ELSEWHERE.items())
    return HEAD + rows + TAIL + others


def _row(scenario: Scenario) -> str:
    outcomes = [scenario.outcome("chat", False), scenario.outcome("chat", True), scenario.outcome("embeddings", False)]
    saved = [with_fallback(outcome) for outcome in outcomes]
    fallback = "200" if set(saved) == {"200"} else "the same" if saved == outcomes else "200, unless cut"
    cells = [f"`{scenario.fault}`", _what(scenario.fault), *(_shown(outcome) for outcome in outcomes), fallback]
    return f"| {' | '.join(cells)} |\n"


def _what(fault: str) -> str:
    kind, _, options = fault.partition(",")
    if kind.isdecimal():
        return f"answers {kind}" + (", with `retry-after`" if "retry_after" in options else "")
    return FAULTS[kind].what


def _shown(outcome: str) -> str:
    status, _, code = outcome.partition(" ")
    return f"{status} `{code}`" if code else status
