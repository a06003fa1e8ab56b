"""Who cancels a batch or deletes a file is in the audit log; what a batch does by itself is not."""

from pathlib import Path

import pytest
from openai import ConflictError, NotFoundError

from moat.adapters.sqlite import SqliteAudit, SqliteState
from moat.domain.audit import AuditQuery
from moat.domain.config import BatchConfig
from tests.batches.test_asked import Echo
from tests.batches.world import World, ended, eventually, line


@pytest.mark.promise("guard-4")
def test_cancelling_leaves_its_entry(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, BatchConfig(concurrency=1))
    with world.running(), world.client() as client:
        made = world.begin(client, line("b", "wait"), line("c"))
        eventually(lambda: "wait" in echo.asked)
        with pytest.raises(NotFoundError):
            client.batches.cancel("batch_none")
        client.batches.cancel(made.id)
        echo.waiting = False
        ended(client, made)
    state = SqliteState.open(tmp_path / "state.db")
    found = [one.entry for one in SqliteAudit(state).all(AuditQuery())][1:]
    state.close()
    assert [(one.actor, one.action, one.subject) for one in found] == [("key_1", "batch.cancel", made.id)]


@pytest.mark.promise("guard-4")
def test_deleting_a_file_leaves_its_entry(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, BatchConfig(concurrency=1))
    with world.running(), world.client() as client:
        made = world.begin(client, line("b", "wait"))
        eventually(lambda: "wait" in echo.asked)
        with pytest.raises(ConflictError):
            client.files.delete(made.input_file_id)
        echo.waiting = False
        ended(client, made)
        client.files.delete(made.input_file_id)
        with pytest.raises(NotFoundError):
            client.files.delete(made.input_file_id)
    state = SqliteState.open(tmp_path / "state.db")
    found = [one.entry for one in SqliteAudit(state).all(AuditQuery())][1:]
    state.close()
    assert [(one.actor, one.action, one.subject) for one in found] == [("key_1", "file.delete", made.input_file_id)]
