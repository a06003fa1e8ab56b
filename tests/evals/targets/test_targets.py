"""Functions, recorded answers, bare models, and conversations."""

import threading

import pytest

from moat.domain.errors import ConfigError, DatasetError, ProviderDown, ReplayMiss
from moat.domain.releases import MessageTemplate, PromptVersion
from moat.domain.scores import Case, SimulatedUser
from moat.evals.project_code import find_function
from moat.evals.scorers import Bench
from moat.evals.targets.chat import ModelTarget, PromptTarget
from moat.evals.targets.function import FunctionTarget
from moat.evals.targets.responses import load_responses
from moat.pipeline.recipe import build
from moat.testing.fakes import fake_ports
from moat.testing.scripted import ScriptedProvider

CASE = Case(id="a", variables={"question": "Who?"})


def a_function(tmp_path, code, name="answer"):
    (tmp_path / "bot.py").write_text(code)
    return FunctionTarget(source=find_function(f"bot.py:{name}", tmp_path, "suite s")).bind(Bench(ask=None))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("def answer(question): return question + '!'", "Who?!"),
        ("async def answer(question): return question", "Who?"),
        ("def answer(case): return case.id", "a"),
        ("def answer(**variables): return {'text': variables['question'], 'cost_usd': 0.5, 'latency_ms': 2}", "Who?"),
        ("def answer(question): return {'intent': 'x'}", '{"intent":"x"}'),
        ("from moat.evals.answer import Answered\ndef answer(question): return Answered('own')", "own"),
        ("class Bot:\n    async def __call__(self, question): return 'called'\nanswer = Bot()", "called"),
    ],
)
async def test_a_function_answers(tmp_path, code, text):
    found = await a_function(tmp_path, code).answer(CASE, 0)
    assert found.text == text
    assert found.latency_ns > 0
    if "cost_usd" in code:
        assert (found.cost, found.latency_ns) == (5 * 10**11, 2_000_000)


@pytest.mark.anyio
async def test_a_plain_function_waits_in_a_thread_that_keeps_nothing_alive(tmp_path):
    code = "import threading\ndef answer(question): return f'{threading.current_thread().daemon}'"
    assert (await a_function(tmp_path, code).answer(CASE, 0)).text == "True"
    assert threading.current_thread() is threading.main_thread()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "error", "match"),
    [
        ("def answer(question):\n    return 1 / 0", ProviderDown, r"bot.py:2: raised ZeroDivisionError"),
        ("def answer(question):\n    raise StopIteration", ProviderDown, "StopIteration"),
        ("def answer(q): return q", DatasetError, "a: the function does not take"),
        ("def answer(question): return {'text': 'x', 'cost': 1}", ProviderDown, "unknown field `cost`"),
    ],
)
async def test_what_a_function_raises_is_the_cases_error_with_its_place(tmp_path, code, error, match):
    with pytest.raises(error, match=match):
        await a_function(tmp_path, code).answer(CASE, 0)


def test_a_function_that_cannot_be_imported_is_an_error_of_the_set_up(tmp_path):
    with pytest.raises(ConfigError, match=r"bot.py:1: cannot be imported: ModuleNotFoundError"):
        a_function(tmp_path, "import nothing_of_this_name\ndef answer(x): ...")
    with pytest.raises(ConfigError, match="no function 'other'"):
        find_function("bot.py:other", tmp_path, "suite s")


@pytest.mark.anyio
async def test_recorded_answers_are_found_by_case_and_repeat(tmp_path):
    (tmp_path / "r.jsonl").write_text(
        '{"id": "a", "text": "one", "latency_ms": 3, "cost_usd": "0.01"}\n'
        '{"id": "a", "text": "two"}\n\n{"id": "b", "repeat": 4, "text": "b", "context": ["d"]}\n'
    )
    target = load_responses(tmp_path / "r.jsonl")
    found = await target.answer(CASE, 0)
    assert (found.text, found.latency_ns, found.cost) == ("one", 3_000_000, 10**10)
    assert (await target.answer(CASE, 1)).text == "two"
    assert list((await target.answer(Case(id="b"), 4)).context) == ["d"]
    with pytest.raises(ReplayMiss, match="repeat 2 of 'a'"):
        await target.answer(CASE, 2)


@pytest.mark.anyio
async def test_recorded_answers_in_a_table(tmp_path):
    (tmp_path / "r.csv").write_text('﻿id,text,context,latency_ms\na,"x, y","[""d""]",5\nb,,,\n')
    target = load_responses(tmp_path / "r.csv")
    found = await target.answer(CASE, 0)
    assert (found.text, list(found.context), found.latency_ns) == ("x, y", ["d"], 5_000_000)
    assert (await target.answer(Case(id="b"), 0)).text == ""


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("r.jsonl", '{"id": "a"}\n{"text": "x"}\n', r"r.jsonl:2: not a recorded answer.*`id`"),
        ("r.jsonl", '{"id": "a", "txt": "x"}\n', r"r.jsonl:1: .*unknown field `txt`"),
        ("r.jsonl", "\n\n{broken\n", r"r.jsonl:3: not valid JSON"),
        ("r.jsonl", '{"id": "a", "repeat": 0}\n{"id": "a", "repeat": 0}\n', r"r.jsonl:2: .*stands twice"),
        ("r.jsonl", "", "no recorded answers"),
        ("r.csv", "id,text\na,b,c\n", r"r.csv:2: 3 cells"),
        ("r.csv", "id,latency_ms\na,soon\n", r"r.csv:2: `latency_ms` is not JSON"),
        ("r.csv", 'id,text\na,"open\n', r"r.csv:2: not valid CSV"),
        ("r.txt", "x", "not read from .txt"),
    ],
)
def test_recorded_answers_that_do_not_fit_are_refused_with_their_line(tmp_path, name, text, match):
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=match):
        load_responses(tmp_path / name, name=name)
    (tmp_path / "bad.csv").write_bytes(b"id,text\na,\xff\n")
    with pytest.raises(DatasetError, match="not UTF-8"):
        load_responses(tmp_path / "bad.csv")
    for missing in ("no.csv", "no.jsonl"):
        with pytest.raises(DatasetError, match="no such file"):
            load_responses(tmp_path / missing)


def bench(provider, *prompts):
    return Bench(ask=build(fake_ports(provider, *prompts)))


@pytest.mark.anyio
async def test_a_bare_model_is_asked_with_the_cases_messages_and_input():
    provider = ScriptedProvider("one", "two")
    target = ModelTarget(model="assistant", system="Be brief.", params={"temperature": 0}).bind(bench(provider))
    found = await target.answer(Case(id="a", variables={"input": {"q": 1}}), 0)
    assert (found.text, set(found.providers), list(found.messages)) == ("one", {"fake"}, [])
    assert [m["content"] for m in provider.calls[0].messages] == ["Be brief.", '{"q":1}']
    assert provider.calls[0].params == {"temperature": 0}
    await target.answer(Case(id="b", messages=[{"role": "user", "content": "Hi"}]), 3)
    assert (provider.calls[1].messages[-1]["content"], provider.calls[1].repeat) == ("Hi", 3)
    with pytest.raises(DatasetError, match="asked nothing"):
        await target.answer(Case(id="c", variables={"question": "x"}), 0)


PROMPT = PromptVersion(
    name="p",
    version="1.0.0",
    messages=(MessageTemplate("system", "Rules."), MessageTemplate("user", "{{ question }}")),
    model="assistant",
)


@pytest.mark.anyio
async def test_a_prompt_answers_turn_by_turn_and_the_last_answer_is_scored():
    provider = ScriptedProvider("one", "two", "three")
    target = PromptTarget(prompt=PROMPT, model="assistant").bind(bench(provider, PROMPT))
    found = await target.answer(Case(id="a", variables={"question": "Q"}, turns=["and?", "so?"]), 0)
    assert found.text == "three"
    assert [m["content"] for m in provider.calls[2].messages] == ["Rules.", "Q", "one", "and?", "two", "so?"]
    assert [m["content"] for m in found.messages] == ["Q", "one", "and?", "two", "so?", "three"]
    assert len({call.trace.trace_id for call in provider.calls}) == 1
    assert found.cost == sum(3 * [found.cost // 3])


@pytest.mark.anyio
async def test_a_simulated_user_goes_on_until_he_has_done():
    user = PromptVersion(
        name="judges/user",
        version="1.0.0",
        messages=(MessageTemplate("user", "{{ goal }} {{ conversation }}"),),
        model="assistant",
    )
    provider = ScriptedProvider("one", "more please", "two", "DONE")
    target = PromptTarget(prompt=PROMPT, model="assistant").bind(bench(provider, PROMPT, user))
    case = Case(id="a", variables={"question": "Q"}, user=SimulatedUser(goal="a refund"))
    found = await target.answer(case, 0)
    assert [m["content"] for m in found.messages] == ["Q", "one", "more please", "two"]
    assert "a refund" in str(provider.calls[1].messages)
