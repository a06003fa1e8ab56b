"""Policies as they apply, and what they would make of a text that nobody keeps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.world import Api, open_api

POLICY = """\
name: careful
description: For one tenant
when:
  tenant: [acme]
guards:
  - use: pii
    action: redact
  - use: banned
    with: {words: [fnord]}
    action: block
    on: [input, output]
    threshold: 0.5
tests:
  - {text: hello, expect: pass}
"""


@pytest.fixture(scope="module")
def guarded(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with open_api(template, tmp_path_factory.mktemp("guarded")) as api:
        folder = api.files.root / "policies"
        folder.mkdir()
        (folder / "careful.yaml").write_text(POLICY, "utf-8")
        yield api


def test_policies_are_told_with_their_places(guarded: Api) -> None:
    (policy,) = guarded.get("/api/v1/policies")[1]
    assert policy["id"].startswith("careful@")
    assert policy["when"]["tenant"] == ["acme"]
    assert (policy["place"], policy["tests"]) == ("policies/careful.yaml:1", 1)
    pii, banned = policy["guards"]
    assert (pii["use"], pii["action"], pii["place"]) == ("pii", "redact", "policies/careful.yaml:6")
    assert (banned["on"], banned["threshold"], banned["on_error"]) == (["input", "output"], 0.5, "block")
    assert not banned["asks_model"]


def test_a_text_is_tried_with_the_policies_that_are_about_it(guarded: Api) -> None:
    text = "Write to ada@example.org."
    kept = guarded.traces.kept().spans
    status, found = guarded.post("/api/v1/guards/try", {"text": text, "tenant": "acme"})
    assert status == 200
    (verdict,) = found["verdicts"]
    (finding,) = verdict["findings"]
    assert (found["action"], verdict["guard"], finding["kind"]) == ("redact", "pii", "email")
    assert text[finding["start"] : finding["end"]] == "ada@example.org"
    assert "ada@" not in found["becomes"]
    assert found["elsewhere"] == []
    other = guarded.post("/api/v1/guards/try", {"text": text, "tenant": "globex"})[1]
    assert (other["action"], other["becomes"], other["policies"]) == ("pass", text, [])
    assert "tenant acme" in other["elsewhere"][0]["why"]
    assert guarded.traces.kept().spans == kept


@pytest.mark.parametrize("direction", ["input", "output"])
def test_what_is_blocked_does_not_go_on(guarded: Api, direction: str) -> None:
    found = guarded.post("/api/v1/guards/try", {"text": "a fnord here", "tenant": "acme", "direction": direction})[1]
    assert (found["action"], found["becomes"]) == ("block", "")


def test_a_text_is_bounded_and_a_broken_policy_named(guarded: Api) -> None:
    assert guarded.post("/api/v1/guards/try", {"text": "a" * 50_001})[0] == 400
    path = guarded.files.root / "policies" / "broken.yaml"
    path.write_text("name: broken\nguards:\n  - {use: nonsense, action: flag}\n", "utf-8")
    try:
        status, answer = guarded.get("/api/v1/policies")
    finally:
        path.unlink()
    assert "policies/broken.yaml:3" in answer["error"]["message"] + str(answer["error"]["param"])
    assert status >= 400
