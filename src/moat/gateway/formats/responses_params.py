"""Parameters of OpenAI's responses API <-> those of chat: tools, tool choice, output format, reasoning.

Source: https://platform.openai.com/docs/api-reference/responses/create. Names that both have, and names that neither
has, pass unchanged.
"""

from typing import Any

from moat.domain.errors import RequestError

Params = dict[str, Any]

_OWN_STATE = "Send the whole conversation in `input`: this server keeps none."
_REFUSED = {
    "previous_response_id": _OWN_STATE,
    "conversation": _OWN_STATE,
    "store": "Leave it out or send false: answers are not kept here for later requests.",
    "background": "Leave it out and wait for the answer, or stream it.",
    "context_management": "Leave it out: `overflow` of the alias in moat.yaml says what happens to what is too long.",
    "moderation": "Leave it out and ask `POST /v1/moderations`.",
    "top_logprobs": "Ask `POST /v1/chat/completions`, which passes logprobs through.",
}
"""What cannot be honoured, whenever it is more than empty, and what to do instead."""

_WITHOUT_EFFECT = ("include", "max_tool_calls", "stream_options", "truncation")
"""What says nothing beyond what is checked: there are no built-in tools, and no padding of events."""

_HELD = (
    "temperature",
    "top_p",
    "metadata",
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
)
"""What an answer shows of its request under the same name."""


def chat_params(data: Params) -> Params:
    """Chat's parameters for a request's body without `input`, `instructions`, `model`, `prompt` and `stream`.

    Raises `RequestError` for what cannot be said in chat; nothing is dropped that would change the answer.
    """
    for name, remedy in _REFUSED.items():
        if data.get(name):
            raise RequestError("is not offered here", where=name, remedy=remedy)
    _check_vacuous(data)
    params = {
        name: value
        for name, value in data.items()
        if value is not None and name not in _REFUSED and name not in _WITHOUT_EFFECT and name not in _TRANSLATED
    }
    if data.get("max_output_tokens") is not None:
        params["max_completion_tokens"] = data["max_output_tokens"]
    if data.get("tools"):
        params["tools"] = [_chat_tool(tool, f"tools[{at}]") for at, tool in enumerate(_list(data, "tools"))]
    if data.get("tool_choice") is not None:
        params["tool_choice"] = _chat_choice(data["tool_choice"])
    text, reasoning = _object(data, "text"), _object(data, "reasoning")
    if text.get("format") is not None:
        params |= _response_format(_object(text, "format", "text.format"))
    if text.get("verbosity") is not None:
        params["verbosity"] = text["verbosity"]
    if reasoning.get("effort") is not None:
        params["reasoning_effort"] = reasoning["effort"]
    if reasoning.get("mode") not in (None, "standard"):
        raise RequestError("is not offered here", where="reasoning.mode", remedy="Leave it out.")
    return params


_TRANSLATED = ("max_output_tokens", "tools", "tool_choice", "text", "reasoning")


def _check_vacuous(data: Params) -> None:
    if data.get("truncation") not in (None, "disabled"):
        remedy = "Leave it out: `overflow` of the alias in moat.yaml says what happens to what is too long."
        raise RequestError("is not offered here", where="truncation", remedy=remedy)
    if "message.output_text.logprobs" in _list(data, "include"):
        raise RequestError("logprobs are not offered here", where="include", remedy=_REFUSED["top_logprobs"])


def _chat_tool(tool: Any, where: str) -> Params:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        kind = tool.get("type") if isinstance(tool, dict) else tool
        remedy = "Only `function` tools are offered: run the tool yourself and send its result."
        raise RequestError(f"tools of type {kind!r} are not offered here", where=f"{where}.type", remedy=remedy)
    if not isinstance(tool.get("name"), str) or not tool["name"]:
        raise RequestError("must be text", where=f"{where}.name")
    function = {name: tool[name] for name in _FUNCTION if tool.get(name) is not None}
    made: Params = {"type": "function", "function": function}
    if isinstance(tool.get("cache_control"), dict):
        made["cache_control"] = tool["cache_control"]
    return made


_FUNCTION = ("name", "description", "parameters", "strict")


def _chat_choice(choice: Any) -> Any:
    if choice in ("auto", "none", "required"):
        return choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function" and isinstance(choice.get("name"), str):
        return {"type": "function", "function": {"name": choice["name"]}}
    if kind == "allowed_tools" and choice.get("mode") in ("auto", "required"):
        tools = [_chat_choice(tool) for tool in _list(choice, "tools", "tool_choice.tools")]
        return {"type": kind, kind: {"mode": choice["mode"], "tools": tools}}
    remedy = 'There are "auto", "none", "required", {"type": "function", "name": ...} and allowed_tools.'
    raise RequestError("is not offered here", where="tool_choice", remedy=remedy)


def _response_format(format: Params) -> Params:
    kind = format.get("type")
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"response_format": {"type": kind}}
    if kind == "json_schema":
        schema = {name: format[name] for name in _SCHEMA if format.get(name) is not None}
        for name in ("name", "schema"):
            if name not in schema:
                raise RequestError("missing", where=f"text.format.{name}")
        return {"response_format": {"type": kind, kind: schema}}
    raise RequestError(
        f"{kind!r} is not offered here", where="text.format.type", remedy="There are text, json_object, json_schema."
    )


_SCHEMA = ("name", "schema", "strict", "description")


def shown_params(params: Params) -> Params:
    """How an answer shows the request's parameters: chat's, said in the words of this API."""
    limit = params.get("max_completion_tokens")
    shown: Params = {name: params.get(name) for name in _HELD}
    format = params.get("response_format")
    return shown | {
        "max_output_tokens": params.get("max_tokens") if limit is None else limit,
        "parallel_tool_calls": params.get("parallel_tool_calls") is not False,
        "tools": [_shown_tool(tool) for tool in params.get("tools") or () if isinstance(tool, dict)],
        "tool_choice": _shown_choice(params.get("tool_choice") or "auto"),
        "text": {"format": _shown_format(format), "verbosity": params.get("verbosity") or "medium"},
        "reasoning": {"effort": params.get("reasoning_effort"), "summary": None},
    }


def _shown_tool(tool: Params) -> Params:
    function = tool.get("function")
    named: Params = function if isinstance(function, dict) else {}
    defaults = {"parameters": None, "strict": None}
    return {"type": tool.get("type"), **defaults, **{name: named[name] for name in _FUNCTION if name in named}}


def _shown_choice(choice: Any) -> Any:
    kind = choice.get("type") if isinstance(choice, dict) else None
    inner = choice.get(kind) if isinstance(kind, str) else None
    if not isinstance(inner, dict):
        return choice
    if kind == "allowed_tools":
        return {"type": kind, **inner, "tools": [_shown_choice(tool) for tool in inner.get("tools") or ()]}
    return {"type": kind, **inner}


def _shown_format(format: Any) -> Params:
    kind = format.get("type") if isinstance(format, dict) else None
    if not isinstance(kind, str):
        return {"type": "text"}
    inner = format.get(kind)
    return {"type": kind, **(inner if isinstance(inner, dict) else {})}


def _list(data: Params, name: str, where: str = "") -> list[Any]:
    value = data.get(name)
    if value is not None and not isinstance(value, list):
        raise RequestError("must be a list", where=where or name)
    return value or []


def _object(data: Params, name: str, where: str = "") -> Params:
    value = data.get(name)
    if value is not None and not isinstance(value, dict):
        raise RequestError("must be an object", where=where or name)
    return value or {}
