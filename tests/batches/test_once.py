"""Files and batches that are asked for with an idempotency key are made once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, OpenAI

from moat.domain.config import BatchConfig
from tests.batches.test_asked import Echo, limited
from tests.batches.world import World, ended, line


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


def order(client: OpenAI, file: str, key: str, **more: Any) -> Any:
    """The raw answer: its headers say whether it was given before."""
    return client.batches.with_raw_response.create(
        input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", extra_headers=keyed(key), **more
    )


def upload(client: OpenAI, key: str, data: bytes, name: str = "q.jsonl", **more: Any) -> Any:
    return client.files.with_raw_response.create(file=(name, data), purpose="batch", extra_headers=keyed(key), **more)


def at_once(many: int, ask: Any) -> list[Any]:
    """The answers of clients that ask at the same moment."""
    ready = threading.Barrier(many)

    def one(_: int) -> Any:
        ready.wait()
        return ask()

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(one, range(many)))


def replayed(answers: list[Any]) -> int:
    return sum(each.headers.get("idempotent-replayed") == "true" for each in answers)


@pytest.mark.promise("money-10")
def test_in_parallel_one_batch_is_made_and_paid(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, ledger=(ledger := limited("1.00")))
    with world.running(), world.client() as client:
        file = world.upload(client, line("a"), line("b"))
        answers = at_once(8, lambda: order(client, file, "once"))
        (id,) = {each.parse().id for each in answers}
        assert replayed(answers) == 7
        assert [each.id for each in client.batches.list()] == [id]
        ended(client, client.batches.retrieve(id))
        assert sorted(echo.asked) == ["Hello", "Hello"]
        assert [(each.used, each.held) for each in ledger.balances()] == [(30_000, 0)]
        again = order(client, file, "once")
        assert (again.parse().id, replayed([again])) == (id, 1)
        assert order(client, file, "another").parse().id != id


@pytest.mark.promise("money-10")
def test_in_parallel_one_file_is_kept(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    with world.running(), world.client() as client:
        answers = at_once(8, lambda: upload(client, "once", b"x" * 300_000))
        (id,) = {each.parse().id for each in answers}
        assert replayed(answers) == 7
        assert [each.id for each in client.files.list()] == [id]
        assert [path.name for path in (tmp_path / "files").iterdir()] == [id]
        assert client.files.content(id).read() == b"x" * 300_000


@pytest.mark.promise("money-10")
def test_another_request_under_the_key_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    with world.running(), world.client() as client, world.client("mk-colleague") as colleague:
        file = upload(client, "file", b"{}").parse().id
        made = order(client, file, "batch").parse().id
        others: list[Callable[[], Any]] = [
            lambda: upload(client, "file", b"{ }"),
            lambda: upload(client, "file", b"{}", "other.jsonl"),
            lambda: upload(client, "file", b"{}", expires_after={"anchor": "created_at", "seconds": 3600}),
            lambda: order(client, file, "batch", metadata={"a": "b"}),
            lambda: order(client, file, "file"),
        ]
        for ask in others:
            with pytest.raises(APIStatusError) as error:
                ask()
            assert error.value.status_code == 422
        assert len(list((tmp_path / "files").iterdir())) == 1
        assert upload(colleague, "file", b"{}").parse().id != file, "keys of others are others' keys"
        assert order(colleague, file, "batch").parse().id != made
        with pytest.raises(APIStatusError, match="idempotency-key"):
            upload(client, "x" * 256, b"{}")


def test_what_was_refused_may_be_asked_again(tmp_path: Path) -> None:
    world = World(tmp_path, Echo(), BatchConfig(max_lines=1), ledger=limited("0.000001"))
    with world.running(), world.client() as client:
        file = world.upload(client, line("a"))
        for _ in range(2):
            with pytest.raises(APIStatusError) as error:
                order(client, file, "key")
            assert error.value.status_code == 429
            assert error.value.response.headers.get("idempotent-replayed") is None
            assert error.value.body["code"] == "limit_exceeded"  # type: ignore[index]
            assert error.value.response.headers["x-should-retry"] == "false"
        world.ledger = None
        assert list(client.batches.list()) == []
