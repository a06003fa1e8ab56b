"""Tool calls that an agent may not make: the wrong tool, the wrong arguments, too many, the same again and again."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate
from functools import cached_property
from typing import Annotated, Any, ClassVar

import jsonschema_rs
import msgspec

from moat.domain.calls import Message
from moat.domain.guards import Place
from moat.guards.answered_json import parse
from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.detectors.schema import LINEAR
from moat.guards.text import Text

_NAME = re.compile(r"[A-Za-z0-9_.:/@-]{1,64}")
_STRICT = msgspec.json.Decoder()
MAX_NOTE = 300
MAX_HOURS = 24 * 90


class Tools(Detector, frozen=True):
    """Looks at each tool that the model wants called.

    Names are globs (`orders_*`), or, for tools of a prompt, `name@version` with globs. Kinds: `tool` (it may not be
    called), `arguments` (no JSON object, one that names a member twice, or against the schema), `calls`, `repeats` and
    `depth` (more than the limit), `approval` (a person has to allow it).
    Limits count from the last message of a user on, calls of the same answer included.
    """

    places: ClassVar[tuple[Place, ...]] = ("tool_arguments",)
    window: ClassVar[int] = WHOLE
    allow: tuple[str, ...] | None = None
    """Only these; None: all."""
    deny: tuple[str, ...] = ()
    """None of these, whatever `allow` says."""
    approve: tuple[str, ...] = ()
    """A person has to allow each call of these; with `action: block`."""
    approval_hours: Annotated[float, msgspec.Meta(gt=0, le=MAX_HOURS)] = 24.0
    """How long such a call waits for a person, and how long a yes or a no holds."""
    arguments: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """JSON Schemas by name or glob; arguments have to follow each that fits."""
    max_calls: int | None = None
    max_repeats: int | None = None
    """How often the same tool may be called with the same arguments."""
    max_depth: int | None = None
    """How many answers in a row may call tools."""

    def __post_init__(self) -> None:
        """Compile."""
        limits = (self.max_calls, self.max_repeats, self.max_depth)
        if self.allow is None and not (self.deny or self.approve or self.arguments) and limits == (None, None, None):
            raise ValueError("give `allow`, `deny`, `approve`, `arguments`, `max_calls`, `max_repeats` or `max_depth`")
        for limit in limits:
            if limit is not None and limit < 0:
                raise ValueError("a limit is 0 or more")
        try:
            for _, validator in self._schemas:
                validator.is_valid(None)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise ValueError(f"`arguments` holds no JSON Schema: {str(error).splitlines()[0][:200]}") from None

    @cached_property
    def _schemas(self) -> list[tuple[re.Pattern[str], Any]]:
        return [
            (
                _pattern([name]),
                jsonschema_rs.validator_for(schema, offline=True, pattern_options=LINEAR, mask="the value"),
            )
            for name, schema in self.arguments.items()
        ]

    @cached_property
    def _allowed(self) -> re.Pattern[str] | None:
        return None if self.allow is None else _pattern(self.allow)

    @cached_property
    def _denied(self) -> re.Pattern[str] | None:
        return _pattern(self.deny) if self.deny else None

    @cached_property
    def _approved(self) -> re.Pattern[str] | None:
        return _pattern(self.approve) if self.approve else None

    def bars(self, tool: str) -> bool:
        """What may not be called, and what a person would have to allow: there is nobody to ask."""
        may = _fits(self._allowed, (tool,)) and not (self._denied is not None and _fits(self._denied, (tool,)))
        return not may or (self._approved is not None and _fits(self._approved, (tool,)))

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """One hit for each thing that is wrong."""
        names = (context.tool, context.tool_version) if context.tool_version else (context.tool,)
        shown = context.tool if _NAME.fullmatch(context.tool) else "that tool"
        for kind, note in self._wrong(text.original, names, shown, context):
            yield Hit(kind, 0, len(text.original), 1.0, note[:MAX_NOTE])
        if self._approved is not None and _fits(self._approved, names):
            note = f"{shown} needs the approval of a person"
            yield Hit("approval", 0, len(text.original), 1.0, note, self.approval_hours)

    def _wrong(self, given: str, names: Sequence[str], shown: str, context: Context) -> Iterator[tuple[str, str]]:
        if not context.tool.isprintable() or " " in context.tool or ".." in context.tool:
            yield "tool", "what is called has no name of a tool"
        elif not _fits(self._allowed, names) or (self._denied is not None and _fits(self._denied, names)):
            yield "tool", f"{shown} may not be called"
        value = _decoded(given)
        if not isinstance(value, dict):
            yield "arguments", f"the arguments of {shown} are no JSON object"
        elif problem := parse(given or "{}", fenced=False).problem:
            yield "arguments", f"the arguments of {shown} are read in different ways: {problem}"
        else:
            for pattern, validator in self._schemas:
                broken = next(validator.iter_errors(value), None) if _fits(pattern, names) else None
                if broken is not None:
                    yield "arguments", f"arguments of {shown}: {broken.message}"
        before, turns = _since_user(context.conversation)
        before += context.calls
        if self.max_calls is not None and len(before) >= self.max_calls:
            yield "calls", f"more than {self.max_calls} tool calls since the user spoke"
        same = sum(name == context.tool and _decoded(other) == value for name, other in before)
        if self.max_repeats is not None and same >= self.max_repeats:
            yield "repeats", f"{shown} was called {same} times with the same arguments"
        if self.max_depth is not None and turns >= self.max_depth:
            yield "depth", f"more than {self.max_depth} answers in a row that call tools"


def _pattern(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)) or r"(?!)")


def _fits(pattern: re.Pattern[str] | None, names: Sequence[str]) -> bool:
    return pattern is None or any(map(pattern.match, names))


def _decoded(given: str) -> Any:
    """Arguments as a value: the same however they are written. What is no JSON is itself."""
    try:
        return _STRICT.decode(given or "{}")
    except (msgspec.DecodeError, RecursionError):
        return given


def _since_user(conversation: Sequence[Message]) -> tuple[list[tuple[str, str]], int]:
    """Tool calls since the last message of a user, and how many answers made them."""
    calls: list[tuple[str, str]] = []
    turns = 0
    for message in reversed(conversation):
        if message.get("role") == "user":
            break
        made = message.get("tool_calls")
        functions = [call.get("function") for call in made if isinstance(call, dict)] if isinstance(made, list) else []
        found = [(str(f.get("name", "")), str(f.get("arguments", ""))) for f in functions if isinstance(f, dict)]
        calls += found
        turns += bool(found)
    return calls, turns
