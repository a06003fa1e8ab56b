"""What of a case a prompt is given, and does it fit?"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from moat.domain.errors import DatasetError
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
from moat.evals.datasets.dataset import read_cases
from moat.prompts.variables import mismatch, nearest

CONTEXT = "context"
"""The variable that is filled with a case's documents when the case gives it no value of its own."""


def given(case: Case, prompt: PromptVersion) -> dict[str, Any]:
    """The variables that a case gives a prompt: its own, and its documents where the prompt declares `context`."""
    variable = prompt.variables.get(CONTEXT)
    if variable is None or CONTEXT in case.variables or not case.context:
        return case.variables
    documents: Any = list(case.context) if variable.type == "array" else "\n\n".join(case.context)
    return {**case.variables, CONTEXT: documents}


def fitting(case: Case, prompt: PromptVersion) -> Iterator[str]:
    """Every reason why a case cannot be asked of a prompt, in words."""
    variables = given(case, prompt)
    for name in variables.keys() - prompt.variables.keys():
        yield f"{prompt.id} has no variable {name!r}. {nearest(name, prompt.variables)}"
    for name, variable in prompt.variables.items():
        if name in variables:
            if flaw := mismatch(variable, variables[name]):
                yield f"the variable {name!r} of {prompt.id} {flaw}"
        elif variable.default is msgspec.UNSET:
            yield f"{prompt.id} needs the variable {name!r}"


def check_fitting(cases: Iterable[Case], prompt: PromptVersion, path: Path, *, name: str = "") -> None:
    """Raise `DatasetError` with file, line and id for the first of a file's cases that cannot be asked of a prompt, and
    the number of those after it. `name` stands for the path in messages.
    """
    flawed = ((case, flaw) for case in cases if (flaw := next(fitting(case, prompt), "")))
    first = next(flawed, None)
    if first is None:
        return
    case, flaw = first
    others = sum(1 for _ in flawed)
    more = "" if not others else f", and {others} more case{' does' if others == 1 else 's do'} not fit either"
    what, _, remedy = flaw.partition(". ")
    each = f"`moat dataset check {path.stem} --prompt {prompt.name}` names each, for the newest version."
    raise DatasetError(
        f"the case {case.id!r} does not fit{more}: {what}",
        where=_place(path, name or str(path), case.id),
        remedy=f"{remedy} {each}".strip() if others else remedy,
    )


def _place(path: Path, name: str, case: str) -> str:
    """Where a case stands; only the file where that cannot be told any more."""
    if not path.is_file():
        return name
    return next((entry.place for entry in read_cases(path, name=name) if entry.case and entry.case.id == case), name)
