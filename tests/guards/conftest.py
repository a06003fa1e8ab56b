"""For all tests of guards."""

import pytest

from moat.guards import detector
from tests.guards.toys import KINDS


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies may name the detectors of `toys`."""
    for kind, place in KINDS.items():
        monkeypatch.setitem(detector.REGISTERED, kind, place)
