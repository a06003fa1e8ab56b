"""Tools that a provider runs itself: no guard sees their calls in time, so guards are asked about the request."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from moat.domain.calls import Call
from moat.domain.errors import RequestError
from moat.guards.engine.rules import Rule

_SEEN = re.compile(
    r"function|custom|mcp_toolset|shell|apply_patch"
    r"|(?:bash|text_editor|computer|memory|computer_use|local_shell)(?:_\d{8}|_preview\w*)?"
)
"""Types of tools whose calls come as any, or whose server is named beside."""
_SEEN_BY_GOOGLE = frozenset(("functionDeclarations", "function_declarations", "computerUse", "computer_use"))
_NAMED = frozenset(("name", "function"))
_OF_FUNCTIONS = _NAMED | {
    *("parameters", "input_schema", "output_schema", "inputSchema", "outputSchema", "parametersJsonSchema"),
    *("input_examples", "allowed_callers", "cache_control", "annotations", "metadata", "_meta", "icons", "google"),
}
"""What functions have that the client runs; tools of Google's are the names of other members, and never words."""
_VERSION = re.compile(r"_(?:\d{8}|preview\w*)\Z")
_PARAMS = {
    "web_search_options": "web_search",
    "search_parameters": "web_search",
    "enable_search": "web_search",
    "enable_code_interpreter": "code_interpreter",
    "compound_custom": "compound_custom",
}
"""Parameters by which servers offer tools of their own, and what these are called here."""
_OFF = (None, False, {"mode": "off"})
_LISTS = ("tools", "mcp_servers", "plugins", "connectors", "data_sources")
_NATIVE = ("anthropic", "google")
"""Parameters with what only one provider knows."""


def check_provided(call: Call, rules: Sequence[Rule]) -> None:
    """Raise `RequestError` for a call that offers a tool of the provider's which a guard would not let it call."""
    for name, where in _provided(call):
        if rule := next((rule for rule in rules if rule.acts and rule.detector.bars(name)), None):
            raise RequestError(
                f"the tool {name!r} is run by the provider, and the guard {rule.name} does not allow it",
                where=where,
                remedy="Leave it out, or have the guard allow it by this name.",
            )


def _provided(call: Call) -> Iterator[tuple[str, str]]:
    """Names, and where they stand in the request."""
    for param, name in _PARAMS.items():
        if call.params.get(param) not in _OFF:
            yield name, param
    for holder in (call.params, *(call.params.get(native) for native in _NATIVE)):
        for where, index, one in _listed(holder):
            yield from ((name, f"{where}[{index}]") for name in _names(where, one))


def _listed(holder: Any) -> Iterator[tuple[str, int, Any]]:
    for where in _LISTS if isinstance(holder, dict) else ():
        items = holder.get(where) or ()
        for index, one in enumerate(items if isinstance(items, list) else [items] * bool(items)):
            yield where, index, one


def _names(where: str, one: Any) -> Iterator[str]:
    """By what it is, never by what the caller calls it; a server by its address."""
    if not isinstance(one, dict):
        yield str(one)
    elif where == "mcp_servers":
        yield str(one.get("url") or "mcp")
    elif where != "tools":
        yield str(one.get("id") or one.get("type") or where)
    else:
        if isinstance(google := one.get("google"), dict):
            yield from _members(google)
        if "type" not in one:
            yield from _members(one)
        elif one["type"] != "google" or not isinstance(google, dict):
            yield from _typed(one)


def _members(tool: dict[str, Any]) -> Iterator[str]:
    """Tools of Google's, which are called what their members are."""
    named = not _NAMED.isdisjoint(tool)
    for name, value in tool.items():
        if name not in _SEEN_BY_GOOGLE | _OF_FUNCTIONS and (isinstance(value, dict | list) or not named):
            yield name


def _typed(one: dict[str, Any]) -> Iterator[str]:
    if one["type"] == "mcp":
        yield str(one.get("server_url") or one.get("connector_id") or "mcp")
    elif one["type"] == "shell" and isinstance(at := one.get("environment"), dict) and at.get("type") != "local":
        yield "shell"  # in a container of OpenAI's
    elif not _SEEN.fullmatch(str(one["type"])):
        yield _VERSION.sub("", str(one["type"]))
