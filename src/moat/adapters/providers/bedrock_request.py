"""A canonical call -> a request of Bedrock's Converse API.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. Every parameter is
translated, handed to the model (`additionalModelRequestFields`), told to the caller in a notice, or refused; none is
lost in silence.
"""

from typing import Any, Literal, NamedTuple

import msgspec

from moat.adapters.providers.bedrock_messages import Conversation, cache_point
from moat.domain.calls import Call
from moat.domain.errors import Unsupported

Json = dict[str, Any]

OWN = "bedrock"
"""The parameter that holds what only Converse knows, in its own words: `guardrailConfig`, `performanceConfig`,
`additionalModelRequestFields`, ... It is merged into the request."""
FIELDS = "additionalModelRequestFields"
GUARDED = frozenset({"modelId", "messages", "system", "toolConfig", "inferenceConfig"})
GUARDED_FIELDS = frozenset(
    {"messages", "prompt", "inputText", "system", "tools", "toolConfig", "inferenceConfig", "textGenerationConfig"}
    | {"max_tokens", "maxTokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens"}
    | {"max_tokens_to_sample", "max_gen_len", "maxTokenCount"}
)
"""What must stand where limits and guards look, and not among what is handed to the model: in the words of each maker
whose models Bedrock has (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html).
"""
IGNORED = frozenset(
    {"user", "safety_identifier", "store", "prompt_cache_key", "prompt_cache_retention", "stream_options"}
    | {"anthropic", "google"}
)
"""Changes nothing in an answer, or is another provider's."""
REFUSED = frozenset(
    {
        "audio",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "web_search_options",
        "prediction",
    }
)
LEFT_OUT = frozenset({"seed", "frequency_penalty", "presence_penalty", "verbosity"})
"""Wishes without a counterpart: left out, with a notice."""
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}
"""Tokens of thinking that stand for a `reasoning_effort`, for Anthropic's models."""
MIN_BUDGET = 1024
TIERS = ("flex", "priority", "reserved")
ANSWER_TOOL = "json_answer"

_NOTHING: Json = {"json": {"type": "object"}}


class Asked(NamedTuple):
    """A request to be sent."""

    body: Json
    answer_tool: str
    """Calls of this tool are the answer's text; empty when there is none."""


class _Request:
    """Builds one request; `params` shrinks to what nobody took."""

    def __init__(self, call: Call, structured_outputs: Literal["native", "tool"]) -> None:
        assert call.deployment is not None, "Attempts sets the deployment"
        self._call = call
        self._model = call.deployment.model
        self._structured = structured_outputs
        self._conversation = Conversation(call)
        self._params = {name: value for name, value in call.params.items() if value is not None}
        self._inference: Json = {}
        self._extra: Json = {}
        self._answer_tool = ""
        self.body: Json = {"messages": self._conversation.turns}

    def build(self) -> Asked:
        params = self._params
        if refused := sorted(params.keys() & REFUSED):
            raise Unsupported(f"Bedrock has no counterpart of {refused[0]!r}", where=refused[0])
        if params.pop("n", 1) != 1:
            raise Unsupported("Bedrock gives one answer", where="n")
        if params.pop("modalities", ["text"]) != ["text"]:
            raise Unsupported("only text is answered here", where="modalities")
        for name in sorted(params.keys() & LEFT_OUT):
            self._notice(f"{name} was left out: Bedrock has no counterpart")
        own = params.pop(OWN, {})
        further = own.get(FIELDS, {}) if isinstance(own, dict) else None
        if not isinstance(own, dict) or own.keys() & GUARDED or not isinstance(further, dict):
            raise Unsupported(f"must be an object without {', '.join(sorted(GUARDED))}", where=OWN)
        if held := sorted(further.keys() & GUARDED_FIELDS):
            raise Unsupported(f"{held[0]} must not stand here", where=f"{OWN}.{FIELDS}")
        if self._conversation.system:
            self.body["system"] = self._conversation.system
        self._sampling()
        self._tools()
        self._format()
        self._thinking()
        self._service()
        self._extra |= {name: value for name, value in params.items() if name not in IGNORED | LEFT_OUT}
        if held := sorted(self._extra.keys() & GUARDED_FIELDS):
            raise Unsupported("a chat has no such parameter, and the model would heed it", where=held[0])
        self._merge(own)
        return Asked(self.body, self._answer_tool)

    def _merge(self, own: Json) -> None:
        if self._inference:
            self.body["inferenceConfig"] = self._inference
        extra = {**self._extra, **own.get(FIELDS, {})}
        self.body |= own
        if extra:
            self.body[FIELDS] = extra

    def _sampling(self) -> None:
        params, inference = self._params, self._inference
        lengths = [params.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
        if (length := next((found for found in lengths if found is not None), None)) is not None:
            inference["maxTokens"] = length
        for ours, theirs in (("temperature", "temperature"), ("top_p", "topP")):
            if ours in params:
                inference[theirs] = params.pop(ours)
        temperature = inference.get("temperature")
        if isinstance(temperature, int | float) and temperature > 1:
            inference["temperature"] = 1
            self._notice(f"temperature {temperature:g} was lowered to 1, its most")
        stop = params.pop("stop", None)
        if stop:
            inference["stopSequences"] = [stop] if isinstance(stop, str) else stop
            if self._is("anthropic."):
                self.body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]

    def _tools(self) -> None:
        params = self._params
        specs = [spec for tool in params.pop("tools", []) for spec in _tool(tool)]
        choice = params.pop("tool_choice", "auto")
        one_by_one = params.pop("parallel_tool_calls", True) is False and bool(specs)
        if choice == "none" and not self._conversation.tools:
            return
        if choice == "none" and specs:
            self._notice("tool_choice none cannot be kept in a conversation that called tools")
        if not specs:
            # A conversation with tool calls must describe its tools, even when no further call is wanted.
            specs = [{"toolSpec": {"name": name, "inputSchema": _NOTHING}} for name in self._conversation.tools]
        if specs:
            self.body["toolConfig"] = {"tools": specs, **_choice(choice)}
        if one_by_one and self._is("anthropic."):
            # Converse refuses a type here beside its own `toolChoice`.
            kind = {} if "toolChoice" in self.body["toolConfig"] else {"type": "auto"}
            self._extra["tool_choice"] = {**kind, "disable_parallel_tool_use": True}
        elif one_by_one:
            self._notice("parallel_tool_calls was left out: Bedrock has no counterpart")

    def _format(self) -> None:
        form = self._params.pop("response_format", None)
        kind = form.get("type") if isinstance(form, dict) else None
        if form is None or kind == "text":
            return
        if kind not in ("json_schema", "json_object"):
            raise Unsupported("can be text, json_object or json_schema", where="response_format.type")
        wanted = form.get("json_schema") if kind == "json_schema" else {}
        wanted = wanted if isinstance(wanted, dict) else {}
        schema = wanted.get("schema", {"type": "object"})
        if kind == "json_schema" and self._structured == "native":
            named = {name: wanted[name] for name in ("name", "description") if isinstance(wanted.get(name), str)}
            definition = {"schema": msgspec.json.encode(schema).decode(), **named}
            text = {"type": "json_schema", "structure": {"jsonSchema": definition}}
            self.body["outputConfig"] = {"textFormat": text}
            return
        if "toolConfig" in self.body:
            raise Unsupported("Bedrock has no JSON answers by a tool beside other tools", where="response_format")
        description = wanted.get("description") or "Give the answer, as this object."
        spec = {"name": ANSWER_TOOL, "description": description, "inputSchema": {"json": schema}}
        self.body["toolConfig"] = {"tools": [{"toolSpec": spec}], **_choice(_named(ANSWER_TOOL))}
        self._answer_tool = ANSWER_TOOL

    def _thinking(self) -> None:
        """`thinking` as it is, else a `reasoning_effort` in the words of the model's maker."""
        effort = self._params.pop("reasoning_effort", None)
        own = self._params.get("anthropic")
        if isinstance(own, dict) and "thinking" in own and self._is("anthropic."):
            self._params.setdefault("thinking", own["thinking"])
        if effort is None or "thinking" in self._params:
            return
        if effort not in ("none", *BUDGETS):
            raise Unsupported(f"can be none, {', '.join(BUDGETS)}", where="reasoning_effort")
        if self._is("anthropic."):
            self._budget(effort)
        elif self._is("amazon.nova") and effort != "none":
            level = {"minimal": "low", "xhigh": "high"}.get(effort, effort)
            self._extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": level}
        elif self._is("openai."):
            self._extra["reasoning_effort"] = effort
        elif effort != "none":
            self._notice("reasoning_effort was left out: it is not known how this model takes it")

    def _budget(self, effort: str) -> None:
        """Thinking is part of `maxTokens`, which must be larger."""
        if effort == "none":
            self._extra["thinking"] = {"type": "disabled"}
            return
        if self.body.get("toolConfig", {}).get("toolChoice", {}).keys() & {"any", "tool"}:
            self._notice("no thinking, as it does not go with a tool that must be called")
            return
        if self._conversation.resumes_unsigned_tools:
            self._notice("no thinking, as the tool calls came back without their thinking_blocks")
            return
        budget, most = BUDGETS[effort], self._inference.get("maxTokens")
        if not isinstance(most, int):
            self._inference["maxTokens"] = budget + 4096
        elif most <= MIN_BUDGET:
            self._notice(f"no thinking, as max_tokens is not above {MIN_BUDGET}")
            return
        else:
            budget = max(MIN_BUDGET, min(budget, most - most // 4))
        self._extra["thinking"] = {"type": "enabled", "budget_tokens": budget}
        for name in ("temperature", "topP"):
            if self._inference.pop(name, 1) != 1:
                self._notice(f"{name} was left out, as it does not go with thinking")

    def _service(self) -> None:
        tier = self._params.pop("service_tier", "auto")
        if tier in TIERS:
            self.body["serviceTier"] = {"type": tier}
        elif tier not in ("auto", "default"):
            self._notice(f"service_tier {tier} was left out: there are {', '.join(TIERS)}")
        metadata = self._params.pop("metadata", None)
        if isinstance(metadata, dict) and metadata:
            self.body["requestMetadata"] = {str(name)[:256]: str(value)[:256] for name, value in metadata.items()}

    def _is(self, maker: str) -> bool:
        """Is the model of this maker, by its id or its inference profile's?"""
        return f".{maker}" in f".{self._model.rpartition('/')[2]}"

    def _notice(self, words: str) -> None:
        notice = f"bedrock: {words}"
        if notice not in self._call.journal.notices:  # another try says it again
            self._call.journal.notices.append(notice)


def request(call: Call, structured_outputs: Literal["native", "tool"]) -> Asked:
    """The body of a Converse or ConverseStream request. Raises `Unsupported`."""
    return _Request(call, structured_outputs).build()


def _tool(tool: Any) -> list[Json]:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or tool.get("type", "function") != "function":
        raise Unsupported("Bedrock takes functions only", where="tools")
    spec: Json = {
        "name": function.get("name") or "",
        "inputSchema": {"json": function.get("parameters") or {"type": "object"}},
    }
    if function.get("description"):
        spec["description"] = function["description"]
    if isinstance(function.get("strict"), bool):
        spec["strict"] = function["strict"]
    control = tool.get("cache_control")
    return [{"toolSpec": spec}, *([cache_point(control)] if isinstance(control, dict) else [])]


def _named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def _choice(choice: Any) -> Json:
    if choice in ("auto", "none"):
        return {}
    if choice == "required":
        return {"toolChoice": {"any": {}}}
    function = choice.get("function") if isinstance(choice, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Unsupported("can be none, auto, required or a function's name", where="tool_choice")
    return {"toolChoice": {"tool": {"name": function["name"]}}}
