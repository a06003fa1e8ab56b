"""Providers over reloads, and their prices."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from moat.bootstrap import models
from moat.bootstrap.models import ProviderShelf, price_table
from moat.bootstrap.scaffold import create_project
from moat.bootstrap.settings import Settings, load_settings
from moat.domain.calls import Deployment
from moat.domain.errors import ConfigError, InputError
from moat.domain.usage import Usage
from moat.testing.fakes import new_call

TAPED = """
providers:
  source: {kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: "${KEY}"}
  taped: {kind: replay, file: a.jsonl, record: source}
models:
  m: {use: [taped/x], deadline: 0.05}
"""


def settings(folder: Path, text: str) -> Settings:
    (folder / "moat.yaml").write_text(text, "utf-8")
    return load_settings(folder)


class Closings:
    """Which providers were closed."""

    def __init__(self, *providers: Any) -> None:
        self.closed: list[Any] = []
        for provider in providers:
            provider.aclose = self._closing(provider)

    def _closing(self, provider: Any) -> Any:
        async def aclose() -> None:
            self.closed.append(provider)

        return aclose


@pytest.mark.anyio
async def test_a_recording_follows_its_source_over_a_reload(tmp_path: Path) -> None:
    shelf = ProviderShelf({"KEY": "k"})
    first = shelf.providers(settings(tmp_path, TAPED))["taped"]
    assert shelf.providers(settings(tmp_path, TAPED))["taped"] is first
    moved = settings(tmp_path, TAPED.replace("127.0.0.1:1", "127.0.0.1:2"))
    second = shelf.providers(moved)["taped"]
    assert second is not first
    assert "127.0.0.1:2" in second._source._address(new_call())  # type: ignore[attr-defined]
    assert shelf.providers(moved)["taped"] is second
    with pytest.raises(ConfigError, match="no provider 'source'"):
        shelf.providers(settings(tmp_path, TAPED.replace("  source:", "  other:")))
    await shelf.aclose()


@pytest.mark.anyio
async def test_a_replaced_provider_is_closed_when_no_call_can_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "RETIRED_POLL_SECONDS", 0.01)
    text = TAPED.replace("taped/x", "source/x")
    changed = text.replace("127.0.0.1:1", "127.0.0.1:2")
    broken = changed.replace("use: [source/x]", "use: [source/x, unset/x]").replace(
        "  taped:", '  unset: {kind: openai, api_key: "${NOT_SET}"}\n  taped:'
    )
    shelf = ProviderShelf({"KEY": "k"})
    old = shelf.providers(settings(tmp_path, text))["source"]
    with pytest.raises(ConfigError, match="NOT_SET"):
        shelf.providers(settings(tmp_path, broken))
    assert shelf.providers(settings(tmp_path, text))["source"] is old, "a broken change replaces nothing"
    new = shelf.providers(settings(tmp_path, changed))["source"]
    watch = Closings(old, new)
    closing = asyncio.create_task(shelf.close_retired())
    async with asyncio.timeout(30):
        while watch.closed != [old]:  # noqa: ASYNC110 - the product offers no event for it
            await asyncio.sleep(0.01)
    closing.cancel()
    await asyncio.wait((closing,))
    newest = shelf.providers(settings(tmp_path, text))["source"]
    assert newest is not old, "it was closed"
    await shelf.aclose()
    assert watch.closed == [old, new], "at the end nobody waits"


@pytest.mark.promise("money-11")
def test_the_default_address_has_published_prices(tmp_path: Path) -> None:
    plain = 'providers: {openai: {kind: openai, api_key: "${KEY}"}}\nmodels: {m: {use: [openai/gpt-4o]}}\n'
    cost = price_table(settings(tmp_path, plain), {"KEY": "k"}).cost(
        Deployment("openai", "gpt-4o"), "m", Usage(input=1_000_000)
    )
    assert cost == 2_500_000_000_000


@pytest.mark.parametrize("field", ["rules", "file"])
def test_a_nul_in_a_path_is_an_error_with_its_place(tmp_path: Path, field: str) -> None:
    kind = {"rules": "simulated", "file": "replay"}[field]
    text = f'providers:\n  p:\n    kind: {kind}\n    {field}: "a\\0b"\nmodels: {{m: {{use: [p/x]}}}}\n'
    with pytest.raises(ConfigError, match=rf"NUL character stands in \$\.providers\.p\.{field}") as raised:
        ProviderShelf({}).providers(settings(tmp_path, text))
    assert raised.value.where == "moat.yaml:4"


def test_a_folder_that_cannot_be_named_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="File name too long"):
        create_project(tmp_path / ("x" * 300), openai=False)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(InputError):
        create_project(loop, openai=False)
    assert list(tmp_path.iterdir()) == [loop]
