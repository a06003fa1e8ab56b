"""A large made-up project, for measurements: prompts with versions, partials, tools, suites and a lock."""

import random
from pathlib import Path

PROMPTS, VERSIONS = 500, 20
TOOLS = 12
WORDS = [
    "answer",
    "customer",
    "order",
    "refund",
    "policy",
    "delivery",
    "invoice",
    "account",
    "politely",
    "short",
    "exact",
    "quote",
    "never",
    "promise",
    "always",
    "ask",
    "before",
    "after",
    "days",
    "number",
    "reply",
    "language",
    "tone",
    "detail",
    "summary",
    "question",
    "example",
    "context",
    "product",
    "return",
    "warranty",
]

_CONFIG = """\
project: large
providers:
  simulated: {kind: simulated, rules: simulation/rules.yaml}
models:
  assistant: {use: [simulated/large], price: {input: "0.60", output: "2.40"}}
environments:
  production: {}
"""
_TOOL = """\
description: Looks up number {number}.
parameters:
  type: object
  properties:
    id: {{type: string, description: Which one.}}
  required: [id]
examples:
  - {{id: "A-1"}}
counter_examples:
  - {{}}
"""
_PROMPT = """\
# A prompt of the benchmark.
description: Answers question number {number} of a customer.
owner: team-{team}
tags: [bench, team-{team}]
model: assistant
params: {{temperature: 0.{team}, max_tokens: 300}}
variables:
  question: {{type: string, description: What the customer asks.}}
  plan: {{type: string, default: free, enum: [free, pro]}}
  language: {{type: string, default: English}}
messages:
  - role: system
    content: |
{text}
      {{% if plan == "pro" %}}The customer pays: be thorough.{{% endif %}}
      {{% include "tone" %}}
      Answer in {{{{ language }}}}.
  - role: user
    content: "{{{{ question }}}}"
tools: [tool_{tool}@1.0.0]
output:
  type: object
  required: [intent, answer]
  properties:
    intent: {{type: string, enum: [refund, order, other]}}
    answer: {{type: string}}
"""


def write_project(root: Path, *, prompts: int = PROMPTS, versions: int = VERSIONS, seed: int = 7) -> Path:
    """Write a project of `prompts * versions` prompt versions into an empty or new folder; the folder.

    Each version has 40 lines; it differs from the one before in a few lines of its own system text, as people edit.
    """
    chance = random.Random(seed)
    _write(root / "moat.yaml", _CONFIG)
    _write(root / "simulation/rules.yaml", "rules: [{user: '.*', answers: [{text: ok}]}]\n")
    _write(root / "prompts/_partials/tone.j2", "Be kind, and brief.\n")
    for number in range(TOOLS):
        _write(root / f"tools/tool_{number}/1.0.0.yaml", _TOOL.format(number=number))
    for number in range(prompts):
        lines = [_sentence(chance) for _ in range(14)]
        for minor in range(versions):
            lines[chance.randrange(len(lines))] = _sentence(chance)
            text = "\n".join(f"      {line}" for line in lines)
            content = _PROMPT.format(number=number, team=number % 9, tool=number % TOOLS, text=text)
            _write(root / f"prompts/team-{number % 9}/prompt-{number}/1.{minor}.0.yaml", content)
    return root


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=9)).capitalize() + "."


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
