"""`/api/v1/scores` and `/api/v1/opinions`: opinions of scorers taken in, and all of them listed."""

from pathlib import Path
from typing import Any

import msgspec

from moat.domain.feedback import Feedback
from tests.api.world import Api


def scores(*given: dict[str, Any]) -> dict[str, Any]:
    return {"scores": list(given)}


def test_scores_are_taken_all_or_none(api: Api) -> None:
    good = {"request_id": "req_1", "name": "faithfulness", "value": 0.5, "by": "judge@2"}
    status, answer = api.post("/api/v1/scores", scores(good, good | {"request_id": "req_2"}))
    assert (status, len(set(answer["ids"]))) == (200, 2)
    assert api.post("/api/v1/scores", scores(good))[1]["ids"] == answer["ids"][:1]
    count = len(api.opinions.opinions)
    assert {one.source for one in api.opinions.opinions} == {"scorer"}
    status, answer = api.post("/api/v1/scores", scores(good, good | {"request_id": "req_1\n"}))
    assert (status, answer["error"]["param"]) == (400, "$.scores[1].request_id")
    status, answer = api.post("/api/v1/scores", scores(good, good | {"value": 2}))
    assert (status, answer["error"]["param"]) == (400, "$.scores[1].value")
    assert api.post("/api/v1/scores", scores())[0] == 400
    assert api.post("/api/v1/scores", scores(*[good] * 1001))[0] == 400
    assert len(api.opinions.opinions) == count


def test_opinions_of_calls_are_listed_newest_first(api: Api, tmp_path: Path) -> None:
    said = [
        Feedback(id="a", at_ns=1, request_id="req_1", value=0.0, by="u1"),
        Feedback(id="b", at_ns=2, request_id="req_2", value=1.0, source="scorer", name="tone"),
        Feedback(id="c", at_ns=3, trace_id=f"{3:032x}", comment="Hm."),
        Feedback(id="d", at_ns=4, request_id="req_1", tenant="acme", value=1.0),
        Feedback(id="e", at_ns=5, request_id="req_nobodys", value=1.0),
    ]
    segment = tmp_path / "said.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines(said))
    assert api.traces.ingest_feedback([segment]) == 5

    def ids(**query: Any) -> list[str]:
        status, found = api.get("/api/v1/opinions", **query)
        assert status == 200, found
        return [one["id"] for one in found]

    # req_1 is globex's: what acme said of it is found nowhere.
    assert ids() == ["c", "b", "a"]
    assert ids(limit=1) == ["c"]
    assert ids(said_by="scorer") == ["b"]
    assert ids(tenant="acme") == ["b"]
    assert ids(q="error") == ["c"]
    assert api.get("/api/v1/opinions", said_by="nobody")[0] == 400
    assert api.get("/api/v1/opinions", q="latency >")[0] == 400
