"""`Moat.feedback`: one request, one id, errors as they are meant."""

import json

import pytest

from moat.domain.errors import NotFound, RequestError, Unavailable
from moat.sdk import AsyncMoat, Moat
from tests.sdk.conftest import FakeMoat


def kept(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    answer = {"path": "/feedback/token"} if path.endswith("links") else {"id": "fb_1", "value": 1.0}
    return 200, {}, json.dumps(answer).encode()


def test_feedback_is_kept_when_it_returns(fake: FakeMoat) -> None:
    fake.answer = kept
    with Moat(base_url=fake.url, api_key="mk-1") as moat:
        assert moat.feedback("req_1", thumbs="up", comment="Gut.", by="u1") == "fb_1"
        assert moat.feedback("", trace_id="t1", value=0.5) == "fb_1"
        assert moat.feedback_link("req_1", expires_days=7) == f"{fake.url}/feedback/token"
    assert [(path, json.loads(body)) for _, path, _, body in fake.requests] == [
        ("/v1/feedback", {"request_id": "req_1", "thumbs": "up", "comment": "Gut.", "by": "u1"}),
        ("/v1/feedback", {"trace_id": "t1", "value": 0.5}),
        ("/v1/feedback/links", {"request_id": "req_1", "expires_days": 7}),
    ]


@pytest.mark.anyio
async def test_feedback_of_asyncio_code(fake: FakeMoat) -> None:
    fake.answer = kept
    async with AsyncMoat(base_url=fake.url, api_key="mk-1") as moat:
        assert await moat.feedback("req_1", rating=5) == "fb_1"
        assert await moat.feedback_link("req_1", by="u1") == f"{fake.url}/feedback/token"


@pytest.mark.parametrize(("status", "error"), [(400, RequestError), (404, NotFound), (503, Unavailable)])
def test_what_is_not_kept_raises(fake: FakeMoat, status: int, error: type[Exception]) -> None:
    fake.answer = lambda path, headers: (status, {}, b'{"error":{"message":"because"}}')
    with Moat(base_url=fake.url, api_key="mk-1") as moat, pytest.raises(error, match="because"):
        moat.feedback("req_1", thumbs="down")
