"""`moat guard list`: the policies of a project, and the detectors that they can use."""

import difflib
import inspect
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer

from moat.bootstrap.guarding import policies
from moat.bootstrap.policy_checks import idle
from moat.bootstrap.project import Project
from moat.cli.group import Json
from moat.cli.output import out, print_json, print_table
from moat.domain.errors import NotFound
from moat.domain.guards import ANSWERED
from moat.guards.detector import REGISTERED, WHOLE, Detector, detector

ANSWER = frozenset(ANSWERED)


def show(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="[DETECTOR]", help="Show all of this one.")] = "",
    json: Json = False,
) -> None:
    """List the policies, and the detectors that they can use; or what one detector finds, and its options."""
    if kind:
        _show_detector(kind, json=json)
        return
    project = Project.find(ctx.obj)
    found = policies(project.root, project.settings.config, project.settings.document)
    kinds = {kind: detector(kind) for kind in sorted(REGISTERED)}
    if json:
        print_json({"policies": [policy.config for policy in found], "detectors": list(kinds)})
        return
    print_table(
        ["policy", "guard", "on", "action", "threshold>", "on error", "in a stream"],
        (
            [policy.config.id, rule.name, " ".join(sorted(rule.places)), rule.config.action, rule.threshold,
             rule.config.on_error, _held(rule.detector.window, acts=rule.acts) if rule.places & ANSWER else ""]
            for policy in found
            for rule in policy.rules
        ),
        empty="No policies: write `policies` in moat.yaml, or files in policies/.",
    )  # fmt: skip
    for note in idle(project):
        out.print(f"note: {note}.", style="yellow")
    out.print()
    print_table(
        ["detector", "looks for", "options", "in a stream"],
        (
            [name, _about(found), ", ".join(found.__struct_fields__), _held(found.window)]
            for name, found in kinds.items()
        ),
        empty="",
    )  # fmt: skip


def _show_detector(kind: str, *, json: bool) -> None:
    if kind not in REGISTERED:
        close = difflib.get_close_matches(kind, REGISTERED, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"Detectors: {', '.join(REGISTERED)}."
        raise NotFound(f"no detector {kind!r}", remedy=remedy)
    found = detector(kind)
    if json:
        fields = msgspec.structs.fields(found)
        options = {each.name: None if each.required else _default(each) for each in fields}
        print_json({"detector": kind, "places": found.places, "threshold": found.threshold, "options": options})
        return
    out.print(kind, style="bold")
    out.print(inspect.getdoc(found) or "")
    out.print()
    out.print(f"looks at     {', '.join(found.places)}")
    out.print(f"threshold    {found.threshold:g}, unless the guard says another")
    out.print(f"in a stream  {_held(found.window)}")
    out.print(f"finds data   {found.holds or 'no'}")
    out.print()
    print_table(["option", "type", "default"], _options(found), empty="No options.")


def _options(found: type[Detector]) -> Iterator[list[str]]:
    kinds = {each.name: each.type for each in msgspec.inspect.type_info(found).fields}  # type: ignore[attr-defined]
    for field in msgspec.structs.fields(found):
        default = "" if field.required else msgspec.json.encode(_default(field)).decode()
        yield [field.name, _type(kinds[field.name]), default if len(default) <= 60 else f"{default[:57]}..."]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if callable(field.default_factory) else field.default


def _type(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.LiteralType(values):
            return " | ".join(str(value) for value in values if value != "")
        case msgspec.inspect.VarTupleType(item) | msgspec.inspect.ListType(item):
            return f"list of {_type(item)}"
        case msgspec.inspect.UnionType(types):
            return " | ".join(_type(each) for each in types if not isinstance(each, msgspec.inspect.NoneType))
        case msgspec.inspect.Metadata(inner):
            return _type(inner)
        case msgspec.inspect.DictType():
            return "mapping"
    names = {"StrType": "text", "BoolType": "true | false", "IntType": "number", "FloatType": "number"}
    return names.get(type(kind).__name__, "any")


def _held(window: int, *, acts: bool = True) -> str:
    if not acts:
        return "holds nothing back"
    return "holds all back" if window == WHOLE else f"{window} characters later"


def _about(found: type[Detector]) -> str:
    return (inspect.getdoc(found) or "").split("\n")[0]
