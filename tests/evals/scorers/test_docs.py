"""The page on scorers: nothing is missing, and nothing on it is wrong."""

import re
from pathlib import Path

import msgspec
import pytest

from moat.documents import parse_yaml
from moat.evals.scorers import KINDS, scorer_kind

PAGE = (Path(__file__).parents[3] / "docs" / "scorers.md").read_text("utf-8")
ROWS = {row[1]: row[0] for row in re.finditer(r"^\| `(\w+)` \|.*\|$", PAGE, re.MULTILINE) if "{kind:" in row[0]}
EXAMPLES = re.findall(r"`(\{kind: .*?\})`(?= \|$)", PAGE, re.MULTILINE)
ELSEWHERE = ("judge", "judging", "pairwise", "rag", "human", "foreign")
"""Files of scorers that have pages of their own."""
OWN = {kind: cls for kind, cls in KINDS.items() if not cls.__module__.split(".")[3].startswith(ELSEWHERE)}


def test_every_kind_has_a_row_with_an_example():
    assert set(ROWS) == set(OWN)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_scorer(example):
    options = parse_yaml(example).data
    assert msgspec.convert(options, scorer_kind(options["kind"], "here")).kind == options["kind"]


@pytest.mark.parametrize("kind", sorted(OWN))
def test_every_option_is_named_on_the_page(kind):
    common = {"kind", "name", "path", "expected"}
    options = set(OWN[kind].__struct_fields__) - common
    named = ROWS[kind] + "".join(ROWS.get(other, "") for other in re.findall(r"as `(\w+)`", ROWS[kind]))
    if "contains_any" in named:
        named += ROWS["contains"]
    assert {option for option in options if option not in named} == set()
