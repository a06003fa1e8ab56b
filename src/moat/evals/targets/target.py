"""What a target is."""

from typing import Protocol, runtime_checkable

from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import Bench


@runtime_checkable
class Target(Protocol):
    """Anything that answers a case: a prompt version, a bare model, a service, a function, recorded answers."""

    @property
    def name(self) -> str:
        """As people and stored runs name it: `support/answer@1.1.0`, a URL, `bot.py:answer`."""
        ...

    @property
    def digest(self) -> str:
        """Stands for everything that its answers depend on, as far as it can be known: results of equal ones compare
        as identical, and a stored run of an equal one is not asked again.
        """
        ...

    def bind(self, bench: Bench) -> "Target":
        """This target for one run."""
        ...

    async def answer(self, case: Case, repeat: int) -> Answered:
        """Answer a case. Raises a `MoatError` when there is no answer."""
        ...
