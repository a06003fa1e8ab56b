"""Findings in files for other programs: SARIF and GitHub annotations."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from moat.prompts.linting.rules import RULES
from moat.prompts.problems import Problem

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(
    problems: Sequence[Problem],
    version: str,
    folder: str,
    *,
    tool: str = "moat lint",
    explained: Mapping[str, str] = RULES,
) -> dict[str, Any]:
    """A SARIF 2.1.0 log of one run; `folder` is the project's, relative to the top of the repository."""
    rules = sorted({problem.rule for problem in problems})
    seen: Counter[str] = Counter()
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": tool,
                        "semanticVersion": version,
                        "rules": [_rule(name, explained[name]) for name in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem, rules, folder, seen) for problem in problems],
            }
        ],
    }


def _rule(name: str, help: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": name.replace("-", " ")}, "help": {"text": help}}


def _result(problem: Problem, rules: list[str], folder: str, seen: Counter[str]) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(folder + problem.path)}}
    if problem.line:
        location["region"] = {"startLine": problem.line}
        if problem.column:
            location["region"]["startColumn"] = problem.column
    identity = f"{problem.rule}\0{folder}{problem.path}\0{problem.message}"
    seen[identity] += 1
    fingerprint = hashlib.sha256(f"{identity}\0{seen[identity]}".encode()).hexdigest()
    return {
        "ruleId": problem.rule,
        "ruleIndex": rules.index(problem.rule),
        "level": problem.severity,
        "message": {"text": sentence(problem)},
        "locations": [{"physicalLocation": location}],
        # Over what is wrong, not where: the finding stays the same one when lines move.
        "partialFingerprints": {"moatFinding/v1": fingerprint},
    }


def github(problems: Iterable[Problem], folder: str) -> Iterable[str]:
    """Workflow commands that GitHub shows as annotations of the changed files."""
    for problem in problems:
        where = {"file": folder + problem.path, "line": problem.line, "col": problem.column}
        given = ",".join(f"{key}={_property(str(value))}" for key, value in where.items() if value)
        title = _property(f"moat: {problem.rule}")
        yield f"::{problem.severity} {given},title={title}::{_data(sentence(problem))}"


def sentence(problem: Problem) -> str:
    """The message and what to do about it."""
    return f"{problem.message}. {problem.remedy}" if problem.remedy else problem.message


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
