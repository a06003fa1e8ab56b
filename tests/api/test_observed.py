"""What calls tell together: to each key of its own calls only, and care of the store to administrators."""

import json
from pathlib import Path

import msgspec
import pytest

from moat.domain.feedback import Feedback
from tests.api.world import SECRETS, Api


def hear(api: Api, folder: Path) -> None:
    segment = folder / "said.ndjson"
    said = [Feedback(id=f"f{n}", at_ns=n, request_id=f"req_{n}", value=n / 5) for n in range(1, 6)]
    segment.write_bytes(msgspec.json.Encoder().encode_lines(said))
    api.traces.ingest_feedback([segment])


@pytest.mark.promise("gate-7")
def test_a_bound_key_sees_its_tenant_only(api: Api, tmp_path: Path) -> None:
    hear(api, tmp_path)
    acme = {"req_2", "req_4"}
    assert [row["count"] for row in api.get("/api/v1/scores")[1]] == [5]
    assert [row["count"] for row in api.get("/api/v1/scores", "acme-viewer")[1]] == [2]
    assert [one["id"] for one in api.get("/api/v1/feedback", "acme-viewer", trace="req_2")[1]] == ["f2"]
    other, unknown = (api.get("/api/v1/feedback", "acme-viewer", trace=name) for name in ("req_1", "req_99"))
    assert other == unknown
    assert other[0] == 404
    assert api.get("/api/v1/sessions", "acme-viewer", tenant="globex") == api.get(
        "/api/v1/sessions", "acme-viewer", tenant="unknown"
    )
    status, _, body = api.raw("GET", "/api/v1/export", Authorization=f"Bearer {SECRETS['acme-viewer']}")
    *lines, end = (json.loads(line) for line in body.splitlines())
    assert (status, {line["request_id"] for line in lines}, end) == (200, acme, {"spans": 2, "error": ""})
    assert api.get("/api/v1/traces", "acme-viewer", q="not tenant = acme")[1] == []


def test_a_filter_that_is_none_is_refused_with_its_place(api: Api) -> None:
    for path in ("traces", "usage", "spend", "scores", "sessions", "users", "export"):
        status, answer = api.get(f"/api/v1/{path}", q="tennant = x")
        assert (status, "Did you mean `tenant`?" in answer["error"]["message"]) == (400, True), path


def test_only_administrators_care_for_the_store(api: Api) -> None:
    for work in ("expire", "compact", "copy"):
        assert api.post(f"/api/v1/upkeep/{work}", {}, "viewer")[0] == 403
        assert api.post(f"/api/v1/upkeep/{work}", {}, "acme")[0] == 403
    assert api.post("/api/v1/upkeep/expire", {"dry_run": True}) == (200, {"spans": 5})
    copies = [Path(api.post("/api/v1/upkeep/copy", {})[1]["path"]) for _ in range(2)]
    assert [copy.exists() for copy in copies] == [False, True]
    assert api.post("/api/v1/upkeep/expire", {}) == (200, {"spans": 5})
    assert api.post("/api/v1/upkeep/compact", {})[1]["spans"] == api.get("/api/v1/kept")[1]["spans"] == 0
