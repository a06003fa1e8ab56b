"""What a call asks of a provider that is billed apart from tokens: a level of service, and searches of the web."""

import re
from typing import Any

from moat.domain.calls import Call
from moat.domain.usage import AS_ASKED, tier_of

LOOP = 10
"""Searches for one answer where the call sets no bound: as many as Anthropic's own tools make before they pause."""
MOST = 1000
"""No answer makes more, whatever the call allows."""
RESULT_TOKENS = 10_000
"""More than the results of one search have as a rule; the model reads them as input."""

_CLAUDE = "claude"
"""Models that take `speed` and `inference_geo`, and no level of service by name. Bedrock calls them otherwise, and has
levels of its own."""
_RENAMED = {"fast": "priority", "standard_only": ""}
"""What `service_tier` may be called in a request, and what the answer calls it."""
_SEARCHES_ALWAYS = re.compile(r"-search-(preview|api)")
"""OpenAI's models that search once before they answer."""
_ONCE = re.compile(r"gemini-[12]\b")
"""Later models are billed for each query."""
_GOOGLE = ("googlesearch", "enterprisewebsearch", "googlemaps")


def asked_tier(call: Call) -> str:
    """The level of service: empty when the ordinary one was asked for by name, else ending in `AS_ASKED`."""
    if _model(call).startswith(_CLAUDE):
        own = call.params.get("anthropic")
        said = own if isinstance(own, dict) else {}
        named = tier_of(said.get("speed"), "us" if said.get("inference_geo") == "us" else "")
        return f"{named}+{AS_ASKED}" if named else AS_ASKED
    tier = call.params.get("service_tier")
    if tier is None or tier == AS_ASKED:
        return AS_ASKED
    named = tier_of(_RENAMED.get(tier, tier) if isinstance(tier, str) else tier)
    return f"{named}+{AS_ASKED}" if named else ""


def searches_once(call: Call) -> bool:
    """Will a server that speaks OpenAI's chat search, whatever is said?"""
    options = call.params.get("web_search_options")
    return options is not None or _SEARCHES_ALWAYS.search(_model(call)) is not None


def bills_answers(model: str) -> bool:
    """Does Google bill this model's grounded answers, and not each query?"""
    return _ONCE.search(model) is not None


def most_searches(call: Call) -> int:
    """How often the provider may search for the answer: as the call bounds it, else `LOOP` times for each tool."""
    found = 1 if searches_once(call) else 0
    tools = call.params.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and tool.get("type") != "function":
            found += _searches(tool, call)
    live = call.params.get("search_parameters")  # xAI bills each source
    found += _bound(live, "max_search_results") if isinstance(live, dict) else 0
    return min(found, MOST)


def _searches(tool: dict[str, Any], call: Call) -> int:
    kind, google = tool.get("type"), tool.get("google")
    if isinstance(kind, str) and kind.startswith("web_search"):
        return _bound(tool, "max_uses")
    if isinstance(google, dict) and any(name.replace("_", "").lower().startswith(_GOOGLE) for name in google):
        return 1 if bills_answers(_model(call)) else LOOP
    return 0


def _bound(tool: dict[str, Any], name: str) -> int:
    most = tool.get(name)
    return most if isinstance(most, int) and most > 0 else LOOP


def _model(call: Call) -> str:
    return call.deployment.model if call.deployment is not None else ""
