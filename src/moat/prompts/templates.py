"""Rendering prompts: the adapter between a `PromptVersion` and the sandbox."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock
from typing import Any, NamedTuple, NoReturn

import jinja2

from moat.domain.calls import Message
from moat.domain.errors import PromptError
from moat.domain.releases import MessageTemplate, PromptVersion
from moat.prompts.sandbox import Budget, RenderContext
from moat.prompts.syntax import SANDBOX, Checked, Extent, Spot, TemplateFlaw, check
from moat.prompts.variables import bind

MAX_OUTPUT = 2**20
"""Characters of one rendered prompt."""

_FAILURES = (
    jinja2.TemplateError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    RecursionError,
    MemoryError,
)
"""All that a template's own expressions can raise."""

Where = Callable[[PromptVersion, Spot], str]


def place(prompt: PromptVersion, spot: Spot) -> str:
    """A spot in words, for a version whose file is not known: `support/answer@1.0.0 messages[1] line 3`."""
    if spot.partial:
        return f"partial {spot.partial!r} of {prompt.id} line {spot.line}"
    return f"{prompt.id} messages[{spot.message}] line {spot.line}"


class _Compiled(NamedTuple):
    role: str
    checked: Checked
    template: jinja2.Template


class JinjaRenderer:
    """`moat.ports.prompts.Renderer` on Jinja2, in a sandbox with a budget (`moat.prompts.sandbox`).

    Compiled templates are kept for the `cache` versions used last. `where` tells the file and line of a spot;
    `Catalog.where` does for versions read from files.
    """

    def __init__(self, *, where: Where = place, cache: int = 1024) -> None:
        self._where = where
        self._size = cache
        # By identity: a digest over the whole text would cost more than the rendering. The entry holds the
        # version, so that its identity cannot pass to another one.
        self._compiled: OrderedDict[int, tuple[PromptVersion, list[_Compiled]]] = OrderedDict()
        self._lock = Lock()

    def prepare(self, prompts: Iterable[PromptVersion]) -> None:
        """Compile ahead of the first call. A broken template is left to the call that asks for it."""
        for prompt in prompts:
            with suppress(PromptError):
                self.compile(prompt)

    def render(self, prompt: PromptVersion, variables: dict[str, Any]) -> list[Message]:
        """Render all messages; pure, and bounded in time and size.

        Raises `PromptError` for a variable that is missing, unknown or mistyped, and, with the file and line,
        for a template that is broken, fails, or does too much. Values are data, never templates.
        """
        values = bind(prompt, variables)
        budget = Budget()
        messages: list[Message] = []
        left = MAX_OUTPUT
        for index, message in enumerate(self.compile(prompt)):
            content = self._run(prompt, index, message, values, budget, left)
            left -= len(content)
            messages.append({"role": message.role, "content": content})
        return messages

    def compile(self, prompt: PromptVersion) -> list[_Compiled]:
        """What `render` needs of a version, which takes longer than rendering. Raises `PromptError`."""
        with self._lock:
            cached = self._compiled.get(id(prompt))
            if cached is not None:
                self._compiled.move_to_end(id(prompt))
                return cached[1]
        compiled, extent = list[_Compiled](), Extent()
        for index, message in enumerate(prompt.messages):
            try:
                compiled.append(_compile(message, prompt.partials, extent))
            except TemplateFlaw as flaw:
                where = self._where(prompt, Spot(index, flaw.partial, flaw.line))
                raise PromptError(flaw.what, where=where, remedy=flaw.remedy) from None
        with self._lock:
            self._compiled[id(prompt)] = (prompt, compiled)
            if len(self._compiled) > self._size:
                self._compiled.popitem(last=False)
        return compiled

    def _run(
        self,
        prompt: PromptVersion,
        index: int,
        message: _Compiled,
        values: dict[str, Any],
        budget: Budget,
        left: int,
    ) -> str:
        context = message.template.new_context(values)
        assert isinstance(context, RenderContext)
        context.budget = budget
        pieces: list[str] = []
        try:
            for piece in message.template.root_render_func(context):
                left -= len(piece)
                if left < 0:
                    break
                pieces.append(piece)
        except _FAILURES as error:
            self._fail(prompt, index, message, error)
        if left < 0:
            where = self._where(prompt, Spot(index, "", 1))
            raise PromptError(f"the rendered prompt is longer than {MAX_OUTPUT} characters", where=where)
        return "".join(pieces)

    def _fail(self, prompt: PromptVersion, index: int, message: _Compiled, error: BaseException) -> NoReturn:
        partial, line = message.checked.locate(_line(message.template, error))
        where = self._where(prompt, Spot(index, partial, line))
        raise PromptError(f"the template fails: {_reason(error)}", where=where) from None


def _compile(message: MessageTemplate, partials: dict[str, str], extent: Extent) -> _Compiled:
    checked = check(message.content, partials, extent)
    return _Compiled(message.role, checked, checked.compile())


def _line(template: jinja2.Template, error: BaseException) -> int:
    """The template's line that was running when the error was raised."""
    line = 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("environment") is SANDBOX:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _reason(error: BaseException) -> str:
    text = str(error).rstrip(".")
    if isinstance(error, RecursionError | MemoryError) or not text:
        return type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
