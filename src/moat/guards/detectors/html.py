"""Markup that runs something where the answer is shown."""

import html
import re
from collections.abc import Iterator
from typing import ClassVar

from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.marked_code import code_spans, inside
from moat.guards.text import Text

_SPACE = r"[\s\x00-\x20]{0,8}"
TAG = re.compile(
    r"<(?P<script>/?script\b)[^<>]{0,500}"
    r"|<(?P<frame>iframe|frame|frameset|object|embed|applet|base|portal)\b[^<>]{0,500}"
    r"|<(?P<refresh>meta)\b[^<>]{0,300}?http-equiv[^<>]{0,200}"
    r"|<(?P<form>form)\b[^<>]{0,300}?\baction\s{0,8}=[^<>]{0,300}"
    r"|<(?P<style>link\b[^<>]{0,300}?rel\s{0,8}=\s{0,8}[\"']?(?:stylesheet|import|preload|prefetch)|style\b)[^<>]{0,300}"
    r"|<[a-z][\w:-]{0,40}(?=[\s/])[^<>]{0,600}?[\s/\"'](?P<handler>on[a-z]{3,24}\s{0,8}=)[^<>]{0,300}",
    re.IGNORECASE,
)
ATTRIBUTE = re.compile(
    r"\b(?:href|src|action|formaction|data|poster|background|xlink:href|srcdoc|srcset)\s{0,8}="
    r"\s{0,8}(?:\"([^\"]{0,300})|'([^']{0,300})|([^\s<>\"']{0,300}))",
    re.IGNORECASE,
)
MARKDOWN = re.compile(
    r"\]\(\s{0,8}<?([^()\s>]{1,300})|\]:\s{0,8}<?([^\s>]{1,300})|<([a-z][^\s<>]{1,300})>", re.IGNORECASE
)
"""What follows the text of a link, or stands between angle brackets."""
BAD_URL = re.compile(
    r"(?:javascript|vbscript|livescript):|data:(?!image/(?:png|jpe?g|gif|webp|bmp|x-icon|avif)[;,])"
    r"(?=[^,]{0,80}(?:html|xml|svg|script|,))",
    re.IGNORECASE,
)
INVISIBLE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2060\ufeff]+")
SCORES = {"script": 0.95, "frame": 0.8, "refresh": 0.8, "form": 0.6, "style": 0.5, "handler": 0.9}


class Html(Detector, frozen=True):
    """Finds markup that runs something where it is shown.

    Kinds: `script`, `handler` (an attribute `on...`), `url` (`javascript:`, `vbscript:`, or `data:` with markup, in
    an attribute or in Markdown that becomes one), `frame` (also `object`, `embed`, `base`), `refresh`, `form`, `style`.

    What stands in a Markdown code block or between backticks is shown, not run, and is left out unless `code` is set.
    """

    window: ClassVar[int] = WHOLE
    code: bool = False
    """Look into code too. A stream is then held back by a window only: what is code is known from the whole."""

    def __post_init__(self) -> None:
        """Choose the window."""
        if self.code:
            self.hold(1600)

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Only where there is an angle bracket or a link."""
        written = text.original
        if "<" not in written and "](" not in written and "]:" not in written:
            return
        shown = () if self.code or context.place == "tool_arguments" else tuple(code_spans(written))
        for hit in _found(written):
            if not inside(shown, hit.start):
                yield hit


def _found(text: str) -> Iterator[Hit]:
    if "<" in text:
        for tag in TAG.finditer(text):
            kind = str(tag.lastgroup)
            yield Hit(kind, tag.start(), tag.end(), SCORES[kind], "Leave out markup that runs something.")
    for pattern in (ATTRIBUTE, MARKDOWN):
        for link in pattern.finditer(text):
            url = next((group for group in link.groups() if group), "")
            if BAD_URL.match(INVISIBLE.sub("", html.unescape(url))):
                yield Hit("url", link.start(), link.end(), 0.95, "Leave out links that run something.")
