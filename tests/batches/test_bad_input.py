"""What clients send that is no file or no batch."""

from pathlib import Path
from typing import Any

import pytest
from openai import AuthenticationError, BadRequestError, NotFoundError, OpenAI

from moat.domain.config import BatchConfig
from tests.batches.test_asked import Echo
from tests.batches.world import World, ended, line


def refused(client: OpenAI, status: int, path: str, **options: Any) -> str:
    """The parameter that is named."""
    with pytest.raises(Exception) as error:
        client.post(path, cast_to=object, **options)
    assert error.value.status_code == status, error.value  # type: ignore[attr-defined]
    return str(error.value.body.get("param"))  # type: ignore[attr-defined]


def test_uploads_that_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, Echo(), BatchConfig(max_file_mb=0.01))
    with world.running(), world.client() as client:
        file = ("q.jsonl", b"{}")
        with pytest.raises(BadRequestError, match="purpose"):
            client.files.create(file=file, purpose="fine-tune")
        with pytest.raises(BadRequestError, match="empty"):
            client.files.create(file=("q.jsonl", b""), purpose="batch")
        for expires in ({"anchor": "created_at", "seconds": 5}, {"anchor": "now", "seconds": 3600}):
            with pytest.raises(BadRequestError, match="expires_after"):
                client.files.create(file=file, purpose="batch", expires_after=expires)  # type: ignore[arg-type]
        with pytest.raises(Exception, match="max_file_mb"):
            client.files.create(file=("q.jsonl", b"x" * 20_000), purpose="batch")
        assert refused(client, 400, "/files", body={"purpose": "batch"}) == "content-type"
        assert list(client.files.list()) == []
        assert list((tmp_path / "files").iterdir()) == []
        with world.client("mk-nobody") as nobody, pytest.raises(AuthenticationError):
            nobody.files.list()


def test_a_file_may_say_how_long_it_lives_and_what_it_is_called(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    with world.running(), world.client() as client:
        name = "C:\\evil/../../größe\x07.jsonl"
        made = client.files.create(
            file=(name, b"{}"), purpose="batch", expires_after={"anchor": "created_at", "seconds": 7200}
        )
        assert made.expires_at == made.created_at + 7200
        assert "/" not in made.filename
        assert client.files.content(made.id).read() == b"{}"
        assert {path.name for path in (tmp_path / "files").iterdir()} == {made.id}


def test_orders_that_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    with world.running(), world.client() as client:
        file = world.upload(client, line("a"))
        good: dict[str, Any] = {
            "input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"
        }  # fmt: skip
        for change, param in (
            ({"completion_window": "1h"}, "completion_window"),
            ({"endpoint": "/v1/audio/speech"}, "endpoint"),
            ({"endpoint": 7}, "endpoint"),
            ({"input_file_id": None}, "input_file_id"),
            ({"metadata": {"a": 1}}, "metadata"),
            ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
            ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, "output_expires_after.seconds"),
        ):
            assert refused(client, 400, "/batches", body=good | change) == param
        with pytest.raises(NotFoundError):
            client.batches.create(**good | {"input_file_id": "../state.db"})
        done = ended(client, client.batches.create(**good, metadata={"job": "x"}))
        assert done.metadata == {"job": "x"}
        assert refused(client, 400, "/batches", body=good | {"input_file_id": done.output_file_id}) == "input_file_id"
        for path in ("/files/a b", "/batches/x/y/z", "/batches/", "/files/%2e%2e%2fstate.db/content"):
            with pytest.raises(NotFoundError):
                client.get(path, cast_to=object)


def test_lists_are_paged_as_the_sdk_pages(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    with world.running(), world.client() as client:
        made = [world.upload(client, line("a")) for _ in range(5)]
        assert sorted(each.id for each in client.files.list(limit=2)) == sorted(made)
        assert [each.id for each in client.files.list(order="asc", limit=3)] == sorted(made)
        assert list(client.files.list(purpose="batch_output")) == []
        with pytest.raises(BadRequestError, match="limit"):
            client.files.list(limit=0)
        with pytest.raises(BadRequestError, match="order"):
            client.files.list(order="up")  # type: ignore[arg-type]
        for file in made[:3]:
            client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")
        assert len(list(client.batches.list(limit=2))) == 3
