"""Scorers of JSON answers."""

import asyncio

import msgspec
import pytest

from moat.domain.errors import PromptError
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case
from moat.evals.scorers import Answered, Bench
from tests.evals.scorers.worlds import made, score, unreachable

ORDER = '{"id": 7, "lines": [{"sku": "a", "price": 9.99}, {"sku": "b", "price": 5}], "paid": true}'
WANTED = {"id": 7, "lines": [{"sku": "a", "price": 9.99}, {"sku": "b", "price": 5}], "paid": True}


@pytest.mark.parametrize(
    ("options", "answer", "case", "value"),
    [
        ({"kind": "json"}, ORDER, {}, 1),
        ({"kind": "json"}, "```json\n{}\n```", {}, 0),
        ({"kind": "json"}, "\ud800", {}, 0),
        ({"kind": "json"}, "[" * 100_000, {}, 0),
        ({"kind": "json", "anywhere": True}, 'Here: {not} {"a": [1]} done', {}, 1),
        ({"kind": "json", "anywhere": True}, "12", {}, 1),
        ({"kind": "json", "anywhere": True}, "nothing", {}, 0),
        ({"kind": "json_schema", "schema": {"required": ["id"]}}, ORDER, {}, 1),
        ({"kind": "json_schema", "schema": {"required": ["id"]}, "anywhere": True}, f"So: {ORDER}", {}, 1),
        ({"kind": "json_schema", "schema": {"properties": {"id": {"type": "string"}}}}, ORDER, {}, 0),
        ({"kind": "json_equals"}, ORDER, {"expected": WANTED}, 1),
        ({"kind": "json_equals"}, ORDER, {"expected": {**WANTED, "paid": 1}}, 0),
        ({"kind": "json_equals"}, ORDER, {"expected": {"id": 7}}, 0),
        ({"kind": "json_equals", "subset": True}, ORDER, {"expected": {"id": 7.0}}, 1),
        ({"kind": "json_equals", "subset": True}, ORDER, {"expected": {"id": 7, "x": 1}}, 0),
        (
            {"kind": "json_equals", "path": "lines.0", "absolute": 0.02},
            ORDER,
            {"expected": {"sku": "a", "price": 10}},
            1,
        ),
        ({"kind": "json_equals", "path": "lines.0.price", "relative": 0.01}, ORDER, {"expected": 10}, 1),
        ({"kind": "json_equals", "path": "lines.0.price", "relative": 0.0001}, ORDER, {"expected": 10}, 0),
        ({"kind": "json_equals", "ignore": ["lines.*.price", "id"]}, ORDER, {"expected": {**WANTED, "id": 1}}, 1),
        ({"kind": "json_equals", "ignore": ["extra"]}, '{"a": 1, "extra": 2}', {"expected": {"a": 1}}, 1),
        ({"kind": "json_equals"}, "[1, 2]", {"expected": [2, 1]}, 0),
        ({"kind": "json_equals", "any_order": True}, "[1, 2, 2]", {"expected": [2, 1, 2]}, 1),
        ({"kind": "json_equals", "any_order": True}, "[1, 2, 3]", {"expected": [2, 1, 2]}, 0),
        ({"kind": "json_equals"}, "[1, 2, 3]", {"expected": [1, 2]}, 0),
        ({"kind": "json_equals", "partial": True}, '{"a": 1, "b": 2}', {"expected": {"a": 1, "b": [3, 4, 5]}}, 0.25),
        ({"kind": "json_equals", "partial": True}, '{"a": 1, "b": 2}', {"expected": {"a": 1}}, 0.5),
        ({"kind": "json_equals", "partial": True}, "[1, 2, 3, 4]", {"expected": [1]}, 0.25),
        ({"kind": "json_equals"}, "no json", {"expected": [1]}, 0),
        ({"kind": "json_equals", "any_order": True}, f"[{'1,' * 300}1]", {"expected": [1]}, 0),
    ],
)
def test_values(options, answer, case, value):
    got = score(options, answer, **case)
    assert (got.value, got.status) == (value, "ok")
    assert bool(got.reason) == (value < 1)


def test_a_difference_is_told_with_its_place():
    got = score({"kind": "json_equals"}, ORDER, expected={**WANTED, "lines": [{"sku": "a", "price": 8}]})
    assert got.reason == "$.lines[0].price: expected '8', got '9.99'; $.lines: 2 items, 1 expected"
    got = score({"kind": "json_equals"}, '{"x": 1}', expected={"y": 1})
    assert got.reason == "$.y: expected '1', got nothing; $.x: is not expected"


def test_json_that_is_too_deep_is_an_error_and_no_crash():
    deep = "[" * 5000 + "]" * 5000
    got = score({"kind": "json_equals"}, f'{{"x": {deep}}}', expected={"x": []})
    assert got.status in ("ok", "error")


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "json_schema", "schema": {"type": "strin"}},
        {"kind": "json_schema", "schema": {"$ref": "http://127.0.0.1:9/x"}},
        {"kind": "json_equals", "absolute": -1},
        {"kind": "json_equals", "relative": float("inf")},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(msgspec.ValidationError):
        made(options)


def test_json_schema_takes_the_prompts_own_schema():
    prompt = PromptVersion(name="p", version="1.0.0", messages=(), model="m", output={"required": ["intent"]})
    bound = made({"kind": "json_schema"}).bind(Bench(ask=unreachable, prompt=prompt))
    assert asyncio.run(bound.score(Case(id="a"), Answered("{}"))).reason == '$: "intent" is a required property'
    assert bound.bind(Bench(ask=unreachable, prompt=prompt)) is bound
    broken = msgspec.structs.replace(prompt, output={"type": "strin"})
    with pytest.raises(PromptError, match=r"p@1\.0\.0.*cannot be used"):
        made({"kind": "json_schema"}).bind(Bench(ask=unreachable, prompt=broken))


def test_without_any_schema_it_is_not_run():
    assert score({"kind": "json_schema"}, "{}").status == "not_run"
