"""The registry of prompt versions in SQLite."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import Act
from moat.domain.errors import ConflictError, NotFound
from moat.domain.releases import PromptVersion, Registration, prompt_digest
from moat.prompts.semver import order

_VERSION = tables.versions.c
_RELEASE = tables.releases.c
_KEY = ("name", "version")

Key = tuple[str, str]


class SqliteRegistry:
    """The port `Registry`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def register(self, registration: Registration) -> Registration:
        """What is stored now. Raises `ConflictError` for a version that is there, or was released, with another
        content.
        """
        name, version = registration.content.name, registration.content.version
        here = (_VERSION.name == name) & (_VERSION.version == version)
        shipped = (_RELEASE.prompt == name) & (_RELEASE.version == version)
        with self._state.write() as connection:
            row = connection.execute(select(tables.versions).where(here)).mappings().one_or_none()
            known = row["digest"] if row else connection.scalar(select(_RELEASE.prompt_digest).where(shipped).limit(1))
            if known not in (None, registration.digest):
                raise ConflictError(
                    f"{registration.content.id} is there with another content ({known})",
                    remedy="A version never changes: register this content under a higher one.",
                )
            if row is None:
                act = Act(registration.author, "prompt.register", registration.content.id, detail=_said(registration))
                with acting(connection, act):
                    connection.execute(insert(tables.versions), _row(registration))
                return registration
            return record(row, Registration)

    def index(self, registrations: Iterable[Registration]) -> int:
        """Reads what there is, and writes only the rows that differ."""
        made = list(registrations)  # git may be asked for each: a rollback must not wait for that
        with self._state.write() as connection:
            changed = list(_changes(connection, made))
            if changed:
                add = insert(tables.versions)
                rest = {column.name: add.excluded[column.name] for column in _VERSION if column.name not in _KEY}
                connection.execute(add.on_conflict_do_update(index_elements=_KEY, set_=rest), changed)
        return len(changed)

    def get(self, name: str, version: str) -> Registration:
        """Raises `NotFound` with the versions there are."""
        here = (_VERSION.name == name) & (_VERSION.version == version)
        with self._state.read() as connection:
            row = connection.execute(select(tables.versions).where(here)).mappings().one_or_none()
            if row is not None:
                return record(row, Registration)
            there = connection.scalars(select(_VERSION.version).where(_VERSION.name == name)).all()
        if not there:
            raise NotFound(f"there is no prompt {name!r}", remedy="`moat prompt list` shows what there is.")
        raise NotFound(
            f"there is no version {version!r} of {name}", remedy=f"There are: {', '.join(sorted(there, key=order))}."
        )

    def versions(self, name: str) -> list[Registration]:
        """Ascending by precedence."""
        query = select(tables.versions).where(_VERSION.name == name)
        with self._state.read() as connection:
            found = [record(row, Registration) for row in connection.execute(query).mappings()]
        return sorted(found, key=lambda registration: order(registration.content.version))

    def names(self) -> list[str]:
        """Sorted."""
        with self._state.read() as connection:
            return list(connection.scalars(select(_VERSION.name).distinct().order_by(_VERSION.name)))

    def digests(self) -> dict[str, str]:
        """By `name@version`; answered from an index alone."""
        query = select(_VERSION.name, _VERSION.version, _VERSION.digest)
        with self._state.read() as connection:
            return {f"{name}@{version}": digest for name, version, digest in connection.execute(query)}


def _key(registration: Registration) -> Key:
    return registration.content.name, registration.content.version


def _said(registration: Registration) -> dict[str, Any]:
    return {"digest": registration.digest, "source": registration.source, "commit": registration.commit}


def _row(registration: Registration) -> dict[str, Any]:
    name, version = _key(registration)
    return {"name": name, "version": version, **msgspec.structs.asdict(registration)}


def _known(connection: Connection) -> dict[Key, Row[Any]]:
    """All rows without their content."""
    columns = [column for column in _VERSION if column.name != "content"]
    return {(row.name, row.version): row for row in connection.execute(select(*columns))}


def _released(connection: Connection) -> dict[Key, list[str]]:
    """Digests that versions were released with, the first release first."""
    columns = (_RELEASE.prompt, _RELEASE.version, _RELEASE.prompt_digest)
    found: dict[Key, list[str]] = {}
    for name, version, digest in connection.execute(select(*columns).order_by(_RELEASE.created_ns)):
        found.setdefault((name, version), []).append(digest)
    return found


def _changes(connection: Connection, registrations: Iterable[Registration]) -> Iterator[dict[str, Any]]:
    """The rows that git's state leads to, without those that stay as they are."""
    known, released = _known(connection), _released(connection)
    for new in registrations:
        row, shipped = known.get(_key(new)), released.get(_key(new), [])
        if row is not None and row.digest == new.digest:
            yield from _provenance(row, new)
        elif row is None or (row.source == "git" and row.digest not in shipped):
            yield _row(_as_released(connection, new) if shipped and new.digest not in shipped else new)


def _provenance(row: Row[Any], new: Registration) -> Iterator[dict[str, Any]]:
    """The row with where its content is found now; a commit that is known is not forgotten."""
    origin: dict[str, Any] = {"branches": list(new.branches)}
    if new.commit:
        origin |= {"commit": new.commit, "committed_ns": new.committed_ns}
        origin |= {"author": new.author} if row.source == "git" else {}
    kept = row._asdict()
    if any(kept[name] != value for name, value in origin.items()):
        yield _row(new) | kept | origin


def _as_released(connection: Connection, edited: Registration) -> Registration:
    """A version whose file was edited after it was released: the content that was released counts."""
    name, version = _key(edited)
    first = select(_RELEASE.content).where(_RELEASE.prompt == name, _RELEASE.version == version)
    content = msgspec.convert(connection.scalar(first.order_by(_RELEASE.created_ns).limit(1)), PromptVersion)
    return Registration(
        content=content, digest=prompt_digest(content), source="git", registered_ns=edited.registered_ns
    )
