"""What is locked stays as it is, or says why not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from moat.domain.errors import DatasetError, StorageError
from moat.domain.scores import Case
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.datasets.changes import changes
from moat.evals.datasets.lock import LOCK, check_bumped, check_locked, lock_dataset, read_locks
from moat.evals.datasets.writing import export

DATA = "evals/d.jsonl"


def world(root, *ids):
    cases = [Case(id=id) for id in ids]
    export(cases, root / DATA, replace=True)
    return Dataset(tuple(cases), dataset_digest(cases))


def lock(root, dataset, reason="because", path=DATA):
    return lock_dataset(root, path, dataset, reason=reason, author="Ada", now="2026-01-01T00:00:00Z")


def rules(problems):
    return [(problem.rule, problem.severity, problem.path) for problem in problems]


def test_a_version_is_counted_up_when_the_content_changed_and_only_then(tmp_path):
    first = world(tmp_path, "a")
    assert (lock(tmp_path, first).version, lock(tmp_path, first, "").version) == (1, 1)
    second = world(tmp_path, "a", "b")
    found = lock(tmp_path, second, " More of them. ")
    assert (found.version, found.cases, found.reason, found.author) == (2, 2, "More of them.", "Ada")
    assert read_locks(tmp_path) == {DATA: found}


def test_a_reason_is_of_one_version_and_may_be_bettered(tmp_path):
    first = lock(tmp_path, world(tmp_path, "a"), "the first cases")
    edited = world(tmp_path, "a", "b")
    with pytest.raises(DatasetError, match="this was the reason of version 1"):
        lock(tmp_path, edited, " the first cases ")
    assert read_locks(tmp_path) == {DATA: first}
    second = lock(tmp_path, edited, "more")
    better = lock(tmp_path, edited, "more of what users ask")
    assert (second.version, better) == (2, replace(second, reason="more of what users ask"))
    assert read_locks(tmp_path) == {DATA: better}
    assert list(check_bumped({DATA: first}, {DATA: better})) == []


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_change_without_a_reason_is_refused(tmp_path, reason):
    lock(tmp_path, world(tmp_path, "a"))
    before = (tmp_path / LOCK).read_bytes()
    with pytest.raises(DatasetError, match="without a reason"):
        lock(tmp_path, world(tmp_path, "b"), reason)
    assert (tmp_path / LOCK).read_bytes() == before


def test_an_edited_a_missing_a_broken_and_an_unlocked_dataset_are_found(tmp_path):
    assert check_locked(tmp_path, {"evals/other.jsonl": "sha256:0"}) == [], "nobody has to lock"
    lock(tmp_path, world(tmp_path, "a"))
    assert check_locked(tmp_path) == []
    edited = world(tmp_path, "a", "b")
    assert rules(check_locked(tmp_path)) == rules(check_locked(tmp_path, {DATA: edited.digest}))
    assert rules(check_locked(tmp_path)) == [("edited-dataset", "error", DATA)]
    other = check_locked(tmp_path, {"evals/other.jsonl": "sha256:0"})
    assert ("unlocked-dataset", "warning", "evals/other.jsonl") in rules(other)
    (tmp_path / DATA).write_text("oops")
    assert [(p.rule, p.line) for p in check_locked(tmp_path)] == [("dataset", 1)]
    (tmp_path / DATA).unlink()
    assert rules(check_locked(tmp_path)) == [("missing-dataset", "error", LOCK)]


@pytest.mark.parametrize("content", ["[", "a: {version: 1}", "a: 1", "a: {version: 0, digest: x, cases: 1, reason: r}"])
def test_a_broken_lock_is_an_error_with_its_line(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(DatasetError) as caught:
        read_locks(tmp_path)
    assert caught.value.where.startswith(f"{LOCK}:1")
    assert rules(check_locked(tmp_path)) == [("unreadable", "error", LOCK)]


def test_an_empty_lock_locks_nothing(tmp_path):
    (tmp_path / LOCK).write_text("")
    assert read_locks(tmp_path) == {}


def test_a_lock_edited_by_hand_is_seen_against_its_base(tmp_path):
    locked = lock(tmp_path, world(tmp_path, "a"))
    other = replace(locked, digest="sha256:" + "0" * 64)
    base = {DATA: locked}

    def found(after, given=()):
        return [problem.message for problem in check_bumped(base, after, given)]

    assert found(base) == []
    assert found({DATA: replace(other, version=2, reason="another")}) == []
    assert found({DATA: other}) == [f"{DATA}: the digest changed and the version is still 1"]
    assert "the same reason" in found({DATA: replace(other, version=2)})[0]
    assert "without a change" in found({DATA: replace(locked, version=2)})[0]
    assert "no longer in evals.lock" in found({})[0]
    assert found({}, given=[DATA]) == []


def test_people_who_lock_at_the_same_time_lose_nothing(tmp_path):
    dataset = world(tmp_path, "a")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: lock(tmp_path, dataset, path=f"evals/{i}.jsonl"), range(24)))
    assert len(read_locks(tmp_path)) == 24


def test_a_lock_that_cannot_be_written_stays_as_it_was(tmp_path):
    lock(tmp_path, world(tmp_path, "a"))
    before = (tmp_path / LOCK).read_bytes()
    (tmp_path / f"{LOCK}.new").mkdir()
    with pytest.raises((StorageError, IsADirectoryError)):
        lock(tmp_path, world(tmp_path, "b"), "another")
    assert (tmp_path / LOCK).read_bytes() == before


def test_changes_name_what_differs():
    before = [Case(id="a", variables={"q": "x", "n": 1}, labels={"l": 1}), Case(id="b"), Case(id="c")]
    after = [Case(id="c"), Case(id="a", variables={"q": "y", "n": True}, labels={"m": 1}, tags=["t"]), Case(id="d")]
    found = changes(before, after)
    assert ([case.id for case in found.added], [case.id for case in found.removed]) == (["d"], ["b"])
    assert [change.members for change in found.changed] == [
        ("variables.q", "variables.n", "labels.l", "labels.m", "tags")
    ]
    assert (found.same, bool(found), bool(changes(before, before))) == (1, True, False)
