"""A canonical call as a `generateContent` request (https://ai.google.dev/api/generate-content).

Parameters are translated, known to change nothing here and left out, or `Unsupported`. What only Google has stands in
the parameter `google`, an object in the form of Google's own request body, and is merged into it.
"""

import re
from typing import Any

from moat.adapters.providers.gemini_contents import conversation, google_extra
from moat.domain.calls import Call
from moat.domain.errors import Unsupported

Json = dict[str, Any]

_PLAIN = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
"""Parameters that `generationConfig` has under another name."""

_IGNORED = {
    "anthropic",
    "bedrock",
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "stream_options",
    "user",
    "verbosity",
}
"""They are another provider's, or help OpenAI to keep, to speed up or to attribute a call: the answer means the same
without them."""

_NEEDED = {"cached_content": "cachedContent", "continuation_token": "continuationToken"}
"""What an answer would be wrong without; of clients that speak Gemini."""

_TIERS = {"auto": None, "default": "standard", "flex": "flex", "priority": "priority"}

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576}
"""Tokens for thinking, of models that count them: as https://ai.google.dev/gemini-api/docs/openai has it."""

_GENERATION = re.compile(r"gemini-(\d+)")
_UNDERSCORE = re.compile(r"_([a-z0-9])")


def request_body(call: Call) -> Json:
    """The JSON object to send. Raises `Unsupported` with the parameter that has no counterpart."""
    assert call.deployment is not None, "Attempts sets the deployment"
    generation = _generation(call.deployment.model)
    params = {name: value for name, value in call.params.items() if value is not None}
    native = _native(params.pop("google", {}))
    said = conversation(call.messages, signed=generation >= 3)
    config = _config(call, params)
    thinking = _thinking(params, generation)
    asked = native.get("generationConfig", {}).get("thinkingConfig", {})
    if thinking and not asked.keys() & {"thinkingBudget", "thinkingLevel"}:
        config["thinkingConfig"] = thinking
    body: Json = {"contents": said.turns, "generationConfig": config, **_tools(params)}
    if said.system:
        body["systemInstruction"] = {"parts": said.system}
    for name, theirs in _NEEDED.items():
        if name in params:
            body[theirs] = params.pop(name)
    if tier := _tier(params):
        body["serviceTier"] = tier
    if unknown := sorted(params.keys() - _IGNORED):
        raise Unsupported(f"Gemini has no counterpart of {unknown[0]!r}", where=unknown[0])
    merged = _merge(body, native)
    if not merged["generationConfig"]:
        del merged["generationConfig"]
    return merged


def _generation(model: str) -> int:
    """`gemini-2.5-pro` is of the second; names without a number (`gemini-flash-latest`) mean the newest."""
    found = _GENERATION.search(model)
    return int(found[1]) if found else 3


def _native(google: Any) -> Json:
    """What the call says in Google's own words. What limits and guards look at must stand where they look."""
    native = _members(google, "google", {"contents": "messages", "systemInstruction": "messages"})
    where = "google.generationConfig"
    config = _members(
        native.get("generationConfig", {}), where, {"maxOutputTokens": "max_completion_tokens", "candidateCount": "n"}
    )
    if "thinkingConfig" in config:
        config["thinkingConfig"] = _members(config["thinkingConfig"], f"{where}.thinkingConfig", {})
    return native | ({"generationConfig": config} if config else {})


def _members(value: Any, where: str, elsewhere: dict[str, str]) -> Json:
    """An object, its names in the spelling that Google prefers: it takes them with underscores too."""
    if not isinstance(value, dict):
        raise Unsupported("must be an object", where=where)
    members: Json = {}
    for spelled, member in value.items():
        name = _UNDERSCORE.sub(lambda found: found[1].upper(), spelled)
        if name in elsewhere:
            raise Unsupported(f"belongs into `{elsewhere[name]}`", where=f"{where}.{spelled}")
        members[name] = member
    return members


def _merge(ours: Json, theirs: Json) -> Json:
    """Objects member by member, lists one after the other; of anything else, theirs."""
    merged = dict(ours)
    for name, value in theirs.items():
        known = merged.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[name] = _merge(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            merged[name] = [*known, *value]
        else:
            merged[name] = value
    return merged


def _config(call: Call, params: Json) -> Json:
    """`generationConfig`; takes out of `params` what it has read."""
    config = {theirs: params.pop(name) for name, theirs in _PLAIN.items() if name in params}
    limits = [params.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
    if limit := limits[0] or limits[1]:
        config["maxOutputTokens"] = limit
    if stop := params.pop("stop", None):
        config["stopSequences"] = [stop] if isinstance(stop, str) else stop
    if params.pop("n", 1) != 1:
        raise Unsupported("Moat asks Gemini for one answer at a time", where="n")
    config |= _response_format(params.pop("response_format", {}))
    return config | _beyond_text(call, params)


def _beyond_text(call: Call, params: Json) -> Json:
    """Log probabilities, sound and pictures: only a client that speaks Gemini can be given them."""
    config: Json = {}
    modalities = params.pop("modalities", None) or ["text"]
    if not isinstance(modalities, list):
        raise Unsupported("must be a list", where="modalities")
    if modalities != ["text"]:
        config["responseModalities"] = [str(modality).upper() for modality in modalities]
    if params.pop("logprobs", False):
        config["responseLogprobs"] = True
        if count := params.pop("top_logprobs", None):
            config["logprobs"] = count
    if config and call.wire != "gemini":
        where = "modalities" if "responseModalities" in config else "logprobs"
        raise Unsupported("only a client that speaks Gemini can be given this answer of Gemini", where=where)
    return config


def _response_format(wanted: Any) -> Json:
    kind = wanted.get("type", "text") if isinstance(wanted, dict) else None
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"responseMimeType": "application/json"}
    schema = (wanted.get("json_schema") or {}) if kind and isinstance(wanted, dict) else {}
    if kind == "json_schema" and isinstance(schema, dict):
        return {"responseMimeType": "application/json", "responseJsonSchema": schema.get("schema") or {}}
    if isinstance(kind, str) and "/" in kind and isinstance(schema, dict):  # a type of Google's, such as text/x.enum
        return {"responseMimeType": kind} | ({"responseJsonSchema": schema["schema"]} if "schema" in schema else {})
    raise Unsupported(f"Gemini has no response format of type {kind!r}", where="response_format.type")


def _thinking(params: Json, generation: int) -> Json:
    """OpenAI's `reasoning_effort`, or Anthropic's `thinking`, which says it exactly and so comes first."""
    effort, thinking = params.pop("reasoning_effort", None), params.pop("thinking", None)
    kind = thinking.get("type") if isinstance(thinking, dict) else thinking
    if kind == "disabled" or (kind != "enabled" and effort == "none"):
        return {"thinkingBudget": 0}
    if kind == "enabled":
        return {"thinkingBudget": thinking.get("budget_tokens", -1), "includeThoughts": True}
    if kind not in (None, "adaptive"):
        raise Unsupported("must say `enabled`, `adaptive` or `disabled`", where="thinking.type")
    if effort is None:
        return {"includeThoughts": True} if kind else {}
    if not isinstance(effort, str) or effort not in _BUDGETS:
        raise Unsupported(f"Gemini has no effort {effort!r}", where="reasoning_effort")
    if generation >= 3:
        return {"thinkingLevel": effort.upper(), "includeThoughts": True}
    return {"thinkingBudget": _BUDGETS[effort], "includeThoughts": True}


def _tier(params: Json) -> str | None:
    tier = params.pop("service_tier", "auto")
    if not isinstance(tier, str) or tier not in _TIERS:
        raise Unsupported(f"Gemini has no service tier {tier!r}", where="service_tier")
    return _TIERS[tier]


def _tools(params: Json) -> Json:
    """`tools` and `toolConfig`."""
    functions, others = [], []
    for index, tool in enumerate(_list(params.pop("tools", None), "tools")):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind == "function" and isinstance(tool.get("function"), dict):
            functions.append(_declaration(tool["function"]) | google_extra(tool))
        elif kind == "google" and isinstance(tool.get("google"), dict):
            others.append(tool["google"])
        else:
            raise Unsupported(f"Gemini has no tools of type {kind!r}", where=f"tools[{index}].type")
    choice = params.pop("tool_choice", None)
    if params.pop("parallel_tool_calls", True) is False and len(functions) > 1:
        raise Unsupported("Gemini may always call several tools at once", where="parallel_tool_calls")
    made: Json = {}
    if functions or others:
        made["tools"] = [*([{"functionDeclarations": functions}] if functions else []), *others]
    if choice is not None and functions:
        made["toolConfig"] = {"functionCallingConfig": _choice(choice)}
    return made


def _declaration(function: Json) -> Json:
    made = {name: function[name] for name in ("name", "description") if function.get(name)}
    if function.get("parameters"):
        made["parametersJsonSchema"] = function["parameters"]
    return made


def _choice(choice: Any) -> Json:
    """OpenAI's `tool_choice` as `functionCallingConfig`."""
    modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
    if isinstance(choice, str) and choice in modes:
        return {"mode": modes[choice]}
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function":
        return {"mode": "ANY", "allowedFunctionNames": [_name(choice)]}
    allowed = choice.get("allowed_tools") if kind == "allowed_tools" else None
    if isinstance(allowed, dict) and allowed.get("mode") in ("auto", "required"):
        # ANY and VALIDATED are the only modes that heed names.
        mode = "ANY" if allowed["mode"] == "required" else "VALIDATED"
        return {
            "mode": mode,
            "allowedFunctionNames": [_name(tool) for tool in _list(allowed.get("tools"), "tool_choice")],
        }
    raise Unsupported("Gemini has no counterpart of this choice", where="tool_choice")


def _name(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise Unsupported("names no function", where="tool_choice")
    return name


def _list(value: Any, where: str) -> list[Any]:
    """A list that may be absent."""
    if value is not None and not isinstance(value, list):
        raise Unsupported("must be a list", where=where)
    return value or []
