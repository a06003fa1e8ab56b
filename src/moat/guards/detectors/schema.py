"""Answers that do not follow a JSON Schema."""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, ClassVar

import jsonschema_rs
import msgspec

from moat.domain.guards import Place
from moat.guards.answered_json import parse
from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.text import Text

MAX_PROBLEMS = 5
LINEAR = jsonschema_rs.RegexOptions(size_limit=2**20)
"""Rust's `regex` engine: patterns of a schema are matched in linear time."""


class Schema(Detector, frozen=True):
    """Checks that an answer is JSON that follows a schema.

    The schema is the one given here, else the one that the prompt or the request states; where there
    is none, nothing is checked.

    Kinds: `json` (it is none; the span begins where it breaks) and `schema` (it does not follow; one hit for each of
    the first problems, over all of it). The note says where and why, for a model that is asked again.
    """

    places: ClassVar[tuple[Place, ...]] = ("output", "tool_arguments")
    window: ClassVar[int] = WHOLE
    thinking: ClassVar[bool] = False
    schema: dict[str, Any] | None = None
    fenced: bool = True
    """JSON may stand in a Markdown code block."""

    def __post_init__(self) -> None:
        """Compile."""
        if self.schema is not None:
            try:
                self._validator.is_valid(None)
            except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
                raise ValueError(f"`schema` is no JSON Schema: {str(error).splitlines()[0][:200]}") from None

    @cached_property
    def _validator(self) -> Any:
        return _validator_of(self.schema or {})

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Parse and validate."""
        if self.schema is not None:
            validator = self._validator
        elif context.schema is not None:
            validator = _compiled(msgspec.json.encode(context.schema))
        else:
            return
        if validator is None:
            return
        parsed = parse(text.original, fenced=self.fenced)
        if parsed.problem:
            yield Hit("json", parsed.at, len(text.original), 1.0, f"The answer is not JSON: {parsed.problem}")
            return
        for problem in islice(validator.iter_errors(parsed.value), MAX_PROBLEMS):
            yield Hit("schema", 0, len(text.original), 1.0, f"At {_place(problem)}: {problem.message[:300]}")


def _place(problem: Any) -> str:
    """A path (JSON Pointer) without names that only the text has: those are `*`."""
    known = {str(step) for step in problem.schema_path}
    steps = (step if isinstance(step, int) or step in known else "*" for step in problem.instance_path)
    return "".join(f"/{step}" for step in steps) or "the top"


def _validator_of(schema: Any) -> Any:
    return jsonschema_rs.validator_for(schema, offline=True, pattern_options=LINEAR, mask="the value")


@lru_cache(maxsize=64)
def _compiled(schema: bytes) -> Any:
    """A validator, or None when the schema is none: a provider's business, not the answer's fault."""
    try:
        return _validator_of(msgspec.json.decode(schema))
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return None
