"""Running detectors: what they find, what is put in its place, and what happens when one fails."""

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator

from moat.domain.guards import Place
from moat.guards.detector import WHOLE, Context, Hit
from moat.guards.edits import Edit
from moat.guards.engine.memory import Memory
from moat.guards.engine.notes import Notes
from moat.guards.engine.pieces import Counting, Path, Piece
from moat.guards.engine.rules import Rule
from moat.guards.engine.scanning import Block, blocks, whole
from moat.guards.json_numbers import fitting
from moat.guards.pseudonyms import Vault
from moat.guards.text import Text

log = logging.getLogger("moat.guards")


Counts = Callable[[Notes, Hit], bool]
"""Does a hit that a rule has count?"""


def _any(notes: Notes, hit: Hit) -> bool:
    return True


def look(
    rules: Iterable[Notes],
    text: Text,
    path: Path,
    context: Context,
    vault: Vault,
    counts: Counts = _any,
) -> list[Edit]:
    """Let rules see a whole text, where that is their business. Returns what they want changed."""
    concerned = [notes for notes in rules if context.place in notes.rule.places]
    windows = [notes.rule.detector.window for notes in concerned]
    edits: list[Edit] = []
    if WHOLE in windows:
        by_whole = [notes for notes in concerned if notes.rule.detector.window == WHOLE]
        edits += look_at(whole(text), by_whole, path, context, vault, counts)
    if any(window != WHOLE for window in windows):
        by_block = [notes for notes in concerned if notes.rule.detector.window != WHOLE]
        for block in blocks(text, max(windows)):
            edits += look_at(block, by_block, path, context, vault, counts)
    return edits


def look_anew(
    rules: Iterable[Notes], piece: Piece, context: Context, vault: Vault, memory: Memory, counting: Counting
) -> list[Edit]:
    """Let rules see a piece of a question, as `look`, unless they have found nothing in the same text before.

    What is put together of several texts is looked at each time: which hits of it count is not told by its text.
    """
    digest = b"" if piece.spots else memory.digest(piece.text)
    before = [
        (notes, notes.found, len(notes.asks), entry)
        for notes in rules
        if context.place in notes.rule.places
        and (notes.rule.detector.holds or not piece.data)
        and not memory.knows(entry := memory.entry(notes.rule, digest, piece.text, context))
    ]
    concerned = [notes for notes, *_ in before]

    def counts(notes: Notes, hit: Hit) -> bool:
        return counting.counts(piece, notes.rule.name, hit.kind, hit.start, hit.end)

    edits = look(concerned, Text(piece.text), piece.path, context, vault, counts)
    for notes, found, asked, entry in before:
        if notes.found == found and len(notes.asks) == asked and not notes.failed:
            memory.keep(entry)
    return edits


def look_at(
    block: Block,
    rules: Iterable[Notes],
    path: Path,
    context: Context,
    vault: Vault,
    counts: Counts = _any,
) -> list[Edit]:
    """Let rules see one block, as `look`."""
    at, original, offset = (context.place, path), block.text.original, block.offset
    return [
        fitting(original, edit, offset)
        for notes in rules
        if not notes.failed
        for hit in counted(notes, block.hits(notes.rule.detector, context))
        if counts(notes, hit)
        for edit in taken(notes, hit, original[hit.start - offset : hit.end - offset], at, vault)
    ]


def counted(notes: Notes, hits: Iterable[Hit]) -> Iterator[Hit]:
    """The hits that count. A detector that fails is noted as not run."""
    threshold = notes.rule.threshold
    try:
        for hit in hits:
            if hit.score >= threshold:
                yield hit
    except Exception as error:  # noqa: BLE001 - process edge: detectors are plug-ins, no text may go on unseen
        # Its message may quote the text, which is kept nowhere.
        log.error("the guard %s failed: %s in %s", notes.rule.name, type(error).__name__, _place(error))
        notes.failed = f"its detector failed ({type(error).__name__})"


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"


def taken(notes: Notes, hit: Hit, value: str, at: tuple[Place, Path], vault: Vault) -> Iterator[Edit]:
    """Note a hit that counts; what has to be changed for it. `value`: what was hit."""
    notes.take(hit, *at)
    rule = notes.rule
    if rule.acts and value:
        instead = replacement(rule, hit.kind, value, vault)
        if rule.config.action == "redact":
            yield Edit(hit.start, hit.end, instead)


def replacement(rule: Rule, kind: str, value: str, vault: Vault) -> str:
    """What stands for a value. Data has a placeholder, and is hidden in all that is kept; the rest is left out."""
    return vault.replacement(kind, value, rule.config.style) if rule.detector.holds else f"[{kind} removed]"
