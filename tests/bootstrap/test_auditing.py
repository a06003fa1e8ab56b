"""What a server and commands write into the audit log by themselves."""

import asyncio
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from moat.adapters.sqlite import SqliteAudit, SqliteState, SqliteToolApprovals
from moat.bootstrap import pruning
from moat.bootstrap.auditing import LoadRecord, read_anchors
from moat.bootstrap.pruning import keep_pruned, prune
from moat.bootstrap.settings import load_settings
from moat.bootstrap.upkeep import JUMP_SECONDS
from moat.domain.audit import DAY_NS, Act, AuditQuery
from moat.domain.errors import DocumentError, RequestError, StorageError
from moat.domain.tool_approvals import ToolCall

pytestmark = pytest.mark.promise("guard-4")


def test_other_files_of_policies_are_an_entry(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path / ".moat" / "state.db")
    audit = SqliteAudit(state)
    config, folder = tmp_path / "moat.yaml", tmp_path / "policies"
    config.write_text("providers: {}\n")
    folder.mkdir()
    loads = LoadRecord(audit)
    loads.record(tmp_path)
    (folder / "a.yaml").write_text("name: a\n")
    loads.record(tmp_path)
    loads.record(tmp_path)
    (folder / "b.yaml").write_text("name: b\n")
    loads.record(tmp_path)
    LoadRecord(audit).record(tmp_path)  # another process, the same files
    for file in folder.iterdir():
        file.unlink()
    loads.record(tmp_path)
    LoadRecord(audit).record(tmp_path)
    log = list(audit.all(AuditQuery()))
    found = [one.entry for one in log][1:]
    state.close()
    digests = [sha256(f"name: {name}\n".encode()).hexdigest() for name in "ab"]
    both = "".join(f"{digest}  policies/{name}.yaml\n" for digest, name in zip(digests, "ab", strict=True))
    assert [(one.action, one.subject) for one in found] == [
        ("config.load", sha256(b"providers: {}\n").hexdigest()),
        ("policy.load", digests[0]),
        ("policy.load", sha256(both.encode()).hexdigest()),
        ("policy.load", "none"),
    ]
    assert log[-1].content is not None
    gone = {f"policies/{name}.yaml": digest for digest, name in zip(digests, "ab", strict=True)}
    assert log[-1].content.detail == {"before": found[-2].subject, "files": {}, "gone": gone}


@pytest.mark.parametrize("line", ["1 abc", "x " + "0" * 64, "1", "1 2 3 4 5", "-1 " + "0" * 64])
def test_a_line_that_is_no_anchor_is_refused_with_its_place(tmp_path: Path, line: str) -> None:
    file = tmp_path / "anchors"
    file.write_text(f"{1:020} {'0' * 64} {5:020}\n\n{line}\n")
    with pytest.raises(RequestError, match="is no anchor") as raised:
        read_anchors(file)
    assert raised.value.where == f"{file}:3"


def test_anchors_that_are_gone_are_no_anchors_that_agree(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name in ("nowhere", "bytes"):
        with pytest.raises(DocumentError, match="cannot be read"):
            read_anchors(tmp_path / name)


def test_the_server_prunes_what_is_older_than_it_is_kept_unless_there_is_a_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    with monkeypatch.context() as long_ago:
        long_ago.setattr(time, "time_ns", lambda: now - 300 * DAY_NS)
        state = SqliteState.open(tmp_path / "state.db")
        audit, approvals = SqliteAudit(state), SqliteToolApprovals(state)
        audit.record(Act("ada", "backup.make", "somewhere"))
        approvals.take([ToolCall(digest="d", tool="refund")])
    young = audit.record(Act("ada", "backup.make", "elsewhere"))

    def pruned(said: str) -> int:
        (tmp_path / "moat.yaml").write_text(f"providers: {{}}\nmodels: {{}}\naudit: {said}\n")
        return prune(audit, approvals, load_settings(tmp_path), now)

    assert pruned("{keep_days: 200, hold: true}") == 0
    assert len(approvals.approvals()) == 1
    assert pruned("{keep_days: 301}") == 0
    assert approvals.approvals() == []
    assert pruned("{keep_days: 200}") == 2
    assert pruned("{keep_days: 200}") == 0
    left = [one.entry for one in audit.all(AuditQuery())]
    assert left[0] == young
    assert [(one.actor, one.action) for one in left[1:]] == [("moat", "approval.forget"), ("moat", "audit.prune")]
    assert audit.verify().intact
    state.close()


@pytest.mark.anyio
async def test_it_does_so_again_and_again_and_stops_when_the_clock_was_set_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "moat.yaml").write_text("providers: {}\nmodels: {}\n")
    settings = load_settings(tmp_path)
    asked: list[int] = []

    class Log:
        def prune(self, before_ns: int, *, actor: str, reason: str = "") -> int:
            asked.append(before_ns)
            if len(asked) == 2:
                raise StorageError("the disk is full")
            return 1

        def forget(self, before_ns: int, *, actor: str) -> int:
            return 0

    log: Any = Log()
    monkeypatch.setattr(pruning, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(pruning, "PRUNE_SECONDS", 0.0)
    looks = iter([0.0, *[1.0] * 3, JUMP_SECONDS + 1])
    monkeypatch.setattr(pruning, "ahead", lambda: next(looks))
    await asyncio.wait_for(keep_pruned(log, log, lambda: settings), 60)
    assert len(asked) == 3
