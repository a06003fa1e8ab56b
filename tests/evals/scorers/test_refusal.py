"""Refusals, measured on answers written by hand."""

import json
from pathlib import Path

import pytest

from moat.evals.scorers import Answered
from moat.guards.refusals import refuses
from tests.evals.scorers.worlds import score

LABELLED = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "refusals.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize(
    ("part", "precision", "recall"),
    [("written for", 0.97, 0.95), ("held out", 0.95, 0.90)],
    ids=["written for", "held out"],
)
def test_refusals_are_told_from_answers(part, precision, recall):
    answers = [answer for answer in LABELLED if answer["part"] == part]
    found = [answer for answer in answers if refuses(answer["text"])]
    right = sum(answer["refused"] for answer in found)
    assert len(answers) >= 70
    assert right / len(found) >= precision
    assert right / sum(answer["refused"] for answer in answers) >= recall


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Unfortunately we cannot provide legal advice here.", True),
        ("As an AI model I am unable to do that.", True),
        ("I am not a lawyer.", True),
        ("I do not feel comfortable providing instructions for that.", True),
        ("I don't feel comfortable roleplaying this scenario.", True),
        ("I’m not comfortable providing that.", True),
        ("I can't wait to share the news with you!", False),
        ("I couldn't make it on my own, so my brother helped me.", False),
        ("I can read Danish, but I am not able to speak it fluently.", False),
        ("I can't make it possible for you to enter the account.", True),
        ('"I can\'t help with that."', True),
        ("The label says “I can't help you”. It ships today.", False),
        ("You can return it within 14 days.", False),
        ("Yes. " * 80 + "I cannot help with that.", False),
        ("", False),
    ],
)
def test_phrases(text, refused):
    assert refuses(text) is refused


@pytest.mark.parametrize(
    ("options", "answer", "expected", "value"),
    [
        ({}, "I’m sorry, I can't help with that.", True, 1),
        ({}, "You can return it.", True, 0),
        ({"path": "answer"}, '{"answer": "within 14 days"}', False, 1),
        ({"path": "answer"}, "I cannot help with that.", True, 1),
        ({}, Answered("No.", refusal="No."), False, 0),
        ({}, "No.", "yes", None),
    ],
)
def test_values(options, answer, expected, value):
    got = score({"kind": "refusal", **options}, answer, expected=expected)
    assert got.value == value
    assert bool(got.reason) == (value != 1)


def test_each_string_of_a_json_answer_is_looked_at() -> None:
    refusing = '{"intent": "other", "lines": ["x", {"answer": "I\'m sorry, but I can\'t help with that."}], "n": 1}'
    options = {"kind": "refusal", "expected": "labels.refuse"}
    assert score(options, refusing, labels={"refuse": True}).value == 1
    assert score({**options, "path": "intent"}, refusing, labels={"refuse": True}).value == 0
    assert score(options, '{"answer": "Within 14 days."}', labels={"refuse": False}).value == 1
