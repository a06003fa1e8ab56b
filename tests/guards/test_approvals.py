"""Calls of tools that a person has to allow: withheld, asked about, passed once, on record."""

import asyncio
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.adapters.sqlite import SqliteAudit, SqliteState, SqliteToolApprovals
from moat.adapters.sqlite import tool_approvals as store
from moat.domain.audit import AuditQuery
from moat.domain.calls import Call, Caller, Delta, Finished, ToolCallDelta
from moat.domain.errors import (
    ApprovalDenied,
    ApprovalRequired,
    ConfigError,
    ConflictError,
    GuardBlocked,
    LimitExceeded,
    NotFound,
    StorageError,
)
from moat.domain.handling import DataConfig
from moat.domain.policies import PolicyTest
from moat.domain.tool_approvals import HOUR_NS, SHOWN, ToolApproval, ToolCall, call_digest
from moat.guards.engine.approving import Approvals
from moat.guards.engine.trying import broken
from moat.guards.handling.calls import DataPolicy
from moat.guards.handling.capture import DataCapture, modes
from moat.guards.handling.finding import Finder
from moat.pipeline.recipe import build
from moat.testing.fakes import new_call
from moat.testing.scripted import says
from tests.guards.test_engine import World, guards
from tests.guards.test_tools import calling

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"
REFUND = {"use": "tools", "with": {"approve": ["refund", "delete_*"]}, "action": "block"}
HERS = Caller(key="key_1", tenant="acme", environment="production", user="u1")


@contextmanager
def asking(folder: Path) -> Iterator[SqliteToolApprovals]:
    state = SqliteState.open(folder / "state.db")
    try:
        yield SqliteToolApprovals(state)
    finally:
        state.close()


class Asked(World):
    """A pipeline whose model calls these tools, under rules, and the people who are asked."""

    def __init__(self, people: SqliteToolApprovals, *calls: tuple[str, str], rules: Any = (REFUND,)) -> None:
        self.policy = guards(*rules)
        self.policy.approvals = Approvals(people)
        super().__init__(self.policy, calling(*calls))

    async def refused(self, call: Call) -> ApprovalRequired:
        with pytest.raises(ApprovalRequired) as caught:
            await self.answer(call)
        return caught.value

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        return [(use["name"], use["verdict"]) for use in self.spool.calls[-1].attributes["moat.tools"]]


def hers(**fields: Any) -> Call:
    return replace(new_call(**fields), caller=HERS)


def entries(folder: Path) -> list[tuple[str, str]]:
    """Who did what to approvals, by the audit log."""
    state = SqliteState.open(folder / "state.db")
    found = [one.entry for one in SqliteAudit(state).all(AuditQuery(action="approval"))]
    whole = SqliteAudit(state).verify().intact
    state.close()
    assert whole
    return [(entry.actor, entry.action) for entry in found]


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_is_withheld_until_a_person_allows_it_and_passes_once(tmp_path: Path, stream: bool) -> None:
    with asking(tmp_path) as people:
        world = Asked(people, ("refund", '{"order": 17, "why": "late"}'))
        error = await world.refused(hers(stream=stream))
        (waiting,) = people.approvals("pending")
        assert (error.code, error.status, error.approvals) == ("approval_required", 403, [waiting.id])
        assert waiting.id in str(error)
        assert (waiting.tool, waiting.key, waiting.tenant, waiting.user) == ("refund", "key_1", "acme", "u1")
        assert json.loads(waiting.arguments) == {"order": 17, "why": "late"}
        assert world.verdicts == [("refund", "block")]
        assert (await world.refused(hers())).approvals == [waiting.id], "nobody is asked twice"

        people.decide(waiting.id, approve=True, actor=ADA, reason="17 was late")
        answer = await world.answer(hers(stream=stream))
        assert [made["function"]["name"] for made in answer.tool_calls] == ["refund"]
        assert world.verdicts == [("refund", "pass")]
        assert world.spool.calls[-1].attributes["moat.tools"][0]["approval"] == waiting.id
        assert people.approval(waiting.id).state == "used"

        assert (await world.refused(hers())).approvals != [waiting.id], "a yes is good for one call"
    assert entries(tmp_path) == [(ADA, "approval.grant"), ("key_1", "approval.use")]


async def test_a_no_is_a_no_until_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking(tmp_path) as people:
        world = Asked(people, ("delete_user", "{}"))
        (id,) = (await world.refused(hers())).approvals
        denied = people.decide(id, approve=False, actor=ADA, reason="never")
        error = await world.refused(hers())
        assert (type(error), error.code, error.approvals) == (ApprovalDenied, "approval_denied", [id])
        assert "who has denied it" in str(error)
        monkeypatch.setattr(time, "time_ns", lambda: denied.expires_ns)
        error = await world.refused(hers())
        assert (error.code, error.approvals != [id]) == ("approval_required", True)
        assert [each.state for each in people.approvals()] == ["pending", "expired"]
    assert entries(tmp_path) == [(ADA, "approval.deny")]


async def test_a_yes_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {**REFUND, "with": {"approve": ["refund"], "approval_hours": 2}}
    with asking(tmp_path) as people:
        world = Asked(people, ("refund", "{}"), rules=[rule])
        (id,) = (await world.refused(hers())).approvals
        yes = people.decide(id, approve=True, actor=ADA, reason="")
        assert yes.expires_ns - yes.decided_ns == 2 * HOUR_NS
        monkeypatch.setattr(time, "time_ns", lambda: yes.expires_ns)
        assert people.approval(id).state == "expired"
        assert (await world.refused(hers())).approvals != [id]
        with pytest.raises(ConflictError, match="expired already"):
            people.decide(id, approve=True, actor=ADA, reason="")


@pytest.mark.parametrize(
    "other",
    [
        {"key": "key_2"},
        {"tenant": "globex"},
        {"environment": "staging"},
        {"user": "u2"},
    ],
)
async def test_a_yes_is_to_one_caller(tmp_path: Path, other: dict[str, str]) -> None:
    with asking(tmp_path) as people:
        world = Asked(people, ("refund", "{}"))
        (id,) = (await world.refused(hers())).approvals
        people.decide(id, approve=True, actor=ADA, reason="")
        stranger = replace(hers(), caller=replace(HERS, **other))
        assert (await world.refused(stranger)).approvals != [id]
        assert (await world.answer(hers())).tool_calls


async def test_a_yes_is_to_these_arguments_however_they_are_written(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        (id,) = (await Asked(people, ("refund", '{"order": 17, "to": "é"}')).refused(hers())).approvals
        people.decide(id, approve=True, actor=ADA, reason="")
        assert (await Asked(people, ("refund", '{"order": 18, "to": "é"}')).refused(hers())).approvals != [id]
        assert (await Asked(people, ("delete_all", '{"order": 17, "to": "é"}')).refused(hers())).approvals != [id]
        assert (await Asked(people, ("refund", '{"to":"\\u00e9","order":17}')).answer(hers())).tool_calls


async def test_of_two_that_want_the_same_one_gets_the_yes(tmp_path: Path) -> None:
    with asking(tmp_path) as people, asking(tmp_path) as other_process:
        first, second = Asked(people, ("refund", "{}")), Asked(other_process, ("refund", "{}"))
        (id,) = (await first.refused(hers())).approvals
        people.decide(id, approve=True, actor=ADA, reason="")
        answers = await asyncio.gather(
            *(world.answer(hers()) for world in (first, second) for _ in range(4)), return_exceptions=True
        )
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
        assert sum(isinstance(answer, ApprovalRequired) for answer in answers) == 7
        assert [each.state for each in people.approvals()] == ["pending", "used"], "the others ask once"
    assert entries(tmp_path) == [(ADA, "approval.grant"), ("key_1", "approval.use")]


async def test_all_calls_of_an_answer_go_on_or_none(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        world = Asked(people, ("refund", '{"n": 1}'), ("search", "{}"), ("refund", '{"n": 2}'), ("refund", '{"n": 1}'))
        ids = (await world.refused(hers())).approvals
        assert len(set(ids)) == 3, "the same call twice needs a yes twice"
        assert world.verdicts == [("refund", "block"), ("search", "withheld"), ("refund", "block"), ("refund", "block")]
        people.decide(ids[0], approve=True, actor=ADA, reason="")
        people.decide(ids[1], approve=True, actor=ADA, reason="")
        assert (await world.refused(hers())).approvals == [ids[2]]
        assert people.approval(ids[0]).state == "approved", "not used up in vain"
        people.decide(ids[2], approve=True, actor=ADA, reason="")
        assert len((await world.answer(hers())).tool_calls) == 4
        assert {each.state for each in people.approvals()} == {"used"}


async def test_one_yes_is_enough_for_several_policies(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        other = {"use": "tools", "name": "all", "with": {"approve": ["*"], "allow": ["refund"]}, "action": "block"}
        world = Asked(people, ("refund", "{}"), rules=[REFUND, other])
        (id,) = (await world.refused(hers())).approvals
        people.decide(id, approve=True, actor=ADA, reason="")
        assert (await world.answer(hers())).tool_calls
        assert [each.state for each in people.approvals()] == ["used"]


async def test_nobody_is_asked_about_what_does_not_go_on_anyway(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        denied = {"use": "tools", "name": "never", "with": {"deny": ["refund"]}, "action": "block"}
        with pytest.raises(GuardBlocked) as caught:
            await Asked(people, ("refund", "{}"), rules=[REFUND, denied]).answer(hers())
        assert caught.value.code == "content_filter"
        with pytest.raises(GuardBlocked, match="found arguments"):
            await Asked(people, ("refund", "{")).answer(hers())
        copy = replace(hers(), shadow_of="req_0")
        assert (await Asked(people, ("refund", "{}")).refused(copy)).approvals == []
        assert (await Asked(people, ("search", "{}")).answer(hers())).tool_calls
        assert people.approvals() == []


async def test_where_nobody_can_be_asked_it_is_blocked(tmp_path: Path) -> None:
    world = World(guards(REFUND), calling(("refund", "{}")))
    with pytest.raises(ApprovalRequired, match="nobody can be asked here"):
        await world.answer(hers())
    (policy,) = guards(REFUND)._policies
    example = PolicyTest(text="{}", at="tool_arguments", tool="refund", expect="block", finds=["approval"])
    assert await broken(policy, example) == ""
    assert await broken(policy, replace(example, tool="search", expect="pass", finds=[])) == ""


async def test_a_store_that_fails_lets_nothing_through(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        world = Asked(people, ("refund", "{}"))
        (id,) = (await world.refused(hers())).approvals
        people.decide(id, approve=True, actor=ADA, reason="")
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as connection:
            connection.execute("CREATE TRIGGER b BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
            with pytest.raises(StorageError, match="no room"):
                await world.answer(hers())
            assert people.approval(id).state == "approved", "no use without its entry"
            assert world.verdicts == [("refund", "block")]
            connection.execute("DROP TRIGGER b")
        assert (await world.answer(hers())).tool_calls


@pytest.mark.promise("guard-2")
async def test_what_may_not_be_kept_is_not_shown_and_the_yes_is_to_the_value(tmp_path: Path) -> None:
    redact = {"use": "pii", "action": "redact", "on": ["input"]}

    def said(who: str) -> Call:
        return replace(new_call(f"Refund {who}, please."), caller=HERS)

    with asking(tmp_path) as people:
        world = Asked(people, ("refund", '{"to": "<EMAIL_1>"}'), rules=[redact, REFUND])
        (id,) = (await world.refused(said("bob.jones@example.org"))).approvals
        assert people.approval(id).arguments == '{"to": "<EMAIL_1>"}'
        people.decide(id, approve=True, actor=ADA, reason="")
        assert (await world.refused(said("eve.miller@example.org"))).approvals != [id]
        answer = await world.answer(said("bob.jones@example.org"))
        assert json.loads(answer.tool_calls[0]["function"]["arguments"]) == {"to": "bob.jones@example.org"}
    kept = b"".join(file.read_bytes() for file in list(tmp_path.iterdir()))  # noqa: ASYNC240 - nobody else waits
    assert b"example.org" not in kept.replace(ADA.encode(), b"")


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize(
    ("mode", "content", "shown"),
    [
        ("full", True, '{"to": "bob.jones@example.org"}'),
        ("redacted", True, '{"to": "<EMAIL_1>"}'),
        ("none", True, ""),
        ("full", False, ""),
    ],
)
async def test_the_data_policy_holds_for_what_is_kept_of_arguments(
    tmp_path: Path, mode: str, content: bool, shown: str
) -> None:
    config = msgspec.convert({"capture": {"personal": mode}}, DataConfig)
    policy = DataPolicy(config, Finder([]), ["fake"])
    capture = DataCapture(policy, modes(config))
    with asking(tmp_path) as people:
        world = Asked(people, ("refund", '{"to": "bob.jones@example.org"}'))
        world.policy.approvals = Approvals(people, b"", capture, content)
        world.run = build(with_fields(world.ports, handling=policy, capture=capture))
        (id,) = (await world.refused(hers())).approvals
        assert people.approval(id).arguments == shown


async def test_long_arguments_are_cut_where_people_see_it(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        given_ = json.dumps({"text": "x" * SHOWN})
        (id,) = (await Asked(people, ("refund", given_)).refused(hers())).approvals
        assert people.approval(id).arguments.endswith(f"... ({len(given_) - SHOWN} more characters)")


@pytest.mark.parametrize("action", ["flag", "review", "retry", "redact"])
def test_what_has_to_be_approved_is_withheld(action: str) -> None:
    with pytest.raises(ConfigError, match="is withheld"):
        guards({**REFUND, "action": action})


def test_approving_needs_hours() -> None:
    for hours in (0, -1, 1e9):
        with pytest.raises(ConfigError, match="approval_hours"):
            guards({**REFUND, "with": {"approve": ["a"], "approval_hours": hours}})


async def test_a_call_that_a_guard_stops_in_the_middle_is_on_record(tmp_path: Path) -> None:
    rule = {"use": "pii", "action": "block", "on": ["tool_arguments"]}
    world = World(
        guards(rule),
        calling(("search", "{}"), ("pay", '{"to": "bob.jones@example.org", "why": "' + "so " * 900 + '"}')),
    )
    with pytest.raises(GuardBlocked, match="found email"):
        await world.answer(new_call(stream=True))
    noted = world.spool.calls[0].attributes["moat.tools"]
    assert [(use["name"], use["verdict"], bool(use["digest"])) for use in noted] == [
        ("search", "withheld", True),
        ("pay", "block", True),
    ]


@pytest.mark.parametrize("names", [("refund", "refund"), ("ref", "und"), ("refund", "")])
async def test_a_name_that_comes_in_pieces_is_one_name(names: tuple[str, str]) -> None:
    pieces = [Delta(tool_calls=(ToolCallDelta(index=0, name=name, arguments=""),)) for name in names]
    world = World(guards(REFUND), [*pieces, Finished(reason="tool_calls")])
    with pytest.raises(ApprovalRequired):
        await world.answer(new_call(stream=True))


async def test_calls_of_tools_are_on_record_without_any_guard() -> None:
    world = World(guards(), calling(("search", '{"q": 1}')))
    await world.answer(new_call())
    (noted,) = world.spool.calls[0].attributes["moat.tools"]
    assert noted == {
        "name": "search",
        "digest": hashlib.sha256(b'{"q": 1}').hexdigest()[:16],
        "verdict": "pass",
        "approval": "",
    }


async def test_other_answers_wait_for_no_database(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        world = World(guards(REFUND), says("hello"))
        policy = world.ports.guards
        policy.approvals = Approvals(people)  # type: ignore[union-attr]
        people.take = None  # type: ignore[method-assign,assignment]
        assert (await world.answer(hers())).text == "hello"


def wanted(**fields: Any) -> ToolCall:
    return ToolCall(digest="d", tool="refund", key="key_1", request="req_1", **fields)


def test_questions_outlive_a_restart_and_each_decision_is_one(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        (asked,) = people.take([wanted(hours=1.0)])
    with asking(tmp_path) as people:
        assert people.approvals("pending") == [asked]
        yes = people.decide(asked.id, approve=True, actor=ADA, reason="fine")
        for approve in (True, False):
            with pytest.raises(ConflictError, match="approved already"):
                people.decide(asked.id, approve=approve, actor=ADA, reason="")
        with pytest.raises(NotFound):
            people.decide("apr_0", approve=True, actor=ADA, reason="")
    with asking(tmp_path) as people:
        assert people.approval(asked.id) == yes
        assert [each.state for each in people.take([wanted()])] == ["used"]
        for state, count in (("used", 1), ("pending", 0), ("approved", 0), ("denied", 0), ("expired", 0)):
            assert len(people.approvals(state)) == count  # type: ignore[arg-type]


def test_who_asks_in_a_circle_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_OPEN", 3)
    with asking(tmp_path) as people:
        for number in range(3):
            people.take([replace(wanted(), digest=str(number))])
        with pytest.raises(LimitExceeded, match="wait for a person"):
            people.take([replace(wanted(), digest="more")])
        assert people.take([replace(wanted(), digest="2")])
        assert people.take([replace(wanted(), digest="more", key="key_2")])


def test_old_ones_are_forgotten_with_an_entry(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        (asked,) = people.take([wanted(hours=1.0)])
        assert people.forget(asked.expires_ns, actor="moat") == 0
        assert people.forget(asked.expires_ns + 1, actor="moat") == 1
        assert people.approvals() == []
    assert entries(tmp_path) == [("moat", "approval.forget")]


@pytest.mark.promise("guard-4")
def test_the_database_itself_takes_no_yes_without_an_entry(tmp_path: Path) -> None:
    with asking(tmp_path) as people:
        (asked,) = people.take([wanted()])
        yes = replace(asked, id="apr_x", state="approved")
    names = ", ".join(f'"{name}"' for name in ToolApproval.__struct_fields__)
    marks = ", ".join("?" for _ in ToolApproval.__struct_fields__)
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as connection:
        for statement, values in (
            ("UPDATE tool_approvals SET state = 'approved'", ()),
            ("DELETE FROM tool_approvals", ()),
            (f"INSERT INTO tool_approvals ({names}) VALUES ({marks})", msgspec.structs.astuple(yes)),
        ):
            with pytest.raises(sqlite3.IntegrityError, match=r"without an entry|begins as a question"):
                connection.execute(statement, values)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(st.dictionaries(st.text(), values), st.dictionaries(st.text(), values))
def test_arguments_are_equal_when_their_values_are(one: dict[str, Any], other: dict[str, Any]) -> None:
    written = json.dumps(one)
    turned = json.dumps(dict(reversed(one.items())), indent=2, ensure_ascii=False)
    assert call_digest(HERS, "t", written, b"k") == call_digest(HERS, "t", turned, b"k")
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (call_digest(HERS, "t", written, b"k") == call_digest(HERS, "t", json.dumps(other), b"k")) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', '{"a": 2, "a": 1}'),
        ('{"a": 1e400}', '{"a": 1e500}'),
        ('{"a": 0.1}', '{"a": 0.1000000000000000000001}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 12345678901234567890}', '{"a": 12345678901234567891}'),
        ("[" * 100_000, "[" * 100_001),
        ('{"a": "\\ud800"}', '{"a": "?"}'),
    ],
)
def test_arguments_that_a_reader_could_tell_apart_are_others(one: str, other: str) -> None:
    assert call_digest(HERS, "t", one, b"k") != call_digest(HERS, "t", other, b"k")
