"""What people said of an answer, as a score like any other."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Self

import msgspec

from moat.domain.errors import ConfigError
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.judges.labels import Item, items, read_labels
from moat.evals.judges.material import response_of
from moat.evals.scorers.scorer import Measured, Named, NotRun, Scorer, scorer
from moat.prompts.tree import inside


@scorer("human")
class Human(Scorer, frozen=True):
    """The mean of what people said of exactly this answer to this case; not run where nobody said anything."""

    labels: str
    """File of labels, relative to `evals/`: `labels/<suite>.jsonl`, which `moat judge import` writes."""
    of: str
    """Whose labels: the name that they were asked under."""

    def pin(self, named: Named) -> Self:
        """Read the labels; none when there is no file yet. Raises `ConfigError` when it cannot be read, `DocumentError`
        for a broken one.
        """
        where = f"evals/{self.labels}"
        try:
            content = inside(named.root, where).read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise ConfigError(
                f"the labels cannot be read: {error.strerror}", where=where, remedy="`moat judge import` writes them."
            ) from None
        found = items(read_labels(content, where), self.of)
        made = msgspec.structs.replace(self)
        vars(made).update(
            _digest=f"sha256:{sha256(content).hexdigest()}", _items={(item.case, item.answer): item for item in found}
        )
        return made

    @property
    def identity(self) -> dict[str, Any]:
        """With the labels."""
        return {**super().identity, "digest": vars(self).get("_digest", "")}

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Look it up."""
        known: Mapping[tuple[str, str], Item] = vars(self).get("_items", {})
        item = known.get((case.id, response_of(answer)))
        if item is None:
            raise NotRun("nobody labelled this answer")
        return item.value, "" if item.value == 1 else "by people", {"values": list(item.values)}
