"""What an environment demands of a release, as tables."""

import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from moat.domain import windows
from moat.domain.config import EnvironmentConfig, FreezeWindow
from moat.domain.errors import ConfigError
from moat.domain.releases import Approval, Evidence
from moat.domain.windows import zone
from moat.prompts.promotion import (
    Missing,
    address,
    frozen,
    missing_approvals,
    missing_verdict,
    same_person,
    together,
)

ADA, BOB, EVE = "Ada <ada@example.org>", "Bob <bob@example.org>", "Eve <eve@example.org>"


def yes(*people: str) -> list[Approval]:
    return [Approval(release="rel_a", environment="production", actor=name, created_ns=1) for name in people]


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("Ada <ada@example.org>", "ada@example.org"),
        ("Ada L. <ADA@Example.org >", "ada@example.org"),
        ("ada@example.org", "ada@example.org"),
        (" Ada ", ""),
    ],
)
def test_a_person_is_known_by_the_address(name: str, who: str) -> None:
    assert address(name) == who


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ADA, "ada@example.org", True),
        (ADA, "Ada <ada@elsewhere.example>", False),
        (ADA, "ada", True),
        ("Ada Lovelace <al@example.org>", "ada lovelace", True),
        ("Ada Lovelace <al@example.org>", "al", True),
        (ADA, "bob", False),
        ("ci", "ci", True),
    ],
)
def test_two_names_are_two_people_only_beyond_doubt(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same_person(other, one) is same


@pytest.mark.parametrize(
    ("needed", "given", "enough"),
    [
        (0, [], True),
        (1, [], False),
        (1, [BOB], True),
        (1, [ADA], False),
        (1, ["A. Lovelace <ADA@example.org>"], False),
        (1, [EVE], False),
        (2, [BOB, "Robert <bob@EXAMPLE.org>"], False),
        (2, [BOB, "carol"], False),
        (2, [BOB, "carol@example.org"], True),
        (2, [BOB, ADA, EVE], False),
    ],
)
def test_approvals_are_of_different_people_who_neither_wrote_nor_release_it(
    needed: int, given: list[str], enough: bool
) -> None:
    lack = missing_approvals(EnvironmentConfig(approvals=needed), yes(*given), {ADA, EVE})
    assert (lack == "") is enough
    if not enough:
        assert "other than ada@example.org, eve@example.org" in lack
        assert ("so far: bob@example.org" in lack) is (BOB in given)


def test_where_approvers_are_named_no_other_counts() -> None:
    rules = EnvironmentConfig(approvals=1, approvers=["Bob@example.org", "ada@example.org"])
    assert missing_approvals(rules, yes(BOB), {ADA}) == ""
    lack = missing_approvals(rules, yes("mallory@example.org", ADA), {ADA})
    assert lack.startswith("requires 1 approval of somebody of Bob@example.org, ada@example.org other than ada@")


@pytest.mark.parametrize(
    ("proof", "lack"),
    [
        (None, "was never run"),
        ({"verdict": ""}, "was not gated"),
        ({"verdict": "pass", "baseline": "sha256:other"}, "against another baseline"),
        ({"verdict": "regressed", "baseline": "sha256:base"}, "has the verdict regressed"),
        ({"verdict": "inconclusive", "baseline": "sha256:base"}, "has the verdict inconclusive"),
        ({"verdict": "pass", "baseline": "sha256:base"}, ""),
    ],
)
def test_only_a_pass_against_the_right_baseline_is_enough(proof: dict[str, Any] | None, lack: str) -> None:
    evidence = (
        None if proof is None else Evidence(run="run_1", suite="support", dataset_digest="sha256:d", score=1, **proof)
    )
    found = missing_verdict(evidence, "sha256:base")
    assert (lack in found) if lack else not found


def is_frozen(window: FreezeWindow, local: str, zone_name: str = "Europe/Berlin", fold: int = 0) -> bool:
    moment = datetime.datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone_name), fold=fold)
    return frozen(EnvironmentConfig(freeze=[window]), int(moment.timestamp()) * 10**9) is not None


def window(**fields: object) -> FreezeWindow:
    return FreezeWindow(**{"reason": "no", "timezone": "Europe/Berlin", **fields})  # type: ignore[arg-type]


WEEKEND = window(days=["sat", "sun"])
FRIDAY_NIGHT = window(days=["fri"], from_="18:00", until="08:00")
HOLIDAYS = window(first=datetime.date(2026, 12, 23), last=datetime.date(2027, 1, 2))
LAST_NIGHT = window(first=datetime.date(2026, 12, 31), last=datetime.date(2026, 12, 31), from_="22:00", until="06:00")
NIGHT = window(from_="02:00", until="03:00")


@pytest.mark.parametrize(
    ("freeze", "local", "closed"),
    [
        (window(), "2026-11-18 12:00", True),
        (window(from_="09:00", until="17:00"), "2026-11-18 08:59:59", False),
        (window(from_="09:00", until="17:00"), "2026-11-18 09:00", True),
        (window(from_="09:00", until="17:00"), "2026-11-18 16:59:59", True),
        (window(from_="09:00", until="17:00"), "2026-11-18 17:00", False),
        (window(from_="22:00", until="24:00"), "2026-11-18 23:59:59", True),
        (window(from_="22:00", until="22:00"), "2026-11-18 21:59", True),
        (WEEKEND, "2026-11-20 23:59:59", False),
        (WEEKEND, "2026-11-21 00:00", True),
        (WEEKEND, "2026-11-22 23:59:59", True),
        (WEEKEND, "2026-11-23 00:00", False),
        (FRIDAY_NIGHT, "2026-11-20 07:00", False),
        (FRIDAY_NIGHT, "2026-11-20 17:59:59", False),
        (FRIDAY_NIGHT, "2026-11-20 18:00", True),
        (FRIDAY_NIGHT, "2026-11-21 07:59:59", True),
        (FRIDAY_NIGHT, "2026-11-21 08:00", False),
        (FRIDAY_NIGHT, "2026-11-21 18:00", False),
        (HOLIDAYS, "2026-12-22 23:59:59", False),
        (HOLIDAYS, "2026-12-23 00:00", True),
        (HOLIDAYS, "2027-01-02 23:59:59", True),
        (HOLIDAYS, "2027-01-03 00:00", False),
        (LAST_NIGHT, "2026-12-31 05:00", False),
        (LAST_NIGHT, "2027-01-01 05:59:59", True),
        (LAST_NIGHT, "2027-01-01 22:00", False),
        (window(first=datetime.date(2026, 11, 18)), "2030-01-01 00:00", True),
    ],
)
def test_a_window_is_open_by_the_local_clock(freeze: FreezeWindow, local: str, closed: bool) -> None:
    assert is_frozen(freeze, local) is closed


def test_a_window_does_not_move_when_the_clocks_do() -> None:
    """2026 in Berlin: 29 March has no 02:30, 25 October has it twice. Both ends are wall-clock times."""
    office = window(from_="09:00", until="17:00")
    for day in ("2026-03-28", "2026-03-29", "2026-03-30", "2026-10-24", "2026-10-25", "2026-10-26"):
        assert not is_frozen(office, f"{day} 08:59:59")
        assert is_frozen(office, f"{day} 09:00")
        assert not is_frozen(office, f"{day} 17:00")
    for fold in (0, 1):
        assert is_frozen(NIGHT, "2026-10-25 02:30", fold=fold)
        assert not is_frozen(NIGHT, "2026-10-25 03:00", fold=fold)
    spring = [datetime.datetime(2026, 3, 29, 0, minute, tzinfo=datetime.UTC) for minute in range(60)]
    spring += [moment + datetime.timedelta(hours=1) for moment in spring]
    rules = EnvironmentConfig(freeze=[NIGHT])
    assert not any(frozen(rules, int(moment.timestamp()) * 10**9) for moment in spring), "02:xx was skipped"
    overnight = window(from_="22:00", until="06:00")
    assert is_frozen(overnight, "2026-03-29 05:59:59")
    assert not is_frozen(overnight, "2026-03-29 06:00")


def test_any_window_is_enough_and_its_reason_is_told() -> None:
    rules = EnvironmentConfig(freeze=[window(from_="00:00", until="01:00"), window(reason="the sale")])
    piece = frozen(rules, 1_780_000_000 * 10**9)
    assert piece is not None
    assert piece.what == "is frozen: the sale"
    assert frozen(EnvironmentConfig(), 1_780_000_000 * 10**9) is None


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "/etc/passwd", "Europe", "\x00"])
def test_an_unknown_time_zone_is_a_mistake_of_the_configuration(name: str) -> None:
    with pytest.raises(ConfigError, match="no time zone") as caught:
        zone(name)
    assert "Europe/Berlin" in str(caught.value)


def test_utc_needs_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(windows, "ZoneInfo", none)
    assert zone("UTC") is datetime.UTC
    with pytest.raises(ConfigError, match="tzdata"):
        zone("Europe/Berlin")


def test_all_that_is_missing_is_told_at_once_and_each_remedy_once() -> None:
    wait = "Wait until the window ends."
    pieces = [
        Missing("requires 'support'", "Run the gate."),
        Missing("is frozen: a", wait),
        Missing("is frozen: b", wait),
    ]
    what, remedy = together("production", pieces)
    assert what == "'production' requires 'support'; and is frozen: a; and is frozen: b"
    assert remedy == f"Run the gate. {wait}"
