"""DeepEval (Apache-2.0): `{kind: deepeval, metric: AnswerRelevancyMetric, model: judge}`."""

import asyncio
import inspect
from typing import Any, ClassVar

from moat.domain.errors import ConfigError
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.foreign.library import Foreign, Model, as_text, context_of, input_of
from moat.evals.scorers.scorer import NotRun, scorer


@scorer("deepeval")
class DeepEval(Foreign, frozen=True, kw_only=True):
    """One of its metrics for single answers, run on a test case made of case and answer.

    `evaluation_params` (of `GEval`) are named in lower case: `[input, actual_output]`.
    """

    package: ClassVar[str] = "deepeval"
    metric: str
    """Name of the class: `AnswerRelevancyMetric`, `FaithfulnessMetric`, `GEval`, `ExactMatchMetric`, ..."""

    async def measured(self, case: Case, answer: Answered, model: Model) -> tuple[float | None, str, dict[str, Any]]:
        """Measure."""
        kind = self.found("deepeval.metrics", self.metric)
        cases = self.imported("deepeval.test_case")
        metric = kind(**self._options(kind, cases, model))
        test = cases.LLMTestCase(
            input=input_of(case),
            actual_output=answer.text,
            expected_output=None if case.expected is None else as_text(case.expected),
            context=context_of(case, answer) or None,
            retrieval_context=context_of(case, answer) or None,
            tools_called=_tools(cases, answer.tool_calls),
            expected_tools=_tools(cases, _expected_calls(case)),
        )
        missing = [p.value for p in getattr(metric, "_required_params", []) if getattr(test, p.value) is None]
        if missing:
            raise NotRun(f"{self.metric} needs {', '.join(missing)}")
        quiet = (
            {"_show_indicator": False} if "_show_indicator" in inspect.signature(metric.a_measure).parameters else {}
        )
        await metric.a_measure(test, **quiet)
        if getattr(metric, "error", None):
            raise ValueError(metric.error)
        evidence = {"threshold": metric.threshold, "passed": bool(metric.is_successful())}
        return metric.score, metric.reason or "", evidence

    def _options(self, kind: Any, cases: Any, model: Model) -> dict[str, Any]:
        options = dict(self.options)
        parameters = inspect.signature(kind).parameters
        if "model" in parameters:
            if not model.alias:
                raise ConfigError("this metric asks a model", where=self.name, remedy="Give the scorer a `model`.")
            options["model"] = self._llm(model)
        if "evaluation_params" in options:
            names = getattr(cases, "SingleTurnParams", None) or cases.LLMTestCaseParams
            options["evaluation_params"] = [names[name.upper()] for name in options["evaluation_params"]]
        return options

    def _llm(self, model: Model) -> Any:
        base: Any = self.imported("deepeval.models").DeepEvalBaseLLM

        class ThroughPipeline(base):  # type: ignore[misc]  # the library is not there when types are checked
            """DeepEval's idea of a model."""

            def load_model(self, *args: Any, **kwargs: Any) -> Any:
                """There is nothing to load."""
                return self

            def get_model_name(self, *args: Any, **kwargs: Any) -> str:
                """The alias."""
                return model.alias

            async def a_generate(self, prompt: str, schema: Any = None, **more: Any) -> Any:
                """Text, or an instance of the pydantic class `schema`."""
                said = await model.structured(prompt, schema.model_json_schema() if schema else None)
                return schema.model_validate_json(_unfenced(said)) if schema else said

            def generate(self, prompt: str, schema: Any = None, **more: Any) -> Any:
                """The same in a thread that has no event loop of its own."""
                return asyncio.run(self.a_generate(prompt, schema))

        return ThroughPipeline(model.alias)


def _tools(cases: Any, calls: Any) -> Any:
    if not calls:
        return None
    made = []
    for call in calls:
        function = call.get("function", call)
        arguments = function.get("arguments")
        shown = {"arguments": arguments} if isinstance(arguments, str) else arguments
        made.append(cases.ToolCall(name=function.get("name", ""), input_parameters=shown))
    return made


def _expected_calls(case: Case) -> Any:
    calls = case.labels.get("tool_calls")
    return calls if isinstance(calls, list) and all(isinstance(call, dict) for call in calls) else None


def _unfenced(text: str) -> str:
    inner = text.strip()
    if inner.startswith("```"):
        inner = inner.partition("\n")[2].rpartition("```")[0]
    return inner
