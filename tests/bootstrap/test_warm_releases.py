"""What is served is compiled before the first call asks for it, once; and its mistakes are told with their line."""

import asyncio
import threading
from typing import Any

import pytest
from msgspec.structs import replace

from moat.bootstrap.project import Project as Files
from moat.domain.errors import PromptError
from moat.domain.releases import MessageTemplate, PromptRef, PromptVersion
from moat.gateway.serving import Live
from moat.prompts import templates
from moat.testing.fakes import new_call
from tests.bootstrap.projects import PROMPT, Project
from tests.bootstrap.test_serving import another, settled, up
from tests.pipeline.test_compose import drain


async def release(project: Project, version: str, live: Live) -> None:
    done = await asyncio.to_thread(project.process, "release", "create", f"{PROMPT}@{version}", "--to", "staging")
    assert done.code == 0, done
    ref = PromptRef(name=PROMPT, environment="staging")
    while f"{PROMPT}@staging" not in live.serving.released or _served(live, ref) != version:
        await another(live, live.serving)


def _served(live: Live, ref: PromptRef) -> str:
    return live.serving.prompts.resolve(ref, "").prompt.version


async def ask(live: Live) -> None:
    ref = PromptRef(name=PROMPT, environment="staging", variables={"question": "Hi?"})
    await drain(live.serving.run(replace(new_call(), model="", messages=[], prompt=ref)))


@pytest.mark.anyio
async def test_a_release_is_compiled_before_it_is_served_and_not_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = list[threading.Thread]()
    compile_one = templates._compile

    def spy(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return compile_one(*arguments)

    monkeypatch.setattr(templates, "_compile", spy)
    async with up(Files(project.root)) as (_, live):
        await release(project, "1.0.0", live)
        await release(project, "1.2.0", live)
        compiled = len(threads)
        assert compiled > 0
        await ask(live)
        before = await settled(live)
        project.replace("moat.yaml", {"models:": "models:\n  later: {use: [simulated/x]}"})
        await another(live, before)
        await ask(live)
    assert len(threads) == compiled
    assert threading.main_thread() not in threads


@pytest.mark.anyio
async def test_a_template_that_fails_in_a_release_is_told_with_its_line(project: Project) -> None:
    folder = project.root / "prompts" / PROMPT
    text = (folder / "1.2.0.yaml").read_text("utf-8")
    broken = text.replace('"{{ question }}"', "\"{{ question.split('|')[3] }}\"")
    assert broken != text
    (folder / "2.0.0.yaml").write_text(broken, "utf-8")
    line = 1 + next(number for number, row in enumerate(broken.splitlines()) if "split" in row)
    async with up(Files(project.root)) as (_, live):
        await release(project, "2.0.0", live)
        with pytest.raises(PromptError) as failure:
            await ask(live)
    assert failure.value.where == f"prompts/{PROMPT}/2.0.0.yaml:{line}"


def test_a_broken_template_hinders_nobody_until_it_is_asked_for() -> None:
    broken, sound = (
        PromptVersion(name="p", version=version, model="m", messages=(MessageTemplate("user", text),))
        for version, text in (("1.0.0", "{% if"), ("2.0.0", "fine"))
    )
    renderer = templates.JinjaRenderer()
    renderer.prepare([broken, sound])
    assert renderer.render(sound, {}) == [{"role": "user", "content": "fine"}]
    with pytest.raises(PromptError, match=r"line 1"):
        renderer.render(broken, {})
