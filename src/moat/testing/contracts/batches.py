"""What `BatchStore` promises."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
from msgspec.structs import replace

from moat.domain.batches import Batch, Owner, Problem, StoredFile, Submission, Way
from moat.domain.calls import Caller
from moat.domain.errors import ConflictError, NotFound
from moat.domain.releases import MessageTemplate, PromptVersion, Release
from moat.ports.batches import BatchStore, Page

OpenBatches = Callable[[], AbstractContextManager[BatchStore]]

ACME = Owner("tenant/acme")
_CONTENT = PromptVersion(
    name="support/answer",
    version="1.0.0",
    messages=(MessageTemplate(role="user", content="Größe: {{ size }}"),),
    model="assistant",
    params={"temperature": 0.2},
)


def _file(number: int, owner: str = "tenant/acme", environment: str = "production") -> StoredFile:
    return StoredFile(
        id=f"file_{number}",
        owner=owner,
        environment=environment,
        purpose="batch" if number % 2 else "batch_output",
        filename="It's „ours“; DROP TABLE files.jsonl",
        bytes=10**12 + number,
        created_ns=1_700_000_000_000_000_000 + number,
        expires_ns=1_800_000_000_000_000_000 + number,
    )


def _batch(number: int, input: str = "file_1") -> Batch:
    return Batch(
        id=f"batch_{number}",
        owner="tenant/acme",
        environment="production",
        caller=Caller(key="key_1", tenant="acme", user="Größe", models=("assistant",), tags=("nightly",)),
        endpoint="/v1/chat/completions",
        input_file=input,
        output_file=f"file_out_{number}",
        error_file=f"file_err_{number}",
        status="validating",
        created_ns=1_700_000_000_000_000_000,
        expires_ns=1_700_086_400_000_000_000,
        keep_ns=1000,
        total=50_000,
        problems=(Problem(code="invalid_json_line", message="…", param="body", line=7),),
        metadata={"job": "nightly"},
        deployment="openai/gpt",
        submission=Submission(
            began_ns=1_700_000_000_000_000_001,
            lines=2,
            ways=(
                Way(alias="assistant", version=_CONTENT),
                Way(alias="assistant", release=Release(id="rel_1", content=_CONTENT, prompt_digest="d"), arm="canary"),
            ),
        ),
        provider_batch="batch_abc",
    )


def files_are_read_back_by_their_owner(open_store: OpenBatches) -> None:
    """As written, by another opener too; others' and unknown ones raise the same."""
    with open_store() as store:
        store.add_file(_file(1))
        with pytest.raises(ConflictError, match="exists already"):
            store.add_file(_file(1))
    with open_store() as store:
        assert store.file("file_1", ACME) == _file(1)
        assert store.file("file_1", Owner("tenant/acme", "production")) == _file(1)
        others = (Owner("tenant/globex"), Owner("tenant/acme", "staging"), Owner("key/key_1"))
        said = set()
        for owner, id in ((others[0], "file_1"), (others[1], "file_1"), (others[2], "file_1"), (ACME, "file_9")):
            with pytest.raises(NotFound) as error:
                store.file(id, owner)
            said.add(str(error.value).replace(id, "ID"))
            with pytest.raises(NotFound):
                store.remove_file(id, owner, "ada")
        assert len(said) == 1
        assert store.file_ids() == {"file_1"}


def lists_come_in_pages(open_store: OpenBatches) -> None:
    """Newest first or oldest first, of one purpose or all, and only what is the owner's."""
    with open_store() as store:
        for number in range(1, 6):
            store.add_file(_file(number))
        store.add_file(_file(6, owner="tenant/globex"))
        store.add_file(_file(7, environment="staging"))

        def ids(owner: Owner, page: Page) -> list[str]:
            return [file.id for file in store.files(owner, page)]

        assert ids(ACME, Page(limit=3)) == ["file_7", "file_5", "file_4"]
        assert ids(ACME, Page(limit=3, after="file_4")) == ["file_3", "file_2", "file_1"]
        assert ids(ACME, Page(limit=2, after="file_2", ascending=True)) == ["file_3", "file_4"]
        assert ids(ACME, Page(purpose="batch_output")) == ["file_4", "file_2"]
        assert ids(Owner("tenant/acme", "staging"), Page()) == ["file_7"]
        for number in (1, 2):
            store.add(_batch(number))
        assert [batch.id for batch in store.batches(ACME, Page())] == ["batch_2", "batch_1"]
        assert [batch.id for batch in store.batches(ACME, Page(after="batch_2"))] == ["batch_1"]
        assert store.batches(Owner("tenant/globex"), Page()) == []


def a_batch_keeps_its_file(open_store: OpenBatches) -> None:
    """As long as it is open; and there is none without its file."""
    with open_store() as store:
        with pytest.raises(NotFound):
            store.add(_batch(1))
        store.add_file(_file(1))
        store.add(_batch(1))
        with pytest.raises(ConflictError):
            store.remove_file("file_1", ACME, "ada")
        assert store.sweep(2**62) == []
        store.change("batch_1", lambda batch: replace(batch, status="completed", ended_ns=5))
        store.remove_file("file_1", ACME, "ada")
        assert store.file_ids() == set()


def a_batch_is_changed_whole(open_store: OpenBatches) -> None:
    """With the files that come with it, once however often it is done; or not at all."""
    with open_store() as store:
        store.add_file(_file(1))
        store.add(_batch(1))

        def refuse(batch: Batch) -> Batch:
            raise ConflictError("no")

        with pytest.raises(ConflictError):
            store.change("batch_1", refuse, [_file(2)])
        assert store.file_ids() == {"file_1"}
        assert store.open_batches() == [_batch(1)]
        for _ in range(2):
            changed = store.change("batch_1", lambda b: replace(b, status="completed", ended_ns=5), [_file(2)])
        with pytest.raises(NotFound):
            store.change("batch_9", lambda batch: batch)
    with open_store() as store:
        assert store.batch("batch_1", ACME) == changed == replace(_batch(1), status="completed", ended_ns=5)
        assert store.file("file_2", ACME) == _file(2)
        assert store.open_batches() == []
        with pytest.raises(NotFound):
            store.batch("batch_1", Owner("tenant/globex"))


def changes_at_one_time_are_all_there(open_store: OpenBatches) -> None:
    """Each begins with what the one before left."""
    with open_store() as store:
        store.add_file(_file(1))
        store.add(_batch(1))

        def count(_: int) -> None:
            store.change("batch_1", lambda batch: replace(batch, completed=batch.completed + 1))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(20)))
        assert store.batch("batch_1", ACME).completed == 20


def what_has_expired_is_forgotten(open_store: OpenBatches) -> None:
    """Files at their time, and batches when their files have gone."""
    with open_store() as store:
        for number in (1, 2):
            store.add_file(_file(number))
        store.add(_batch(1))
        store.change("batch_1", lambda batch: replace(batch, status="completed", ended_ns=_file(1).expires_ns))
        assert store.sweep(_file(1).expires_ns) == ["file_1"]
        assert store.batch("batch_1", ACME).ended_ns
        assert store.sweep(_file(1).expires_ns + 1000) == ["file_2"]
        with pytest.raises(NotFound):
            store.batch("batch_1", ACME)


CHECKS: tuple[Callable[[OpenBatches], None], ...] = (
    files_are_read_back_by_their_owner,
    lists_come_in_pages,
    a_batch_keeps_its_file,
    a_batch_is_changed_whole,
    changes_at_one_time_are_all_there,
    what_has_expired_is_forgotten,
)
