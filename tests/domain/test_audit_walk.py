"""A log of entries is what it was, or it is said what became of it."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.audit import (
    SHOWN_PROBLEMS,
    Act,
    Anchor,
    Entry,
    Verification,
    chain,
    changes,
    pruned_subject,
    read_content,
)
from moat.domain.audit import (
    given as given_of,
)
from moat.domain.audit_check import Stored, Walk
from moat.domain.errors import RequestError


def log(length: int, first: int = 1, previous: str = "") -> list[Stored]:
    """Entries as they were sealed, one behind the other."""
    rows = []
    for sequence in range(first, first + length):
        content = f"content {sequence}".encode()
        entry = Entry(
            sequence=sequence,
            at_ns=sequence,
            actor="ada",
            action="key.create",
            subject=f"key_{sequence}",
            content_digest=sha256(content).hexdigest(),
            previous=previous,
            digest="",
        )
        entry = replace(entry, digest=entry.seal())
        previous = entry.digest
        rows.append(Stored(entry, sequence, content))
    return rows


def walked(
    rows: Sequence[Stored],
    *,
    erased: Callable[[int], bool] = lambda sequence: False,
    pruned: Callable[[int, str], bool] = lambda sequence, digest: False,
    anchors: Sequence[tuple[Anchor, str]] = (),
    numbered: int = 0,
) -> Verification:
    walk = Walk(erased, pruned, anchors)
    for row in rows:
        walk.step(row)
    return walk.end(numbered)


def kinds(found: Verification) -> set[str]:
    return {problem.kind for problem in found.problems}


def entry_of(row: Stored) -> Entry:
    assert row.entry is not None
    return row.entry


@given(st.integers(0, 12))
def test_a_log_that_nobody_touched_is_whole(length: int) -> None:
    rows = log(length)
    anchors = [(Anchor.of(entry_of(row)), "a file") for row in rows[::3]]
    found = walked(rows, anchors=anchors, numbered=length)
    assert (found.problems, found.entries, found.last) == ((), length, length)
    assert found.digest == (entry_of(rows[-1]).digest if rows else "")
    assert found.anchors == len(anchors)


@given(st.integers(2, 12), st.data())
def test_no_change_of_one_entry_goes_unseen(length: int, data: st.DataObject) -> None:
    rows = log(length)
    at = data.draw(st.integers(0, length - 1))
    field = data.draw(st.sampled_from(["actor", "subject", "at_ns", "content_digest", "previous", "digest"]))
    changed: Any = 99 if field == "at_ns" else "0" * 64
    rows[at] = Stored(replace(entry_of(rows[at]), **{field: changed}), at + 1, rows[at].content)
    assert "edited" in kinds(walked(rows, numbered=length))


@given(st.integers(2, 12), st.data())
def test_an_entry_that_was_sealed_anew_no_longer_fits_what_follows(length: int, data: st.DataObject) -> None:
    rows = log(length)
    at = data.draw(st.integers(0, length - 2))
    forged = replace(entry_of(rows[at]), actor="mallory")
    rows[at] = Stored(replace(forged, digest=forged.seal()), at + 1, rows[at].content)
    assert "edited" in kinds(walked(rows, numbered=length))


def test_a_whole_new_chain_does_not_end_in_an_anchor() -> None:
    anchor = Anchor.of(entry_of(log(3)[-1]))
    forged = log(3, previous="f" * 64)
    assert {"edited", "reordered"} <= kinds(walked(forged, anchors=[(anchor, "a file")], numbered=3))


def test_what_was_taken_out_is_missed() -> None:
    rows = log(6)
    found = walked([*rows[:2], *rows[3:]], numbered=6)
    assert [problem.what for problem in found.problems] == ["entry 3 before it was taken out"]
    found = walked([*rows[:2], *rows[4:]], numbered=6)
    assert found.problems[0].what == "entries 3 to 4 before it was taken out"
    anchor = Anchor.of(entry_of(rows[2]))
    assert "a file knows entry 3" in walked([*rows[:2], *rows[3:]], anchors=[(anchor, "a file")]).problems[-1].what


def test_what_was_cut_off_is_missed() -> None:
    rows = log(5)
    assert kinds(walked(rows[:3], numbered=5)) == {"cut"}
    anchor = Anchor.of(entry_of(rows[4]))
    assert kinds(walked(rows[:3], anchors=[(anchor, "a file")], numbered=3)) == {"cut"}


def test_what_was_moved_is_known_again() -> None:
    rows = log(4)
    moved = replace(entry_of(rows[2]), sequence=2)
    found = walked([rows[0], Stored(moved, 2, rows[2].content), *rows[2:]], numbered=4)
    assert found.problems[0].kind == "reordered"
    assert found.problems[0].what == "it was sealed as entry 3"


def test_old_entries_may_go_when_an_entry_says_so() -> None:
    rows = log(6)
    last = entry_of(rows[2]).digest
    assert walked(rows[3:], pruned=lambda sequence, digest: (sequence, digest) == (3, last), numbered=6).problems == ()
    assert kinds(walked(rows[3:], numbered=6)) == {"missing"}


def test_a_content_may_go_when_an_entry_says_so_and_is_never_another() -> None:
    rows = log(3)
    rows[1] = Stored(rows[1].entry, 2, None)
    found = walked(rows, erased=lambda sequence: sequence == 2, numbered=3)
    assert (found.problems, found.erased) == ((), 1)
    assert kinds(walked(rows, numbered=3)) == {"content"}
    rows[1] = Stored(rows[1].entry, 2, b"other")
    assert kinds(walked(rows, numbered=3)) == {"content"}


def test_a_row_that_is_no_entry_is_told_once() -> None:
    rows = log(3)
    rows[1] = Stored(None, 2, rows[1].content)
    assert [problem.sequence for problem in walked(rows, numbered=3).problems] == [2]
    assert "missing" in kinds(walked([Stored(None, 5, None)], erased=lambda sequence: True))


def test_of_many_problems_the_first_are_shown_and_all_are_counted() -> None:
    rows = [Stored(None, sequence, b"") for sequence in range(1, SHOWN_PROBLEMS + 20)]
    found = walked(rows, numbered=len(rows))
    assert (len(found.problems), found.count) == (SHOWN_PROBLEMS, len(rows))


def test_an_anchor_is_a_line() -> None:
    anchor = Anchor(sequence=7, digest="a" * 64, at_ns=5)
    assert Anchor.parse(anchor.line, "a file") == anchor
    assert Anchor.parse(f"7 {'a' * 64}", "a file") == replace(anchor, at_ns=0)
    assert len(anchor.line) == len(Anchor(sequence=10**12, digest="b" * 64, at_ns=10**18).line)
    for line in ("", "7", f"seven {'a' * 64}", "7 abc", f"7 {'a' * 64} 5 6"):
        with pytest.raises(RequestError, match="is no anchor"):
            Anchor.parse(line, "a file")


def test_an_act_is_sealed_behind_what_was_before_it() -> None:
    act = Act("ada\udc80", "key.create", "key_1", reason="new\udc80", detail={"names": ["a\udc80"], "count": 1})
    entry, content = chain(act, 2, "f" * 64, 5)
    assert (entry.actor, entry.previous, entry.digest) == ("ada\\udc80", "f" * 64, entry.seal())
    assert entry.content_digest == sha256(content.encode()).hexdigest()
    assert read_content(content).detail == {"names": ["a\\udc80"], "count": 1}
    assert not walked(log(1), numbered=2).intact
    assert pruned_subject(entry) == f"2 {entry.digest}"


def test_what_changed_is_told_and_of_secrets_only_that_they_did() -> None:
    one, other = Anchor(sequence=1, digest="a", at_ns=1), Anchor(sequence=2, digest="b", at_ns=1)
    assert changes(one, other, secret=["digest"]) == {"sequence": [1, 2], "digest": "changed"}
    assert given_of(Anchor(sequence=1, digest="a"), secret=["digest"]) == {"sequence": 1}
