"""The page behind a feedback link: one form, whole in itself, without a script or anything from elsewhere."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from moat.gateway.http import Headers

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem;color:#222;"
    "background:#fff}fieldset{border:0;padding:0;margin:0 0 1rem}legend{font-weight:600}label{margin-right:1rem}"
    "textarea{display:block;width:100%;box-sizing:border-box;font:inherit;min-height:5rem;margin-bottom:1rem}"
    "button{font:inherit;padding:.5rem 1.5rem}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#111}}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'".encode(),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex"),
]

_RATINGS = ((1, "bad"), (2, ""), (3, ""), (4, ""), (5, "good"))


def form(categories: Sequence[str], chosen: int = 0) -> bytes:
    """The form; `chosen`: rating that is marked already."""
    ratings = "".join(
        f'<label><input type="radio" name="rating" value="{number}"{" checked" if number == chosen else ""}> '
        f"{number}{f' ({word})' if word else ''}</label>"
        for number, word in _RATINGS
    )
    boxes = "".join(
        f'<label><input type="checkbox" name="category" value="{escape(name)}"> {escape(name)}</label>'
        for name in categories
    )
    ticks = f"<fieldset><legend>What was it?</legend>{boxes}</fieldset>" if categories else ""
    return _page(
        "How was the answer?",
        '<form method="post" action="">'
        f"<fieldset><legend>Your rating</legend>{ratings}</fieldset>{ticks}"
        '<label for="comment">Comment</label><textarea id="comment" name="comment" maxlength="10000"></textarea>'
        '<label for="correction">What the answer should have been</label>'
        '<textarea id="correction" name="correction" maxlength="10000"></textarea>'
        '<button type="submit">Send</button></form>',
    )


def message(title: str, text: str) -> bytes:
    """A page that says one thing."""
    return _page(title, f"<p>{escape(text)}</p>")


def _page(title: str, content: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{content}</body></html>"
    ).encode()
