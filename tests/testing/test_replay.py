"""Record once, replay ever after."""

import asyncio
import multiprocessing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.domain.calls import Call, Delta, Event, Finished, ToolCallDelta
from moat.domain.errors import ConfigError, DocumentError, ProviderDown, ReplayMiss, StorageError
from moat.domain.usage import Usage
from moat.ports.kinds import Surroundings
from moat.ports.models import Provider
from moat.testing.fakes import new_call
from moat.testing.replay import KIND, Asked, Recorded, Recording, ReplayConfig, ReplayProvider
from moat.testing.scripted import ScriptedProvider, says


async def collect(provider: Provider, call: Call) -> list[Event]:
    return [event async for event in provider.answer(call)]


@pytest.mark.anyio
async def test_what_was_recorded_comes_back_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tape.jsonl"
    tool = ToolCallDelta(index=0, id="t", name="look", arguments="{}")
    spoken: list[Any] = [
        Delta(text="He", raw=b"raw"),
        Delta(text="llo", refusal="no", tool_calls=(tool,)),
        Finished(reason="stop", usage=Usage(input=1, output=2, cached=1), model="real"),
    ]
    source = ScriptedProvider(spoken)
    recorder = ReplayProvider(Recording(path), source)
    assert await collect(recorder, new_call("Hi", temperature=0)) == spoken
    again = await collect(recorder, new_call("Hi", temperature=0, stream=True, stream_options={"include_usage": True}))
    assert len(source.calls) == 1
    assert again == [Delta(text="He"), *spoken[1:]]
    assert await collect(ReplayProvider(Recording.read(path)), new_call("Hi", temperature=0)) == again
    assert len(path.read_text().splitlines()) == 1
    await recorder.aclose()


@pytest.mark.anyio
async def test_a_miss_says_what_was_asked_what_is_near_and_how_to_record(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    await collect(ReplayProvider(Recording(path), ScriptedProvider("x")), new_call("Hi", temperature=0))
    replay = ReplayProvider(Recording.read(path, name="tape.jsonl"))
    with pytest.raises(ReplayMiss) as caught:
        await collect(replay, new_call("Hi", temperature=1))
    assert "no answer of 'large' (repeat 0) to 'Hi'; it has the same messages with another params" in str(caught.value)
    assert str(caught.value).startswith("tape.jsonl: ")
    assert "record: <provider>" in caught.value.remedy
    with pytest.raises(ReplayMiss, match="to 'Bye'"):
        await collect(replay, new_call("Bye"))
    with pytest.raises(ReplayMiss, match="another repeat"):
        await collect(replay, msgspec.structs.replace(new_call("Hi", temperature=0), repeat=1))


@pytest.mark.anyio
async def test_only_complete_answers_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    source = ScriptedProvider([Delta(text="half"), ProviderDown("cut")], says("a b"))
    recorder = ReplayProvider(Recording(path), source)
    with pytest.raises(ProviderDown):
        await collect(recorder, new_call())
    abandoned = recorder.answer(new_call())
    await anext(abandoned)
    await abandoned.aclose()
    assert source.closed == 1
    assert not path.exists()


@pytest.mark.anyio
@pytest.mark.promise("guard-2")
async def test_keys_are_never_written(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    call = new_call("my key is sk-abcdefghijklmnop and Bearer abcdefghijk")
    recorder = ReplayProvider(Recording(path), ScriptedProvider("yours is mk-0123456789abcdef"))
    await collect(recorder, call)
    text = path.read_text()
    assert "abcdefgh" not in text
    assert "0123456789" not in text
    assert (await collect(ReplayProvider(Recording.read(path)), call))[-2] == Delta(text="***")


@pytest.mark.parametrize(
    ("line", "words"),
    [("{}", "tape.jsonl:2: not a recorded answer: "), ("{", "tape.jsonl:2: not valid JSON")],
)
def test_a_broken_recording_is_explained_with_its_place(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DocumentError) as caught:
        Recording.read(path, name="tape.jsonl")
    assert str(caught.value).startswith(words)


def recorded(key: str) -> Recorded:
    return Recorded(
        key=key, asked=Asked(model="m", messages=[]), pieces=(), finished=Finished(reason="stop", model=key * 1000)
    )


def append_many(path: Path, name: str) -> None:
    recording = Recording(path)
    for number in range(200):
        recording.add(recorded(f"{name}{number}"))


def test_processes_append_whole_lines_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=append_many, args=(path, name)) for name in ("a", "b", "c")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert len(Recording.read(path).answers) == 600


@pytest.mark.promise("keep-2")
def test_a_full_disk_leaves_no_half_line() -> None:
    recording = Recording(Path("/dev/full"))
    with pytest.raises(StorageError, match="cannot be written"):
        recording.add(recorded("a"))
    assert recording.answers == {}


def test_the_first_answer_counts(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape.jsonl")
    recording.add(recorded("a"))
    recording.add(recorded("a"))
    assert len(recording.path.read_text().splitlines()) == 1


def test_it_is_built_from_moat_yaml(tmp_path: Path) -> None:
    source = ScriptedProvider("hi")

    def others(name: str) -> Provider:
        if name != "real":
            raise ConfigError(f"no provider {name!r}")
        return source

    around = Surroundings("taped", tmp_path, others)
    with pytest.raises(DocumentError, match=r"tape\.jsonl: no such file"):
        KIND.build(ReplayConfig(kind="replay", file="tape.jsonl"), around)
    recorder = KIND.build(ReplayConfig(kind="replay", file="tape.jsonl", record="real"), around)
    asyncio.run(collect(recorder, new_call()))
    for record in ("", "real"):
        taped = KIND.build(ReplayConfig(kind="replay", file="tape.jsonl", record=record), around)
        assert asyncio.run(collect(taped, new_call()))[0] == Delta(text="hi")
    assert len(source.calls) == 1
