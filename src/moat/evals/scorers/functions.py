"""Plain Python functions as scorers: from a file of the project, from an installed package, or from Python itself.

A function takes the answer (`Answered`) and the case (`Case`), and options by name:

    @scorer
    def polite(answer, case, *, least=1):
        thanks = answer.text.lower().count("thank")
        return thanks >= least, f"{thanks} thanks"

and returns a number from 0 to 1, true or false, a number with a reason, or a whole `Score`. It may be `async`. A plain
function runs in a thread, so that it may wait; nothing can stop it there, so it has to limit its own time.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, cast

import msgspec

from moat.domain.errors import ConfigError, MoatError
from moat.domain.releases import digest
from moat.domain.scores import Case, Score
from moat.evals.answer import Answered
from moat.evals.project_code import ProjectFunction, find_function, is_meant_for_us
from moat.evals.scorers.scorer import Bench, Named, NotRun, Scorer, scorer, storable

Function = Callable[..., Any]


class FunctionScorer(Scorer, frozen=True, kw_only=True):
    """A scorer that asks a function; subclasses say which."""

    options: dict[str, Any] = msgspec.field(default_factory=dict)
    """Given to the function by name."""
    timeout: float = 60.0
    """Seconds for an `async` function."""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not 0 < self.timeout <= 3600:
            raise ValueError("`timeout` is a number of seconds, above 0 and at most 3600")

    @property
    def function(self) -> Function:
        """Who is asked."""
        raise AssertionError("a subclass says which function")

    def place_of(self, error: BaseException) -> str:
        """Where the function raised."""
        return self.name

    async def score(self, case: Case, answer: Answered) -> Score:
        """Ask the function; whatever it raises or returns that is no score is the score's error, with its place."""
        try:
            said = await self._asked(case, answer)
        except BaseException as error:
            if is_meant_for_us(error):
                raise
            said = _Raised(error)  # foreign code: whatever it raises must not end the run
        return self._failed(said.error) if isinstance(said, _Raised) else self._read(said)

    def _failed(self, error: BaseException) -> Score:
        if isinstance(error, NotRun):
            return Score(name=self.name, status="not_run", reason=str(error))
        if isinstance(error, _Late):
            return self._broken(f"no score within {self.timeout:g} s")
        if isinstance(error, MoatError):
            return self._broken(str(error))
        return self._broken(f"{self.place_of(error)}: {type(error).__name__}: {error}"[:1000])

    async def _asked(self, case: Case, answer: Answered) -> Any:
        function = self.function
        if inspect.iscoroutinefunction(function):
            return await self._waited(function(answer, case, **self.options))
        said = await asyncio.to_thread(_call, function, answer, case, self.options)
        return await self._waited(said) if inspect.isawaitable(said) else said

    async def _waited(self, saying: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self.timeout) as limit:
                return await saying
        except TimeoutError:
            if limit.expired():
                raise _Late from None
            raise  # one of the function's own

    def _read(self, said: Any) -> Score:
        match said:
            case Score():
                return self._checked(said.value, said)
            case bool() | int() | float():
                return self._checked(float(said), Score(name=self.name))
            case (bool() | int() | float(), str()):
                return self._checked(float(said[0]), Score(name=self.name, reason=said[1]))
        wanted = "a number from 0 to 1, true or false, a number with a reason, or a Score"
        return self._broken(f"returned {type(said).__name__}, not {wanted}")

    def _checked(self, value: float | None, score: Score) -> Score:
        if score.status != "ok":
            return msgspec.structs.replace(score, name=self.name, value=None)
        if value is None or not 0 <= value <= 1:
            return self._broken(f"returned {value}, which is not between 0 and 1")
        try:
            return storable(msgspec.structs.replace(score, name=self.name, value=float(value)))
        except (TypeError, ValueError, RecursionError) as error:
            return self._broken(f"its evidence is no JSON: {error}")

    def _broken(self, reason: str) -> Score:
        return storable(Score(name=self.name, status="error", reason=reason))


class _Late(Exception):
    """A function took too long."""


class _Raised(msgspec.Struct, frozen=True):
    """What a function raised. Futures would lose a `StopIteration`, and the traceback of a `TimeoutError`."""

    error: BaseException


def _call(function: Function, answer: Answered, case: Case, options: Mapping[str, Any]) -> Any:
    try:
        return function(answer, case, **options)
    except BaseException as error:  # noqa: BLE001  foreign code, as above
        return _Raised(error)


@scorer("python")
class Python(FunctionScorer, frozen=True):
    """What a function of the project says. Reading the suite does not run it, answering its first case does."""

    path: str
    """`evals/scorers.py:polite`, from the project's folder."""

    @property
    def _found(self) -> ProjectFunction:
        found = vars(self).get("_project_function")
        if not isinstance(found, ProjectFunction):
            raise ConfigError(f"{self.path} is looked for in a project, and there is none", where=self.name)
        return found

    @property
    def identity(self) -> dict[str, Any]:
        """With the digest of the code: a changed function gives other scores."""
        return {**super().identity, "source": self._found.digest}

    def pin(self, named: Named) -> Scorer:
        """Find the function. Raises `ConfigError` when it is not there."""
        found = find_function(self.path, named.root, f"the scorer {self.name!r}")
        made = msgspec.structs.replace(self)
        vars(made)["_project_function"] = found
        return made

    def bind(self, bench: Bench) -> Scorer:
        """Load the function. Raises `ConfigError` when its file cannot be run or it does not take the options."""
        found = self._found
        function = found.load()
        check_signature(function, self.options, found.spec)
        bound = msgspec.structs.replace(self)
        vars(bound)["_project_function"] = found
        vars(bound)["_function"] = function
        return bound

    @property
    def function(self) -> Function:
        """The one that `bind` loaded."""
        function: Function = vars(self)["_function"]
        return function

    def place_of(self, error: BaseException) -> str:
        """File and line in the project."""
        return self._found.place_of(error)


class PackagedFunction(FunctionScorer, frozen=True):
    """What a function says that somebody brings along: a package's entry point, or the caller in Python."""

    FUNCTION: ClassVar[Function]
    ORIGIN: ClassVar[str]
    """Package and version, or a digest of the source."""

    @property
    def function(self) -> Function:
        """That function."""
        return type(self).FUNCTION

    @property
    def identity(self) -> dict[str, Any]:
        """With where the function comes from."""
        return {**super().identity, "source": self.ORIGIN}

    def bind(self, bench: Bench) -> Scorer:
        """Check that the function takes the options."""
        check_signature(self.function, self.options, self.kind)
        return self

    def place_of(self, error: BaseException) -> str:
        """File and line of the innermost frame."""
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        return f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else self.name


def kind_of_function(kind: str, function: Function, origin: str = "") -> type[PackagedFunction]:
    """A kind of scorer that asks a function. `origin` is part of its identity; a digest of its source when empty."""
    origin = origin or source_digest(function)
    fields = {"FUNCTION": staticmethod(function), "ORIGIN": origin, "__doc__": function.__doc__}
    return cast(
        "type[PackagedFunction]",
        msgspec.defstruct(kind, [], bases=(PackagedFunction,), namespace=fields, frozen=True),
    )


def scorer_of(function: Function, *, name: str = "", **options: Any) -> Scorer:
    """A function as a scorer, for suites made in Python."""
    called = getattr(function, "__name__", "function")
    return kind_of_function(called, function)(kind=called, name=name, options=options)


def source_digest(function: Function) -> str:
    """What a function does, as far as its own text says it; its name where there is no text."""
    try:
        return digest(inspect.getsource(function))
    except (OSError, TypeError):
        return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"


def check_signature(function: Function, options: Mapping[str, Any], where: str) -> None:
    """Raise `ConfigError` unless a function takes an answer, a case and these options."""
    try:
        inspect.signature(function).bind(None, None, **options)
    except TypeError as error:
        raise ConfigError(
            f"the function does not take what it is given: {error}",
            where=where,
            remedy="It is called as `function(answer, case, **options)`.",
        ) from None
    except ValueError:
        return  # a function in C that does not tell
