"""From a template's text to code that is safe to run: parse, check, include partials, add the prices of work.

Templates are data-driven text: output, `if`, `for`, `set`, `with`, `filter`, `include` of a named partial, and
expressions. Whatever else Jinja has (macros, inheritance, imports, recursion) is refused: then every template
ends, and its cost is the sum of its loops. Partials are compiled into the template that includes them.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from moat.prompts.filters import PART, SIZED, TICK, filters
from moat.prompts.sandbox import Sandbox

MARKUP = re.compile(r"\{%.*?(?:%\}|\Z)|\{\{.*?(?:\}\}|\Z)|\{#.*?(?:#\}|\Z)", re.DOTALL)
"""A piece that is no plain text. One that nobody closed goes to the end: searched for anew from each `{`, it would take
its square."""
MAX_SOURCE = 256 * 1024
MAX_INCLUDED = 1024 * 1024
"""Characters of all templates of a prompt, with all that they include, as often as they do."""
MAX_NODES = 50_000
"""Parts of them."""
MAX_DEPTH = 100
MAX_INCLUDES = 200
_STRIDE = 1 << 20
"""Lines of the n-th included text are numbered from n strides on, so that one number tells text and line."""

_ALLOWED: frozenset[type[nodes.Node]] = frozenset(
    {
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.NSRef, nodes.If,
        nodes.For, nodes.Assign, nodes.AssignBlock, nodes.With, nodes.FilterBlock, nodes.Include, nodes.Filter,
        nodes.Test, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Call, nodes.Keyword, nodes.List,
        nodes.Tuple, nodes.Dict, nodes.Pair, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare,
        nodes.Operand, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv,
        nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos,
    }
)  # fmt: skip
_TAGS: dict[type[nodes.Node], str] = {
    nodes.CallBlock: "call", nodes.FromImport: "from", nodes.Scope: "autoescape",
}  # fmt: skip

SANDBOX = Sandbox(filters())
"""Stateless: what a rendering changes lives in its context."""


class Spot(NamedTuple):
    """A line of a prompt's text: of message `message` (from 0), or of a partial when that is named."""

    message: int
    partial: str
    line: int


class TemplateFlaw(Exception):
    """What is wrong with a template, and where; callers turn it into their own error or report."""

    rule = "template"

    def __init__(self, what: str, partial: str, line: int, *, word: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.partial = partial
        self.line = line
        self.word = word
        """The piece of text that is wrong, to find its column by."""
        self.remedy = remedy


class MissingPartial(TemplateFlaw):
    """The template includes what is not there."""

    rule = "missing-partial"


class Checked(NamedTuple):
    """A template that passed: its tree, ready to compile, and the partials in it by number (0: itself)."""

    tree: nodes.Template
    texts: tuple[str, ...]

    def variables(self) -> dict[str, tuple[str, int]]:
        """The variables it needs from outside, each with the partial (empty: itself) and line of its first use.

        Raises `TemplateFlaw` for what Jinja's compiler refuses.
        """
        names = list(self.tree.find_all(nodes.Name))
        wanted = {node.name for node in names}
        if any(node.ctx != "load" for node in names):  # scopes matter, and Jinja's own analysis is slow
            try:
                wanted = find_undeclared_variables(self.tree)
            except (RecursionError, jinja2.TemplateError) as error:
                raise self._refused(error) from None
        found: dict[str, tuple[str, int]] = {}
        for node in names:
            if node.name in wanted and node.ctx == "load" and node.name not in SANDBOX.globals:
                found.setdefault(node.name, self.locate(node.lineno))
        return found

    def compile(self) -> jinja2.Template:
        """Code. Raises `TemplateFlaw` for what Jinja's or Python's compiler refuses (20 loops deep, say)."""
        try:
            code = SANDBOX.compile(self.tree)
        except (SyntaxError, RecursionError, MemoryError, jinja2.TemplateError) as error:
            raise self._refused(error) from None
        return SANDBOX.template_class.from_code(SANDBOX, code, SANDBOX.globals)

    def _refused(self, error: BaseException) -> TemplateFlaw:
        if isinstance(error, jinja2.TemplateSyntaxError):
            return TemplateFlaw((error.message or "not a template").rstrip("."), *self.locate(error.lineno))
        return TemplateFlaw(f"the template is too complex: {error}", "", 1)

    def locate(self, number: int) -> tuple[str, int]:
        """Partial (empty: the template itself) and line of a line number in the compiled code."""
        index, line = divmod(number, _STRIDE)
        return self.texts[index], line


class Extent:
    """How much was read of the templates of one prompt, which are bounded together."""

    __slots__ = ("characters", "parts")

    def __init__(self) -> None:
        self.characters = 0
        self.parts = 0


def check(source: str, partials: Mapping[str, str], extent: Extent | None = None) -> Checked:
    """Parse and check. `extent`: of the prompt's messages before this one. Raises `TemplateFlaw`."""
    checker = _Checker(partials, extent or Extent())
    body = checker.read("", source)
    tree = nodes.Template(body, lineno=1)
    tree.set_environment(SANDBOX)
    return Checked(tree, tuple(checker.texts))


class _Checker:
    """Rewrites trees; knows which text it is in."""

    def __init__(self, partials: Mapping[str, str], extent: Extent) -> None:
        self._partials = partials
        self._extent = extent
        self.texts: list[str] = []
        self._open: list[str] = []
        self._depth = 0

    def read(self, partial: str, source: str) -> list[nodes.Node]:
        """The checked body of one text."""
        if len(source) > MAX_SOURCE:
            raise TemplateFlaw(f"longer than {MAX_SOURCE // 1024} KiB", partial, 1)
        self._extent.characters += len(source)
        if self._extent.characters > MAX_INCLUDED:
            what = f"the prompt is longer than {MAX_INCLUDED // 1024} KiB with what it includes"
            raise TemplateFlaw(what, partial, 1)
        if self._extent.parts > MAX_NODES:  # of what came before: parsing takes as long as looking
            raise TemplateFlaw(f"the prompt is larger than {MAX_NODES} parts", partial, 1)
        try:
            tree = SANDBOX.parse(source)
            for node in tree.find_all(nodes.Node):
                node.lineno = (node.lineno or 1) + len(self.texts) * _STRIDE
        except jinja2.TemplateSyntaxError as error:
            word = str(error.message or "").partition("'")[2].partition("'")[0]
            what = (error.message or "not a template").rstrip(".")
            raise TemplateFlaw(what[0].lower() + what[1:], partial, error.lineno, word=word) from None
        except (RecursionError, ValueError, OverflowError) as error:
            raise TemplateFlaw(f"too deeply nested or not readable ({error})", partial, 1) from None
        self.texts.append(partial)
        self._open.append(partial)
        body = [self._visit(child) for child in tree.body]
        self._open.pop()
        return body

    def _visit(self, node: nodes.Node) -> Any:
        """Check a node and what is below it; the node that takes its place."""
        if type(node) not in _ALLOWED:
            name = _TAGS.get(type(node), type(node).__name__.lower())
            self._refuse(node, f"templates have no {{% {name} %}}", word=name)
        self._extent.parts += 1
        self._depth += 1
        if self._extent.parts > MAX_NODES or self._depth > MAX_DEPTH:
            self._refuse(node, f"larger than {MAX_NODES} parts or nested deeper than {MAX_DEPTH}")
        for field, value in node.iter_fields():
            if isinstance(value, nodes.Node):
                setattr(node, field, self._visit(value))
            elif isinstance(value, list):
                changed = [self._visit(item) if isinstance(item, nodes.Node) else item for item in value]
                setattr(node, field, changed)
        self._depth -= 1
        return self._replace(node)

    def _replace(self, node: nodes.Node) -> nodes.Node:
        match node:
            case nodes.Include():
                return self._include(node)
            case nodes.For():
                return self._loop(node)
            case nodes.Call():
                self._check_call(node)
            case nodes.Filter():
                self._check_known(node, "filter", node.name, SANDBOX.filters)
            case nodes.Test():
                self._check_known(node, "test", node.name, SANDBOX.tests)
            case nodes.Concat():
                return _filter(nodes.List(node.nodes, lineno=node.lineno), "join")
            case nodes.Compare():
                node.expr = _sized(node.expr)
                for operand in node.ops:
                    operand.expr = _sized(operand.expr)
            case nodes.List() | nodes.Dict():
                return _sized(node)
            case nodes.Tuple(ctx="load"):
                return _sized(node)
            case nodes.Getitem(arg=nodes.Slice() as part):
                bounds = [
                    bound or nodes.Const(None, lineno=node.lineno) for bound in (part.start, part.stop, part.step)
                ]
                return _filter(node.node, PART, bounds)
        return node

    def _include(self, node: nodes.Include) -> nodes.Node:
        if not isinstance(node.template, nodes.Const) or not isinstance(node.template.value, str):
            self._refuse(node, "include takes the name of a partial in quotes", word="include")
        name = node.template.value
        source = self._partials.get(name)
        if source is None:
            remedy = f"Partials are the files prompts/_partials/<name>.j2; write {name}.j2 or mend the name."
            line = node.lineno % _STRIDE
            raise MissingPartial(f"there is no partial {name!r}", self._open[-1], line, word=name, remedy=remedy)
        if name in self._open:
            self._refuse(node, f"the partial {name!r} includes itself", word=name)
        if len(self.texts) > MAX_INCLUDES:
            self._refuse(node, f"more than {MAX_INCLUDES} includes", word=name)
        return nodes.Scope(self.read(name, source), lineno=node.lineno)

    def _loop(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            self._refuse(node, "templates have no recursive loops", word="recursive")
        price = sum(1 for _ in node.find_all(nodes.Node))
        price += sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        tick = _filter(nodes.Const(price, lineno=node.lineno), TICK)
        if node.test is not None:
            node.test = nodes.And(tick, node.test, lineno=node.lineno)
        node.body.insert(0, nodes.ExprStmt(tick, lineno=node.lineno))
        return node

    def _check_call(self, node: nodes.Call) -> None:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self._refuse(node, "templates have no * and ** arguments", word="*")
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        if not isinstance(node.node, nodes.Getattr) and name not in SANDBOX.globals:
            self._refuse(
                node,
                f"cannot call {name or 'this'}: templates have range(), namespace() and simple methods",
                word=name,
            )

    def _check_known(self, node: nodes.Node, what: str, name: str, table: Mapping[str, Any]) -> None:
        if name not in table:
            self._refuse(node, f"there is no {what} {name!r}", word=name)

    def _refuse(self, node: nodes.Node, what: str, *, word: str = "") -> NoReturn:
        raise TemplateFlaw(what, self._open[-1], node.lineno % _STRIDE, word=word)


def _filter(node: nodes.Expr, name: str, args: list[nodes.Expr] | None = None) -> nodes.Filter:
    return nodes.Filter(node, name, args or [], [], None, None, lineno=node.lineno)


def _sized(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else _filter(node, SIZED)
