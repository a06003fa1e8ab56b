"""`moat tool`: functions that models may call."""

from typing import Annotated

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.cli.arguments import parse_prompt
from moat.cli.group import Json, group
from moat.cli.output import counted, out, print_json, print_table
from moat.documents import read_yaml
from moat.domain.errors import InputError, NotFound
from moat.prompts.authoring import FIRST_VERSION, create_files, tool_path, tool_text
from moat.prompts.functions import load_function, tool_of
from moat.prompts.semver import order
from moat.prompts.tools import Tool, definition, mistaken_examples, read_tool, schema_flaw
from moat.prompts.tree import TOOLS, Entry, entries, inside
from moat.prompts.variables import nearest

app = group(no_args_is_help=True)

ToolVersion = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="Tool and version.")]


@app.command("list")
def list_tools(ctx: typer.Context, json: Json = False) -> None:
    """List all tools, and which prompt versions pin them."""
    project = Project.find(ctx.obj)
    users: dict[str, list[str]] = {}
    for prompt in project.catalog.all():
        for reference in prompt.tools:
            users.setdefault(reference, []).append(prompt.id)
    rows = []
    for entry in entries(project.root, TOOLS):
        reference = f"{entry.name}@{entry.version}"
        try:
            description, problem = _read(project, entry).description, ""
        except InputError as error:
            description, problem = "", str(error)
        rows.append(
            {"id": reference, "description": description, "problem": problem, "pinned_by": users.get(reference, [])}
        )
    if json:
        print_json(rows)
        return
    print_table(
        ["tool", "pinned by", "description"],
        ([row["id"], ", ".join(row["pinned_by"]) or "nobody", row["problem"] or row["description"]] for row in rows),
        empty="No tools yet: `moat tool new FILE.py:FUNCTION`.",
    )


@app.command()
def show(ctx: typer.Context, tool: ToolVersion, json: Json = False) -> None:
    """Show a tool as it is sent to models, with its examples."""
    project = Project.find(ctx.obj)
    name, found = _find(project, tool)
    if json:
        print_json({"id": tool, "tool": found, "definition": definition(name, found)})
        return
    out.print(tool, style="bold")
    out.print(found.description)
    out.print(msgspec.json.format(msgspec.json.encode(found.parameters), indent=2).decode())
    for title, examples in (("fits", found.examples), ("does not fit", found.counter_examples)):
        for example in examples:
            out.print(f"{title:>12}  {msgspec.json.encode(example).decode()}")


@app.command()
def check(
    ctx: typer.Context,
    tool: Annotated[str, typer.Argument(metavar="[NAME@VERSION]", help="Only this one.")] = "",
    json: Json = False,
) -> None:
    """Check that examples fit the parameters and counter-examples do not: exit 1 when one is wrong."""
    project = Project.find(ctx.obj)
    if tool:
        found = {tool: _find(project, tool)[1]}
    else:
        found = {f"{entry.name}@{entry.version}": _read(project, entry) for entry in entries(project.root, TOOLS)}
    rows = []
    for reference, each in found.items():
        flaw = schema_flaw(each.parameters)
        mistakes = {} if flaw else {(field, index): why for field, index, why in mistaken_examples(each)}
        rows.append({"id": reference, "field": "parameters", "index": 0, "arguments": None, "problem": flaw})
        for field, examples in (("examples", each.examples), ("counter_examples", each.counter_examples)):
            rows += [
                {
                    "id": reference,
                    "field": field,
                    "index": index,
                    "arguments": example,
                    "problem": "not checked: `parameters` is no schema" if flaw else mistakes.get((field, index), ""),
                }
                for index, example in enumerate(examples)
            ]
    wrong = sum(bool(row["problem"]) for row in rows)
    if json:
        print_json(rows)
    else:
        print_table(
            ["tool", "what", "arguments", "result"],
            (
                [
                    row["id"],
                    row["field"] if row["arguments"] is None else f"{row['field']}[{row['index']}]",
                    "" if row["arguments"] is None else msgspec.json.encode(row["arguments"]).decode(),
                    row["problem"] or "ok",
                ]
                for row in rows
            ),
            empty="No tools yet: `moat tool new FILE.py:FUNCTION`.",
        )
        out.print(f"{counted(len(found), 'tool')} checked: {counted(wrong, 'mistake')}.")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def new(
    ctx: typer.Context,
    function: Annotated[
        str, typer.Argument(metavar="FILE.py:FUNCTION|MODULE:FUNCTION", help="A typed Python function of yours.")
    ],
    version: Annotated[str, typer.Option(help="Version of the tool.")] = FIRST_VERSION,
    name: Annotated[str, typer.Option(help="Name of the tool, if not the function's.")] = "",
) -> None:
    """Write a tool from a Python function: JSON Schema from its type hints, descriptions from its docstring.

    The module is imported, so its code runs: use it on your own code only. Files are found from the project's folder.
    """
    project = Project.find(ctx.obj)
    made = load_function(function, project.root)
    path = tool_path(name or made.__name__, version)
    create_files(project.root, {path: tool_text(tool_of(made))})
    out.print(path)
    out.print("Add `examples` and `counter_examples`; `moat tool check` checks them.", style="dim")


def _find(project: Project, reference: str) -> tuple[str, Tool]:
    """Name and tool. Raises `NotFound` with what there is."""
    name, version = parse_prompt(reference)
    known = {f"{entry.name}@{entry.version}": entry for entry in entries(project.root, TOOLS)}
    if reference not in known:
        versions = sorted((entry.version for entry in known.values() if entry.name == name), key=order)
        if versions:
            there = ", ".join(versions)
            raise NotFound(f"there is no version {version!r} of the tool {name}", remedy=f"There are: {there}.")
        raise NotFound(f"there is no tool {name!r}", remedy=nearest(reference, known))
    return name, _read(project, known[reference])


def _read(project: Project, entry: Entry) -> Tool:
    return read_tool(read_yaml(inside(project.root, entry.path), name=entry.path), entry.name)
