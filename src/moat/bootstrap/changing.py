"""What pages are told about when it changes, and how that is seen."""

from collections.abc import Callable, Mapping
from typing import Any

from moat.adapters.duckdb import DuckTraces
from moat.api.changes import Topic
from moat.bootstrap.state import State
from moat.gateway.serving import Live


def sources_of(live: Live, state: State, traces: DuckTraces) -> Mapping[Topic, Callable[[], Any]]:
    """By topic, something that differs after each change. All three are cheap: two are looks at the memory, the third
    is one at the first page of a file that other processes write too.
    """
    return {
        "traces": lambda: traces.commits,
        "serving": lambda: live.serving,
        "state": state.releases.revision,
    }
