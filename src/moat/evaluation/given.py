"""What a caller hands over, as the runner takes it: functions, cases, scorers."""

import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from moat.documents import Document, decode
from moat.domain.errors import ConfigError, DatasetError
from moat.domain.releases import digest
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.datasets import Dataset, dataset_digest, load_dataset
from moat.evals.project_code import ProjectFunction
from moat.evals.scorers import Scorer
from moat.evals.scorers.functions import kind_of_function, source_digest
from moat.evals.scorers.plugins import scorer_kind
from moat.evals.scorers.scorer import Bench

ANSWERS = ("response", "output", "actual", "answer")
"""Variables of a case that may hold a recorded answer, where nothing else answers."""
OF_CASE = ("case", "input", "expected", "labels", "context", "tags")
OF_ANSWER = ("answer", "actual", "output", "response", "text")

GivenScorer = str | Mapping[str, Any] | Callable[..., Any] | Scorer
GivenCases = str | Path | Iterable[Mapping[str, Any] | Case]


class GivenFunction(ProjectFunction, frozen=True, kw_only=True):
    """A function that was handed over, in the place of one that a project's suite names."""

    function: Callable[..., Any]

    def load(self) -> Callable[..., Any]:
        """The function, taking the case."""
        return taking_case(self.function)

    def place_of(self, error: BaseException) -> str:
        """Where it raised."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/moat/" not in frame.filename]
        return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else self.spec


class NamedFunction(ProjectFunction, frozen=True):
    """A function of a file, taken like one that was handed over."""

    def load(self) -> Callable[..., Any]:
        """The function, taking the case."""
        return taking_case(super().load())


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """Implements `moat.evals.targets.target.Target` on cases that bring their answers."""

    digest: str
    name: str = "recorded answers"

    def bind(self, bench: Bench) -> "Recorded":
        """It needs nothing."""
        return self

    async def answer(self, case: Case, repeat: int) -> Answered:
        """What the case says of its answer. Raises `DatasetError` when it says nothing."""
        for name in ANSWERS:
            if isinstance(said := case.variables.get(name), str):
                return Answered(said, context=case.context)
        raise DatasetError(
            "the case brings no answer", where=case.id, remedy=f"Give it one of: {', '.join(ANSWERS)}; or a `target`."
        )


def given_function(function: Callable[..., Any]) -> GivenFunction:
    """A function as the source of a target."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    file = Path(code.co_filename).name if code else ""
    spec = f"{file}:{name}" if file else name
    return GivenFunction(spec=spec, root=Path.cwd(), digest=digest([name, source_digest(function)]), function=function)


def taking_case(function: Callable[..., Any]) -> Callable[[Case], Any]:
    """A function of variables as one of a case.

    One that takes `case` gets it; one with one parameter gets the only variable, or the one called `input` or
    `question`; any other gets the variables by name.
    """
    parameters = _parameters(function)
    if parameters == ["case"]:
        return function

    takes_any = _takes_any(function)

    def of(case: Case) -> tuple[list[Any], dict[str, Any]]:
        if len(parameters) == 1 and parameters[0] not in case.variables and not takes_any:
            return [_only_input(case)], {}
        return [], {name: value for name, value in case.variables.items() if takes_any or name in parameters}

    if inspect.iscoroutinefunction(function):

        async def waited(case: Case) -> Any:
            args, named = of(case)
            return await function(*args, **named)

        return waited

    def called(case: Case) -> Any:
        args, named = of(case)
        return function(*args, **named)

    return called


def given_cases(cases: GivenCases) -> Dataset:
    """A dataset from a file or from dicts. Raises `DatasetError`."""
    if isinstance(cases, str | Path):
        return load_dataset(Path(cases))
    found = [case if isinstance(case, Case) else _case(case, index) for index, case in enumerate(cases)]
    ids = [case.id for case in found]
    if len(set(ids)) < len(ids) or not ids:
        raise DatasetError("no cases" if not ids else "two cases have the same id", where="dataset")
    return Dataset(tuple(found), dataset_digest(found))


def given_scorers(scorers: Iterable[GivenScorer]) -> tuple[Scorer, ...]:
    """Scorers from kinds, options or functions, each with a name of its own. Raises `ConfigError`."""
    found: list[Scorer] = []
    for index, given in enumerate(scorers):
        made = _scorer(given, f"scorers[{index}]")
        if any(made.name == other.name for other in found):
            made = msgspec.structs.replace(made, name=f"{made.name}-{index + 1}")
        found.append(made)
    if not found:
        raise ConfigError("nothing scores the answers", where="scorers", remedy="Give at least one, such as `equals`.")
    return tuple(found)


def _scorer(given: GivenScorer, where: str) -> Scorer:
    if isinstance(given, Scorer):
        return given
    if isinstance(given, str):
        given = {"kind": given}
    if isinstance(given, Mapping):
        options = dict(given)
        kind = scorer_kind(str(options.get("kind", "")), where)
        return decode(Document(where, options, None), kind, error=ConfigError)
    name = getattr(given, "__name__", type(given).__name__)
    return kind_of_function(name, taking_names(given), source_digest(given))(kind=name)


def taking_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function such as `(expected, actual)` as one of `(answer, case)`; what takes these itself is left alone."""
    parameters = _parameters(function)
    if parameters[:2] == ["answer", "case"] or not set(parameters) <= {*OF_CASE, *OF_ANSWER}:
        return function

    def by_name(answer: Answered, case: Case) -> dict[str, Any]:
        values: dict[str, Any] = dict.fromkeys(OF_ANSWER, answer.text)
        values |= {"case": case, "input": _only_input(case), "context": list(answer.context or case.context)}
        values |= {"expected": case.expected, "labels": case.labels, "tags": case.tags}
        return {name: values[name] for name in parameters}

    if inspect.iscoroutinefunction(function):

        async def waited(answer: Answered, case: Case) -> Any:
            return await function(**by_name(answer, case))

        return waited

    def called(answer: Answered, case: Case) -> Any:
        return function(**by_name(answer, case))

    return called


def _case(given: Mapping[str, Any], index: int) -> Case:
    """A dict with a case's members; what is none of them is a variable. Without an id: its number."""
    known = {*Case.__struct_fields__}
    data: dict[str, Any] = {name: value for name, value in given.items() if name in known}
    loose = {name: value for name, value in given.items() if name not in known}
    data["variables"] = {**data.get("variables", {}), **loose}
    data.setdefault("id", str(index + 1))
    if isinstance(data.get("context"), str):
        data["context"] = [data["context"]]
    return decode(Document(f"dataset[{index}]", data, None), Case, error=DatasetError)


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Their names; one for a function in C that does not tell."""
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:
        return ["value"]


def _takes_any(function: Callable[..., Any]) -> bool:
    """Does it take any variable by name?"""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return False
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def _only_input(case: Case) -> Any:
    values = case.variables
    for name in ("input", "question", "prompt"):
        if name in values:
            return values[name]
    rest = [value for name, value in values.items() if name not in ANSWERS]
    return rest[0] if len(rest) == 1 else values
