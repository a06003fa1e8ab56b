"""`GET /metrics` over a socket, read by the parsers Prometheus publishes."""

import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from moat import __version__
from moat.domain.keys import Key
from moat.domain.releases import Arm, Assignment, MessageTemplate, PromptVersion, Release
from moat.prompts.drift import Drift
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import Start

KEYS = {
    "mk-app": Key(id="key_app", hash=""),
    "mk-viewer": Key(id="key_viewer", hash="", role="viewer"),
    "mk-admin": Key(id="key_admin", hash="", role="admin"),
}


def scrape(url: str, key: str = "mk-viewer", **headers: str) -> tuple[int, str, str]:
    """Status, content type and text."""
    given = {"authorization": f"Bearer {key}"} | headers
    request = urllib.request.Request(f"{url}/metrics", headers=given if key else headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read().decode()


def samples(text: str, parse: Any = parse_text) -> dict[tuple[str, ...], float]:
    """Values by name and label values, in the labels' order by name."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def a_release(name: str, version: str) -> Release:
    content = PromptVersion(name="answer", version=version, messages=(MessageTemplate("user", "x"),), model="assistant")
    return Release(id=name, content=content, prompt_digest="d")


def test_what_is_served_is_told(start: Start) -> None:
    gateway = start(ScriptedProvider(), keys=KEYS)
    releases = {f"rel_{number}": a_release(f"rel_{number}", f"{number}.0.0") for number in (1, 2, 3)}
    canary = Assignment(
        environment="production",
        prompt="answer",
        sequence=1,
        arms=(Arm("rel_2", 10.0, "canary"), Arm("rel_1", 90.0, "stable")),
        shadow=Arm("rel_3", 0.25),
        strategy="canary",
        progress="paused",
        actor="Ada",
        reason="",
        created_ns=0,
    )
    drift = Drift(
        environment="production",
        prompt="answer",
        version="1.0.0",
        release="rel_1",
        kind="edited",
        message="",
        remedy="",
    )
    gateway.live.serving = replace(
        gateway.live.serving,
        assignments={("production", "answer"): canary},
        releases=releases,
        drift=(drift, msgspec.structs.replace(drift, release="rel_2")),
        problems=("moat.yaml is broken",),
    )
    status, content_type, text = scrape(gateway.url)
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = samples(text)
    # Labels by name: arm, environment, prompt, release, version.
    assert found["moat_release_share", "canary", "production", "answer", "rel_2", "2.0.0"] == pytest.approx(0.1)
    assert found["moat_release_share", "stable", "production", "answer", "rel_1", "1.0.0"] == pytest.approx(0.9)
    assert found["moat_shadow_share", "production", "answer", "rel_3", "3.0.0"] == 0.25
    assert found["moat_rollout_open", "production", "paused", "answer", "canary"] == 1
    # One series for a kind, whichever releases have it.
    assert {key: value for key, value in found.items() if key[0] == "moat_prompt_drift"} == {
        ("moat_prompt_drift", "production", "edited", "answer"): 1
    }
    assert found["moat_serving_problems",] == 1
    assert found["moat_build_info", __version__] == 1
    assert found["moat_shadow_dropped_total",] == 0
    assert 0 <= found["moat_reload_age_seconds",] < 3600
    assert found["process_resident_memory_bytes",] > 0


def test_nothing_served_is_an_answer_too(start: Start) -> None:
    found = samples(scrape(start(ScriptedProvider(), keys=KEYS).url)[2])
    assert found["moat_serving_problems",] == 0
    assert not [key for key in found if key[0] in ("moat_release_share", "moat_prompt_drift", "moat_rollout_open")]


def test_names_with_quotes_survive(start: Start) -> None:
    gateway = start(ScriptedProvider(), keys=KEYS)
    odd = 'an "arm"\\\nof two lines'
    served = Assignment(
        environment="e", prompt="answer", sequence=1, arms=(Arm("r", 1.0, odd),), actor="", reason="", created_ns=0
    )
    gateway.live.serving = replace(
        gateway.live.serving, assignments={("e", "answer"): served}, releases={"r": a_release("r", "1.0.0")}
    )
    for accept, parse in (("text/plain", parse_text), ("application/openmetrics-text", parse_openmetrics)):
        found = samples(scrape(gateway.url, accept=accept)[2], parse)
        assert found["moat_release_share", odd, "e", "answer", "r", "1.0.0"] == 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", "application/openmetrics-text; version=1.0.0"),
        # What Prometheus 2 and 3 send.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0",
        ),
        ("application/openmetrics-text; version=nonsense", "text/plain; version=0.0.4"),
    ],
)
def test_the_client_chooses_the_format(start: Start, accept: str, content_type: str) -> None:
    status, answered, text = scrape(start(ScriptedProvider(), keys=KEYS).url, accept=accept)
    assert (status, answered.startswith(content_type)) == (200, True), answered
    assert text.endswith("# EOF\n") == content_type.startswith("application/openmetrics")
    assert samples(text, parse_openmetrics if text.endswith("# EOF\n") else parse_text)


@pytest.mark.parametrize(("key", "status"), [("mk-viewer", 200), ("mk-admin", 200), ("mk-app", 403), ("", 401)])
def test_whoever_looks_needs_a_key_for_it(start: Start, key: str, status: int) -> None:
    assert scrape(start(ScriptedProvider(), keys=KEYS).url, key)[0] == status


def test_a_key_for_one_environment_does_not_see_the_others(start: Start) -> None:
    bound = Key(id="key_bound", hash="", role="viewer", environment="staging")
    assert scrape(start(ScriptedProvider(), keys={"mk-bound": bound}).url, "mk-bound")[0] == 403
