"""A provider that answers what a test told it to."""

from collections.abc import AsyncGenerator, Sequence

from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.errors import MoatError
from moat.domain.usage import Usage

Step = Event | MoatError
"""Something to yield, or to raise."""

TYPICAL_USAGE = Usage(input=10, output=5)


def says(text: str, *, usage: Usage | None = TYPICAL_USAGE, reason: str = "stop") -> list[Step]:
    """One complete answer, word by word: the words joined are `text`."""
    words = text.split(" ")
    pieces = [word + " " for word in words[:-1]] + words[-1:]
    steps: list[Step] = [Delta(text=piece) for piece in pieces if piece]
    return [*steps, Finished(reason=reason, usage=usage, model="scripted")]


class ScriptedProvider:
    """Answers call after call from a script; the last entry answers all further calls.

    An entry is a text, an error to raise at once, or a list of events and errors to play in order. `calls`
    holds what was asked, `closed` how many answers were abandoned before their end.
    """

    def __init__(self, *script: str | MoatError | Sequence[Step]) -> None:
        self._script = [_steps(entry) for entry in script or ("scripted answer",)]
        self.calls: list[Call] = []
        self.closed = 0

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Play the next entry."""
        steps = self._script[min(len(self.calls), len(self._script) - 1)]
        self.calls.append(call)
        try:
            for step in steps:
                if isinstance(step, MoatError):
                    raise step
                yield step
        except GeneratorExit:
            self.closed += 1
            raise

    async def aclose(self) -> None:
        """Nothing to release."""


def _steps(entry: str | MoatError | Sequence[Step]) -> Sequence[Step]:
    if isinstance(entry, str):
        return says(entry)
    return [entry] if isinstance(entry, MoatError) else entry
