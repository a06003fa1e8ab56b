"""Ragas (Apache-2.0): `{kind: ragas, metric: Faithfulness, model: judge}`."""

import asyncio
import inspect
from typing import Any, ClassVar

from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.foreign.library import Foreign, Model, as_text, context_of, input_of, simple
from moat.evals.scorers.scorer import NotRun, scorer

COLLECTION = "ragas.metrics.collections"


@scorer("ragas")
class Ragas(Foreign, frozen=True, kw_only=True):
    """One of its metrics (`ragas.metrics.collections`), given of case and answer what it asks for by name.

    `user_input`, `response`, `reference`, `retrieved_contexts`; and from the case's labels anything else, such as
    `reference_contexts`.
    """

    package: ClassVar[str] = "ragas"
    metric: str
    """Name of the class: `Faithfulness`, `ContextRecall`, `ExactMatch`, `RougeScore`, ..."""

    async def measured(self, case: Case, answer: Answered, model: Model) -> tuple[float | None, str, dict[str, Any]]:
        """Measure."""
        kind = self.found(COLLECTION, self.metric)
        options = dict(self.options)
        parameters = inspect.signature(kind).parameters
        if "llm" in parameters:
            options["llm"] = self._llm(model)
        if "embeddings" in parameters:
            options["embeddings"] = self._embeddings(model)
        metric = kind(**options)
        found = await metric.ascore(**self._arguments(metric, case, answer))
        evidence = {} if found.traces is None else {"traces": simple(found.traces)}
        return _number(found.value), found.reason or "", evidence

    def _arguments(self, metric: Any, case: Case, answer: Answered) -> dict[str, Any]:
        context = context_of(case, answer)
        known: dict[str, Any] = {
            "user_input": input_of(case),
            "response": answer.text,
            "reference": None if case.expected is None else as_text(case.expected),
            "retrieved_contexts": context or None,
            **{name: value for name, value in case.labels.items() if isinstance(name, str)},
        }
        given = {}
        for name, parameter in inspect.signature(metric.ascore).parameters.items():
            if known.get(name) is not None:
                given[name] = known[name]
            elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
                raise NotRun(f"{self.metric} needs {name}")
        return given

    def _llm(self, model: Model) -> Any:
        base: Any = self.imported("ragas.llms.base").InstructorBaseRagasLLM

        class ThroughPipeline(base):  # type: ignore[misc]  # the library is not there when types are checked
            """Ragas' idea of a model."""

            async def agenerate(self, prompt: str, response_model: Any) -> Any:
                """An instance of the pydantic class."""
                said = await model.structured(prompt, response_model.model_json_schema())
                return response_model.model_validate_json(said)

            def generate(self, prompt: str, response_model: Any) -> Any:
                """The same in a thread that has no event loop of its own."""
                return asyncio.run(self.agenerate(prompt, response_model))

        return ThroughPipeline()

    def _embeddings(self, model: Model) -> Any:
        base: Any = self.imported("ragas.embeddings.base").BaseRagasEmbedding

        class ThroughPipeline(base):  # type: ignore[misc]  # the library is not there when types are checked
            """Ragas' idea of an embedding model."""

            def embed_text(self, text: str, **more: Any) -> list[float]:
                """In a thread that has no event loop of its own."""
                return asyncio.run(model.embed(text))

            async def aembed_text(self, text: str, **more: Any) -> list[float]:
                """A vector."""
                return await model.embed(text)

        return ThroughPipeline()


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float):
        return float(value)
    return {"pass": 1.0, "yes": 1.0, "fail": 0.0, "no": 0.0}.get(str(value).lower())
