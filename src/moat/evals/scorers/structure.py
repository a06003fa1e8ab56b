"""Scorers of JSON answers."""

from functools import cached_property
from itertools import islice
from typing import Any

import jsonschema_rs
from msgspec.structs import replace

from moat.domain.errors import PromptError
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.patterns import LINEAR
from moat.evals.scorers.scorer import Bench, NotRun, Scorer, scorer

MAX_PROBLEMS = 3


@scorer("json")
class Json(Scorer, frozen=True):
    """1 when the whole answer is JSON."""

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Parse."""
        _ = answer.json
        return 1, ""


@scorer("json_schema")
class JsonSchema(Scorer, frozen=True):
    """1 when the answer is JSON that fits a schema: the given one, else the prompt's `output`.

    References outside the schema are refused, never fetched; `pattern` is matched in linear time.
    """

    schema: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Compile."""
        super().__post_init__()
        if self.schema is not None:
            try:
                self._validator.is_valid(None)
            except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
                raise ValueError(f"`schema` cannot be used: {str(error).splitlines()[0]}") from None

    @cached_property
    def _validator(self) -> Any:
        return jsonschema_rs.validator_for(self.schema or {}, pattern_options=LINEAR, offline=True)

    def bind(self, bench: Bench) -> Scorer:
        """Take the prompt's schema when the suite gave none. Raises `PromptError` for one that cannot be used."""
        prompt = bench.prompt
        if self.schema is not None or prompt is None or prompt.output is None:
            return self
        try:
            return replace(self, schema=prompt.output)
        except ValueError as error:
            raise PromptError(f"`output`: {error}", where=prompt.id) from None

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Validate."""
        if self.schema is None:
            raise NotRun("neither the suite nor the prompt has a schema")
        data = answer.json
        if self._validator.is_valid(data):
            return 1, ""
        problems = islice(self._validator.iter_errors(data), MAX_PROBLEMS)
        return 0, "; ".join(_explain(problem) for problem in problems)


def _explain(problem: Any) -> str:
    path = "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in problem.instance_path)
    return f"{path}: {problem.message[:300]}"
