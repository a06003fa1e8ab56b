"""Braintrust's autoevals (MIT): `{kind: autoevals, scorer: Factuality, model: judge}`."""

import inspect
from types import SimpleNamespace
from typing import Any, ClassVar

from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.foreign.library import Foreign, Model, context_of, input_of, simple
from moat.evals.scorers.scorer import NotRun, scorer

NEEDS_EXPECTED = ("Levenshtein", "ExactMatch", "NumericDiff", "JSONDiff", "Factuality", "Battle", "EmbeddingSimilarity")


class _NeverRaised(Exception):
    """autoevals retries on its client's rate-limit error: the pipeline has retried already."""


@scorer("autoevals")
class Autoevals(Foreign, frozen=True, kw_only=True):
    """One of its scorers, which gets `input`, `output`, `expected` and `context`."""

    package: ClassVar[str] = "autoevals"
    scorer: str
    """Name of the class: `Levenshtein`, `Factuality`, `ClosedQA`, `Faithfulness`, ..."""

    async def measured(self, case: Case, answer: Answered, model: Model) -> tuple[float | None, str, dict[str, Any]]:
        """Evaluate."""
        kind = self.found("autoevals", self.scorer)
        if case.expected is None and self.scorer in NEEDS_EXPECTED:
            raise NotRun("the case has no expected")
        options = dict(self.options)
        parameters = inspect.signature(kind).parameters
        if "client" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            options["client"] = self._client(model)
            options.setdefault("model", model.alias)
        found = await kind(**options).eval_async(
            output=answer.text,
            expected=case.expected,
            input=input_of(case),
            context="\n\n".join(context_of(case, answer)),
        )
        if found.score is None:
            raise NotRun(f"{self.scorer} skips it")
        reason = found.metadata.get("rationale") or found.metadata.get("reason") or ""
        return found.score, str(reason), simple(found.metadata)

    def _client(self, model: Model) -> Any:
        async def complete(**asked: Any) -> dict[str, Any]:
            messages = asked.pop("messages")
            params = {key: value for key, value in asked.items() if key not in ("model", "span_info")}
            said = await model.chat(messages, **params)
            message: dict[str, Any] = {"role": "assistant", "content": said.text}
            if said.tool_calls:
                message["tool_calls"] = said.tool_calls
            return {"choices": [{"message": message, "finish_reason": "stop"}]}

        async def embed(**asked: Any) -> dict[str, Any]:
            return {"data": [{"embedding": await model.embed(asked["input"])}]}

        async def nothing(**asked: Any) -> dict[str, Any]:
            raise ValueError("only chat and embeddings go through the pipeline")

        create = SimpleNamespace(create=nothing)
        client = SimpleNamespace(
            chat=SimpleNamespace(completions=create), responses=create, embeddings=create, moderations=create
        )
        made = self.imported("autoevals.oai").LLMClient(openai=client, is_async=True)
        # Its constructor takes these too, and replaces them by the client's own.
        made.complete, made.embed, made.moderation, made.RateLimitError = complete, embed, nothing, _NeverRaised
        return made
