"""A Python function of the project, as a target."""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic_ns
from typing import Any

import msgspec

from moat.domain.errors import DatasetError, MoatError, ProviderDown
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.project_code import ProjectFunction, is_meant_for_us
from moat.evals.scorers.scorer import Bench
from moat.evals.targets.reply import Reply, sound

MAX_SHOWN = 500


class FunctionTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Implements `moat.evals.targets.target.Target`.

    A function whose one parameter is called `case` gets the `Case`; any other gets the case's variables by name. It is
    awaited, or called in a thread; it returns text, an `Answered`, a dict with `text` (see `Reply`), or any other
    value, which is taken as JSON.
    """

    source: ProjectFunction
    function: Callable[..., Any] | None = None
    """Once it is bound."""

    @property
    def name(self) -> str:
        """`app/bot.py:answer`."""
        return self.source.spec

    @property
    def digest(self) -> str:
        """Of its file, and of those of the project that it imports."""
        return self.source.digest

    def bind(self, bench: Bench) -> "FunctionTarget":
        """Import it. Raises `ConfigError` with file and line."""
        return msgspec.structs.replace(self, function=self.source.load())

    async def answer(self, case: Case, repeat: int) -> Answered:
        """Call it. Its exception becomes a `ProviderDown` with file and line; a `MoatError` goes on as it is."""
        assert self.function is not None, "a target is bound before it answers"
        began = monotonic_ns()
        try:
            asked = _call(self.function, case)
            said = await asked() if inspect.iscoroutinefunction(self.function) else await _in_thread(asked)
            if inspect.isawaitable(said):
                said = await said
            return _as_answered(said, monotonic_ns() - began)
        except MoatError:
            raise
        except BaseException as error:  # the project's own code: whatever it raises is the case's error
            if is_meant_for_us(error):
                raise
            what = f"raised {type(error).__name__}: {error}"[:MAX_SHOWN]
            raise ProviderDown(what, where=self.source.place_of(error)) from error


def _call(function: Callable[..., Any], case: Case) -> Callable[[], Any]:
    """Raises `DatasetError` when the case has not what the function takes."""
    signature = inspect.signature(function)
    if list(signature.parameters) == ["case"]:
        return partial(function, case)
    try:
        signature.bind(**case.variables)
    except TypeError as error:
        raise DatasetError(f"the function does not take the case's variables: {error}", where=case.id) from None
    return partial(function, **case.variables)


async def _in_thread(work: Callable[[], Any]) -> Any:
    """In a thread of its own that nobody waits for at the end: one that hangs would keep the program from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(outcome: Any, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(outcome)
        else:
            done.set_exception(error)

    def run() -> None:
        outcome, error = None, None
        try:
            outcome = context.run(work)
        except BaseException as raised:  # noqa: BLE001  it is raised again where the result is awaited
            error = raised if _may_be_awaited(raised) else RuntimeError(f"{type(raised).__name__}: {raised}")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, outcome, error)

    context = contextvars.copy_context()
    threading.Thread(target=run, daemon=True).start()
    return await done


def _may_be_awaited(error: BaseException) -> bool:
    """A future takes no `StopIteration`; and in a thread nobody pressed Ctrl-C, nor cancelled our task."""
    return not isinstance(error, StopIteration | KeyboardInterrupt | GeneratorExit | asyncio.CancelledError)


def _as_answered(said: Any, latency_ns: int) -> Answered:
    if isinstance(said, Answered):
        return sound(said if said.latency_ns else msgspec.structs.replace(said, latency_ns=latency_ns))
    if isinstance(said, str):
        return sound(Answered(said, latency_ns=latency_ns))
    if isinstance(said, dict) and "text" in said:
        return msgspec.convert(said, Reply).answered(latency_ns)
    return Answered(msgspec.json.encode(said).decode(), latency_ns=latency_ns)
