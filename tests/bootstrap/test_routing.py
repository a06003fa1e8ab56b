"""Routing as moat.yaml writes it: mistakes found with their line, evidence of evals, health over reloads, a dark
provider at a running server.
"""

import asyncio
import json
import urllib.request
from pathlib import Path

import pytest

from moat.bootstrap import quality
from moat.bootstrap.models import ProviderShelf, router
from moat.bootstrap.project import Project as Files
from moat.bootstrap.quality import lacking, passed_over, scores
from moat.bootstrap.settings import Settings, load_settings
from moat.bootstrap.state import open_state
from moat.domain.calls import Deployment
from moat.domain.errors import CircuitOpen, ConfigError, ProviderDown
from moat.domain.quotas import Quota, Window
from moat.domain.scores import Run, RunStatus
from moat.ports.models import Capacity
from moat.testing.fakes import NoPrices, new_call
from tests.bootstrap.projects import Project, eventually

PROVIDERS = """
providers:
  a: {kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: "${KEY}"}
  b: {kind: openai, base_url: "http://127.0.0.1:2/v1", api_key: "${KEY}"}
"""


def settings(folder: Path, text: str) -> Settings:
    (folder / "moat.yaml").write_text(PROVIDERS + text, "utf-8")
    return load_settings(folder)


@pytest.mark.parametrize(
    ("model", "line", "message"),
    [
        ("use: [a/x, c/y]", 7, r"'c/y' at \$\.models\.m\.use\[1\] names no configured provider"),
        ("use: [a/x]\n    rules:\n    - {when: {}, use: [a]}", 9, r"'a' at \$\.models\.m\.rules\[0\]\.use\[0\]"),
        ("use: [a/x]\n    weights: {a/x: 1}", 8, "no `strategy: weighted` chooses it"),
        ("use: [a/x]\n    strategy: weighted\n    weights: {a/y: 1}", 9, "gives 'a/y' a weight"),
        ("use: [a/x]\n    strategy: weighted\n    weights: {a/x: 0}", 9, "are 0"),
        ("use: [a/x]\n    strategy: fast", 8, "fast"),
        ("use: [a/x]\n    quality: {suite: s, at_least: 0.9}", 8, "no effect without `strategy: cheapest`"),
        ("use: [a/x]\n    longer: n", 8, r"'n' at \$\.models\.m\.longer is no other model"),
        ("use: [a/x]\n    cheaper: m", 8, r"'m' at \$\.models\.m\.cheaper is no other model"),
        (
            "use: [a/x]\n    rules:\n    - {when: {min_tokens: 9, max_tokens: 8}, use: [a/y]}",
            9,
            "at least 9 and at most 8",
        ),
        (
            "use: [a/x]\n    longer: o\n  o: {use: [a/x], longer: p}\n  p: {use: [a/x], longer: m}",
            8,
            "m -> o -> p -> m",
        ),
        ("use: [a/x]\ndeployments:\n  d/x: {context: 5}", 9, r"'d/x' at \$\.deployments\.d/x names no configured"),
        ("use: [a/x]\ndeployments:\n  a/x: {context: -5}", 9, "context"),
    ],
)
def test_a_mistake_is_found_with_its_place(tmp_path: Path, model: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        settings(tmp_path, f"models:\n  m:\n    {model}\n")
    assert raised.value.where == f"moat.yaml:{line}" or raised.value.where.startswith(f"moat.yaml:{line}:")


def test_everything_together_is_good(tmp_path: Path) -> None:
    text = """
models:
  m:
    use: [a/x, b/y]
    strategy: weighted
    weights: {a/x: 3, b/y: 0, b/z: 1}
    rules:
    - {when: {tags: [vip], max_tokens: 10}, use: [b/z, a/x], strategy: weighted}
    - {when: {tenant: [t]}, use: [b/y], strategy: cheapest}
    quality: {suite: s, at_least: 0.9}
    longer: n
    cheaper: n
    hedge_after: 0.5
  n: {use: [b/long], overflow: truncate}
deployments:
  b/long: {context: 1000, max_output: 100}
breaker: {failures: 2, rate: 0.2, window: 5, cooldown: 1}
"""
    found = settings(tmp_path, text)
    shelf = ProviderShelf({"KEY": "k"})
    models = router(found, {"KEY": "k"}, shelf, NoPrices())
    assert models.capacity(Deployment("b", "long")) == Capacity(1000, 100)
    assert models.capacity(Deployment("a", "x")) == Capacity()
    assert models.provider("b") is shelf.providers(found)["b"], "what only a rule names is built too"


def test_what_is_published_of_a_model_is_known(tmp_path: Path) -> None:
    text = PROVIDERS.replace("http://127.0.0.1:1/v1", "https://api.openai.com/v1")
    (tmp_path / "moat.yaml").write_text(text + "models:\n  m: {use: [a/gpt-4o]}\n", "utf-8")
    found = load_settings(tmp_path)
    capacity = router(found, {"KEY": "k"}, ProviderShelf({"KEY": "k"}), NoPrices()).capacity(Deployment("a", "gpt-4o"))
    assert capacity.context == 128_000


def test_health_stays_over_a_reload_but_for_a_provider_that_changed(tmp_path: Path) -> None:
    text = "models:\n  m: {use: [a/x, b/y]}\nbreaker: {failures: 1}\n"
    shelf = ProviderShelf({"KEY": "k"})
    shelf.providers(settings(tmp_path, text))
    a, b = Deployment("a", "x"), Deployment("b", "y")
    for at in (a, b):
        shelf.health.note(at, ProviderDown("x"), 0, shelf.health.check(at))
    shelf.providers(settings(tmp_path, text + "project: renamed\n"))
    for at in (a, b):
        with pytest.raises(CircuitOpen):
            shelf.health.check(at)
    (tmp_path / "moat.yaml").write_text((PROVIDERS + text).replace("127.0.0.1:1", "127.0.0.1:3"), "utf-8")
    shelf.providers(load_settings(tmp_path))
    shelf.health.check(a)
    with pytest.raises(CircuitOpen):
        shelf.health.check(b)


def test_a_providers_quota_reaches_the_health_of_its_deployment(tmp_path: Path) -> None:
    shelf = ProviderShelf({"KEY": "k"})
    provider = shelf.providers(settings(tmp_path, "models:\n  m: {use: [a/x]}\n"))["a"]
    provider._exchange._quota("x", Quota(requests=Window(0, 60)))  # type: ignore[attr-defined]
    with pytest.raises(CircuitOpen):
        shelf.health.check(Deployment("a", "x"))
    shelf.health.check(Deployment("a", "other"))


CHEAPEST = """
  thrifty:
    use: [simulated/support-large, simulated/support-small]
    strategy: cheapest
    quality: {suite: support, at_least: 0.9}
environments:
"""


def run(number: int, deployments: tuple[str, ...], score: float | None, status: RunStatus = "finished") -> Run:
    return Run(
        id=f"run_{number:024x}", suite="support", suite_digest="s", dataset_digest="d", prompt="p", version="1.0.0",
        prompt_digest="x", model="m", deployments=deployments, cases=1, status=status, created_ns=number, score=score,
    )  # fmt: skip


def test_the_newest_finished_run_of_a_deployment_alone_is_its_evidence(project: Project) -> None:
    project.replace("moat.yaml", {"\nenvironments:\n": CHEAPEST})
    large, small = "simulated/support-large", "simulated/support-small"
    files = Files.find(project.root)
    config = files.settings.config
    assert len(passed_over(files)) == 2
    with open_state(files) as state:
        for made in (
            run(1, (large,), 0.95),
            run(2, (small,), 0.99),
            run(3, (small,), 0.5),
            run(4, (small,), 1.0, "interrupted"),
            run(5, (large, small), 1.0),
            run(6, (large,), None),
        ):
            state.runs.start(made)
        found = scores(state.runs, config)
    assert found == {("support", large): 0.95, ("support", small): 0.5}
    (note,) = lacking(config, found)
    assert "scored 0.500 in 'support', less than 0.9" in note
    done = project.ok("config", "check")
    assert f"note: thrifty: {small} scored 0.500" in " ".join(done.out.split())
    assert project.ok("config", "check", "--json").json["notes"] == [note]


@pytest.mark.anyio
async def test_a_run_that_finishes_counts_without_a_restart(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "LOOK_SECONDS", 0.01)
    project.replace("moat.yaml", {"\nenvironments:\n": CHEAPEST})
    files, shelf = Files.find(project.root), ProviderShelf({})
    models = router(files.settings, {}, shelf, NoPrices())
    large, small = Deployment("simulated", "support-large"), Deployment("simulated", "support-small")
    call = new_call(model="thrifty")
    assert models.plan(call).deployments == (large, small)
    with open_state(files) as state:
        keeping = asyncio.create_task(quality.keep_scored(shelf, state, lambda: files.settings))
        await asyncio.to_thread(state.runs.start, run(1, (str(small),), 0.95))
        async with asyncio.timeout(30):
            while models.plan(call).deployments != (small, large):  # noqa: ASYNC110 - the product offers no event for it
                await asyncio.sleep(0.01)
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
    await shelf.aclose()


def test_a_quality_names_a_suite_that_there_is(project: Project) -> None:
    project.replace("moat.yaml", {"\nenvironments:\n": CHEAPEST.replace("suite: support", "suite: nothing")})
    done = project.run("config", "check")
    assert done.code == 78
    assert "there is no suite 'nothing'" in done.err


@pytest.mark.promise("up-7")
def test_a_dark_provider_at_a_running_server(project: Project) -> None:
    dark = '  dark: {kind: openai, base_url: "http://127.0.0.1:1/v1"}\n\nmodels:\n  gone: {use: [dark/x], retries: 0}\n'
    project.replace("moat.yaml", {"\nmodels:\n": "\n" + dark, "use: [simulated/": "use: [dark/x, simulated/"})
    body = {"model": "gone", "messages": [{"role": "user", "content": "Hello"}]}
    project.release("1.2.0")
    with project.serving() as server:
        # Every call of the route with a fallback is answered, before the breaker opens and after.
        for _ in range(5):
            assert server.ask("How do I get a refund?", at="staging")[0] == 200
            server.send("POST", "/v1/chat/completions", body)
        status, answer = server.send("POST", "/v1/chat/completions", body)
        assert (status, answer["error"]["code"]) == (503, "circuit_open")
        assert server.ask("How do I get a refund?", at="staging")[0] == 200
        page = urllib.request.Request(f"{server.url}/metrics", headers={"authorization": f"Bearer {server.token}"})
        with urllib.request.urlopen(page, timeout=30) as response:
            text = response.read().decode()
        assert 'moat_breaker_open{deployment="dark/x"} 1.0' in text
        assert 'moat_breaker_open{deployment="simulated/support-large"} 0.0' in text
        assert 'moat_fallbacks_total{deployment="simulated/support-large"} 6.0' in text
        (state,) = [at for at in server.get("/api/v1/status")[1]["deployments"] if at["deployment"] == "dark/x"]
        assert (state["state"], state["wait"] > 0) == ("open", True)
        assert "left alone: dark/x" in project.ok("status").out
        assert json.loads(project.ok("status", "--json").out)["server"]["left_alone"][0]["deployment"] == "dark/x"
        # A reload keeps what was learnt, until the provider is another.
        project.replace("moat.yaml", {"project: support-assistant": "project: renamed"})
        server.send("POST", "/api/v1/refresh", {})
        assert server.send("POST", "/v1/chat/completions", body)[1]["error"]["code"] == "circuit_open"
        project.replace("moat.yaml", {"127.0.0.1:1/v1": "127.0.0.1:2/v1"})
        server.send("POST", "/api/v1/refresh", {})
        eventually(lambda: server.send("POST", "/v1/chat/completions", body)[1]["error"]["code"] == "provider_down")
