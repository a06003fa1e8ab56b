"""Answers that no store or scorer could take are the case's error, wherever they come in."""

import json
from contextlib import closing
from datetime import datetime

import pytest
from msgspec.structs import replace

from moat.adapters.http_target import HttpTarget
from moat.adapters.sqlite.runs import SqliteRuns
from moat.adapters.sqlite.state import SqliteState
from moat.domain.errors import DatasetError, ProviderDown
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.project_code import find_function
from moat.evals.runner import execute
from moat.evals.running.means import Means
from moat.evals.scorers import Bench
from moat.evals.targets.function import FunctionTarget
from moat.evals.targets.reply import Reply, sound
from moat.evals.targets.responses import load_responses
from moat.evals.targets.spec import HttpSpec
from moat.testing.fakes import FakeClock
from moat.testing.loopback import on_loopback
from tests.evals.scorers.worlds import made
from tests.evals.targets.test_http import Service, asking
from tests.evals.worlds import a_target, answers

CASE = Case(id="a", variables={"question": "Who?"})
PATHS = {
    "output": "t",
    "tool_calls": "calls",
    "context": "docs",
    "usage": {"input": "in", "output": "out", "cost": "usd"},
}
SERVED = {
    "a call that is none": {"calls": ["x", 1]},
    "a function that is none": {"calls": [{"function": "x"}]},
    "a call without a name": {"calls": [{"id": "1"}]},
    "tokens beyond the store": {"in": 2**63},
    "tokens below 0": {"out": -1},
    "tokens that are no number": {"in": "many"},
    "money beyond the store": {"usd": 1e9},
    "money beyond a float": {"usd": 10**400},
    "money that is no number": {"usd": "NaN"},
    "money without end": {"usd": "Infinity"},
}
RETURNED = {
    "a call that is none": "{'text': 'x', 'tool_calls': ['x']}",
    "a function that is none": "{'text': 'x', 'tool_calls': [{'function': 'x'}]}",
    "a call without a name": "{'text': 'x', 'tool_calls': [{'function': {'arguments': '{}'}}]}",
    "a call in a conversation": "{'text': 'x', 'messages': [{'role': 'assistant', 'tool_calls': ['x']}]}",
    "a role that is none": "{'text': 'x', 'messages': [{'role': ['assistant']}]}",
    "money that is no number": "{'text': 'x', 'cost_usd': 'NaN'}",
    "money beyond the store": "{'text': 'x', 'cost_usd': 1e300}",
    "time beyond the store": "{'text': 'x', 'latency_ms': 1e308}",
    "time that is no number": "{'text': 'x', 'latency_ms': float('nan')}",
    "tokens beyond the store": "{'text': 'x', 'output_tokens': 2**63}",
    "half a surrogate pair": "'\\ud800'",
    "what is no JSON": "Answered('x', tool_calls=[{'id': object()}])",
    "an own answer with such a call": "Answered('x', tool_calls=['x'])",
    "an own answer with such numbers": "Answered('x', cost=2**70)",
    "an own answer that is no text": "Answered(7)",
    "bytes": "Answered(b'abc')",
    "a time": "Answered(datetime.datetime(2024, 1, 1))",
    "a provider that is none": "Answered('x', providers=[1])",
    "a repeat that is none": "Answered('x', repeat='1')",
    "a reason that is none": "Answered('x', finish_reason=1)",
    "too deep": "{'text': 'x', 'tool_calls': [deep]}",
}
CODE = """
import datetime
from moat.evals.answer import Answered
deep = {}
for _ in range(5000):
    deep = {"x": deep}
def answer(question): return """


@pytest.mark.anyio
@pytest.mark.parametrize("answer", SERVED.values(), ids=list(SERVED))
async def test_of_a_service(answer):
    with on_loopback(Service(lambda body: (200, json_of({"t": "x", **answer})))) as base:
        async with asking(base, **PATHS) as target:
            with pytest.raises(ProviderDown, match="the answer is not as the suite says"):
                await target.answer(CASE, 0)


def json_of(value):
    """JSON with numbers of any length."""
    return json.dumps(value).encode()


@pytest.mark.anyio
async def test_a_service_may_leave_out_all_but_the_text_and_count_in_floats():
    told = {"t": "x", "calls": None, "docs": None, "in": None, "out": 5.0, "usd": None}
    with on_loopback(Service(lambda body: (200, told))) as base:
        async with asking(base, **PATHS) as target:
            found = await target.answer(CASE, 0)
    assert (found.text, list(found.tool_calls), found.input_tokens, found.output_tokens) == ("x", [], 0, 5)
    assert found.cost is None


@pytest.mark.anyio
@pytest.mark.parametrize("answer", RETURNED.values(), ids=list(RETURNED))
async def test_of_a_function(tmp_path, answer):
    (tmp_path / "bot.py").write_text(CODE + answer)
    source = find_function("bot.py:answer", tmp_path, "suite s")
    target = FunctionTarget(source=source).bind(Bench(ask=None))
    with pytest.raises(ProviderDown, match=r"bot\.py"):
        await target.answer(CASE, 0)


@pytest.mark.anyio
async def test_of_a_model():
    evaluation = a_target(1)
    target = evaluation.target.bind(Bench(ask=answers(lambda number: "half a pair: \ud800")))
    with pytest.raises(ProviderDown, match="no answer that can be kept"):
        await target.answer(evaluation.dataset.cases[0], 0)


@pytest.mark.parametrize(
    "members",
    [
        '"tool_calls": ["x"]',
        '"tool_calls": [{"function": "x"}]',
        '"cost_usd": "NaN"',
        '"cost_usd": 1e300',
        '"latency_ms": 1e308',
        '"input_tokens": 9223372036854775808',
    ],
)
def test_of_a_file(tmp_path, members):
    (tmp_path / "r.jsonl").write_text('{"id": "b", "text": "fine"}\n{"id": "a", "text": "x", ' + members + "}\n")
    with pytest.raises(DatasetError, match=r"r\.jsonl:2: not a recorded answer"):
        load_responses(tmp_path / "r.jsonl")


@pytest.mark.anyio
async def test_a_run_goes_on_and_can_be_read(tmp_path):
    spec = HttpSpec(kind="http", url="http://127.0.0.1/", body={"i": "{{ i }}"}, output="t", tool_calls="calls")
    service = Service(lambda body: (200, {"t": "yes", "calls": ["x", 1] if body["i"] == 1 else []}))
    with on_loopback(service) as base, closing(SqliteState.open(tmp_path / "state.db")) as state:
        target = HttpTarget(replace(spec, url=base), replace(spec, url=base))
        runs, evaluation = SqliteRuns(state), replace(a_target(4), target=target, prompt=None)
        means = Means(None)
        run = await execute(evaluation.new_run(1), evaluation, means=means, runs=runs, clock=FakeClock())
        results = runs.results(run.id)
        await target.aclose()
    assert [bool(result.error) for result in results] == [False, True, False, False]
    assert "$.tool_calls[0]" in results[1].error


def test_scorers_see_what_is_stored():
    call = {"id": "1", "function": {"name": "f", "at": datetime(2024, 1, 2), "pair": (1, 2), "raw": b"x"}}
    told = {"id": "1", "function": {"name": "f", "at": "2024-01-02T00:00:00", "pair": [1, 2], "raw": "eA=="}}
    found = sound(Answered("x", tool_calls=(call,), context=("d",), providers=frozenset({"p"})))
    assert (found.tool_calls, found.context, found.providers) == ([told], ["d"], ["p"])
    assert Reply(text="x", tool_calls=[call]).answered(0).tool_calls == [told]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "call",
    [
        {"name": "delete", "arguments": {"id": 7}},
        {"id": "c1", "name": "delete", "arguments": '{"id": 7}'},
        {"function": {"name": "delete", "arguments": '{"id":7}'}},
    ],
)
async def test_a_forbidden_call_is_seen_however_it_is_written(call: dict[str, object]) -> None:
    answer = sound(Answered("done", tool_calls=[call]))
    case = Case(id="a", labels={"tools": []})
    options = {"kind": "tool_calls", "expected": "labels.tools", "extra": True, "partial": True}
    forbidding = made({**options, "must_not_call": ["delete"]})
    assert (await forbidding.score(case, answer)).value == 0
    named = Case(id="a", labels={"tools": [{"name": "delete", "arguments": {"id": 7}}]})
    assert (await made(options).score(named, answer)).value == 1
    said = sound(Answered("", messages=[{"role": "assistant", "tool_calls": [call]}]))
    assert said.messages[0]["tool_calls"][0]["function"]["name"] == "delete"
