"""What is traffic is said for records, for stored calls and for the console's pages: all say the same."""

from pathlib import Path

import msgspec
import pytest

from moat.domain.environments import EVALS, PLAYGROUND
from moat.telemetry.query import parse
from moat.telemetry.query_matching import matches
from moat.telemetry.traffic import RERUN, TRAFFIC, is_traffic
from tests.telemetry.test_query import CALL

CONSOLE = Path(__file__).parents[2] / "web/src/parts/traffic.ts"


@pytest.mark.parametrize("environment", ["", "production", EVALS, PLAYGROUND])
@pytest.mark.parametrize("feature", ["", "search", RERUN, PLAYGROUND])
def test_records_and_stored_calls_are_told_apart_alike(environment: str, feature: str) -> None:
    call = msgspec.structs.replace(CALL, environment=environment, feature=feature)
    assert matches(parse(TRAFFIC), call) == is_traffic(environment, feature)


def test_nobody_is_served_by_evaluations_reruns_and_the_playground() -> None:
    assert not is_traffic(EVALS, "search")
    assert not is_traffic(PLAYGROUND, PLAYGROUND)
    assert not is_traffic("", RERUN)
    assert is_traffic("", "")
    assert is_traffic("production", RERUN)


def test_the_console_leaves_out_the_same() -> None:
    assert f"export const TRAFFIC = '{TRAFFIC}';" in CONSOLE.read_text(encoding="utf-8")
