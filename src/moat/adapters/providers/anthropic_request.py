"""Canonical call -> body of `POST /v1/messages` (https://docs.claude.com/en/api/messages).

A parameter is translated, forwarded because Anthropic knows it, left out with a notice in the answer's headers because
it only steers how the answer is made, or refused with `Unsupported` because it asks for something else than Anthropic
gives. What an Anthropic client sends and Moat does not know is forwarded.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from moat.adapters.providers.anthropic_messages import Conversation
from moat.adapters.providers.anthropic_schema import strict_schema
from moat.domain.calls import Call
from moat.domain.errors import Unsupported

MIN_BUDGET = 1024
"""Fewest tokens of thinking that the API takes."""
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}
"""Tokens of thinking that stand for a `reasoning_effort`."""
EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}

FORWARDED = frozenset(
    {"top_p", "top_k", "thinking", "cache_control", "container", "context_management", "inference_geo", "speed"}
)
"""The same in both APIs, or Anthropic's alone."""
OWN = "anthropic"
"""The parameter that holds what only Anthropic knows, in its own words: an object that is merged into the request."""
GUARDED = frozenset({"model", "messages", "system", "tools", "max_tokens", "stream"})
"""What must stand where limits and guards look, and not there."""
TRANSLATED = frozenset(
    {
        OWN,
        "max_completion_tokens",
        "max_tokens",
        "n",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "service_tier",
        "stop",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "user",
    }
)
REFUSED = frozenset(
    {
        "audio",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "modalities",
        "top_logprobs",
        "web_search_options",
    }
)
"""What OpenAI's API offers and Anthropic's does not, when it asks for something."""
_NOTHING: Sequence[Any] = (None, False, 0, "", [], {}, ["text"])
_BETA = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_NATIVE_TOOL = re.compile(r"custom|mcp_toolset|[a-z0-9_]+_\d{8}")
_SERVICE = {"default": "standard_only", "standard_only": "standard_only", "auto": "auto"}
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
ANSWER_TOOL = "answer"
"""The tool that stands for a structured answer where the schema gives it no name."""


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How to ask this provider's models."""

    max_tokens: int
    structured_outputs: Literal["native", "tool"]
    thinking: Literal["budget", "adaptive"]


class Asked(NamedTuple):
    """A request to be sent."""

    body: dict[str, Any]
    betas: tuple[str, ...]
    version: str
    """Empty: the provider's own."""
    answer_tool: str
    """Calls of this tool are the answer's text; empty when there is none."""


def ask(call: Call, style: Style) -> Asked:
    """Translate. Raises `Unsupported` with the parameter at fault, and notes what is left out in the journal."""
    assert call.deployment is not None, "Attempts sets the deployment"
    return _Request(call, style, Conversation(call)).asked(call.deployment.model)


class _Request:
    """The parts of one request as they come together."""

    def __init__(self, call: Call, style: Style, conversation: Conversation) -> None:
        self._call = call
        self._params = call.params
        self._style = style
        self._conversation = conversation
        self._native = call.wire == "anthropic"
        self._body: dict[str, Any] = {}
        self._answer_tool = ""

    def asked(self, model: str) -> Asked:
        body, own = self._body, _own(self._params)
        betas, version = _betas(own.pop("anthropic_beta", [])), _version(own.pop("anthropic_version", ""))
        body |= {"model": model, "messages": self._conversation.turns}
        if self._conversation.system:
            body["system"] = self._conversation.system
        self._forward()
        body |= own
        self._tools()
        self._structure()
        self._max_tokens()
        self._thinking()
        self._sampling()
        self._identity()
        if self._call.stream:
            body["stream"] = True
        if self._conversation.unnamed:
            self._notice("anthropic: names of participants were left out")
        return Asked(body, betas, version, self._answer_tool)

    def _forward(self) -> None:
        """What has the same name, and what has no place; see the module."""
        left_out = []
        for name, value in self._params.items():
            if name in TRANSLATED or value is None:
                continue
            if name in FORWARDED:
                self._body[name] = value
            elif name in REFUSED and value not in _NOTHING:
                raise Unsupported("Anthropic's API has nothing for this parameter", where=name)
            elif value not in _NOTHING:
                left_out.append(name)
        if self._params.get("n") not in (None, 1):
            raise Unsupported("Anthropic's API gives one answer", where="n")
        if left_out:
            self._notice(f"anthropic: left out {', '.join(sorted(left_out))}")

    def _max_tokens(self) -> None:
        asked = self._params.get("max_completion_tokens")
        asked = self._params.get("max_tokens") if asked is None else asked
        self._body["max_tokens"] = self._style.max_tokens if asked is None else asked

    def _tools(self) -> None:
        tools = self._params.get("tools")
        if tools is not None and not isinstance(tools, list):
            raise Unsupported("must be a list", where="tools")
        if tools:
            self._body["tools"] = [self._tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]
        choice = self._choice(self._params.get("tool_choice"))
        if self._params.get("parallel_tool_calls") is False and tools:
            choice = choice or {"type": "auto"}
            if choice["type"] != "none":
                choice["disable_parallel_tool_use"] = True
        if choice and (tools or choice["type"] in ("any", "tool")):
            self._body["tool_choice"] = choice

    def _tool(self, tool: Any, where: str) -> dict[str, Any]:
        kind = tool.get("type") if isinstance(tool, dict) else None
        function = tool.get("function") if kind == "function" else None
        if not isinstance(function, dict):
            if isinstance(kind, str) and _NATIVE_TOOL.fullmatch(kind) and (kind != "custom" or "input_schema" in tool):
                return dict(tool)
            raise Unsupported(f"Anthropic has no tools of type {kind!r}", where=where)
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        found = {"name": function.get("name"), "description": function.get("description")}
        if function.get("strict") and (self._native or self._style.structured_outputs == "native"):
            found["strict"] = True
            schema = schema if self._native else strict_schema(schema)
        found["input_schema"] = schema
        cache = {"cache_control": function["cache_control"]} if function.get("cache_control") else {}
        own = {name: value for name, value in tool.items() if name not in ("type", "function")}
        return {**{name: value for name, value in found.items() if value is not None}, **cache, **own}

    def _choice(self, choice: Any) -> dict[str, Any] | None:
        if choice is None:
            return None
        if isinstance(choice, str) and choice in _CHOICES:
            return {"type": _CHOICES[choice]}
        function = choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            return {"type": "tool", "name": function["name"]}
        raise Unsupported("can be auto, none, required or a function's name for Anthropic", where="tool_choice")

    def _structure(self) -> None:
        """`response_format`: by the API's own structured outputs, or by a tool that the model must call."""
        wanted = self._params.get("response_format")
        if wanted is None or wanted == {"type": "text"}:
            return
        kind = wanted.get("type") if isinstance(wanted, dict) else None
        if kind == "json_object":
            self._force(ANSWER_TOOL, {"type": "object"})
            return
        described = wanted.get("json_schema") if kind == "json_schema" else None
        schema = described.get("schema") if isinstance(described, dict) else None
        if not isinstance(described, dict) or not isinstance(schema, dict):
            raise Unsupported("can be text, json_object or json_schema with a schema", where="response_format")
        as_sent = self._native and bool(described.get("strict"))
        if as_sent or self._style.structured_outputs == "native":
            self._output_config(
                {"format": {"type": "json_schema", "schema": schema if as_sent else strict_schema(schema)}}
            )
        else:
            self._force(str(described.get("name") or ANSWER_TOOL), schema)

    def _output_config(self, more: dict[str, Any]) -> None:
        config = self._body.get("output_config", {})
        if not isinstance(config, dict):
            raise Unsupported("must be an object", where="anthropic.output_config")
        self._body["output_config"] = {**config, **more}

    def _force(self, name: str, schema: dict[str, Any]) -> None:
        tools = self._body.setdefault("tools", [])
        if any(tool.get("name") == name for tool in tools):
            raise Unsupported(f"a tool and the structured answer are both called {name!r}", where="response_format")
        others = bool(tools)
        tools.append({"name": name, "description": "Give the answer in this form.", "input_schema": schema})
        self._body["tool_choice"] = {"type": "any"} if others else {"type": "tool", "name": name}
        self._answer_tool = name

    def _thinking(self) -> None:
        """`thinking` as it is, else `reasoning_effort` as a budget, or as an effort where models choose themselves."""
        effort, config = self._params.get("reasoning_effort"), self._body.get("output_config")
        if effort is None or "thinking" in self._body or (isinstance(config, dict) and "effort" in config):
            return
        if effort == "none":
            self._body["thinking"] = {"type": "disabled"}
        elif not isinstance(effort, str) or effort not in BUDGETS:
            raise Unsupported(f"can be none, {', '.join(BUDGETS)}", where="reasoning_effort")
        elif self._answer_tool or self._body.get("tool_choice", {}).get("type") in ("any", "tool"):
            self._notice("anthropic: no thinking, as it does not go with a tool that must be called")
        elif self._style.thinking == "adaptive":
            self._body["thinking"] = {"type": "adaptive"}
            self._output_config({"effort": EFFORTS[effort]})
        elif self._conversation.resumes_unsigned_tools:
            self._notice("anthropic: no thinking, as the tool calls came back without their thinking_blocks")
        else:
            self._budget(BUDGETS[effort])

    def _budget(self, budget: int) -> None:
        """Thinking is part of `max_tokens`, which budgets of money count on: a quarter is left for the answer."""
        most = self._body["max_tokens"]
        if not isinstance(most, int) or most <= MIN_BUDGET:
            self._notice(f"anthropic: no thinking, as max_tokens is not above {MIN_BUDGET}")
            return
        self._body["thinking"] = {"type": "enabled", "budget_tokens": max(MIN_BUDGET, min(budget, most - most // 4))}

    def _sampling(self) -> None:
        body = self._body
        temperature, stop, thinking = self._params.get("temperature"), self._params.get("stop"), body.get("thinking")
        if temperature is not None:
            body["temperature"] = temperature
            if not self._native and body.get("top_p") == 1:
                del body["top_p"]  # says nothing, and newer models take only one of the two
        if stop:
            body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
        if self._native:
            return
        if isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive"):
            if left_out := [name for name in ("temperature", "top_k", "top_p") if body.pop(name, 1) != 1]:
                self._notice(f"anthropic: left out {', '.join(left_out)}, as thinking takes no other")
        elif isinstance(temperature, float | int) and temperature > 1:
            body["temperature"] = 1
            self._notice(f"anthropic: temperature {temperature:g} was lowered to 1, its most")

    def _identity(self) -> None:
        """Whose call it is, and at what level of service."""
        params = self._params
        user = params.get("user") or params.get("safety_identifier")
        if user and "metadata" not in self._body:
            self._body["metadata"] = {"user_id": user}
        tier = params.get("service_tier")
        if isinstance(tier, str) and (tier in _SERVICE or self._native):
            self._body["service_tier"] = _SERVICE.get(tier, tier)
        elif tier is not None:
            self._notice(f"anthropic: left out service_tier {str(tier)[:32]!r}")

    def _notice(self, text: str) -> None:
        if text not in self._call.journal.notices:
            self._call.journal.notices.append(text)


def _own(params: dict[str, Any]) -> dict[str, Any]:
    own = params.get(OWN) or {}
    if not isinstance(own, dict):
        raise Unsupported("must be an object", where=OWN)
    if smuggled := sorted(GUARDED & own.keys()):
        raise Unsupported("stands outside of this object", where=f"{OWN}.{smuggled[0]}")
    return dict(own)


def _betas(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and _BETA.fullmatch(name) for name in value):
        raise Unsupported("must be a list of names", where=f"{OWN}.anthropic_beta")
    return tuple(value)


def _version(value: Any) -> str:
    if not isinstance(value, str) or (value and not _BETA.fullmatch(value)):
        raise Unsupported("must be a version's name", where=f"{OWN}.anthropic_version")
    return value
