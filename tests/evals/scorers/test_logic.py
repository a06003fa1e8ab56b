"""Scorers made of scorers."""

import asyncio

import msgspec
import pytest

from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
from moat.evals.scorers import Answered, Bench
from tests.evals.scorers.worlds import made, score, unreachable

YES = {"kind": "contains", "values": ["yes"]}
NO = {"kind": "contains", "values": ["no"]}
HALF = {"kind": "contains", "values": ["yes", "no"], "partial": True}
MISSING = {"kind": "label"}
BROKEN = {"kind": "json_equals", "name": "deep"}


@pytest.mark.parametrize(
    ("options", "value", "status"),
    [
        ({"kind": "all_of", "of": [YES]}, 1, "ok"),
        ({"kind": "all_of", "of": [YES, NO]}, 0, "ok"),
        ({"kind": "all_of", "of": [YES, HALF]}, 0.5, "ok"),
        ({"kind": "all_of", "of": [YES, MISSING]}, 1, "ok"),
        ({"kind": "all_of", "of": [MISSING]}, None, "not_run"),
        ({"kind": "any_of", "of": [NO, YES]}, 1, "ok"),
        ({"kind": "any_of", "of": [NO, HALF]}, 0.5, "ok"),
        ({"kind": "not", "of": [NO]}, 1, "ok"),
        ({"kind": "not", "of": [YES]}, 0, "ok"),
        ({"kind": "not", "of": [{"kind": "any_of", "of": [NO, YES]}]}, 0, "ok"),
        ({"kind": "mean", "of": [YES, NO]}, 0.5, "ok"),
        ({"kind": "mean", "of": [YES, NO], "weights": [3, 1]}, 0.75, "ok"),
        ({"kind": "mean", "of": [MISSING, YES, NO], "weights": [9, 3, 1]}, 0.75, "ok"),
        ({"kind": "mean", "of": [YES, NO], "least": 0.5}, 1, "ok"),
        ({"kind": "mean", "of": [YES, NO], "least": 0.6}, 0, "ok"),
    ],
)
def test_values_are_folded(options, value, status):
    got = score(options, "yes")
    assert (got.value, got.status) == (value, status)
    assert bool(got.reason) == (value != 1)


def test_an_error_of_a_part_is_the_whole_s_unless_another_part_settles_it():
    raises = {"kind": "number", "path": "n"}
    answer, case = '{"n": ' + "1" * 400 + "}", {"expected": 1}
    assert score(raises, answer, **case).status == "error"
    assert score({"kind": "all_of", "of": [raises]}, answer, **case).status == "error"
    assert score({"kind": "all_of", "of": [raises, YES]}, answer, **case).value == 0
    assert score({"kind": "any_of", "of": [raises, {"kind": "json"}]}, answer, **case).value == 1
    assert score({"kind": "mean", "of": [raises, YES]}, answer, **case).status == "error"


def test_the_parts_stand_as_evidence_and_say_why():
    got = score({"kind": "all_of", "of": [YES, {**NO, "name": "no"}]}, "yes")
    assert got.reason == "no: missing: 'no'"
    assert [part["value"] for part in got.evidence["of"]] == [1.0, 0.0]
    assert score({"kind": "not", "of": [YES]}, "yes").reason == "contains should not hold, and is 1"


def test_parts_are_bound_and_are_part_of_the_identity():
    prompt = PromptVersion(name="p", version="1.0.0", messages=(), model="m", output={"type": "object"})
    bound = made({"kind": "not", "of": [{"kind": "json_schema"}]}).bind(Bench(ask=unreachable, prompt=prompt))
    assert asyncio.run(bound.score(Case(id="a"), Answered("{}"))).value == 0
    one = made({"kind": "all_of", "of": [YES]}).identity
    assert one["of"][0]["revision"] == 2
    assert one != made({"kind": "all_of", "of": [NO]}).identity


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kind": "all_of", "of": []}, "lists 1 to 50"),
        ({"kind": "all_of", "of": [{}]}, r"of\[0\]`: unknown scorer kind None"),
        ({"kind": "all_of", "of": [YES, {"kind": "contain"}]}, r"of\[1\]`: unknown scorer kind 'contain'"),
        ({"kind": "all_of", "of": [{"kind": "length"}]}, r"of\[0\]` \(length\): give"),
        ({"kind": "not", "of": [YES, NO]}, "the one scorer"),
        ({"kind": "mean", "of": [YES], "weights": [1, 2]}, "2 `weights` for 1"),
        ({"kind": "mean", "of": [YES], "weights": [0]}, "above 0"),
        ({"kind": "mean", "of": [YES], "least": 2}, "from 0 to 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, reason):
    with pytest.raises(msgspec.ValidationError, match=reason):
        made(options)
