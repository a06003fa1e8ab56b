"""Reloading while serving: what is broken stays as it was, and hinders nothing else."""

import asyncio
import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

from moat.bootstrap import reload
from moat.bootstrap.project import Project as Files
from moat.bootstrap.state import open_state
from moat.domain.keys import hash_secret
from moat.domain.releases import PromptRef
from moat.domain.scores import Result, Run
from moat.gateway.serving import Live
from moat.prompts.catalog import Catalog
from tests.bootstrap.projects import PROMPT, Project, eventually
from tests.bootstrap.test_serving import another, settled, up


def used_key(live: Live, secret: str) -> bool:
    """Does the snapshot take this key?"""
    key = live.serving.keys._by_hash.get(hash_secret(secret))
    return key is not None and key.usable(time.time_ns())


async def until(live: Live, fits: Callable[[], Any]) -> None:
    """Wait for a snapshot."""
    while not fits():
        await another(live, live.serving)


def spoiled(text: str, damage: str) -> str:
    """moat.yaml with a fault of one kind."""
    return {
        "overflow": text.replace('input: "0.60"', 'input: "1e999999"'),
        "nul": text.replace("rules: simulation/support.yaml", 'rules: "a\\0b"'),
        "syntax": text + "\nmodles: {}\n",
        "gone": "",
    }[damage]


@pytest.mark.promise("gate-4")
@pytest.mark.parametrize("damage", ["overflow", "nul", "syntax", "gone"])
def test_a_broken_file_keeps_no_key_alive_and_holds_up_no_rollback(project: Project, damage: str) -> None:
    first = project.release("1.0.0")
    project.release("1.2.0")
    key = project.ok("keys", "create", "--json").json
    file = project.root / "moat.yaml"
    good = file.read_text("utf-8")
    assert spoiled(good, damage) != good
    with project.serving() as server:
        assert server.get("/v1/models", key["secret"])[0] == 200
        file.write_text(spoiled(good, damage), "utf-8")
        eventually(lambda: server.get("/readyz")[1] == {"status": "degraded", "problems": 1})
        # Another process's commands need a good file; the server sees what they commit.
        file.with_name("away").write_text(good, "utf-8")
        with open_state(Files(project.root)) as state:
            state.keys.revoke(key["id"], 1, actor="tests")
            current, before = state.releases.history(PROMPT, "staging")
            fields = {name: getattr(current, name) for name in current.__struct_fields__}
            state.releases.assign(type(current)(**fields | {"sequence": current.sequence + 1, "arms": before.arms}))
        eventually(lambda: server.get("/v1/models", key["secret"])[0] == 401)
        path = f"/api/v1/prompts/{PROMPT}?environment=staging"
        eventually(lambda: server.get(path)[1]["release"] == first)
        assert server.get("/readyz")[1]["status"] == "degraded"
        file.write_text(good, "utf-8")
        eventually(lambda: server.get("/readyz")[1] == {"status": "ready", "problems": 0})
        file.write_text(good.replace("models:", "models:\n  later: {use: [simulated/x]}"), "utf-8")
        eventually(lambda: "later" in server.get("/api/v1/status")[1]["models"])
    assert server.process.returncode == 0
    assert "Traceback" not in project.log()


@pytest.mark.anyio
async def test_a_bug_in_reading_files_is_told_and_keys_are_still_read(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = project.key()
    async with up(Files(project.root)) as (_, live):
        assert used_key(live, secret)

        def load(_root: Any, _before: Any = None) -> Any:
            return 1 / 0

        with monkeypatch.context() as patched:
            patched.setattr(Catalog, "load", load)
            file = project.root / f"prompts/{PROMPT}/3.0.0.md"
            file.write_text("Hello", "utf-8")
            await until(live, lambda: live.serving.problems)
            assert "unexpected" in live.serving.problems[0]
            assert "division by zero" in caplog.text, "the log has the traceback"
            other = await asyncio.to_thread(project.key)
            await until(live, lambda: used_key(live, other))
            assert used_key(live, secret)
        file.write_text("Hello again", "utf-8")
        await until(live, lambda: not live.serving.problems)
        ref = PromptRef(name=PROMPT, version="3.0.0")
        assert live.serving.prompts.resolve(ref, "").prompt.messages[0].content == "Hello again"


@pytest.mark.anyio
async def test_what_broke_for_a_reason_elsewhere_is_tried_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "RETRY_SECONDS", 0.3)
    rules = project.root / "simulation/support.yaml"
    async with up(Files(project.root)) as (_, live):
        project.replace("moat.yaml", {"simulation/support.yaml": "simulation/later.yaml"})
        await until(live, lambda: live.serving.problems)
        assert "later.yaml" in live.serving.problems[0]
        shutil.copy(rules, rules.with_name("later.yaml"))
        await until(live, lambda: not live.serving.problems)


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["prompts", PROMPT.join(("prompts/", ""))])
async def test_a_folder_that_was_replaced_is_still_watched(project: Project, what: str) -> None:
    folder, old = project.root / what, project.root / "old"
    async with up(Files(project.root)) as (_, live):
        await settled(live)
        folder.rename(old)
        shutil.copytree(old, folder)
        await settled(live)
        (project.root / f"prompts/{PROMPT}/4.0.0.md").write_text("Hello", "utf-8")
        await until(live, lambda: "4.0.0" in live.serving.prompts._catalog.versions(PROMPT))  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_only_what_changed_is_made_anew(project: Project) -> None:
    release = project.release("1.0.0")
    ref = PromptRef(name=PROMPT, environment="staging")
    async with up(Files(project.root)) as (_, live):
        before = await settled(live)
        served = before.prompts.resolve(ref, "")
        with open_state(Files(project.root)) as state:
            run = Run(
                id="run_1", suite="s", suite_digest="", dataset_digest="", prompt=PROMPT, version="1.0.0",
                prompt_digest="", model="", cases=9,
            )  # fmt: skip
            state.runs.start(run)
            for case in "abcdef":
                state.runs.add(run.id, [Result(case=case)])
            state.releases.create(state.releases.get(release))
        (project.root / "notes.txt").write_text("not ours", "utf-8")
        assert await settled(live) is before, "nothing that is served has changed"
        secret = await asyncio.to_thread(project.key)
        await until(live, lambda: used_key(live, secret))
        assert live.serving.prompts is before.prompts
        done = await asyncio.to_thread(project.process, "release", "create", f"{PROMPT}@1.2.0", "--to", "staging")
        assert done.code == 0, done
        await until(live, lambda: live.serving.prompts.resolve(ref, "").prompt.version == "1.2.0")
        done = await asyncio.to_thread(project.process, "rollback", PROMPT, "--env", "staging")
        assert done.code == 0, done
        await until(live, lambda: live.serving.prompts.resolve(ref, "").prompt.version == "1.0.0")
        assert live.serving.prompts.resolve(ref, "").prompt is served.prompt, "its compiled templates are kept"
        assert live.serving.prompts._catalog is before.prompts._catalog  # type: ignore[attr-defined]


def test_policies_that_are_gone_are_told_and_a_folder_that_is_gone_takes_none_away(project: Project) -> None:
    project.guard()
    asked = {"messages": [{"role": "user", "content": "My key is AKIAQ3EGRJX4KD7WLM2P"}], "model": "assistant"}
    folder, aside = project.root / "policies", project.root / "aside"
    with project.serving() as server:
        assert server.send("POST", "/v1/chat/completions", asked)[0] == 400
        folder.rename(aside)
        eventually(lambda: server.get("/readyz")[1]["status"] == "degraded")
        assert server.send("POST", "/v1/chat/completions", asked)[0] == 400
        assert "policies: the folder is gone" in project.log()
        aside.rename(folder)
        eventually(lambda: server.get("/readyz")[1]["status"] == "ready")
        (folder / "baseline.yaml").unlink()
        eventually(lambda: server.send("POST", "/v1/chat/completions", asked)[0] == 200)
    (line,) = [line for line in project.log().splitlines() if "guard policies in force" in line]
    assert "none: nothing is guarded; no longer: baseline@" in line
