"""Spans an application reports about itself: a context manager, a decorator, the W3C header to pass on."""

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
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

_HEADERS = {"user.id": "x-moat-user", "session.id": "x-moat-session"}
"""What the gateway divides users by, when an environment serves several arms."""

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
        self._headers: dict[str, str] = dict(self._parent._headers) if self._parent else {}
        self._started_ns = self._began = 0

    @property
    def trace_id(self) -> str:
        """32 hex digits: what to look for in the trace store."""
        return self._trace.trace_id

    def set(self, key: str, value: Any) -> None:
        """Note an attribute, as it is now. What JSON cannot say is noted as its type's name."""
        self._attributes[key] = otlp.attribute(key, value)
        if key in _HEADERS:
            self._headers.pop(_HEADERS[key], None)
            if isinstance(value, str) and value.isascii() and value.isprintable():
                self._headers[_HEADERS[key]] = value

    def headers(self) -> dict[str, str]:
        """What to send with a request made inside; the OpenAI client takes it as `extra_headers`.

        `traceparent`, and `x-moat-user` and `x-moat-session` when they are known and ASCII, as headers must be.
        """
        return {"traceparent": f"00-{self._trace.trace_id}-{self._trace.span_id}-01", **self._headers}

    def __enter__(self) -> "Span":
        """Start the clock; spans made from here on are children of this one."""
        self._start()
        _current.set(self)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop, and queue for sending. An exception is noted and goes on its way."""
        # Not `ContextVar.reset`: that raises when a generator is closed from another context.
        _current.set(self._parent)
        self._end(error)

    @contextmanager
    def in_steps(self) -> Iterator[None]:
        """As the `with` block of the span itself, but it is the current span only inside each `step`."""
        self._start()
        try:
            yield
        except GeneratorExit:
            self._end(None)  # the consumer has enough: no error
            raise
        except BaseException as error:
            self._end(error)
            raise
        else:
            self._end(None)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Spans made inside are children of this one; afterwards the caller's span is the current one again."""
        around = _current.get()
        _current.set(self)
        try:
            yield
        finally:
            _current.set(around)

    def _start(self) -> None:
        self._started_ns, self._began = time.time_ns(), time.perf_counter_ns()

    def _end(self, error: BaseException | None) -> None:
        ended_ns = self._started_ns + time.perf_counter_ns() - self._began
        times = (self._started_ns, ended_ns)
        self._sender.put(otlp.span(self._trace, self.name, times, self._attributes, error))


def traced(function: Callable[P, R], span: Callable[[], Span]) -> Callable[P, R]:
    """The function with each call of it inside a span: sync or async, a generator's from first step to last."""
    if inspect.isasyncgenfunction(function):
        return cast("Callable[P, R]", _traced_async_generator(function, span))
    if inspect.isgeneratorfunction(function):
        return cast("Callable[P, R]", _traced_generator(function, span))
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


def _traced_generator(
    function: Callable[P, Generator[Any, Any, Any]], span: Callable[[], Span]
) -> Callable[P, Generator[Any, Any, Any]]:
    """`yield from`, as PEP 380 spells it out, with each step inside the span."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
        steps, around = function(*args, **kwargs), span()
        with around.in_steps():
            resume = functools.partial(steps.send, None)
            while True:
                with around.step():
                    try:
                        item = resume()
                    except StopIteration as end:
                        return end.value
                try:
                    resume = functools.partial(steps.send, (yield item))
                except BaseException as error:
                    if isinstance(error, GeneratorExit):
                        with around.step():
                            steps.close()
                        raise
                    resume = functools.partial(steps.throw, error)

    return call


def _traced_async_generator(
    function: Callable[P, AsyncGenerator[Any, Any]], span: Callable[[], Span]
) -> Callable[P, AsyncGenerator[Any, Any]]:
    """The same for `async def` with `yield`, which has no `yield from`."""

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
        steps, around = function(*args, **kwargs), span()
        with around.in_steps():
            resume = functools.partial(steps.asend, None)
            while True:
                with around.step():
                    try:
                        item = await resume()
                    except StopAsyncIteration:
                        return
                try:
                    resume = functools.partial(steps.asend, (yield item))
                except BaseException as error:
                    if isinstance(error, GeneratorExit):
                        with around.step():
                            await steps.aclose()
                        raise
                    resume = functools.partial(steps.athrow, error)

    return call
