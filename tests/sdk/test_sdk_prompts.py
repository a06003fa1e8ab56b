"""Fetching, caching and rendering prompts over a real socket."""

import asyncio
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from moat import AsyncMoat, Moat
from moat.domain.errors import (
    AccessError,
    ConfigError,
    MoatError,
    NotFound,
    PromptError,
    RequestError,
    Unavailable,
)


def test_a_prompt_is_fetched_with_the_key_and_rendered(fake: Any) -> None:
    fake.serve("Q: {{ question }}")
    with Moat(fake.url + "/", api_key="mk-1") as moat:
        prompt = moat.prompt("support/answer")
        assert (prompt.name, prompt.version, prompt.model) == ("support/answer", "1.2.0", "assistant")
        assert (prompt.release, prompt.environment, prompt.digest) == ("rel_1", "production", "sha256:1")
        assert prompt.params == {"temperature": 0.2}
        assert prompt.tools == [{"type": "function", "function": {"name": "lookup"}}]
        assert prompt.output == {"type": "object"}
        assert not prompt.stale
        assert prompt.render(question="{{ why }}?") == [{"role": "user", "content": "Q: {{ why }}?"}]
        assert moat.render("support/answer", question="x") == [{"role": "user", "content": "Q: x"}]
        with pytest.raises(PromptError, match="question"):
            prompt.render(qestion="x")
    method, path, headers, _ = fake.requests[0]
    assert (method, path) == ("GET", "/api/v1/prompts/support/answer?environment=production")
    assert headers["Authorization"] == "Bearer mk-1"
    assert len(fake.requests) == 1


def test_names_and_environments_are_quoted(fake: Any) -> None:
    fake.serve("x")
    Moat(f"{fake.url}/moat", api_key="k", environment="a&b").prompt("sup port/é?x=1")
    assert fake.requests[0][1] == "/moat/api/v1/prompts/sup%20port/%C3%A9%3Fx%3D1?environment=a%26b"


def test_after_the_ttl_the_server_is_asked_by_etag(fake: Any) -> None:
    moat = Moat(fake.url, api_key="k", ttl=0)
    fake.serve("one", etag='"1"')
    first = moat.prompt("p")
    assert moat.prompt("p") == first
    assert fake.requests[1][2]["If-None-Match"] == '"1"'
    fake.serve("two", etag='"2"')
    assert moat.prompt("p").definition.messages[0].content == "two"


@pytest.mark.parametrize("outage", ["refused", "503", "429", "garbage", "302", "cut"])
def test_an_outage_is_bridged_from_memory(fake: Any, outage: str) -> None:
    moat = Moat(fake.url, api_key="k", ttl=0)
    fake.serve("one", etag='"1"')
    good = moat.prompt("p")
    answers = {
        "garbage": (200, {}, b'{"prompt": 1}'),
        "302": (302, {"Location": "http://127.0.0.1:1/"}, b""),
        "cut": (200, {"Content-Length": "100"}, b"{"),
        "503": (503, {}, b"<html>"),
        "429": (429, {}, b"{}"),
    }
    if outage == "refused":
        fake.stop()
    else:
        fake.answer = lambda _path, _headers: answers[outage]
    bridged = moat.prompt("p")
    assert bridged.stale
    assert bridged.definition == good.definition
    if outage == "refused":
        fake.restart()
    fake.serve("one", etag='"1"')
    assert not moat.prompt("p").stale


def test_an_outage_is_not_asked_about_at_every_call(fake: Any) -> None:
    moat = Moat(fake.url, api_key="k", ttl=0)
    fake.serve("one")
    moat.prompt("p")
    fake.refuse(503)
    moat._prompts._ttl = 3600
    for _ in range(5):
        assert moat.prompt("p").stale
    assert len(fake.requests) == 2


def test_a_restarted_application_bridges_an_outage_from_disk(fake: Any, tmp_path: Path) -> None:
    cache = tmp_path / "new" / "cache"
    fake.serve("one")
    good = Moat(fake.url, api_key="k", cache_dir=cache).prompt("p")
    (file,) = cache.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    fake.refuse(500)
    bridged = Moat(fake.url, api_key="k", cache_dir=cache).prompt("p")
    assert bridged.stale
    assert bridged.definition == good.definition
    for other in (
        Moat(fake.url, api_key="k", cache_dir=cache, environment="staging"),
        Moat(fake.url + "/x", api_key="k", cache_dir=cache),
        Moat(fake.url, api_key="k"),
    ):
        with pytest.raises(Unavailable, match="status 500"):
            other.prompt("p")
    file.write_bytes(b"{")
    with pytest.raises(Unavailable):
        Moat(fake.url, api_key="k", cache_dir=cache).prompt("p")


def test_a_cache_that_cannot_be_written_only_warns(fake: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    fake.serve("one")
    assert Moat(fake.url, api_key="k", cache_dir=tmp_path / "file").prompt("p").version == "1.2.0"
    assert "could not be kept" in caplog.text


def test_a_cache_that_breaks_off_leaves_no_piece(fake: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    moat = Moat(fake.url, api_key="k", cache_dir=tmp_path)
    fake.serve("one")
    file = moat._prompts._disk._file("p")
    assert file is not None
    file.mkdir()
    assert moat.prompt("p").version == "1.2.0"
    assert "could not be kept" in caplog.text
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("status", "error", "code"), [(401, AccessError, 401), (403, AccessError, 403), (400, RequestError, 400)]
)
def test_a_refusal_is_an_answer(fake: Any, tmp_path: Path, status: int, error: type[MoatError], code: int) -> None:
    moat = Moat(fake.url, api_key="k", ttl=0, cache_dir=tmp_path)
    fake.serve("one")
    moat.prompt("p")
    fake.refuse(status, "not for you")
    with pytest.raises(error, match="not for you") as raised:
        moat.prompt("p")
    assert raised.value.status == code


def test_a_prompt_that_is_gone_is_forgotten(fake: Any, tmp_path: Path) -> None:
    moat = Moat(fake.url, api_key="k", ttl=0, cache_dir=tmp_path)
    fake.serve("one")
    moat.prompt("p")
    fake.refuse(404, "no such prompt")
    with pytest.raises(NotFound, match="no such prompt"):
        moat.prompt("p")
    fake.refuse(503)
    with pytest.raises(Unavailable):
        moat.prompt("p")
    assert list(tmp_path.iterdir()) == []


def test_a_crowd_makes_one_request(fake: Any) -> None:
    fake.serve("one")
    answer, asked, go = fake.answer, threading.Event(), threading.Event()

    def slow(path: str, headers: dict[str, str]) -> Any:
        asked.set()
        go.wait(30)
        return answer(path, headers)

    fake.answer = slow
    moat = Moat(fake.url, api_key="k")
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(moat.prompt, "p")
        asked.wait(30)
        others = [pool.submit(moat.prompt, "p") for _ in range(7)]
        go.set()
        assert {id(one.result()) for one in (first, *others)} == {id(first.result())}
    assert len(fake.requests) == 1


def test_while_one_thread_asks_again_the_others_take_what_is_known(fake: Any) -> None:
    fake.serve("one")
    moat = Moat(fake.url, api_key="k", ttl=0)
    known = moat.prompt("p")
    answer, asked, go = fake.answer, threading.Event(), threading.Event()

    def slow(path: str, headers: dict[str, str]) -> Any:
        asked.set()
        go.wait(30)
        return answer(path, headers)

    fake.answer = slow
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(moat.prompt, "p")
        asked.wait(30)
        assert moat.prompt("p") is known
        go.set()
        assert asking.result() == known
    assert len(fake.requests) == 2


def test_a_crowd_shares_a_failure(fake: Any) -> None:
    asked, go = threading.Event(), threading.Event()

    def slow(_path: str, _headers: dict[str, str]) -> Any:
        asked.set()
        go.wait(30)
        return 503, {}, b""

    fake.answer = slow
    moat = Moat(fake.url, api_key="k")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(moat.prompt, "p")
        asked.wait(30)
        flight = moat._prompts._flights["p"]
        go.set()
        with pytest.raises(Unavailable):
            first.result()
        with pytest.raises(Unavailable):
            flight.result()


@pytest.mark.anyio
async def test_async_does_the_same_without_blocking(fake: Any) -> None:
    fake.serve("Q: {{ question }}")
    async with AsyncMoat(fake.url, api_key="k") as moat:
        crowd = await asyncio.gather(*(moat.prompt("p") for _ in range(8)))
        assert len({id(prompt) for prompt in crowd}) == 1
        assert await moat.render("p", question="x") == [{"role": "user", "content": "Q: x"}]
        with moat.trace("work"):
            pass
        assert await moat.flush()
    assert [path for _, path, _, _ in fake.requests] == ["/api/v1/prompts/p?environment=production", "/v1/traces"]


def test_address_and_key_come_from_the_environment_when_not_given(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOAT_BASE_URL", raising=False)
    monkeypatch.delenv("MOAT_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="MOAT_BASE_URL"):
        Moat()
    with pytest.raises(ConfigError, match="MOAT_API_KEY"):
        Moat("http://127.0.0.1:1")
    monkeypatch.setenv("MOAT_BASE_URL", fake.url)
    monkeypatch.setenv("MOAT_API_KEY", "mk-env")
    fake.serve("x")
    Moat().prompt("p")
    assert fake.requests[0][2]["Authorization"] == "Bearer mk-env"


@pytest.mark.parametrize("url", ["127.0.0.1:4000", "ftp://x", "http://", "http://h:port", "http://[::1"])
def test_a_broken_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match="not an address"):
        Moat(url, api_key="k")


def test_a_broken_key_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="not a key"):
        Moat("https://127.0.0.1:1", api_key="k\r\nX-Admin: 1")


def test_a_host_that_cannot_be_named_is_an_outage() -> None:
    with pytest.raises(Unavailable, match="moat serve"):
        Moat(f"https://{'a' * 70}.invalid", api_key="k").prompt("p")


def test_an_answer_without_end_is_refused(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moat.sdk.server.MAX_ANSWER_BYTES", 100)
    fake.serve("x" * 200)
    with pytest.raises(Unavailable, match="over"):
        Moat(fake.url, api_key="k").prompt("p")


def test_importing_the_sdk_loads_nothing_heavy() -> None:
    code = "import sys; from moat import Moat; print([m for m in ('jinja2','yaml','sqlalchemy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
