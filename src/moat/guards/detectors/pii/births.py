"""Dates of birth: a date near a word for being born."""

import re
from bisect import bisect_right
from collections.abc import Iterator

from moat.guards.detector import Hit
from moat.guards.detectors.pii.search import Search
from moat.guards.glance import GLANCE
from moat.guards.patterns import Pattern

_STEMS = (
    "birth|born|dob|d\\.o\\.b|gebor|geboor|geb\\.|geburt|né |née |né\\(e\\)|naissance|naiss|nacid|nació|nacim"
    "|\\bnasci\\b"
    "|\\b(?-i:nat[oa]|Nata) (?:a|ad|in|nel|nella) |\\b(?-i:Nato) (?:a|ad) \\pL+ il "
    "|nato il|nata il|nascit|nacqu|nascid|nasceu|nascim|urodz|\\bur\\. |född|födel|født|fødse|syntyn|syntymä"
    "|doğum|doğdu|родил|рожден|народ|narozen|narodz|szület|născut|naștere"
    "|γενν|lahir|sinh|出生|生年月日|生まれ|誕生日|생년월일|출생|जन्म|الميلاد|ولد|נולד|เกิด"
)
_STEM = Pattern(_STEMS, ignore_case=True)
_WORDED = GLANCE.add(lambda: f"(?i:{_STEMS})")
_MONTHS = (
    r"(?:jan|feb|fév|fev|mar|mär|maa|mrt|apr|avr|abr|huh|mai|may|maj|mei|maggio|mag|tou|jun|juin|juin|giu|kes|jul"
    r"|juil|lug|hei|aug|aoû|ago|elo"
    r"|sep|set|sty|syy|oct|okt|out|ott|lok|nov|mar|dec|dez|déc|dic|jou|ene|gen|gru|kwi|cze|lip|sie|wrz|paź|lis|lut"
    r"|oca|şub|nis|haz|tem|ağu|eyl|eki"
    r"|kas|ara|янв|фев|мар|апр|мая|май|июн|июл|авг|сен|окт|ноя|дек)"
)
_MONTH = rf"{_MONTHS}[^\W\d_]{{0,9}}\.?"
_DATE = re.compile(
    r"(?<![0-9A-Za-z_\u00c0-\u058f.-])(?:(?:19|20)\d\d([./-])[01]?\d\1[0-3]?\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|[0-3]?\d([./ -])[0-3]?\d\2(?:(?:19|20)\d\d|\d\d)"
    rf"|[0-3]?\d(?:st|nd|rd|th|er|º|ª|\.|:an)?[ -](?:of[ ]|de[ ])?{_MONTH}[ ,-]{{1,2}}(?:de[ ]|del[ ])?(?:(?:19"
    rf"|20)\d\d|\d\d)"
    rf"|{_MONTH}(?:[ ][0-3]?\d(?:st|nd|rd|th)?,?[ ]|/[0-3]?\d/)(?:19|20)\d\d"
    r"|(?:昭和|平成|令和|大正|明治)(?:\d{1,2}|元)年[ ]?[01]?\d月[ ]?[0-3]?\d日"
    r"|(?:19|20)\d\d[年년][ ]?[01]?\d[月월][ ]?[0-3]?\d[日일])(?![\d-]|[./]\d)",
    re.IGNORECASE,
)
_CORE = Pattern(
    r"\p{Nd}(?:[./-]| [0-3]?\p{Nd} )\p{Nd}|\p{Nd}[年년]"
    rf"|\p{{Nd}}(?:st|nd|rd|th|er|º|ª|\.|:an)?[ -](?:of |de )?{_MONTHS}"
    rf"|{_MONTHS}[\pL\pN]{{0,9}}\.?[ /][0-3]?\p{{Nd}}",
    ignore_case=True,
)
"""What every match of `_DATE` has in it. Read once for the whole text: where it is full of words for birth, `_DATE`
would read each place many times.
"""
_NEW_SENTENCE = re.compile(r"[.!?]\s")
_NOBODY = re.compile(
    r"(?:version|release|build|project|company|idea|branch|feature|model|brand)\W{1,3}(?:was |is )?$",
    re.IGNORECASE,
)
"""In front of a word for birth: what was not born but made."""
_REACH, _REACH_BACK = 48, 36


def births(search: Search) -> Iterator[Hit]:
    """The date that follows a word for birth, or stands just in front of one."""
    if not search.glimpse.shows(_WORDED):
        return
    text = search.text
    cores = list(_CORE.spans(text))
    ends = [end for _, end in cores]

    def dated(begin: int, stop: int) -> bool:
        at = bisect_right(ends, begin)
        return at < len(cores) and cores[at][0] < stop

    looked_to = 0
    for start, end in _STEM.spans(text):
        behind = max(end, looked_to)
        if dated(behind, end + _REACH) and (match := _DATE.search(text, behind, end + _REACH)):
            looked_to = match.end()
            if not _NOBODY.search(text, max(0, start - 24), start):
                yield Hit("birth_date", match.start(), match.end(), 0.9)
        elif end >= looked_to and dated(max(0, start - _REACH_BACK), end + _REACH):
            looked_to = end
            near = None
            for match in _DATE.finditer(text, max(0, start - _REACH_BACK), start):
                near = match
            if near is not None and not _NEW_SENTENCE.search(text, near.end(), start):
                yield Hit("birth_date", near.start(), near.end(), 0.7)
