"""The tests of a promptfooconfig.yaml as cases, each with its own assertions, for `{kind: promptfoo}`."""

from pathlib import Path
from typing import Any

import msgspec

from moat.documents import Document, read_yaml
from moat.domain.errors import DatasetError, DocumentError
from moat.evals.scorers.foreign.assertions import read_assertion

IGNORED = ("prompts", "providers", "description", "outputPath", "sharing", "evaluateOptions", "env")
"""Keys that say nothing of the tests: what answers stands in the suite."""
OF_TEST = ("vars", "assert", "description", "metadata", "threshold")


def promptfoo_cases(path: Path) -> list[dict[str, Any]]:
    """The tests in order, as lines of a dataset. Raises `DatasetError` with the line of what cannot be taken over."""
    try:
        document = read_yaml(path)
    except DocumentError as error:
        raise DatasetError(error.what, where=error.where, remedy=error.remedy) from error
    config = document.data if isinstance(document.data, dict) else {}
    tests = config.get("tests")
    if not isinstance(tests, list) or not tests:
        raise DatasetError(
            "no list of tests", where=f"{path}:1", remedy="Tests in other files: name those files' cases."
        )
    if unknown := config.keys() - {*IGNORED, "tests", "defaultTest"}:
        raise DatasetError(f"`{min(unknown)}` cannot be taken over", where=document.place((min(unknown),)))
    default = config.get("defaultTest") or {}
    _check(document, default, ("defaultTest",))
    return [_case(document, index, test, default) for index, test in enumerate(tests)]


def _case(document: Document, index: int, test: Any, default: dict[str, Any]) -> dict[str, Any]:
    _check(document, test, ("tests", index))
    case: dict[str, Any] = {
        "id": f"{index + 1:03d}",
        "variables": {**(default.get("vars") or {}), **(test.get("vars") or {})},
        "labels": {"assert": [*(default.get("assert") or []), *(test.get("assert") or [])]},
        "source": f"promptfoo: {test['description']}" if test.get("description") else "promptfoo",
    }
    return case


def _check(document: Document, test: Any, at: tuple[str | int, ...]) -> None:
    if not isinstance(test, dict):
        raise DatasetError("a test is an object with `vars` and `assert`", where=document.place(at))
    if unknown := test.keys() - {*OF_TEST}:
        raise DatasetError(
            f"`{min(unknown)}` of a test cannot be taken over", where=document.place((*at, min(unknown)))
        )
    if test.get("threshold") is not None:
        remedy = "Give the scorer a `threshold`: one for all cases."
        raise DatasetError("a test's own `threshold` cannot be taken over", where=document.place(at), remedy=remedy)
    for index, assertion in enumerate(test.get("assert") or []):
        try:
            read_assertion(assertion)
        except (ValueError, AttributeError, msgspec.ValidationError) as error:
            raise DatasetError(str(error), where=document.place((*at, "assert", index))) from None
