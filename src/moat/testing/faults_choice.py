"""Checks faults as people write them, and chooses the one that strikes a request."""

import difflib
import random
from collections.abc import Mapping

import msgspec

from moat.domain.errors import InputError
from moat.testing.faults import Fault, Script
from moat.testing.faults_kinds import FAULTS
from moat.testing.faults_wire import Asked

HEADER = "x-moat-fault"
"""A request header that names the fault of its request."""

MODEL_PREFIX = "fault:"
"""A model's name that begins so names the fault of its request: for clients that set no headers."""


def parse_fault(text: str) -> Fault:
    """`KIND` or `KIND,key=value,...`. Raises `InputError`."""
    kind, *options = text.strip().split(",")
    pairs = [option.partition("=") for option in options]
    if odd := [option for option, (_, sign, _) in zip(options, pairs, strict=True) if not sign]:
        raise InputError(f"not key=value: {odd[0]!r}", where=f"fault {text!r}")
    try:
        found = msgspec.convert(
            {"fault": kind, **{name.strip(): value for name, _, value in pairs}}, Fault, strict=False
        )
    except msgspec.ValidationError as error:
        keys = ", ".join(name for name in Fault.__struct_encode_fields__ if name != "fault")
        raise InputError(f"{error}", where=f"fault {text!r}", remedy=f"Keys: {keys}.") from None
    check(found)
    return found


def check(fault: Fault) -> None:
    """Raise `InputError` for a fault that there is not."""
    if fault.status:
        if not 400 <= fault.status <= 599:
            raise InputError(f"{fault.status} is no error status", remedy="Choose one from 400 to 599.")
    elif fault.kind not in FAULTS:
        close = difflib.get_close_matches(str(fault.kind), FAULTS, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"There are: a status from 400 on, {', '.join(FAULTS)}."
        raise InputError(f"there is no fault {fault.kind!r}", remedy=remedy)


class Choice:
    """Chooses by script, unless the request names a fault itself. What is drawn depends on the seed alone."""

    def __init__(self, script: Script) -> None:
        """Raises `InputError` for a script with a fault that there is not."""
        for fault in script.faults:
            check(fault)
        self._script = script
        self._random = random.Random(script.seed)
        self._matched = [0] * len(script.faults)

    def choose(self, asked: Asked, headers: Mapping[str, str]) -> Fault | None:
        """The fault for a request; None: it is answered rightly. Raises `InputError` for one it names wrongly."""
        named = headers.get(HEADER, "")
        if not named and asked.model.startswith(MODEL_PREFIX):
            named = asked.model.removeprefix(MODEL_PREFIX)
        if named:
            return parse_fault(named)
        for position, fault in enumerate(self._script.faults):
            if fault.model in ("", asked.model) and asked.path.endswith(fault.endpoint):
                self._matched[position] += 1
                if self._strikes(fault, self._matched[position]):
                    return fault
        return None

    def _strikes(self, fault: Fault, matched: int) -> bool:
        turn = matched - fault.skip
        in_turn = turn > 0 and (not fault.first or turn <= fault.first)
        return in_turn and (fault.rate == 1 or self._random.random() < fault.rate)
