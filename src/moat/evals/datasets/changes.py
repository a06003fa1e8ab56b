"""What became of a dataset: cases by id."""

from collections.abc import Iterable

import msgspec

from moat.domain.scores import Case
from moat.evals.datasets.dataset import canonical


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A case that says something else now."""

    id: str
    members: tuple[str, ...]
    """Names of what differs: `variables.question`, `labels.intent`, `expected`, ..."""
    before: Case
    after: Case


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between two states of a dataset, in the order of their files."""

    added: tuple[Case, ...] = ()
    removed: tuple[Case, ...] = ()
    changed: tuple[Change, ...] = ()
    same: int = 0

    def __bool__(self) -> bool:
        """Is there any?"""
        return bool(self.added or self.removed or self.changed)


def changes(before: Iterable[Case], after: Iterable[Case]) -> Changes:
    """Pair cases by their ids."""
    old = {case.id: case for case in before}
    new = {case.id: case for case in after}
    both = [(old[id], case) for id, case in new.items() if id in old]
    changed = tuple(
        Change(id=now.id, members=tuple(differing(then, now)), before=then, after=now)
        for then, now in both
        if canonical(then) != canonical(now)
    )
    return Changes(
        added=tuple(case for id, case in new.items() if id not in old),
        removed=tuple(case for id, case in old.items() if id not in new),
        changed=changed,
        same=len(both) - len(changed),
    )


def differing(before: Case, after: Case) -> list[str]:
    """Names of what two cases differ in."""
    found = []
    for member in Case.__struct_fields__:
        one, other = getattr(before, member), getattr(after, member)
        if msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted"):
            continue
        if member in ("variables", "labels"):
            keys = dict.fromkeys([*one, *other])
            found += [f"{member}.{key}" for key in keys if _part(one, key) != _part(other, key)]
        else:
            found.append(member)
    return found


def _part(mapping: dict[str, object], key: str) -> bytes:
    return msgspec.json.encode(mapping[key], order="sorted") if key in mapping else b""
