"""The cache of evaluations: persistent, bounded, disposable, safe with several processes."""

import subprocess
import sys
from contextlib import closing
from dataclasses import replace as with_ports
from pathlib import Path

import pytest
from msgspec.structs import replace

from moat.adapters.sqlite.eval_answers import SqliteEvalAnswers
from moat.domain.errors import ProviderDown
from moat.domain.releases import MessageTemplate, PromptVersion
from moat.domain.scores import Case
from moat.evals.scorers import Bench
from moat.evals.targets.chat import PromptTarget
from moat.pipeline.recipe import build
from moat.testing.fakes import fake_ports
from moat.testing.scripted import ScriptedProvider

ROOT = Path(__file__).parents[3]
BEHIND = {"fake": "https://fake.example"}
PROMPT = PromptVersion(
    name="p", version="1.0.0", messages=(MessageTemplate("user", "{{ question }}"),), model="assistant"
)


async def ask(path, provider, *, question="Q", repeat=0, prompt=PROMPT, behind=BEHIND, **options):
    with closing(SqliteEvalAnswers(path, behind, **options)) as answers:
        ports = with_ports(fake_ports(provider, prompt), cache=answers)
        target = PromptTarget(prompt=prompt, model="assistant").bind(Bench(ask=build(ports)))
        return await target.answer(Case(id="a", variables={"question": question}), repeat)


@pytest.mark.anyio
async def test_an_answer_is_given_again_with_what_it_took_when_it_was_made(tmp_path):
    path, provider = tmp_path / "answers.db", ScriptedProvider("one")
    first = await ask(path, provider)
    again = await ask(path, provider)
    assert (first.cached, again.cached, len(provider.calls)) == (False, True, 1)
    for name in ("text", "cost", "input_tokens", "output_tokens", "providers"):
        assert getattr(again, name) == getattr(first, name)
    assert again.cost > 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    "change",
    [
        {"repeat": 1},
        {"question": "other"},
        {"prompt": replace(PROMPT, params={"temperature": 1})},
        {"prompt": replace(PROMPT, version="1.0.1")},
        {"behind": {"fake": "https://other.example"}},
        {"refresh": True},
    ],
)
async def test_whatever_an_answer_depends_on_asks_anew(tmp_path, change):
    path, provider = tmp_path / "answers.db", ScriptedProvider("one", "two")
    await ask(path, provider)
    assert (await ask(path, provider, **change)).text == "two"


@pytest.mark.anyio
async def test_a_refreshed_answer_takes_the_place_of_the_old(tmp_path):
    path, provider = tmp_path / "answers.db", ScriptedProvider("one", "two")
    await ask(path, provider)
    await ask(path, provider, refresh=True)
    assert (await ask(path, provider)).text == "two"


@pytest.mark.anyio
async def test_errors_and_providers_that_are_not_named_are_not_kept(tmp_path):
    path, provider = tmp_path / "answers.db", ScriptedProvider(ProviderDown("down"), "one", "two")
    with pytest.raises(ProviderDown):
        await ask(path, provider)
    assert (await ask(path, provider, behind={})).text == "one"
    assert (await ask(path, provider)).text == "two"


@pytest.mark.anyio
@pytest.mark.parametrize("damage", [b"this is no database " * 300, b"SQLite format 3\x00" + b"\xff" * 5000])
async def test_a_damaged_file_is_begun_anew(tmp_path, damage):
    path, provider = tmp_path / "answers.db", ScriptedProvider("one", "two")
    path.write_bytes(damage)
    assert (await ask(path, provider)).text == "one"
    assert (await ask(path, provider)).cached


@pytest.mark.anyio
async def test_a_place_that_cannot_be_written_costs_no_answer(tmp_path):
    provider = ScriptedProvider("one", "two")
    for _ in range(2):
        await ask(tmp_path / "no" / "such" / "folder" / "answers.db", provider)
    assert len(provider.calls) == 2


@pytest.mark.anyio
async def test_the_oldest_go_when_there_are_too_many(tmp_path):
    path, provider = tmp_path / "answers.db", ScriptedProvider(*(f"{i}" * 500 for i in range(9)), "new")
    for i in range(9):
        await ask(path, provider, question=f"{i}", max_bytes=3000)
    assert (await ask(path, provider, question="8")).cached
    assert not (await ask(path, provider, question="0")).cached


def test_processes_write_at_one_time_and_a_killed_one_leaves_a_sound_file(tmp_path):
    code = """
import asyncio, os, sys
from pathlib import Path
from tests.evals.running.test_eval_answers import ScriptedProvider, ask
me = sys.argv[2]
for i in range(15):
    asyncio.run(ask(Path(sys.argv[1]), ScriptedProvider(me), question=f"{me} {i}"))
os.kill(os.getpid(), 9)
"""
    path = tmp_path / "answers.db"
    started = [subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=ROOT) for name in ("a", "b")]
    assert [process.wait(60) for process in started] == [-9, -9]
    import asyncio

    for name in ("a", "b"):
        for i in range(15):
            assert asyncio.run(ask(path, ScriptedProvider("anew"), question=f"{name} {i}")).text == name
