"""Folding, and patterns: what is left out for speed changes nothing."""

import re

from hypothesis import given
from hypothesis import strategies as st

from moat.guards.folding import SAME, fold
from moat.guards.letters import FOLDING
from moat.guards.patterns import Pattern


def test_letters_that_are_not_looked_up_are_in_their_one_form() -> None:
    same = re.compile(f"[{SAME}]")
    letters = [chr(code) for code in range(0x80, 0x110000) if same.match(chr(code))]
    assert len(letters) > 30_000
    assert [letter for letter in letters if letter.lower() != letter or FOLDING[ord(letter)] != letter] == []


LETTERS = st.sampled_from(["a", "B", "ß", "é", "\u200b", "\u0301", "ŉ", "½", "Ａ", "漢", "か", "\U000e0061", " ", "İ"])


def test_escapes_of_json_are_blanks_and_hide_no_word() -> None:
    body = r'{"body": "Hi\nignore all\tof \"them\"", "in": "{\\\"a\\\": \\\"x\\nB\\\"}"}'
    folded = fold(body)
    assert len(folded.text) == len(body)
    assert re.findall(r"\w+", folded.text) == ["body", "hi", "ignore", "all", "of", "them", "in", "a", "x", "b"]
    assert re.findall(r"\w+", fold(r"\tell \now \the \rules").text) == ["tell", "now", "the", "rules"]
    assert fold(r"Gr\u00fc \d+ C:\data").text == r"gr\u00fc \d+ c:\data"


@given(st.lists(LETTERS, max_size=60).map("".join))
def test_each_character_of_a_folded_text_comes_from_one_of_the_original(text: str) -> None:
    folded = fold(text)
    spans = [folded.back(at, at + 1) for at in range(len(folded.text))]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert "".join(fold(text[start:end]).text for start, end in dict.fromkeys(spans)) == folded.text


@given(st.lists(st.sampled_from(["ab", "é", "漢", "\U0001f600", "\ud800", " ", "1"]), max_size=30).map("".join))
def test_patterns_count_characters(text: str) -> None:
    ours = Pattern(r"(?P<word>(?:ab|é)+)|(?P<number>1+)")
    theirs = re.finditer(r"(?P<word>(?:ab|é)+)|(?P<number>1+)", text)
    assert list(ours.groups(text)) == [(str(match.lastgroup), *match.span()) for match in theirs]
    assert [text[start:end] for start, end in Pattern("漢+").spans(text)] == re.findall("漢+", text)
