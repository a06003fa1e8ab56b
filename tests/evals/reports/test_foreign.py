"""Scorers of other libraries, run for real where they are installed; promptfoo's assertions."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from moat.documents import Document, decode
from moat.domain.calls import Delta, Finished
from moat.domain.errors import ConfigError, DatasetError, LimitExceeded
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.datasets import load_dataset
from moat.evals.scorers import KINDS, Bench
from moat.evals.scorers.foreign.assertions import REFUSED, TYPES, read_assertion
from moat.evals.scorers.foreign.library import Foreign, context_of, input_of, simple
from moat.evals.scorers.foreign.promptfoo_config import promptfoo_cases
from moat.pipeline.recipe import build
from moat.ports.embedder import Embedding
from moat.testing.fakes import fake_ports
from moat.testing.scripted import ScriptedProvider

CASE = Case(
    id="c",
    variables={"question": "What is the capital of France?", "city": "Paris"},
    expected="Paris",
    context=["Paris is the capital of France."],
)


def made(**options):
    """A scorer as a suite would have it."""
    return decode(Document("suite", options, None), KINDS[options["kind"]], error=ConfigError)


def asking(*replies):
    """A bench whose model says these."""
    provider = ScriptedProvider(*(r if isinstance(r, str | Exception) else json.dumps(r) for r in replies or ("",)))
    return Bench(ask=build(fake_ports(provider))), provider


async def scored(scorer, answer="Paris", case=CASE, bench=None, **more):
    return await scorer.bind(bench or asking()[0]).score(case, Answered(answer, **more))


class LetterEmbedder:
    """Vectors of letters."""

    name = "letters"

    async def embed(self, text, call):
        return Embedding("letters", [1.0 + text.lower().count(letter) for letter in "aeiou"])


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["autoevals", "deepeval", "ragas"])
async def test_a_library_that_is_not_there_is_the_scores_error_with_what_to_do(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, kind, None)
    for name in [name for name in sys.modules if name.startswith(f"{kind}.")]:
        monkeypatch.delitem(sys.modules, name)
    score = await scored(made(kind=kind, **{"scorer" if kind == "autoevals" else "metric": "ExactMatch"}))
    assert score.status == "error"
    assert f"pip install {kind}" in score.reason


@pytest.mark.anyio
async def test_autoevals_run_as_they_are():
    pytest.importorskip("autoevals", reason="autoevals is not installed")
    assert (await scored(made(kind="autoevals", scorer="Levenshtein"))).value == 1
    assert (await scored(made(kind="autoevals", scorer="Levenshtein"), "Pariz")).value == pytest.approx(0.8)
    assert (await scored(made(kind="autoevals", scorer="NumericDiff"), "2", Case(id="n", expected=2))).status == "error"
    silent = await scored(made(kind="autoevals", scorer="Levenshtein"), case=Case(id="n"))
    assert (silent.status, silent.reason) == ("not_run", "the case has no expected")
    unknown = await scored(made(kind="autoevals", scorer="Levenstein"))
    assert "has no 'Levenstein'" in unknown.reason


@pytest.mark.anyio
async def test_autoevals_ask_through_the_pipeline():
    pytest.importorskip("autoevals", reason="autoevals is not installed")

    async def ask(call):
        asked.append(call)
        choice = {"choice": "C", "reasons": ["the same"]}
        from moat.domain.calls import ToolCallDelta

        yield Delta(tool_calls=(ToolCallDelta(index=0, id="t", name="select_choice", arguments=json.dumps(choice)),))
        yield Finished(reason="tool_calls")

    asked = []
    score = await scored(made(kind="autoevals", scorer="Factuality", model="judge"), bench=Bench(ask=ask))
    assert (score.value, score.status, score.reason) == (1.0, "ok", "the same")
    assert asked[0].model == "judge"
    assert asked[0].caller.feature == "scorer:autoevals"
    assert "Paris" in json.dumps(asked[0].messages)
    blind = await scored(made(kind="autoevals", scorer="Factuality"), bench=Bench(ask=ask))
    assert "Give the scorer a `model`" in blind.reason


@pytest.mark.anyio
async def test_deepeval_runs_as_it_is():
    pytest.importorskip("deepeval", reason="deepeval is not installed (105 MB)")
    assert (await scored(made(kind="deepeval", metric="ExactMatchMetric"))).value == 1
    assert (await scored(made(kind="deepeval", metric="ExactMatchMetric"), "Lyon")).value == 0
    bench, provider = asking(
        {"statements": ["Paris."]}, {"verdicts": [{"verdict": "yes", "reason": ""}]}, {"reason": "on topic"}
    )
    score = await scored(made(kind="deepeval", metric="AnswerRelevancyMetric", model="assistant"), bench=bench)
    assert (score.status, score.value, score.reason) == ("ok", 1.0, "on topic"), score
    assert score.cost > 0
    assert len(provider.calls) == 3
    missing = await scored(made(kind="deepeval", metric="FaithfulnessMetric", model="assistant"), case=Case(id="n"))
    assert (missing.status, "retrieval_context" in missing.reason) == ("not_run", True)
    broken = await scored(
        made(kind="deepeval", metric="AnswerRelevancyMetric", model="assistant"), bench=asking("?")[0]
    )
    assert broken.status == "error"


@pytest.mark.anyio
async def test_ragas_runs_as_it_is():
    pytest.importorskip("ragas", reason="ragas is not installed (570 MB)")
    assert (await scored(made(kind="ragas", metric="ExactMatch"))).value == 1
    bench, _ = asking(
        {"statements": ["The capital is Paris."]},
        {"statements": [{"statement": "The capital is Paris.", "reason": "it says so", "verdict": 1}]},
    )
    score = await scored(made(kind="ragas", metric="Faithfulness", model="assistant"), bench=bench)
    assert (score.status, score.value) == ("ok", 1.0), score
    assert score.cost > 0
    missing = await scored(made(kind="ragas", metric="Faithfulness", model="assistant"), case=Case(id="n"))
    assert (missing.status, missing.reason) == ("not_run", "Faithfulness needs retrieved_contexts")


@pytest.mark.anyio
async def test_errors_of_the_set_up_end_the_run():
    bench, _ = asking(LimitExceeded("the budget is used up"))
    scorer = made(kind="promptfoo", model="assistant", **{"assert": [{"type": "llm-rubric", "value": "is a city"}]})
    with pytest.raises(LimitExceeded):
        await scored(scorer, bench=bench)


HOLDS = [
    ({"type": "equals", "value": "{{city}}"}, "Paris", "Lyon"),
    ({"type": "equals", "value": {"a": 1}}, '{"a": 1.0}', '{"a": 2}'),
    ({"type": "contains", "value": "Par"}, "Paris", "paris"),
    ({"type": "icontains", "value": "PAR"}, "Paris", "Lyon"),
    ({"type": "contains", "value": "a, b"}, "a, b", "a and b"),
    ({"type": "contains-all", "value": ["a", "b"]}, "b a", "a"),
    ({"type": "contains-all", "value": "a, b"}, "b a", "a"),
    ({"type": "icontains-all", "value": ["A", "B"]}, "b a", "a"),
    ({"type": "contains-any", "value": ["a", "b"]}, "b", "c"),
    ({"type": "icontains-any", "value": "A, B"}, "b", "c"),
    ({"type": "starts-with", "value": "Yes, of"}, "Yes, of course", "No"),
    ({"type": "regex", "value": r"\d{3}"}, "call 123", "call 12"),
    ({"type": "is-json"}, "[1]", "nope"),
    ({"type": "is-json", "value": {"type": "object", "required": ["a"]}}, '{"a": 1}', '{"b": 1}'),
    ({"type": "contains-json"}, 'so: {"a": 1}.', "so: nothing"),
    ({"type": "contains-json", "value": {"required": ["a"]}}, 'so: {"a": 1}.', 'so: {"b": 1}.'),
    ({"type": "levenshtein", "value": "kitten", "threshold": 3}, "sitting", "something else"),
    ({"type": "rouge-n", "value": "the cat sat on the mat"}, "the cat sat on the mat", "a dog"),
    ({"type": "bleu", "value": "the cat sat on the mat"}, "the cat sat on the mat", "a dog ran by there"),
    ({"type": "similar", "value": "orders are late", "threshold": 0.9}, "orders are late", "xyz"),
    ({"type": "word-count", "value": {"min": 2, "max": 3}}, "two words", "one"),
    ({"type": "word-count", "value": 2}, "two words", "one"),
    ({"type": "is-refusal"}, "I'm sorry, but I can't help with that.", "Paris"),
    ({"type": "not-contains", "value": "Lyon"}, "Paris", "Lyon"),
    ({"type": "not-equals", "value": "Lyon"}, "Paris", "Lyon"),
    (
        {"type": "assert-set", "threshold": 0.5, "assert": [{"type": "contains", "value": "a"}, {"type": "is-json"}]},
        "a",
        "b",
    ),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("assertion", "good", "bad"), HOLDS, ids=[json.dumps(row[0]) for row in HOLDS])
async def test_assertions_hold_or_do_not(assertion, good, bad):
    bench = Bench(ask=asking()[0].ask, embedder=LetterEmbedder())
    scorer = made(kind="promptfoo", **{"assert": [assertion]})
    right, wrong = await scored(scorer, good, bench=bench), await scored(scorer, bad, bench=bench)
    assert (right.value, right.status) == (1, "ok"), right
    assert (wrong.value, wrong.status) == (0, "ok"), wrong
    assert wrong.reason
    own = made(kind="promptfoo")
    case = Case(id="c", variables=CASE.variables, labels={"assert": [assertion]})
    assert (await scored(own, good, case, bench)).value == 1
    assert (await scored(own, bad, case, bench)).value == 0


@pytest.mark.anyio
async def test_latency_cost_and_tool_calls():
    fast = {"type": "latency", "threshold": 100}
    cheap = {"type": "cost", "threshold": 0.002}
    scorer = made(kind="promptfoo", **{"assert": [fast, cheap]})
    assert (await scored(scorer, latency_ns=50_000_000, cost=10**9)).value == 1
    assert (await scored(scorer, latency_ns=500_000_000, cost=10**9)).value == 0
    assert (await scored(scorer, latency_ns=50_000_000, cost=10**10)).value == 0
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "required": ["x"]}}}
    valid = made(kind="promptfoo", **{"assert": [{"type": "is-valid-openai-tools-call", "value": [tool]}]})
    for arguments, value in (('{"x": 1}', 1), ('{"y": 1}', 0)):
        calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}]
        assert (await scored(valid, "", tool_calls=calls)).value == value


@pytest.mark.anyio
async def test_weights_thresholds_and_scores_combine_as_promptfoo_does():
    parts = [
        {"type": "contains", "value": "Paris", "weight": 3},
        {"type": "contains", "value": "Lyon", "metric": "other city"},
        {"type": "is-json", "weight": 0},
    ]
    strict = await scored(made(kind="promptfoo", **{"assert": parts}))
    assert (strict.value, strict.evidence["score"]) == (0, 0.75)
    assert "other city" in strict.reason
    lenient = await scored(made(kind="promptfoo", threshold=0.7, **{"assert": parts}))
    assert lenient.value == 1
    graded = await scored(made(kind="promptfoo", report="score", **{"assert": parts}))
    assert graded.value == 0.75
    assert (await scored(made(kind="promptfoo"))).status == "not_run"


@pytest.mark.anyio
async def test_a_rubric_is_graded_through_the_pipeline():
    scorer = made(
        kind="promptfoo", model="assistant", **{"assert": [{"type": "llm-rubric", "value": "names {{city}}"}]}
    )
    bench, provider = asking({"reason": "it does", "pass": True, "score": 0.9})
    score = await scored(scorer, bench=bench)
    assert (score.value, score.cost > 0) == (1, True)
    assert "names Paris" in provider.calls[0].messages[1]["content"]
    failed = await scored(scorer, bench=asking({"reason": "it does not", "pass": False, "score": 0})[0])
    assert (failed.value, "it does not" in failed.reason) == (0, True)
    assert (await scored(scorer, bench=asking("no JSON")[0])).status == "error"
    assert (await scored(scorer, bench=asking({"pass": True, "score": 7})[0])).status == "error"


@pytest.mark.parametrize(
    ("assertion", "words"),
    [
        ({"type": "javascript", "value": "true"}, "no JavaScript"),
        ({"type": "python", "value": "len(output) > 3"}, "only a file of the project"),
        ({"type": "webhook", "value": "https://x"}, "remote grader"),
        ({"type": "contians", "value": "x"}, "there are:"),
        ({"type": "contains"}, "missing"),
        ({"type": "latency"}, "milliseconds"),
        ({"type": "cost"}, "dollars"),
        ({"type": "regex", "value": "("}, "linear|pattern|regex"),
        ({"type": "regex"}, "pattern"),
        ({"type": "is-json", "value": "file://schema.json"}, "in place"),
        ({"type": "contains", "value": "x", "transform": "output.x"}, "transform"),
        ({"type": "contains", "value": "x", "weight": "3"}, "number"),
        ({"type": "assert-set"}, "at least one"),
        ({"type": "llm-rubric"}, "rubric"),
        ({"type": "word-count", "value": "3"}, "number"),
        ({"value": "x"}, "type"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_the_reason(assertion, words):
    with pytest.raises(ValueError, match=words):
        read_assertion(assertion)
    with pytest.raises(ConfigError, match=words):
        made(kind="promptfoo", **{"assert": [assertion]})


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["{% if x %}", "{{ missing }}", "{{ city | upper }}"])
async def test_templates_beyond_names_are_errors_and_not_taken_literally(value):
    score = await scored(made(kind="promptfoo", **{"assert": [{"type": "contains", "value": value}]}))
    assert score.status == "error"


@pytest.mark.anyio
async def test_a_cases_own_broken_assertions_are_its_error():
    for own in ("x", [3], [{"type": "javascript", "value": "1"}]):
        score = await scored(made(kind="promptfoo"), case=Case(id="c", labels={"assert": own}))
        assert score.status == "error"


def test_every_refusal_says_what_to_do_instead():
    assert not REFUSED.keys() & (TYPES.keys() - {"python"})
    assert all(len(why) > 20 for why in REFUSED.values())


CONFIG = """
prompts: [prompt.txt]
defaultTest:
  vars: {tone: kind}
  assert: [{type: is-json}]
tests:
  - description: capital
    vars: {question: What is the capital of France?}
    assert:
      - {type: contains, value: Paris}
  - vars: {question: And of Austria?}
"""


def test_the_tests_of_a_promptfoo_configuration_become_cases(project):
    config = project.root / "promptfooconfig.yaml"
    config.write_text(CONFIG)
    made_file = project.root / "evals" / "datasets" / "imported.jsonl"
    assert "2 cases" in project.ok("eval", "import", str(config), "-o", str(made_file)).out
    first, second = load_dataset(made_file).cases
    assert first.variables == {"tone": "kind", "question": "What is the capital of France?"}
    assert [one["type"] for one in first.labels["assert"]] == ["is-json", "contains"]
    assert [one["type"] for one in second.labels["assert"]] == ["is-json"]
    assert first.source == "promptfoo: capital"
    again = project.run("eval", "import", str(config), "-o", str(made_file))
    assert (again.code, "nothing is overwritten" in again.err) == (75, True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("type: contains, value: Paris", "type: javascript, value: 'true'", ":10: javascript cannot be used"),
        ("description: capital", "provider: openai", "`provider` of a test"),
        ("prompts:", "scenarios:", "`scenarios` cannot be taken over"),
        ("tests:", "test:", "no list of tests"),
        ("  - vars: {question: And of Austria?}", "  - 3", "a test is an object"),
        ("description: capital", "threshold: 0.5", "own `threshold`"),
        ("tone: kind", "tone: [", "promptfooconfig.yaml:"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_with_its_line(tmp_path, old, new, words):
    path = tmp_path / "promptfooconfig.yaml"
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(DatasetError, match=words):
        promptfoo_cases(path)


class Odd(Foreign, frozen=True, kw_only=True):
    """A metric of a library that may do anything."""

    package: ClassVar[str] = "odd"
    does: Any = None

    async def measured(self, case, answer, model):
        return await self.does(case, answer, model)


async def odd(does, case=CASE, bench=None, **more):
    return await scored(Odd(kind="odd", does=does, model="assistant", **more), case=case, bench=bench)


@pytest.mark.anyio
async def test_whatever_a_library_does_is_a_score_or_its_error():
    async def number(case, answer, model):
        return case.expected, "", {}

    for value, status in ((0.5, "ok"), (None, "error"), (float("nan"), "error"), (1.5, "error"), (-1, "error")):
        assert (await odd(number, Case(id="n", expected=value))).status == status

    async def raises(case, answer, model):
        raise KeyError("x")

    async def sleeps(case, answer, model):
        await asyncio.sleep(60)

    async def embeds(case, answer, model):
        return sum(await model.embed("aa")) / 100, "", {}

    assert "KeyError" in (await odd(raises)).reason
    assert "no score within 0.01 s" in (await odd(sleeps, timeout=0.01)).reason
    assert "embedding model" in (await odd(embeds)).reason
    bench = Bench(ask=asking()[0].ask, embedder=LetterEmbedder())
    assert (await odd(embeds, bench=bench)).value == pytest.approx(0.07)


def test_what_a_case_asks_and_rests_on_is_found_wherever_it_stands():
    assert input_of(Case(id="a", variables={"x": 1, "question": "q"})) == "q"
    assert input_of(Case(id="a", messages=[{"role": "user", "content": "said"}, {"role": "assistant"}])) == "said"
    assert input_of(Case(id="a", variables={"text": "only"})) == "only"
    assert input_of(Case(id="a", variables={"a": 1, "b": 2})) == '{"a":1,"b":2}'
    assert context_of(CASE, Answered("x", context=["mine"])) == ["mine"]
    assert context_of(Case(id="a", variables={"context": "one"}), Answered("x")) == ["one"]
    assert context_of(Case(id="a", variables={"context": ["one", {"t": 2}]}), Answered("x")) == ["one", '{"t":2}']
    assert simple(object()).startswith("<object")


def test_another_library_version_or_model_is_another_score():
    class Names:
        root = Path()

        def deployments(self, alias):
            return (f"openai/{alias}-{next(numbers)}",)

    numbers = iter((1, 2))
    scorer = made(kind="autoevals", scorer="Factuality", model="judge")
    first, second = scorer.pin(Names()).identity, scorer.pin(Names()).identity
    assert first != second
    assert "version" in first
    assert made(kind="autoevals", scorer="Levenshtein").pin(Names()).models == ()
    assert scorer.models == ("judge",)
