"""The data of one call, and what becomes of it at each destination."""

import logging
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from moat.domain.calls import Call, Deployment
from moat.domain.errors import DataRefused, RequestError
from moat.domain.guards import SENSITIVITY, DataClass, Place
from moat.domain.handling import DataConfig, Handling
from moat.guards.edits import Edit, Edited, apart
from moat.guards.engine.answering import Answering
from moat.guards.engine.bodies import TEXTUAL
from moat.guards.engine.body_hearing import BodyHearing
from moat.guards.engine.hearing import ChatHearing
from moat.guards.engine.pieces import Counting, Path, Piece
from moat.guards.engine.places import asked, asked_beside, check_legible, with_texts
from moat.guards.engine.watching import check_single
from moat.guards.handling.destinations import Destinations
from moat.guards.handling.finding import Datum, Finder
from moat.guards.json_numbers import fitting
from moat.guards.pseudonyms import Vault
from moat.pipeline.aside import aside
from moat.ports.guards import Hearing

log = logging.getLogger("moat.guards")

STRICTNESS: dict[Handling, int] = {"allow": 0, "redact": 1, "refuse": 2}


class Looks:
    """What was found in texts, each looked at once."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._found: dict[str, tuple[Datum, ...]] = {}

    def at(self, text: str, place: Place = "input") -> tuple[Datum, ...]:
        """The data in a text. Raises `DataRefused` when it cannot be looked at: then nobody knows what it holds."""
        if text not in self._found:
            try:
                self._found[text] = self._finder.look(text, place)
            except Exception as error:  # noqa: BLE001 - process edge: detectors are plug-ins, no text may go on unseen
                log.error("what looks for data failed: %s", type(error).__name__)  # its message may quote the text
                raise DataRefused("what looks for sensitive data failed, so nothing is sent") from None
        return self._found[text]


class CallData:
    """Implements `moat.ports.handling.Handled`."""

    def __init__(self, pieces: Sequence[Piece], declared: DataClass, looks: Looks, destinations: Destinations) -> None:
        """`declared`: the class of all of it, whatever is found."""
        self.looks = looks
        self.declared = declared
        self.found: dict[DataClass, int] = {}
        """How much of each class."""
        self._destinations = destinations
        self._vaults: dict[str, Vault] = {}
        """By provider."""
        self._learn(pieces)

    @property
    def data_class(self) -> DataClass:
        """The highest of it."""
        return max((self.declared, *self.found), key=SENSITIVITY.__getitem__)

    def action(self, deployment: Deployment) -> Handling:
        """See `moat.ports.handling.Handled`."""
        whole = self._ruling(self.declared, deployment.provider)
        # All of it would be redacted: nothing would be left to ask.
        actions: list[Handling] = ["refuse" if whole == "redact" else whole]
        actions += [self._ruling(found, deployment.provider) for found in self.found]
        return max(actions, key=STRICTNESS.__getitem__)

    def refused(self, deployment: Deployment) -> list[DataClass]:
        """The classes for which nothing may go there."""
        provider = deployment.provider
        classes = [found for found in self.found if self._ruling(found, provider) == "refuse"]
        if self._ruling(self.declared, provider) != "allow" and self.declared not in classes:
            classes.append(self.declared)
        return sorted(classes, key=SENSITIVITY.__getitem__)

    def check(self, deployment: Deployment) -> None:
        """See `moat.ports.handling.Handled`."""
        if self.action(deployment) == "refuse":
            raise DataRefused.at([self._destinations.of(deployment.provider).name], self.refused(deployment))

    def sent(self, call: Call) -> Call:
        """See `moat.ports.handling.Handled`."""
        assert call.deployment is not None, "Attempts sets the deployment"
        pieces = asked(call)
        self._learn(pieces)  # a conversation may have been shortened on the way
        self.check(call.deployment)
        if self.action(call.deployment) == "allow":
            return call
        provider = call.deployment.provider
        vault = self._vaults.setdefault(provider, Vault(_SECRET))
        for piece in pieces:
            vault.reserve(piece.text)
        edits = defaultdict[Path, list[Edit]](list)
        for piece, data in self._data(pieces):
            found = [
                _edit(piece.text, datum, vault)
                for datum in data
                if self._ruling(datum.data_class, provider) == "redact"
            ]
            for path, edit in piece.spread(found):
                edits[path].append(edit)
        originals = [each for piece in pieces for each in piece.originals()]
        texts = {path: Edited(text, apart(edits[path])).text for path, text in originals}
        # What is data in one place is the same data in another, where nothing around it says so.
        changed = {path: new for path, old in originals if (new := vault.hide(texts[path])) != old}
        if changed and vault.reversible:
            check_single(call)
        return with_texts(call, changed) if changed else call

    def listen(self, call: Call) -> Hearing | None:
        """See `moat.ports.handling.Handled`."""
        vault = self._vaults.get(call.deployment.provider) if call.deployment is not None else None
        if vault is None or not vault.reversible:
            return None
        answering = Answering(call, (), vault, {}, ())
        if call.operation == "chat":
            return ChatHearing(answering)
        return BodyHearing(answering) if call.operation in TEXTUAL else None

    def told(self) -> Mapping[str, Any]:
        """See `moat.ports.handling.Handled`."""
        plain: dict[str, Any] = {"class": self.data_class}
        if self.found:
            plain["found"] = dict(self.found)
        if self._vaults:
            plain["redacted_for"] = list(self._vaults)
        return plain

    def _data(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, list[Datum]]]:
        counting = Counting()
        for piece in pieces:
            found = self.looks.at(piece.text, piece.place)
            yield piece, [each for each in found if counting.counts(piece, "", each.kind, each.start, each.end)]

    def _ruling(self, data_class: str, provider: str) -> Handling:
        return self._destinations.ruling(data_class, provider).action

    def _learn(self, pieces: Iterable[Piece]) -> None:
        counted: dict[DataClass, int] = {}
        for _, data in self._data(pieces):
            for datum in data:
                counted[datum.data_class] = counted.get(datum.data_class, 0) + 1
        for data_class, count in counted.items():
            self.found[data_class] = max(count, self.found.get(data_class, 0))


_SECRET = secrets.token_bytes(32)


class DataPolicy:
    """Implements `moat.ports.handling.DataHandling`."""

    def __init__(self, config: DataConfig, finder: Finder, providers: Iterable[str]) -> None:
        """Raises `ConfigError`; its `where` is the path in `data`."""
        self.finder = finder
        self.destinations = Destinations(config.destinations, config.rules, sorted(providers))
        self._default = config.default

    async def look(self, call: Call) -> CallData:
        """See `moat.ports.handling.DataHandling`."""
        declared = self.declared(call)
        if self.destinations.restrict:
            check_legible(call)
        pieces, looks = await asked_beside(call), Looks(self.finder)
        size = sum(len(piece.text) for piece in pieces)
        return await aside(size, lambda: CallData(pieces, declared, looks, self.destinations))

    def declared(self, call: Call) -> DataClass:
        """What the caller, his key or the prompt says; the default when none does. Raises `RequestError`."""
        said = call.caller.data_class
        if not said:
            return self._default
        for known in SENSITIVITY:
            if known == said.lower():
                return known  # type: ignore[return-value]
        raise RequestError(
            f"there is no data class {said[:40]!r}",
            where="data_class",
            remedy=f"Classes: {', '.join(SENSITIVITY)}.",
        )


def _edit(text: str, datum: Datum, vault: Vault) -> Edit:
    instead = vault.replacement(datum.kind, text[datum.start : datum.end])
    return fitting(text, Edit(datum.start, datum.end, instead))
