"""Cases of other tools: test cases, dataset exports and training data, told apart by the names of their members.

| from | a record has |
|---|---|
| promptfoo | `vars` (and `assert`); a promptfooconfig.yaml has them in its `tests` |
| LangSmith | `inputs`, `outputs` |
| Langfuse | `input`, `expectedOutput` |
| OpenAI evals | `input`, `ideal`; or all of it in `item` |
| OpenAI fine-tuning | `messages` that end with the assistant's answer |
| Inspect | `input`, `target` |
| DeepEval | `input`, `expected_output` |
| Ragas | `user_input`, `reference`, `reference_contexts` |
| Moat | `id`, `source` and nothing that a case has not, such as proposals of cases |
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from moat.documents import read_yaml
from moat.domain.errors import DatasetError, DocumentError
from moat.domain.scores import Case
from moat.evals.datasets.json_text import read_lines, read_list
from moat.evals.datasets.rows import Row, placed

Record = dict[str, Any]
_PHRASES = ("contains", "icontains", "contains-all", "icontains-all")


class Imported(NamedTuple):
    """What a file of another tool gave."""

    tool: str
    cases: list[Case]
    left_out: dict[str, int]
    """What no case can say, by name, with how often it occurred."""


def import_cases(path: Path) -> Imported:
    """Read a file of another tool. Raises `DatasetError` with file and line for a record of none that is known, or of
    another than the first.
    """
    name, tool, cases, left = str(path), "", [], dict[str, int]()
    for line, record in _records(path, name):
        found = _tool(record)
        if not found or (tool and found != tool):
            what = f"is no record of {tool}" if tool else "is of no tool that is known here"
            known = ", ".join(sorted({*_READERS}))
            raise DatasetError(what, where=f"{name}:{line}", remedy=f"Known: {known}. Flat records need no import.")
        tool = found
        if flaw := _flaw(record):
            raise DatasetError(flaw, where=f"{name}:{line}")
        adopted, lost = _READERS[tool](record)
        given = {key: value for key, value in adopted.items() if value not in (None, "", [], {})}
        entry = placed(Row(name, {**given, "variables": given.get("variables", {})}, line))
        if entry.case is None:
            raise entry.error or DatasetError("is no case", where=entry.place)
        cases.append(entry.case)
        for each in lost:
            left[each] = left.get(each, 0) + 1
    return Imported(tool, cases, left)


def _records(path: Path, name: str) -> Iterator[tuple[int, Any]]:
    match path.suffix.lower():
        case ".jsonl":
            yield from read_lines(path, name)
        case ".json":
            yield from read_list(path, name)
        case ".yaml" | ".yml":
            try:
                document = read_yaml(path, name=name)
            except DocumentError as error:
                raise DatasetError(error.what, where=error.where, remedy=error.remedy) from error
            at: tuple[str, ...] = ("tests",) if isinstance(document.data, dict) else ()
            tests = document.data.get("tests") if at else document.data
            if not isinstance(tests, list):
                raise DatasetError("holds no list of tests", where=f"{name}:1")
            for index, test in enumerate(tests):
                yield document.line((*at, index)), test
        case suffix:
            remedy = "Export it as .jsonl, .json or .yaml."
            raise DatasetError(f"cases are not imported from {suffix or 'such files'}", where=name, remedy=remedy)


def _tool(record: Any) -> str:
    if not isinstance(record, dict):
        return ""
    if isinstance(item := record.get("item"), dict):
        return _tool(item) if "ideal" in item else "OpenAI evals"
    if {"id", "source"} <= record.keys() <= set(Case.__struct_fields__):
        return "Moat"
    return next((tool for tool, marks in _MARKS if record.keys() >= set(marks)), "")


def _flaw(record: Record) -> str:
    """Why a record's parts are not what its tool makes; empty when they are."""
    rules, messages = record.get("assert") or [], record.get("messages", [{}])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        return "`assert` is no list of assertions"
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        return "has no messages"
    return "" if isinstance(record.get("metadata") or {}, dict | str | list) else "`metadata` is no object"


def _promptfoo(record: Record) -> tuple[Record, list[str]]:
    expected, facts, lost = None, [], []
    for rule in record.get("assert") or []:
        kind, value = rule.get("type"), rule.get("value")
        if kind == "equals":
            expected = value
        elif kind in _PHRASES:
            facts += value if isinstance(value, list) else [value]
        else:
            lost.append(f"assert {kind}")
    labels = {"facts": facts} if facts else {}
    labels |= _metadata(record)
    tags = [record["description"]] if record.get("description") else []
    return {"variables": record["vars"], "expected": expected, "labels": labels, "tags": tags}, lost


def _langsmith(record: Record) -> tuple[Record, list[str]]:
    about = _metadata(record)
    splits = about.pop("dataset_split", None)
    split = splits[0] if isinstance(splits, list) and splits else splits
    return {**_identity(record), **_asked(record["inputs"]), "expected": _single(record["outputs"]), "labels": about,
            "split": split}, []  # fmt: skip


def _langfuse(record: Record) -> tuple[Record, list[str]]:
    labels = _metadata(record)
    source = f"trace:{record['sourceTraceId']}" if record.get("sourceTraceId") else ""
    lost = ["metadata"] if record.get("metadata") and not labels else []
    case = {**_identity(record), **_asked(record["input"]), "expected": record["expectedOutput"], "labels": labels}
    return {**case, "source": source}, lost


def _openai_evals(record: Record) -> tuple[Record, list[str]]:
    item = record.get("item", record)
    if "ideal" in item and "input" in item:
        return {**_identity(item), **_asked(item["input"]), "expected": item["ideal"]}, []
    variables = {key: value for key, value in item.items() if key not in ("id", "expected")}
    return {**_identity(item), "variables": variables, "expected": item.get("expected")}, []


def _fine_tuning(record: Record) -> tuple[Record, list[str]]:
    *messages, last = record["messages"]
    lost: list[str] = [key for key in ("tools", "functions", "weight") if key in record]
    if last.get("role") != "assistant":
        return {"messages": record["messages"]}, lost
    labels = {"tool_calls": last["tool_calls"]} if last.get("tool_calls") else {}
    return {"messages": messages, "expected": last.get("content"), "labels": labels}, lost


def _inspect(record: Record) -> tuple[Record, list[str]]:
    asked = _asked(record["input"])
    if choices := record.get("choices"):
        asked["variables"] = {**asked.get("variables", {}), "choices": choices}
    lost = [key for key in ("sandbox", "files", "setup") if record.get(key)]
    return {**_identity(record), **asked, "expected": record["target"], "labels": _metadata(record)}, lost


def _deepeval(record: Record) -> tuple[Record, list[str]]:
    context = record.get("retrieval_context") or record.get("context")
    labels = {"tools": record["expected_tools"]} if record.get("expected_tools") else {}
    lost = [key for key in ("actual_output", "tools_called") if record.get(key)]
    return {
        **_asked(record["input"]),
        "expected": record["expected_output"],
        "context": context,
        "labels": labels,
    }, lost


def _ragas(record: Record) -> tuple[Record, list[str]]:
    context = record.get("retrieved_contexts") or record.get("reference_contexts")
    labels = {"contexts": record["reference_contexts"]} if record.get("reference_contexts") else {}
    lost = ["response"] if record.get("response") else []
    return {**_asked(record["user_input"]), "expected": record["reference"], "context": context, "labels": labels}, lost


def _metadata(record: Record) -> Record:
    about = record.get("metadata")
    return dict(about) if isinstance(about, dict) else {}


def _identity(record: Record) -> Record:
    return {"id": str(record["id"])} if record.get("id") not in (None, "") else {}


def _asked(value: Any) -> Record:
    """What goes in: variables by name, chat messages, or one text, the variable `input`."""
    if isinstance(value, list) and value and all(isinstance(each, dict) and "role" in each for each in value):
        return {"messages": value}
    if isinstance(value, dict):
        messages = value.get("messages")
        return _asked(messages) if messages and len(value) == 1 else {"variables": value}
    return {"variables": {"input": value}}


def _single(value: Any) -> Any:
    """The one member of an answer, or all of it."""
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value


_MARKS = (
    ("promptfoo", ("vars",)),
    ("LangSmith", ("inputs", "outputs")),
    ("Langfuse", ("input", "expectedOutput")),
    ("OpenAI evals", ("input", "ideal")),
    ("DeepEval", ("input", "expected_output")),
    ("Inspect", ("input", "target")),
    ("Ragas", ("user_input", "reference")),
    ("OpenAI fine-tuning", ("messages",)),
)
_READERS: dict[str, Callable[[Record], tuple[Record, list[str]]]] = {
    "Moat": lambda record: (record, []),
    "promptfoo": _promptfoo,
    "LangSmith": _langsmith,
    "Langfuse": _langfuse,
    "OpenAI evals": _openai_evals,
    "DeepEval": _deepeval,
    "Inspect": _inspect,
    "Ragas": _ragas,
    "OpenAI fine-tuning": _fine_tuning,
}
