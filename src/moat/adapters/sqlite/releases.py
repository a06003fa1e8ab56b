"""Releases and their assignments in SQLite."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import PROGRAM, Act
from moat.domain.errors import ConflictError, NotFound
from moat.domain.releases import Approval, Assignment, Evidence, Release

_NEWEST = (tables.releases.c.created_ns.desc(), tables.releases.c.id)


class SqliteReleases:
    """The ports `ReleaseReader` and `ReleaseWriter`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def get(self, release_id: str) -> Release:
        """One release with its evidence."""
        with self._state.read() as connection:
            return _get(connection, release_id)

    def releases(self, prompt: str = "") -> list[Release]:
        """Newest first."""
        query = select(tables.releases).order_by(*_NEWEST)
        proofs = select(tables.evidence).order_by(tables.evidence.c.position)
        if prompt:
            query = query.where(tables.releases.c.prompt == prompt)
            proofs = proofs.join(tables.releases).where(tables.releases.c.prompt == prompt)
        with self._state.read() as connection:
            rows = connection.execute(query).mappings().all()
            evidence: dict[str, list[Evidence]] = {}
            for row in connection.execute(proofs).mappings():
                evidence.setdefault(row["release"], []).append(record(row, Evidence))
        return [record(row, Release, evidence=evidence.get(row["id"], [])) for row in rows]

    def current(self) -> list[Assignment]:
        """The latest of every environment and prompt, in that order."""
        table = tables.assignments
        latest = (
            select(table.c.environment, table.c.prompt, func.max(table.c.sequence).label("sequence"))
            .group_by(table.c.environment, table.c.prompt)
            .subquery()
        )
        query = (
            select(table)
            .join(
                latest,
                (table.c.environment == latest.c.environment)
                & (table.c.prompt == latest.c.prompt)
                & (table.c.sequence == latest.c.sequence),
            )
            .order_by(table.c.environment, table.c.prompt)
        )
        with self._state.read() as connection:
            return [record(row, Assignment) for row in connection.execute(query).mappings()]

    def history(self, prompt: str, environment: str) -> list[Assignment]:
        """Newest first."""
        table = tables.assignments
        query = (
            select(table)
            .where(table.c.prompt == prompt, table.c.environment == environment)
            .order_by(table.c.sequence.desc())
        )
        with self._state.read() as connection:
            return [record(row, Assignment) for row in connection.execute(query).mappings()]

    def approvals(self, release_id: str, environment: str) -> list[Approval]:
        """Oldest first."""
        table = tables.approvals
        query = (
            select(table)
            .where(table.c.release == release_id, table.c.environment == environment)
            .order_by(table.c.created_ns, table.c.actor)
        )
        with self._state.read() as connection:
            return [record(row, Approval) for row in connection.execute(query).mappings()]

    def revision(self) -> int:
        """Differs after every commit to the file."""
        return self._state.revision()

    def create(self, release: Release, *, actor: str = "") -> Release:
        """Store a manifest, or add its evidence to the one that is there."""
        fields = msgspec.structs.asdict(release) | {"prompt": release.prompt, "version": release.version}
        del fields["evidence"]
        runs = [" ".join((proof.suite, proof.run)) for proof in release.evidence]
        said = {"prompt": release.content.id, "digest": release.prompt_digest, "commit": release.commit, "runs": runs}
        act = Act(actor or release.author, "release.create", release.id, detail=said)
        with self._state.write() as connection, acting(connection, act):
            connection.execute(insert(tables.releases).values(fields).on_conflict_do_nothing())
            _attest(connection, release.id, release.evidence)
            return _get(connection, release.id)

    def attest(self, release_id: str, evidence: Evidence) -> None:
        """Raises `NotFound` for an unknown release."""
        with self._state.write() as connection:
            _require(connection, [release_id])
            with acting(
                connection, Act(PROGRAM, "release.evidence", release_id, detail=msgspec.structs.asdict(evidence))
            ):
                _attest(connection, release_id, [evidence])

    def approve(self, approval: Approval) -> None:
        """Keeps a person's first yes. Raises `NotFound` for an unknown release."""
        statement = insert(tables.approvals).values(msgspec.structs.asdict(approval)).on_conflict_do_nothing()
        with self._state.write() as connection:
            _require(connection, [approval.release])
            said = {"environment": approval.environment}
            with acting(connection, Act(approval.actor, "release.approve", approval.release, approval.comment, said)):
                connection.execute(statement)

    def assign(self, assignment: Assignment) -> None:
        """Compare and swap on `sequence`. Raises `NotFound` when an arm's release is unknown."""
        table = tables.assignments
        last = select(func.max(table.c.sequence)).where(
            table.c.environment == assignment.environment, table.c.prompt == assignment.prompt
        )
        with self._state.write() as connection:
            latest = connection.scalar(last) or 0
            if assignment.sequence != latest + 1:
                raise ConflictError(
                    f"{assignment.environment!r} of {assignment.prompt!r} was changed by somebody else: "
                    f"its latest assignment is number {latest}, this one was to be {assignment.sequence}",
                    remedy="Look at what it serves now, and try again.",
                )
            _require(connection, assignment.releases)
            with acting(connection, _assigning(assignment)):
                connection.execute(insert(table).values(msgspec.structs.asdict(assignment)))


def _assigning(assignment: Assignment) -> Act:
    """Everything that is said of it, in the content; what it is about, in the subject."""
    said = msgspec.to_builtins(assignment)
    subject = "@".join((assignment.prompt, assignment.environment))
    reason = said.pop("reason")
    for name in ("actor", "created_ns"):
        del said[name]
    return Act(assignment.actor, "release.assign", subject, reason, said)


def _get(connection: Connection, release_id: str) -> Release:
    _require(connection, [release_id])
    row = connection.execute(select(tables.releases).where(tables.releases.c.id == release_id)).mappings().one()
    proofs = select(tables.evidence).where(tables.evidence.c.release == release_id).order_by(tables.evidence.c.position)
    evidence = [record(proof, Evidence) for proof in connection.execute(proofs).mappings()]
    return record(row, Release, evidence=evidence)


def _attest(connection: Connection, release_id: str, evidence: Iterable[Evidence]) -> None:
    for proof in evidence:
        fields = {"release": release_id, **msgspec.structs.asdict(proof)}
        add = insert(tables.evidence).values(fields)
        judged = {name: add.excluded[name] for name in ("verdict", "gates_digest", "baseline", "judged_ns")}
        newer = add.on_conflict_do_update(index_elements=["release", "run", "suite"], set_=judged)
        connection.execute(newer)


def _require(connection: Connection, release_ids: Iterable[str]) -> None:
    for release_id in release_ids:
        if connection.scalar(select(tables.releases.c.id).where(tables.releases.c.id == release_id)) is None:
            raise NotFound(f"no release {release_id!r}", remedy="`moat release list` shows what there is.")
