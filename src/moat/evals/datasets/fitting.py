"""What of a case a prompt is given, and does it fit?"""

from collections.abc import Iterator
from typing import Any

import msgspec

from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
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
