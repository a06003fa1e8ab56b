"""moat.yaml, its references, and the kinds of providers."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.bootstrap import plugins
from moat.bootstrap.models import ProviderShelf, price_table, router
from moat.bootstrap.settings import Settings, find_root, load_settings, resolve
from moat.domain.calls import Deployment
from moat.domain.errors import ConfigError, NotFound
from moat.domain.usage import Usage
from moat.ports.kinds import ProviderKind, Surroundings
from moat.testing.fakes import NoPrices, new_call

BASE = """
providers:
  openai: {kind: openai, api_key: "${KEY}", base_url: "${URL:-https://api.openai.com/v1}"}
  unused: {kind: openai, api_key: "${NOT_SET}"}
models:
  large: {use: [openai/gpt-4o], retries: 1, deadline: 2.5}
  own: {use: [openai/gpt-4o], price: {input: "1", output: "2"}}
"""


def settings(folder: Path, text: str = BASE) -> Settings:
    (folder / "moat.yaml").write_text(text, "utf-8")
    return load_settings(folder)


@pytest.mark.parametrize(
    ("text", "environ", "found"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("a ${A}/${B:-y} b", {"A": "x"}, "a x/y b"),
        ("${A:-}", {}, ""),
        ("${A:-d}", {"A": ""}, "d"),
        ("$A {A} ${1}", {}, "$A {A} ${1}"),
        ({"k": ["${A}", 1, None]}, {"A": "${B}"}, {"k": ["${B}", 1, None]}),
    ],
)
def test_references(tmp_path: Path, text: Any, environ: dict[str, str], found: Any) -> None:
    assert resolve(text, settings(tmp_path), [], environ) == found, "a value is never resolved again"


def test_an_unset_variable_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"KEY is not set, which \$\.providers\.openai\.api_key") as raised:
        ProviderShelf({}).providers(settings(tmp_path))
    assert raised.value.where == "moat.yaml:3"
    assert "export KEY=" in raised.value.remedy


@pytest.mark.anyio
async def test_a_provider_is_built_once_and_only_when_used(tmp_path: Path) -> None:
    found = settings(tmp_path)
    environ = {"KEY": "k"}
    shelf = ProviderShelf(environ)
    first = shelf.providers(found)
    assert list(first) == ["openai"], "the unused one's key may be absent"
    assert shelf.providers(settings(tmp_path, BASE + "project: other\n"))["openai"] is first["openai"]
    changed = settings(tmp_path, BASE.replace("${URL:-https://api.openai.com/v1}", "http://127.0.0.1:1/v1"))
    assert shelf.providers(changed)["openai"] is not first["openai"]
    models = router(found, {"KEY": "k"}, shelf, NoPrices())
    plan = models.plan(new_call(model="large"))
    assert plan.deployments == (Deployment("openai", "gpt-4o"),)
    assert (plan.retries, plan.deadline_ns) == (1, 2_500_000_000)
    assert models.provider("openai") is shelf.providers(found)["openai"]
    with pytest.raises(NotFound, match="no model 'smal'"):
        models.plan(new_call(model="smal"))
    await shelf.aclose()


def test_prices_are_published_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    table = price_table(settings(tmp_path), {"KEY": "k"})
    deployment, usage = Deployment("openai", "gpt-4o"), Usage(input=1_000_000, output=1_000_000)
    assert table.cost(deployment, "own", usage) == 3 * 10**12
    assert (table.cost(deployment, "large", usage) or 0) > 3 * 10**12
    elsewhere = price_table(settings(tmp_path), {"KEY": "k", "URL": "http://127.0.0.1:1/v1"})
    assert elsewhere.cost(deployment, "large", usage) is None


REPLAYS = """
providers:
  a: {kind: replay, file: a.jsonl, record: b}
  b: {kind: replay, file: b.jsonl, record: RECORD}
models: {m: {use: [a/m]}}
"""


@pytest.mark.parametrize(("record", "said"), [("a", "refers to itself"), ("c", "there is no provider 'c'")])
def test_providers_that_refer_to_each_other_or_to_nothing(tmp_path: Path, record: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ProviderShelf({}).providers(settings(tmp_path, REPLAYS.replace("RECORD", record)))


class Options(msgspec.Struct):
    kind: str


def build(_config: Any, _surroundings: Surroundings) -> Any:
    raise AssertionError("not in this test")


KIND = ProviderKind("custom", Options, build)


def test_an_installed_package_may_add_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("custom", f"{__name__}:KIND", plugins.PROVIDER_GROUP),
            EntryPoint("odd", f"{__name__}:build", plugins.PROVIDER_GROUP),
        ]
    )
    monkeypatch.setattr(plugins, "entry_points", lambda group: points.select(group=group))
    assert plugins.provider_kind("custom", "moat.yaml:1") is KIND
    with pytest.raises(ConfigError, match="offers no ProviderKind"):
        plugins.provider_kind("odd", "moat.yaml:1")
    with pytest.raises(ConfigError, match="unknown kind") as raised:
        plugins.provider_kind("xyz", "moat.yaml:1")
    assert raised.value.remedy == f"Kinds: {', '.join(sorted({*plugins.SHIPPED, 'custom', 'odd'}))}."


def test_the_project_is_found_from_inside(tmp_path: Path) -> None:
    settings(tmp_path)
    inside = tmp_path / "prompts" / "deep"
    inside.mkdir(parents=True)
    assert find_root(inside) == tmp_path
    with pytest.raises(NotFound, match="or above it"):
        find_root(tmp_path.parent)


@pytest.mark.parametrize(
    ("option", "place"),
    [
        ('api_key: "${KEY:-sk-real}"', "api_key"),
        ('headers: {authorization: "Bearer sk-real"}', "headers.authorization"),
        ('headers: {X-Api-Key: "${KEY:-sk-real}"}', "headers.X-Api-Key"),
        ("headers: {cookie: session=real}", "headers.cookie"),
        ('base_url: "https://me:pass@127.0.0.1/v1"', "base_url"),
        ('base_url: "${URL:-https://me:pass@127.0.0.1/v1}"', "base_url"),
        ('base_url: "https://127.0.0.1/v1?api-version=1&key=real"', "base_url"),
    ],
)
def test_a_secret_in_the_file_is_refused_at_its_place(tmp_path: Path, option: str, place: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"a secret stands in the file at \$\.providers\.openai\.{place}\."
    ) as raised:
        settings(tmp_path, f"providers:\n  openai:\n    kind: openai\n    {option}\nmodels: {{}}\n")
    assert raised.value.where == "moat.yaml:4"
    assert "real" not in str(raised.value)
    assert "pass@" not in str(raised.value)


@pytest.mark.parametrize(
    "option",
    [
        'api_key: "${KEY:-}"',
        'api_key: ""',
        'headers: {authorization: "Bearer ${KEY}", x-team: research, x-tokenizer: fast}',
        'base_url: "https://${ME}:${PASS}@127.0.0.1/v1?key=${KEY}&api-version=2024-06-01"',
        'headers: {cookie: "session=${KEY}"}',
        'base_url: "${URL:-http://127.0.0.1:1/v1}"',
        'base_url: "http://[broken"',
    ],
)
def test_what_is_no_secret_or_only_a_reference_may_stand_in_the_file(tmp_path: Path, option: str) -> None:
    found = settings(tmp_path, f"providers:\n  openai:\n    kind: openai\n    {option}\nmodels: {{}}\n")
    assert set(found.config.providers["openai"]) == {"kind", option.partition(":")[0]}


def test_more_approvals_than_there_are_approvers_are_refused(tmp_path: Path) -> None:
    rules = "providers: {}\nmodels: {}\nenvironments:\n  live:\n    approvals: 2\n    approvers: [ada@example.org, @]\n"
    with pytest.raises(ConfigError, match="requires 2 approvals, and `approvers` names fewer") as raised:
        settings(tmp_path, rules.replace("@]", "ADA@example.org]"))
    assert raised.value.where == "moat.yaml:6"
    assert settings(tmp_path, rules.replace("@]", "bob@example.org]")).config.environments["live"].approvals == 2
