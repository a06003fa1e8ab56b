"""Targets whose calls say which case they are of: a simulated attacker's victim has to know what is wanted."""

from typing import Any

from moat.domain.calls import Call
from moat.domain.errors import RequestError
from moat.domain.scores import Case
from moat.evals.targets.chat import ModelTarget, PromptTarget
from moat.evals.targets.target import Target

METADATA = "metadata"
CASE = "moat_case"


class MarkedPrompt(PromptTarget, frozen=True, kw_only=True):
    """A prompt that is asked so."""

    def asked(self, case: Case) -> dict[str, Any]:
        """With the case's id."""
        return _with_id(super().asked(case), case)


class MarkedModel(ModelTarget, frozen=True, kw_only=True):
    """A bare model that is asked so."""

    def asked(self, case: Case) -> dict[str, Any]:
        """With the case's id."""
        return _with_id(super().asked(case), case)


def marked(target: Target) -> Target:
    """The same target, with calls that say their case. Raises `RequestError` for one that asks no model of ours."""
    for kind, own in ((PromptTarget, MarkedPrompt), (ModelTarget, MarkedModel)):
        if isinstance(target, kind):
            return own(**{name: getattr(target, name) for name in kind.__struct_fields__})
    raise RequestError(f"{target.name} cannot be simulated", remedy="Name a prompt, or a model's alias.")


def case_of(call: Call) -> str:
    """The case that a call says it is of; empty when it says nothing."""
    said = call.params.get(METADATA)
    return str(said.get(CASE, "")) if isinstance(said, dict) else ""


def _with_id(asked: dict[str, Any], case: Case) -> dict[str, Any]:
    params = asked.get("params", {})
    return {**asked, "params": {**params, METADATA: {CASE: case.id}}}
