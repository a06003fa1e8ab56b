"""Spans an application reports about itself: a context manager, a decorator, the W3C header to pass on."""

import functools
import inspect
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from moat.domain.calls import Trace, new_trace
from moat.sdk import otlp
from moat.sdk.sender import Sender

P = ParamSpec("P")
R = TypeVar("R")

IDENTITY = ("user.id", "session.id", "moat.feature", "moat.tenant")
"""Attributes that a span takes over from the one around it."""

_current: ContextVar["Span | None"] = ContextVar("moat_span", default=None)


class Span:
    """A piece of work, from entering the `with` block to leaving it; made by `Moat.trace`."""

    def __init__(self, sender: Sender, name: str) -> None:
        self.name = name
        self._sender = sender
        self._parent = _current.get()
        self._trace: Trace = new_trace(self._parent.headers()["traceparent"] if self._parent else "")
        around: dict[str, bytes] = self._parent._attributes if self._parent else {}
        self._attributes: dict[str, bytes] = {key: around[key] for key in IDENTITY if key in around}
        self._started_ns = self._began = 0

    @property
    def trace_id(self) -> str:
        """32 hex digits: what to look for in the trace store."""
        return self._trace.trace_id

    def set(self, key: str, value: Any) -> None:
        """Note an attribute, as it is now. What JSON cannot say is noted as its type's name."""
        self._attributes[key] = otlp.attribute(key, value)

    def headers(self) -> dict[str, str]:
        """`traceparent`, to send with a request made inside: the OpenAI client takes it as `extra_headers`."""
        return {"traceparent": f"00-{self._trace.trace_id}-{self._trace.span_id}-01"}

    def __enter__(self) -> "Span":
        """Start the clock; spans made from here on are children of this one."""
        self._started_ns, self._began = time.time_ns(), time.perf_counter_ns()
        _current.set(self)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop, and queue for sending. An exception is noted and goes on its way."""
        # Not `ContextVar.reset`: that raises when a generator is closed from another context.
        _current.set(self._parent)
        ended_ns = self._started_ns + time.perf_counter_ns() - self._began
        times = (self._started_ns, ended_ns)
        self._sender.put(otlp.span(self._trace, self.name, times, self._attributes, error))


def traced(function: Callable[P, R], span: Callable[[], Span]) -> Callable[P, R]:
    """The function, sync or async, with each call of it inside a span."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            with span():
                return await function(*args, **kwargs)

        return cast("Callable[P, R]", call_async)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with span():
            return function(*args, **kwargs)

    return call
