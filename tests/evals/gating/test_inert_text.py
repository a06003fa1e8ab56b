"""Text of others in Markdown, after entities and escapes are decoded as a forge does."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.evals.markdown import cell, inert, to_markdown
from tests.evals.gating.test_outputs import evaluated


def decoded(text):
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", html.unescape(text))


LIVE = re.compile(r"@\w|#\d|://|www\.|\bGH-\d", re.IGNORECASE)
"""What forges make links, mentions and references of, once it is decoded."""

HOSTILE = [
    "@octocat",
    "ping @org/team now",
    "fixes #12",
    "a/b#12",
    "https://evil.test/?q=1",
    "HTTPS://evil.test",
    "www.evil.test",
    "WWW.evil.test",
    "mail a@evil.test",
    "GH-7",
    "[x](http://evil.test)",
    "&#64;octocat",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_comes_alive_once_it_is_decoded(text):
    assert not LIVE.search(decoded(inert(text)))
    assert not LIVE.search(decoded(cell(text)))
    assert decoded(inert(text)).replace("\u200b", "") == text


@given(st.text(st.sampled_from("@#:/wW.aG1H-h&;64 "), max_size=30))
def test_no_text_does(text):
    assert not LIVE.search(decoded(inert(text)))


def test_a_report_keeps_its_summary_and_reasons_inert():
    text = "see https://evil.test @octocat #1"
    report = replace(evaluated(text=text).report, summary=f"Worse: {text}")
    outside = re.sub(r"^(`{3,})\n.*?^\1$", "", to_markdown(report), flags=re.DOTALL | re.MULTILINE)
    assert "evil.test" in outside
    assert not LIVE.search(decoded(outside))
