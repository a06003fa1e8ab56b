"""The audit log: who did what to which part of a project, each entry bound to the one before it.

An entry's digest is the SHA-256 of its other fields as canonical JSON, among them the digest of the entry before: no
entry can be edited, taken out or moved without the digests of all later ones. What was said and changed (the content)
lies apart, with a salt, and only its digest is in the entry: it can be erased, and the chain stays whole.

Whoever can write the file can compute a whole new chain; what they cannot do is make it end in a digest that was put
elsewhere before (`Anchor`).
"""

import json
import secrets
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec

from moat.domain.errors import RequestError

FLOOR_DAYS = 183
"""No entry goes before it is so old: half a year, as the AI Act (article 19) wants of logs."""
DAY_NS = 86_400 * 10**9
SALT_BYTES = 16
PROGRAM = "moat"
"""The actor of what the program does by itself."""
NOTHING = "none"
"""The subject of a load of no files, as when the last policy is gone; what was loaded before the first."""
SHOWN_PROBLEMS = 100
"""The first of them; more are counted."""

Action = Literal[
    "account.change",
    "account.create",
    "account.disable",
    "account.enable",
    "account.invite",
    "account.password",
    "account.sign_in",
    "account.sign_in_failed",
    "approval.deny",
    "approval.forget",
    "approval.grant",
    "approval.use",
    "audit.begin",
    "audit.erase",
    "audit.export",
    "audit.prune",
    "backup.make",
    "backup.restore",
    "batch.cancel",
    "config.load",
    "file.delete",
    "host.trust",
    "key.change",
    "key.create",
    "key.revoke",
    "key.rotate",
    "policy.load",
    "prompt.propose",
    "prompt.register",
    "release.approve",
    "release.assign",
    "release.create",
    "release.evidence",
    "search.forget",
    "search.save",
    "silence.add",
    "silence.forget",
    "silence.lift",
    "spend.reprice",
    "spike.reset",
    "traces.compact",
    "traces.copy",
    "traces.expire",
    "traces.export",
]
"""What is done, as `thing.verb`."""


class AuditConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the audit log is kept."""

    keep_days: Annotated[float, msgspec.Meta(ge=FLOOR_DAYS)] = 400.0
    """Days that `moat audit prune` leaves alone; 183 at least."""
    hold: bool = False
    """A legal hold: nothing is pruned or erased."""
    anchor: str = ""
    """File that the server adds `sequence digest time` to whenever the log has grown: best on another volume, or on one
    where files can only grow. Relative to the project; empty: none."""


class Act(msgspec.Struct, frozen=True):
    """What somebody does."""

    actor: str
    """Who: a person or a key's owner, or `PROGRAM`."""
    action: Action
    subject: str
    """To what: an id or a name. It stays in the log for good."""
    reason: str = ""
    detail: dict[str, Any] = {}
    """Plain JSON. Reason and detail are the content, which can be erased."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the log."""

    sequence: int
    """From 1, without gaps."""
    at_ns: int
    """Unix time."""
    actor: str
    action: str
    subject: str
    content_digest: str
    """SHA-256 of the content as it is stored."""
    previous: str
    """The digest of the entry before; empty in the first."""
    digest: str
    """SHA-256 over all other fields."""

    def seal(self) -> str:
        """The digest that this entry should have."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "digest"}
        return sha256(canonical(fields).encode()).hexdigest()


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What was said and changed."""

    reason: str = ""
    detail: dict[str, Any] = {}
    salt: str
    """Random, so that nobody can guess an erased content and prove it by its digest."""


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log ended at some time, kept elsewhere: one line of text."""

    sequence: int
    digest: str
    at_ns: int = 0

    @property
    def line(self) -> str:
        """Always of the same length, so that it can be replaced in one write."""
        return f"{self.sequence:020} {self.digest:64} {self.at_ns:020}\n"

    @classmethod
    def of(cls, entry: Entry) -> "Anchor":
        """The log as it ends with this entry."""
        return cls(sequence=entry.sequence, digest=entry.digest, at_ns=entry.at_ns)

    @classmethod
    def parse(cls, line: str, where: str) -> "Anchor":
        """Raises `RequestError`."""
        match line.split():
            case [sequence, digest, *rest] if sequence.isdecimal() and len(digest) == 64 and len(rest) <= 1:
                at_ns = int(rest[0]) if rest and rest[0].isdecimal() else 0
                return cls(sequence=int(sequence), digest=digest, at_ns=at_ns)
        raise RequestError(
            "is no anchor",
            where=where,
            remedy="An anchor is a line `SEQUENCE DIGEST TIME`, as `moat audit anchor` prints.",
        )


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with its content."""

    entry: Entry
    content: Content | None
    """None: erased."""


Stored = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number that the database can compare with its own."""


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; empty: any."""

    actor: str = ""
    action: str = ""
    """An action, or its first word: `key` finds `key.create`."""
    subject: str = ""
    since_ns: Stored = 0
    until_ns: Stored = 0
    """0: no end."""
    before: Stored = 0
    """Only entries with a lower number; 0: all."""


Kind = Literal["edited", "missing", "reordered", "cut", "content", "unguarded"]
"""`edited`: an entry is not what it was. `missing`: entries were taken out. `reordered`: an entry stands in another
place. `cut`: the log once went on further. `content`: a content is not what it was, or is gone without being erased.
`unguarded`: the database no longer refuses changes without an entry."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with the log."""

    sequence: int
    """The entry, or the one behind a gap; 0: no entry in particular."""
    kind: Kind
    what: str


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the whole log found."""

    entries: int
    first: int
    """Number of the first entry that is kept."""
    last: int
    digest: str
    """Of the last one."""
    erased: int
    """Contents that were erased, or went with a pruned entry."""
    anchors: int
    """Anchors that were compared."""
    problems: tuple[Problem, ...]
    count: int
    """Of problems; `problems` has the first 100."""

    @property
    def intact(self) -> bool:
        """Is nothing wrong?"""
        return not self.count


def canonical(value: object) -> str:
    """The one JSON text of a value: keys sorted, no white space, ASCII. As Python's
    `json.dumps(value, sort_keys=True, separators=(",", ":"))` writes it.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def chain(act: Act, sequence: int, previous: str, at_ns: int) -> tuple[Entry, str]:
    """The entry of an act, and its content as it is to be stored."""
    said = {"reason": act.reason, "detail": msgspec.to_builtins(act.detail), "salt": secrets.token_hex(SALT_BYTES)}
    content = canonical(_storable(said))
    entry = Entry(
        sequence=sequence,
        at_ns=at_ns,
        actor=_storable(act.actor),
        action=act.action,
        subject=_storable(act.subject),
        content_digest=sha256(content.encode()).hexdigest(),
        previous=previous,
        digest="",
    )
    return msgspec.structs.replace(entry, digest=entry.seal()), content


def read_content(stored: str) -> Content:
    """A content as it is stored."""
    return msgspec.json.decode(stored, type=Content)


def pruned_subject(last: Entry) -> str:
    """The subject of an entry that says that all up to this one went: it keeps the digest that the next one names."""
    return f"{last.sequence} {last.digest}"


def given(new: msgspec.Struct, secret: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of something new that say something, without the secret ones."""
    fields = ((name, getattr(new, name)) for name in new.__struct_fields__ if name not in secret)
    return {name: msgspec.to_builtins(value) for name, value in fields if value}


def changes(before: msgspec.Struct, after: msgspec.Struct, secret: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of two structs of a kind that differ, `{name: [before, after]}`; of secret ones only that they do."""
    found: dict[str, Any] = {}
    for name in after.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            found[name] = "changed" if name in secret else [msgspec.to_builtins(old), msgspec.to_builtins(new)]
    return found


def _storable(value: Any) -> Any:
    """Without the half characters that stand for bytes of the command line that are no UTF-8."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_storable(name): _storable(item) for name, item in value.items()}
        case list():
            return [_storable(item) for item in value]
    return value
