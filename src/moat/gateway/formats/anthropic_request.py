"""A request of Anthropic's Messages API in Moat's canonical form (https://docs.claude.com/en/api/messages).

What has a canonical form is translated, so that every provider understands it. What has none is kept as it came, where
only Anthropic's providers look for it: blocks and tools in their places, parameters in `params["anthropic"]`.
"""

import re
from collections.abc import Mapping
from typing import Any

from moat.domain.calls import Message
from moat.domain.errors import RequestError
from moat.gateway.format import Request, read_object, take_model, take_stream
from moat.gateway.formats.anthropic_blocks import Block, assistant_messages, blocks_of, system_message, user_messages
from moat.gateway.formats.openai_chat import MODEL_PREFIX, prompt_as_model

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MAX_BETAS = 64
_SAME = ("temperature", "top_p", "top_k", "max_tokens")
_NUMBERS = {"temperature": (float, int), "top_p": (float, int), "top_k": (int,), "max_tokens": (int,)}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_TIERS = {"auto": "auto", "standard_only": "default"}
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
_BUDGETS = ((2048, "low"), (8192, "medium"), (16_384, "high"))
"""Up to so many tokens of thinking, which effort they stand for; beyond, `xhigh`."""


def parse_messages(body: bytes, headers: Mapping[str, str], *, counting: bool = False) -> Request:
    """Read a request body. Raises `RequestError` with the parameter at fault.

    `counting`: of `count_tokens`, which takes no `max_tokens`.
    """
    data = read_object(body)
    model, prompt = take_model(data), None
    if model.startswith(MODEL_PREFIX):
        prompt, model = prompt_as_model(model), ""
    elif not model:
        raise RequestError("missing", where="model", remedy="Name a model alias, or a prompt as prompt:<name>.")
    stream = take_stream(data)
    messages = [*_system(data.pop("system", None)), *_messages(data.pop("messages", None))]
    if not counting and prompt is None and data.get("max_tokens") is None:
        raise RequestError("missing", where="max_tokens", remedy="The Messages API wants a number of tokens.")
    params = _params(data, headers)
    return Request(
        model=model, messages=messages, params=params, stream=stream, user=params.get("user", ""), prompt=prompt
    )


def _system(system: Any) -> list[Message]:
    if system is None or system == "" or system == []:
        return []
    if isinstance(system, str):
        return [{"role": "system", "content": system}]
    return [system_message(blocks_of(system, "system"), "system")]


def _messages(messages: Any) -> list[Message]:
    if not isinstance(messages, list) or not messages:
        raise RequestError("must be a list of messages, not empty", where="messages")
    found: list[Message] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("user", "assistant", "system"):
            raise RequestError("must be user, assistant or system", where=f"{where}.role")
        content = message.get("content")
        if isinstance(content, str):
            found.append({"role": role, "content": content})
            continue
        blocks = blocks_of(content, f"{where}.content")
        if role == "user":
            found += user_messages(blocks, f"{where}.content")
        elif role == "assistant":
            found += assistant_messages(blocks, f"{where}.content")
        else:
            found.append(system_message(blocks, f"{where}.content"))
    return found


def _params(data: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name in _SAME:
        value = data.pop(name, None)
        if value is not None:
            if not isinstance(value, _NUMBERS[name]) or isinstance(value, bool) or value < 0:
                raise RequestError("must be a number, not negative", where=name)
            params[name] = value
    if stop := _texts(data.pop("stop_sequences", None), "stop_sequences"):
        params["stop"] = stop
    if tools := blocks_of(data.pop("tools", None) or [], "tools", typed=False):
        params["tools"] = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]
    params |= _choice(data.pop("tool_choice", None))
    params |= _structure(data)
    params |= _effort(data)
    tier = data.get("service_tier")
    if isinstance(tier, str) and tier in _TIERS:
        params["service_tier"] = _TIERS[data.pop("service_tier")]
    if user := _user(data.get("metadata")):
        params["user"] = user
        if len(data["metadata"]) == 1:
            del data["metadata"]  # said by `user` then
    own = {name: value for name, value in data.items() if value is not None}
    own |= _headers(headers)
    return {**params, "anthropic": own} if own else params


def _tool(tool: Block, where: str) -> dict[str, Any]:
    """A function; a tool of Anthropic's own stays as it is."""
    if tool.get("type", "custom") not in ("custom", None):
        return tool
    name, description, schema = tool.get("name"), tool.get("description"), tool.get("input_schema")
    if not isinstance(name, str) or not name:
        raise RequestError("must be text, not empty", where=f"{where}.name")
    if not isinstance(schema, dict):
        raise RequestError("must be a JSON Schema", where=f"{where}.input_schema")
    function: dict[str, Any] = {"name": name, "parameters": schema}
    if description is not None:
        function["description"] = description
    if tool.get("strict") is not None:
        function["strict"] = tool["strict"]
    known = ("type", "name", "description", "input_schema", "strict")
    own = {key: value for key, value in tool.items() if key not in known and value is not None}
    return {"type": "function", "function": function, **own}


def _choice(choice: Any) -> dict[str, Any]:
    if choice is None:
        return {}
    kind = choice.get("type") if isinstance(choice, dict) else None
    params: dict[str, Any] = {}
    if kind in _CHOICES:
        params["tool_choice"] = _CHOICES[kind]
    elif kind == "tool" and isinstance(choice.get("name"), str):
        params["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    else:
        raise RequestError("must be of type auto, any, tool with a name, or none", where="tool_choice")
    if choice.get("disable_parallel_tool_use") is True:
        params["parallel_tool_calls"] = False
    return params


def _structure(data: dict[str, Any]) -> dict[str, Any]:
    """`output_config.format`, or `output_format` as it was called in the beta."""
    config, form = data.get("output_config"), data.pop("output_format", None)
    if config is not None and not isinstance(config, dict):
        raise RequestError("must be an object", where="output_config")
    if config and "format" in config:
        form = config["format"] or form
        data["output_config"] = {name: value for name, value in config.items() if name != "format"} or None
    if form is None:
        return {}
    schema = form.get("schema") if isinstance(form, dict) else None
    if not isinstance(schema, dict) or form.get("type") != "json_schema":
        raise RequestError("must be of type json_schema with a schema", where="output_config.format")
    described = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def _effort(data: dict[str, Any]) -> dict[str, Any]:
    """What thinking means to providers that know efforts only; Anthropic's take it as it came."""
    thinking, config = data.get("thinking"), data.get("output_config") or {}
    if thinking is not None and not isinstance(thinking, dict):
        raise RequestError("must be an object", where="thinking")
    kind = thinking.get("type") if thinking else None
    if kind == "disabled":
        return {}
    if isinstance(effort := config.get("effort"), str) and effort in _EFFORTS:
        return {"reasoning_effort": _EFFORTS[effort]}
    if kind != "enabled" or thinking is None:
        return {}
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int):
        raise RequestError("must be a number of tokens", where="thinking.budget_tokens")
    return {"reasoning_effort": next((effort for most, effort in _BUDGETS if budget <= most), "xhigh")}


def _user(metadata: Any) -> str:
    if metadata is not None and not isinstance(metadata, dict):
        raise RequestError("must be an object", where="metadata")
    user = metadata.get("user_id") if metadata else None
    return user if isinstance(user, str) else ""


def _headers(headers: Mapping[str, str]) -> dict[str, Any]:
    """What the client asks of Anthropic's API in headers. Raises `RequestError` for what cannot be one."""
    found: dict[str, Any] = {}
    if betas := [name.strip() for name in headers.get("anthropic-beta", "").split(",") if name.strip()]:
        if len(betas) > MAX_BETAS or not all(_NAME.fullmatch(name) for name in betas):
            raise RequestError("must be names, separated by commas", where="anthropic-beta")
        found["anthropic_beta"] = betas
    if version := headers.get("anthropic-version", ""):
        if not _NAME.fullmatch(version):
            raise RequestError("must be a version's name", where="anthropic-version")
        found["anthropic_version"] = version
    return found


def _texts(value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise RequestError("must be a list of texts", where=where)
    return value
