"""What is changed but not served yet is said to be so."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from moat.api import waiting
from tests.api.world import Api, open_api
from tests.bootstrap.projects import PROMPT


@pytest.fixture
def api(template: Path, tmp_path: Path) -> Iterator[Api]:
    """It serves what it served in the beginning, until a test refreshes it."""
    with open_api(template, tmp_path) as opened:
        yield opened


def test_a_change_that_is_not_served_in_time_is_answered_with_202(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LIVE_WITHIN_SECONDS", 0.02)
    place = {"prompt": PROMPT, "environment": "staging"}
    assert api.post("/api/v1/rollouts", {**place, "action": "pause"})[0] == 202
    assert api.post("/api/v1/rollouts", {**place, "action": "promote", "percent": 60})[0] == 202
    assert api.post("/api/v1/rollouts", {**place, "action": "promote"})[0] == 202
    assert api.post("/api/v1/rollbacks", place)[0] == 202
    status, made = api.post("/api/v1/releases", {**place, "version": "1.0.0"})
    assert (status, made["assignment"]["actor"]) == (202, "grace@example.org"), made
    body = {"name": "team/hello", "version": "1.0.0", "prompt": {
        "model": "assistant", "messages": [{"role": "user", "content": "Hello."}]}}  # fmt: skip
    assert api.post("/api/v1/prompts", body)[0] == 202
    assert api.get("/api/v1/prompts/team/hello", version="1.0.0")[0] == 404
    status, approval = api.post("/api/v1/approvals", {"release": "rel_1.0.0", "environment": "staging"})
    assert (status, approval["actor"]) == (201, "grace@example.org")
    assert api.post("/api/v1/approvals", {"release": "rel_1.0.0", "environment": "staging"}, "robot")[0] == 403

    assert [found["sequence"] for found in api.get("/api/v1/serving", environment="staging")[1]] == [2]
    api.refresh()
    assert [found["sequence"] for found in api.get("/api/v1/serving", environment="staging")[1]] == [7]
    assert api.get(f"/api/v1/prompts/{PROMPT}", environment="staging")[1]["prompt"]["version"] == "1.0.0"
    assert api.get("/api/v1/prompts/team/hello", version="1.0.0")[0] == 200
    assert api.post("/api/v1/prompts", body)[0] == 200


def test_the_answer_waits_until_the_change_is_served(api: Api) -> None:
    answered = threading.Event()

    def looks() -> None:  # as the server does, however long the change takes
        while not answered.wait(0.1):
            api.refresh()

    looking = threading.Thread(target=looks)
    looking.start()
    status, made = api.post("/api/v1/rollbacks", {"prompt": PROMPT, "environment": "staging"})
    answered.set()
    looking.join()
    assert status == 200
    assert api.live.serving.assignments["staging", PROMPT].sequence >= made["sequence"]


def test_a_later_change_serves_as_well(api: Api) -> None:
    current = api.live.serving.assignments["staging", PROMPT]
    assert waiting.served(api.live, current)
    api.live.serving = replace(api.live.serving, assignments={})
    threading.Timer(0.05, api.refresh).start()
    assert waiting.served(api.live, current)
