"""Running detectors that ask somebody: at one time, those that withhold data before the rest, each within its limit."""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from moat.domain.calls import Call
from moat.domain.errors import MoatError
from moat.domain.guards import Place
from moat.guards.detector import Context, Hit
from moat.guards.edits import Edit
from moat.guards.engine.looking import counted, taken
from moat.guards.engine.notes import Notes
from moat.guards.engine.pieces import Path
from moat.guards.pseudonyms import Vault
from moat.guards.remote import Bench, RemoteDetector, Run, answered
from moat.guards.text import Text

log = logging.getLogger("moat.guards")


class Seen(NamedTuple):
    """One text to be looked at."""

    path: Path
    text: str
    context: Context


def is_far(notes: Notes) -> bool:
    """Does its detector ask somebody?"""
    return isinstance(notes.rule.detector, RemoteDetector)


async def look_far(
    notes: Sequence[Notes], texts: Sequence[Seen], call: Call, run: Run | None, vault: Vault
) -> dict[Path, list[Edit]]:
    """Let the rules see whole texts. Returns what they want changed; one that fails is noted as not run."""
    edits: dict[Path, list[Edit]] = {}
    asked = [(each, seen) for each in notes for seen in _business(each, texts)]

    async def one(notes: Notes, seen: Seen) -> None:
        bench = Bench(call, run, notes.rule.config.timeout, vault.hide)
        hits = await _hits(notes, seen, bench)
        at = (seen.context.place, seen.path)
        for hit in counted(notes, hits):
            edits.setdefault(seen.path, []).extend(taken(notes, hit, seen.text[hit.start : hit.end], at, vault))

    # What one withholds, the next ask nobody about.
    for first in (True, False):
        if turn := [each for each in asked if each[0].rule.withholds == first]:
            async with asyncio.TaskGroup() as group:
                for each, seen in turn:
                    group.create_task(one(each, seen))
    return edits


def _business(notes: Notes, texts: Sequence[Seen]) -> Sequence[Seen]:
    own = [seen for seen in texts if seen.context.place in notes.rule.places and seen.text.strip()]
    detector = notes.rule.detector
    if not isinstance(detector, RemoteDetector) or not detector.joined:
        return own
    by_place: dict[Place, list[Seen]] = {}
    for seen in own:
        by_place.setdefault(seen.context.place, []).append(seen)
    return [each[-1]._replace(text="\n\n".join(seen.text for seen in each)) for each in by_place.values()]


async def _hits(notes: Notes, seen: Seen, bench: Bench) -> Sequence[Hit]:
    detector = notes.rule.detector
    assert isinstance(detector, RemoteDetector), "nothing else is asked"
    try:
        return await answered(detector, Text(seen.text), seen.context, bench)
    except TimeoutError:
        notes.failed = f"it took longer than {bench.timeout:g} s"
    except MoatError as error:
        notes.failed = f"what it asks failed ({error.code})"
    except Exception as error:  # noqa: BLE001 - process edge: detectors are plug-ins, no text may end the call unseen
        log.error("the guard %s failed: %s", notes.rule.name, type(error).__name__)  # its message may quote the text
        notes.failed = f"its detector failed ({type(error).__name__})"
    return ()
