"""What a Gemini request says besides its contents, as OpenAI's parameters.

What has no counterpart goes into the parameter `google`, which only Google's models heed (safety settings, say). What
an answer would be wrong without becomes a parameter of its own, so that any other provider refuses it.
"""

from typing import Any

from moat.domain.errors import RequestError
from moat.gateway.formats.gemini_shape import Json, json_schema

_PLAIN = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
_NEEDED = {"cachedContent": "cached_content", "continuationToken": "continuation_token"}
_EFFORTS = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "xhigh"}
_MODES = {"AUTO": "auto", "VALIDATED": "auto", "MODE_UNSPECIFIED": "auto", "NONE": "none", "ANY": "required"}
_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}


def chat_params(data: Json) -> Json:
    """Parameters for a request without `contents` and `systemInstruction`. Raises `RequestError`."""
    native = {name: value for name, value in data.items() if value is not None and name not in _TRANSLATED}
    params = {ours: data[name] for name, ours in _NEEDED.items() if data.get(name) is not None}
    config = dict(_object(data, "generationConfig"))
    params |= _generation(config)
    if config:
        native["generationConfig"] = config
    tools = _tools(data.get("tools"))
    if tools:
        params["tools"] = tools
    native_choice = dict(_object(data, "toolConfig"))
    params |= _tool_choice(native_choice)
    if native_choice:
        native["toolConfig"] = native_choice
    if (tier := str(data.get("serviceTier") or "").lower()) in _TIERS:
        params["service_tier"] = _TIERS[tier]
    return params | ({"google": native} if native else {})


_TRANSLATED = {"generationConfig", "tools", "toolConfig", "serviceTier", "model", *_NEEDED}


def _generation(config: Json) -> Json:
    """Takes out of `generationConfig` what OpenAI's parameters can say."""
    params = {ours: config.pop(name) for name, ours in _PLAIN.items() if name in config}
    for name, ours in (("maxOutputTokens", "max_completion_tokens"), ("seed", "seed")):
        if config.get(name) is not None:
            params[ours] = _whole(config, name)
        config.pop(name, None)
    if config.pop("candidateCount", None) not in (None, 1):
        raise RequestError("only one candidate is offered", where="generationConfig.candidateCount")
    if stop := config.pop("stopSequences", None):
        if not isinstance(stop, list) or not all(isinstance(text, str) for text in stop):
            raise RequestError("must be a list of texts", where="generationConfig.stopSequences")
        params["stop"] = stop
    if config.pop("responseLogprobs", None):
        params["logprobs"] = True
        if config.get("logprobs") is not None:
            params["top_logprobs"] = _whole(config, "logprobs")
        config.pop("logprobs", None)
    modalities = config.pop("responseModalities", None) or ["TEXT"]
    if not isinstance(modalities, list):
        raise RequestError("must be a list", where="generationConfig.responseModalities")
    if [str(modality).upper() for modality in modalities] != ["TEXT"]:
        params["modalities"] = [str(modality).lower() for modality in modalities]
    params |= _response_format(config)
    return params | _reasoning(_object(config, "thinkingConfig", "generationConfig."))


def _response_format(config: Json) -> Json:
    kind = config.pop("responseMimeType", None) or "text/plain"
    schema = config.pop("responseJsonSchema", None)
    described = config.pop("responseSchema", None)
    if schema is None and described is not None:
        schema = json_schema(described, "generationConfig.responseSchema")
    if schema is not None and not isinstance(schema, dict):
        raise RequestError("must be an object", where="generationConfig.responseJsonSchema")
    if kind == "text/plain":
        return {}
    named = {"json_schema": {"name": "response", "schema": schema}} if schema is not None else {}
    if kind == "application/json":
        return {"response_format": {"type": "json_schema", **named} if named else {"type": "json_object"}}
    return {"response_format": {"type": kind, **named}}


def _reasoning(thinking: Json) -> Json:
    """The nearest effort, for other providers; Google's get `thinkingConfig` as it is."""
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if isinstance(level, str) and level.upper() in _EFFORTS:
        return {"reasoning_effort": _EFFORTS[level.upper()]}
    if not isinstance(budget, int) or budget < 0:  # -1: the model decides
        return {}
    if budget == 0:
        return {"reasoning_effort": "none"}
    return {"reasoning_effort": "low" if budget <= 4096 else "medium" if budget <= 16384 else "high"}


def _tools(tools: Any) -> list[Json]:
    if tools is None:
        return []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise RequestError("must be a list of objects", where="tools")
    made: list[Json] = []
    for index, tool in enumerate(tools):
        others = {name: value for name, value in tool.items() if name != "functionDeclarations"}
        functions = tool.get("functionDeclarations") or []
        if not isinstance(functions, list):
            raise RequestError("must be a list", where=f"tools[{index}].functionDeclarations")
        for at, function in enumerate(functions):
            made.append(_function(function, f"tools[{index}].functionDeclarations[{at}]"))
        if others:
            made.append({"type": "google", "google": others})
    return made


def _function(declared: Any, where: str) -> Json:
    if not isinstance(declared, dict) or not isinstance(declared.get("name"), str):
        raise RequestError("must be an object with a text `name`", where=where)
    function = {name: declared[name] for name in ("name", "description") if name in declared}
    schema = declared.get("parametersJsonSchema")
    if schema is None and declared.get("parameters") is not None:
        schema = json_schema(declared["parameters"], f"{where}.parameters")
    if schema is not None:
        function["parameters"] = schema
    others = {name: value for name, value in declared.items() if name not in _DECLARED}
    extra = {"extra_content": {"google": others}} if others else {}
    return {"type": "function", "function": function, **extra}


_DECLARED = {"name", "description", "parameters", "parametersJsonSchema"}


def _tool_choice(config: Json) -> Json:
    """Takes `functionCallingConfig` out of `toolConfig`, except for what only Google knows."""
    calling = dict(_object(config, "functionCallingConfig", "toolConfig."))
    config.pop("functionCallingConfig", None)
    if not calling:
        return {}
    where = "toolConfig.functionCallingConfig"
    mode = str(calling.pop("mode", None) or "AUTO").upper()
    names = calling.pop("allowedFunctionNames", None) or []
    if mode not in _MODES:
        raise RequestError(f"must be one of {', '.join(_MODES)}", where=f"{where}.mode")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RequestError("must be a list of texts", where=f"{where}.allowedFunctionNames")
    if mode == "VALIDATED":
        calling["mode"] = mode
    if calling:
        config["functionCallingConfig"] = calling
    if not names or mode not in ("ANY", "VALIDATED"):
        return {"tool_choice": _MODES[mode]}
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    if mode == "ANY" and len(tools) == 1:
        return {"tool_choice": tools[0]}
    return {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": _MODES[mode], "tools": tools}}}


def _object(data: Json, name: str, within: str = "") -> Json:
    value = data.get(name)
    if value is not None and not isinstance(value, dict):
        raise RequestError("must be an object", where=f"{within}{name}")
    return value or {}


def _whole(config: Json, name: str) -> int:
    value = config[name]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError("must be a whole number", where=f"generationConfig.{name}")
    return value
