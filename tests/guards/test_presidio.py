"""Presidio behind the same port. Where it is not installed, only that this is said."""

import importlib.util
from pathlib import Path

import pytest

from moat.guards.detector import Context
from moat.guards.detectors.presidio import Presidio
from moat.guards.remote import Bench
from moat.guards.text import Text
from moat.testing.fakes import new_call

INSTALLED = importlib.util.find_spec("presidio_analyzer") is not None


@pytest.mark.skipif(INSTALLED, reason="it is installed")
def test_what_is_missing_is_said() -> None:
    with pytest.raises(ValueError, match=r"moat\[pii\]"):
        Presidio()


@pytest.mark.anyio
@pytest.mark.skipif(not INSTALLED, reason="the extra is not installed")
async def test_names_are_found_with_a_model_from_a_folder(tmp_path: Path) -> None:
    import spacy

    made = spacy.blank("en")
    made.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Anna Weber"}])
    made.to_disk(tmp_path / "model")
    detector = Presidio(model=str(tmp_path / "model"))
    (hit,) = await detector.look(Text("I am Anna Weber."), Context(place="input"), Bench(new_call(), None, 1.0, str))
    assert (hit.kind, hit.start, hit.end) == ("person", 5, 15)


@pytest.mark.skipif(not INSTALLED, reason="the extra is not installed")
@pytest.mark.parametrize("model", ["no_such_model", "no/such/folder", "no.such.package"])
def test_a_model_that_is_missing_is_said(model: str) -> None:
    with pytest.raises(ValueError, match=r"nothing is downloaded"):
        Presidio(model=model)
