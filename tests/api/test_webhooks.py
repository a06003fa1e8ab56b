"""Pushes that a forge announces: who is believed, and what follows."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from moat.api.pushes import READ_AT_ONCE, Pushes
from moat.domain.errors import AccessError, Overloaded, Unavailable
from tests.api.world import WEBHOOK_SECRET, Api, RecordingSync, open_api
from tests.bootstrap.projects import eventually

PATH = "/api/v1/webhooks/git"
PUSH = json.dumps({"ref": "refs/heads/main", "after": "c0ffee", "commits": [{"id": "c0ffee"}]}).encode()
JSON = {"Content_Type": "application/json"}


@pytest.fixture
def api(template: Path, tmp_path: Path) -> Iterator[Api]:
    with open_api(template, tmp_path) as opened:
        yield opened
        for _ in range(10):
            opened.sync.go.release()


def signature(body: bytes, secret: str = WEBHOOK_SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def hear(api: Api, body: bytes = PUSH, /, **headers: str) -> tuple[int, bytes]:
    status, _, answer = api.raw("POST", PATH, body, **{**JSON, **headers})
    return status, answer


def synced(api: Api, times: int) -> None:
    eventually(lambda: api.sync.branches == ["main"] * times)


def logged(caplog: pytest.LogCaptureFixture, times: int) -> None:
    eventually(lambda: len(caplog.records) == times)


def test_a_signed_push_to_the_branch_is_synced(api: Api) -> None:
    ways = ({"X_Hub_Signature_256": signature(PUSH), "X_GitHub_Event": "push"},
            {"X_Gitlab_Token": WEBHOOK_SECRET, "X_Gitlab_Event": "Push Hook"})  # fmt: skip
    for number, way in enumerate(ways, 1):
        assert hear(api, **way) == (202, b'{"syncs":true}'), "answered before the sync ends"
        synced(api, number)
        api.sync.go.release()


def test_whoever_does_not_know_the_secret_is_refused_in_the_same_words(api: Api) -> None:
    signed = signature(PUSH)
    lies: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer mk-admin"},
        {"X_Hub_Signature_256": ""},
        {"X_Hub_Signature_256": signed[:-1]},
        {"X_Hub_Signature_256": signed.removeprefix("sha256=")},
        {"X_Hub_Signature_256": signature(PUSH, "other")},
        {"X_Hub_Signature_256": signature(PUSH, "")},
        {"X_Hub_Signature_256": signature(PUSH + b" ")},
        {"X_Hub_Signature_256": "sha256=\xe9"},
        {"X_Hub_Signature": "sha1=" + hmac.new(WEBHOOK_SECRET.encode(), PUSH, hashlib.sha1).hexdigest()},
        {"X_Gitlab_Token": ""},
        {"X_Gitlab_Token": "other"},
        {"X_Gitlab_Token": f"{WEBHOOK_SECRET}\xe9"},
    )
    answers = {hear(api, **lie) for lie in lies}
    assert len(answers) == 1
    assert answers.pop()[0] == 401
    assert hear(api, b"not even JSON")[0] == 401, "nothing is read before the signature"
    assert api.sync.branches == []


def test_without_a_secret_nobody_is_believed() -> None:
    pushes = Pushes(RecordingSync(), "main", "")
    for headers in ({}, {"x-gitlab-token": ""}, {"x-hub-signature-256": signature(PUSH, "")}):
        with pytest.raises(AccessError, match="not signed"):
            pushes.verify(headers, PUSH)
    pushes.close()


@pytest.mark.anyio
async def test_only_what_may_be_signed_is_read_and_only_a_few_at_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moat.api.pushes.READ_SECONDS", 1.0)
    pushes, signed = Pushes(RecordingSync(), "main", WEBHOOK_SECRET), {"x-hub-signature-256": signature(b"")}
    for headers in ({}, {"x-hub-signature-256": "sha256=0"}, {"x-gitlab-token": "other"}):
        with pytest.raises(AccessError, match="not signed"):
            await pushes.reading(headers).__aenter__()
    begun: list[int] = []

    async def slowly(number: int) -> None:
        async with pushes.reading(signed):
            begun.append(number)
            await asyncio.Event().wait()

    pending = [asyncio.create_task(slowly(number)) for number in range(READ_AT_ONCE + 1)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert begun == list(range(READ_AT_ONCE + 1))
    assert [task.done() for task in pending] == [True] + [False] * READ_AT_ONCE, "who came first made room"
    async with pushes.reading(signed):
        begun.append(-1)
    assert begun[-1] == -1, "slow strangers keep nobody waiting"
    for end in await asyncio.gather(*pending, return_exceptions=True):
        assert isinstance(end, Overloaded)
    async with pushes.reading(signed):
        pass
    pushes.close()


@pytest.mark.parametrize(
    "push",
    [
        {"ref": "refs/heads/feature"},
        {"ref": "refs/tags/main"},
        {"ref": "main"},
        {"ref": "refs/heads/main", "deleted": True},
        {"zen": "Design for failure."},
    ],
)
def test_another_push_is_heard_and_left_alone(api: Api, push: dict[str, object]) -> None:
    body = json.dumps(push).encode()
    assert hear(api, body, X_Hub_Signature_256=signature(body)) == (200, b'{"syncs":false}')
    assert api.sync.branches == []


def test_another_event_is_heard_and_left_alone(api: Api) -> None:
    for event in ({"X_GitHub_Event": "ping"}, {"X_GitHub_Event": "release"}, {"X_Gitlab_Event": "Tag Push Hook"}):
        assert hear(api, X_Hub_Signature_256=signature(PUSH), **event) == (200, b'{"syncs":false}')


@pytest.mark.parametrize("body", [b"", b"[]", b'{"ref": 1}', b"payload=%7B%7D"])
def test_a_signed_body_that_is_no_push_is_refused(api: Api, body: bytes) -> None:
    assert hear(api, body, X_Hub_Signature_256=signature(body))[0] == 400
    assert (
        hear(api, body, X_Hub_Signature_256=signature(body), Content_Type="application/x-www-form-urlencoded")[0] == 415
    )


def test_pushes_during_a_sync_become_one_more(api: Api) -> None:
    signed = signature(PUSH)
    hear(api, X_Hub_Signature_256=signed)
    eventually(lambda: api.sync.branches == ["main"])
    for _ in range(20):
        assert hear(api, X_Hub_Signature_256=signed)[0] == 202, "the same push again does no harm"
    for _ in range(5):
        api.sync.go.release()
    eventually(lambda: api.sync.branches == ["main"] * 2)


@pytest.mark.parametrize("failure", [Unavailable("the remote is away"), RuntimeError("a bug")])
def test_a_sync_that_fails_hinders_no_other(api: Api, failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    api.sync.failure = failure
    for number in (1, 2):
        hear(api, X_Hub_Signature_256=signature(PUSH))
        synced(api, number)
        api.sync.go.release()
        logged(caplog, number)
    assert api.sync.branches == ["main"] * 2
