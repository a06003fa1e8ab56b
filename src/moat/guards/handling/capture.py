"""What is kept of data of each class."""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Call
from moat.domain.errors import MoatError
from moat.domain.guards import DataClass, more_sensitive
from moat.domain.handling import DataConfig, Keeping
from moat.domain.spans import Span
from moat.guards.edits import Edit, Edited
from moat.guards.engine.places import unreadable
from moat.guards.handling.calls import DataPolicy, Looks
from moat.guards.pseudonyms import Vault
from moat.pipeline.data_urls import opened
from moat.pipeline.payloads import long_number
from moat.pipeline.spans import hidden
from moat.ports.handling import Kept

DEFAULT: dict[DataClass, Keeping] = {
    "public": "full",
    "internal": "full",
    "confidential": "full",
    "personal": "redacted",
    "secret": "redacted",
}
_BEGINNING = 5
"""Characters of a value that tell something of it: an error that ends within one is cut before it."""

NOT_KEPT = "not kept: it may hold data that is not kept"


def modes(config: DataConfig) -> dict[DataClass, Keeping]:
    """What is kept, by class."""
    return {**DEFAULT, **config.capture}


class DataCapture:
    """Implements `moat.ports.handling.Capture`."""

    def __init__(self, policy: DataPolicy, keeping: Mapping[DataClass, Keeping], secret: bytes = b"") -> None:
        """`secret`: keys the digests of `hash`; without it they are of this process alone."""
        self._policy = policy
        self._keeping = keeping
        self._secret = secret or secrets.token_bytes(32)

    def call(self, call: Call, content: Kept) -> Kept:
        """See `moat.ports.handling.Capture`."""
        try:
            whole = self._keeping[self._declared(call)]
        except MoatError:  # the call was refused for it
            whole = "none"
        return self._kept(content, whole, _looks(call) or Looks(self._policy.finder))

    def span(self, span: Span) -> Span:
        """See `moat.ports.handling.Capture`."""
        attributes = {"attributes": span.attributes}
        content = Kept({"input": span.input, "output": span.output}, attributes, [span.error_message, span.name])
        kept = self._kept(content, "full", Looks(self._policy.finder))
        inside, around = kept.input or {}, kept.output or {}
        return replace(
            span,
            input=inside.get("input"),
            output=inside.get("output"),
            attributes=around.get("attributes") or {},
            error_message=kept.errors[0],
            name=kept.errors[1],
        )

    def text(self, text: str) -> str:
        """See `moat.ports.handling.Capture`."""
        return self._kept(Kept(None, None, [text]), "full", Looks(self._policy.finder)).errors[0]

    def mode(self, call: Call, found: Sequence[DataClass]) -> Keeping:
        """What is kept of a call that holds data of these classes, beside what it is declared as."""
        whole = self._keeping[self._declared(call)]
        kept = ["none" if whole == "redacted" else whole, *(self._keeping[each] for each in found)]
        return max(kept, key=("full", "hash", "redacted", "none").index)

    def _declared(self, call: Call) -> DataClass:
        prompt, caller = call.journal.prompt, call.caller
        said = prompt.metadata.get("data_class") if prompt is not None else ""
        if isinstance(said, str) and said:
            call = replace(call, caller=replace(caller, data_class=more_sensitive(caller.data_class, said)))
        return self._policy.declared(call)

    def _kept(self, content: Kept, whole: Keeping, looks: Looks) -> Kept:
        """`whole`: what is kept of all of it, whatever is found."""
        if whole in ("redacted", "none"):  # nothing would be left
            return _nothing(content)
        if whole == "hash":
            return Kept(
                self._digest(content.input),
                self._digest(content.output),
                [NOT_KEPT if e else "" for e in content.errors],
            )
        texts = [*_texts(content.input), *_texts(content.output), *content.errors]
        try:
            found = {text: looks.at(text) for text in texts}
        except MoatError:  # nobody knows what it holds
            return _nothing(content)
        classes = {datum.data_class for data in found.values() for datum in data}
        if any(self._keeping[each] == "none" for each in classes):
            return _nothing(content)
        if all(self._keeping[each] == "full" for each in classes):
            return content
        vault = Vault(self._secret)
        for text in found:
            vault.reserve(text)

        def edited(text: str) -> str:
            edits = []
            for datum in found.get(text, ()):
                keeping, value = self._keeping[datum.data_class], text[datum.start : datum.end]
                if keeping != "full":
                    style: Literal["hash", "placeholder"] = "hash" if keeping == "hash" else "placeholder"
                    edits.append(Edit(datum.start, datum.end, vault.replacement(datum.kind, value, style)))
            return Edited(text, edits).text if edits else text

        for text in found:  # so that every value is known before the first text is written
            edited(text)

        def written(text: str) -> str:
            return vault.hide(edited(text))

        values = [
            text[datum.start : datum.end]
            for text, data in found.items()
            for datum in data
            if self._keeping[datum.data_class] != "full"
        ]
        errors = [_cut(written(error), values) for error in content.errors]
        return Kept(hidden(content.input, written), hidden(content.output, written), errors)

    def _digest(self, content: dict[str, Any] | None) -> dict[str, Any] | None:
        if content is None:
            return None
        return {"hash": hmac.new(self._secret, msgspec.json.encode(content), hashlib.sha256).hexdigest()}


def _looks(call: Call) -> Looks | None:
    handled = call.journal.handled
    return handled.looks if handled is not None else None


def _nothing(content: Kept) -> Kept:
    return Kept(None, None, [NOT_KEPT if error else "" for error in content.errors])


def _cut(error: str, values: Sequence[str]) -> str:
    """An error message that a provider cut off within a value, without the part that is there."""
    for value in values:
        for length in range(min(len(value), len(error)), _BEGINNING - 1, -1):
            for tail in ("", "...", "…"):
                if error.endswith(value[:length] + tail):
                    return error[: len(error) - length - len(tail)] + "..."
    return error


def _texts(value: Any, member: str = "", holder: Mapping[str, Any] | None = None) -> Iterator[str]:
    if isinstance(value, str):
        yield opened(member, value, holder or {})
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            if not (isinstance(item, str) and unreadable(name, item, value)):
                yield from _texts(item, name, value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif digits := long_number(value):
        yield digits
