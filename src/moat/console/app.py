"""The web console as an ASGI application: files of the built site, its one page, and for the rest somebody else."""

import asyncio
import os
from pathlib import Path

from moat.console.site import INDEX, LASTING, File, Opened, Site, changed_ns, open_file, read_piece, read_site
from moat.gateway.http import App, Headers, Message, Receive, Scope, Send, respond

API = "/api/"
"""Below it the management API answers, whatever the client accepts."""

READING = ("GET", "HEAD")

NOSNIFF = (b"x-content-type-options", b"nosniff")
NO_STORE = (b"cache-control", b"no-store")
VARY = (b"vary", b"accept-encoding")
SAME_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")

ARMOUR: Headers = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        b"connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        b"frame-ancestors 'none'",
    ),
    NOSNIFF,
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    SAME_ORIGIN,
    (
        b"permissions-policy",
        b"accelerometer=(), autoplay=(), camera=(), clipboard-read=(), display-capture=(), "
        b"encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), "
        b"local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), "
        b"publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
    ),
]
"""What every answer of the console forbids. Writing to the clipboard is left: pages show commands to copy."""

ANSWERED: Headers = [
    NOSNIFF,
    NO_STORE,
    SAME_ORIGIN,
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
]
"""Of what others answer, where they say nothing else: it is no page, and no part of another site's."""

_UNBUILT = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Moat: the console is not built</title>
<h1>The console is not built</h1>
<p>This server runs from a source tree, or from a package that was made with <code>MOAT_CONSOLE=skip</code>.
In the source tree, build the console:</p>
<pre>make console</pre>
<p>Then reload this page; the server need not be restarted. Everything else of Moat works without it.</p>
</html>
"""


class Console:
    """Answers for the site in a folder, and leaves everything that is not the site's to another application."""

    def __init__(self, built: Path, otherwise: App) -> None:
        """`built`: where a build puts the site. `otherwise`: the management API."""
        self._built = built
        self._otherwise = otherwise
        self._site: Site | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._otherwise(scope, receive, send)
            return
        path = scope["path"]
        if scope["method"] in READING and not path.startswith(API):
            file = None if path == INDEX else (await self._listed()).files.get(path)
            if file is not None and (opened := await _opened(file, scope, tagged=not path.startswith(LASTING))):
                await _send(scope, send, file, *opened)
                return
            if path in ("/", INDEX) or _is_page(scope):
                await self._page(scope, send)
                return
        await self._otherwise(scope, receive, _armoured(send))

    async def _page(self, scope: Scope, send: Send) -> None:
        """The application's page. It names what was built with it, so a new one is a new site."""
        site = await self._listed()
        if await asyncio.to_thread(changed_ns, self._built) != site.changed_ns:
            self._site = site = await asyncio.to_thread(read_site, self._built)
        file = site.files.get(INDEX)
        if file is not None and (opened := await _opened(file, scope, tagged=True)):
            await _send(scope, send, file, *opened)
            return
        await respond(send, 503, _UNBUILT, [(b"content-type", b"text/html; charset=utf-8"), NO_STORE, *ARMOUR])

    async def _listed(self) -> Site:
        if self._site is None:
            self._site = await asyncio.to_thread(read_site, self._built)
        return self._site


def _is_page(scope: Scope) -> bool:
    """Does a browser go to an address of the application? What scripts and programs miss is no page."""
    return not scope["path"].startswith(LASTING) and "text/html" in _header(scope, b"accept")


async def _opened(file: File, scope: Scope, *, tagged: bool) -> tuple[Opened, bool] | None:
    """The file, packed when the client takes that; None when it is gone since it was listed."""
    packed = file.packed and _takes_gzip(_header(scope, b"accept-encoding"))
    try:
        return await asyncio.to_thread(open_file, file, packed=packed, tagged=tagged), packed
    except OSError:
        return None


async def _send(scope: Scope, send: Send, file: File, opened: Opened, packed: bool) -> None:
    """One piece after the other: a client that reads slowly costs no more memory than one piece."""
    try:
        headers: Headers = [*ARMOUR]
        if file.packed:
            headers.append(VARY)
        if opened.tag:
            headers += [(b"cache-control", b"no-cache"), (b"etag", opened.tag.encode())]
            if _knows(_header(scope, b"if-none-match"), opened.tag):
                await send({"type": "http.response.start", "status": 304, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
        else:
            headers.append((b"cache-control", b"public, max-age=31536000, immutable"))
        headers += [(b"content-type", file.kind.encode()), (b"content-length", str(opened.size).encode())]
        if packed:
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sent = 0
        while scope["method"] != "HEAD" and (piece := await asyncio.to_thread(read_piece, opened.fd, sent)):
            sent += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": sent < opened.size})
        if sent == 0:
            await send({"type": "http.response.body", "body": b""})
    finally:
        os.close(opened.fd)


def _armoured(send: Send) -> Send:
    """What others answer is read by no page but ours, is none itself whatever a browser makes of it, and is kept by
    nobody, unless the answer says otherwise.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Headers = list(message.get("headers", ()))
            names = {name for name, _ in headers}
            headers += [each for each in ANSWERED if each[0] not in names]
            message = {**message, "headers": headers}
        await send(message)

    return sending


def _header(scope: Scope, name: bytes) -> str:
    """All values of a request header, as the one list they are."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name).lower()


def _takes_gzip(accepted: str) -> bool:
    """Is gzip in an `accept-encoding`, with a weight above zero? (RFC 9110, 12.5.3)"""
    for each in accepted.split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "").removeprefix("q=").strip("0.") != "" or not weight
    return False


def _knows(known: str, tag: str) -> bool:
    """Is the tag in an `if-none-match`? A proxy that packs answers makes their tags weak."""
    return known.strip() == "*" or tag in {each.strip().removeprefix("w/") for each in known.split(",")}
