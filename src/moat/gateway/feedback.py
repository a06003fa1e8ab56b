"""`/v1/feedback`: what people say of answers, from applications by key and from anybody by signed link."""

import asyncio
import time
from collections import OrderedDict, deque
from typing import TypeVar
from urllib.parse import parse_qs

import msgspec

from moat.domain.errors import LimitExceeded, MoatError, NotFound, RequestError
from moat.domain.keys import Key, check_text
from moat.gateway import feedback_page as page
from moat.gateway.admission import authenticate, check_encoding, read_headers
from moat.gateway.bodies import decode, require_type
from moat.gateway.feedback_links import PREFIX, Link, LinkSigner
from moat.gateway.http import JSON, Headers, Receive, Scope, Send, error_headers, read_body, respond
from moat.gateway.opinions import Categories, Opinions, Said, to_keep
from moat.gateway.serving import Live
from moat.ports.clock import Clock

MAX_BODY = 256 * 1024
MAX_DAYS = 366
LINK_POSTS = 10
"""Of one link in a minute: somebody who thinks again, and no more."""
_MINUTE = 60.0
_LINKS_KNOWN = 10_000

T = TypeVar("T")


class LinkOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a link shall be for."""

    request_id: str
    expires_days: float = 30.0
    by: str = ""
    """Who it is for: what comes by it is his opinion."""
    categories: Categories = ()
    """What its form offers to tick."""


class FeedbackApi:
    """Takes feedback of calls."""

    def __init__(self, live: Live, opinions: Opinions, signer: LinkSigner, clock: Clock) -> None:
        self._live = live
        self._opinions = opinions
        self._signer = signer
        self._clock = clock
        self._pace = _Pace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below `/v1/feedback` or `/feedback/`."""
        if scope["path"] == "/v1/feedback":
            await self._give(scope, receive, send)
        elif scope["path"] == "/v1/feedback/links":
            await self._make_link(scope, receive, send)
        else:
            await self._by_link(scope, receive, send)

    async def _give(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An opinion in JSON; durable before the answer, which says its id."""
        key, said = await self._read(scope, receive, Said)
        said = self._kept(said)
        if key.tenant or key.environment:  # the trace store is asked whose the call is
            [kept] = await asyncio.to_thread(self._opinions.take, [said], key)
        else:
            [kept] = self._opinions.take([said], key)
        await respond(send, 200, msgspec.json.encode({"id": kept.id, "value": kept.value}), [JSON])

    def _kept(self, said: Said) -> Said:
        """What may be kept of it."""
        ports = self._live.serving.ports
        return to_keep(said, ports.capture) if ports is not None and ports.capture is not None else said

    async def _make_link(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A link that the application may hand to a person."""
        key, order = await self._read(scope, receive, LinkOrder)
        link = new_link(order, key, self._clock.now_ns())
        await asyncio.to_thread(self._opinions.check_own, Said(request_id=link.request_id), key)
        answer = {"path": self._signer.path(link), "expires_at": link.expires_s}
        await respond(send, 200, msgspec.json.encode(answer), [JSON])

    async def _read(self, scope: Scope, receive: Receive, shape: type[T]) -> tuple[Key, T]:
        headers = read_headers(scope)
        key = authenticate(headers, self._live.serving.keys)
        await self._live.turns.take(key.tenant or key.id)
        _check_type(headers, "application/json")
        return key, decode(await read_body(receive, MAX_BODY), shape)

    async def _by_link(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The form, or what it sent. Whoever opens a link has said nothing yet: mail programs open them all."""
        headers: Headers = page.HEADERS
        try:
            token = scope["path"][len(PREFIX) :]
            link = self._signer.read(token, self._clock.now_ns() / 1e9)
            if scope["method"] == "GET":
                answer = page.form(link.categories, _chosen(scope["query_string"]))
            else:
                self._pace.check(token)
                _check_type(read_headers(scope), "application/x-www-form-urlencoded")
                said = self._kept(_filled(await read_body(receive, MAX_BODY), link))
                key = Key(id="link", hash="", tenant=link.tenant, environment=link.environment)
                await asyncio.to_thread(self._opinions.take, [said], key, via="link")
                answer = page.message("Thank you", "Your feedback was kept. Send the form again to change it.")
            status = 200
        except MoatError as error:
            self._live.refusals.add("feedback", error.status)
            status, answer = error.status, page.message("That did not work", f"{error.what}. {error.remedy}".strip())
            headers = [*headers, *(pair for pair in error_headers(error, "") if pair[0] == b"retry-after")]
        await respond(send, status, answer, headers)


def new_link(order: LinkOrder, key: Key, now_ns: int) -> Link:
    """What a key's link says. Raises `RequestError`."""
    if not order.request_id:
        raise RequestError("says not what it is about", where="$.request_id")
    for text in (order.request_id, order.by, *order.categories):
        check_text(text, where="$")
    if not 0 < order.expires_days <= MAX_DAYS:
        raise RequestError(f"must be more than 0 days, up to {MAX_DAYS}", where="$.expires_days")
    return Link(
        request_id=order.request_id,
        expires_s=int(now_ns / 1e9 + order.expires_days * 86_400),
        by=order.by,
        categories=order.categories,
        tenant=key.tenant,
        environment=key.environment,
    )


class _Pace:
    """How often each link was used lately; links that were not used for long are forgotten first."""

    def __init__(self) -> None:
        self._used: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, token: str) -> None:
        """Raises `LimitExceeded` above `LINK_POSTS` in a minute."""
        now = time.monotonic()
        times = self._used.setdefault(token, deque())
        self._used.move_to_end(token)
        while times and now - times[0] > _MINUTE:
            times.popleft()
        if len(times) >= LINK_POSTS:
            raise LimitExceeded("this link is used too often", retry_after=_MINUTE - (now - times[0]))
        times.append(now)
        if len(self._used) > _LINKS_KNOWN:
            self._used.popitem(last=False)


def _check_type(headers: dict[str, str], wanted: str) -> None:
    check_encoding(headers)
    require_type(headers, wanted)


def _chosen(query: bytes) -> int:
    """`?rating=4`: a mail may offer one link for each."""
    return next((number for number in range(1, 6) if query == b"rating=%d" % number), 0)


def _filled(body: bytes, link: Link) -> Said:
    """What a form says. Raises `RequestError`."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        raise RequestError("this is not what the form sends") from None
    one = {name: values[-1].replace("\r\n", "\n").strip() for name, values in fields.items()}
    filled = {
        "request_id": link.request_id,
        "by": link.by,
        "rating": int(one["rating"]) if one.get("rating") in {"1", "2", "3", "4", "5"} else None,
        "categories": [name for name in fields.get("category", []) if name in link.categories],
        "comment": one.get("comment", ""),
        "correction": one.get("correction") or None,
    }
    if not any(filled[name] for name in ("rating", "categories", "comment", "correction")):
        raise RequestError("nothing was filled in")
    try:
        return msgspec.convert(filled, Said)
    except msgspec.ValidationError as error:
        raise RequestError(str(error)) from None


async def no_feedback(scope: Scope, receive: Receive, send: Send) -> None:
    """Where none is taken."""
    raise NotFound("this server takes no feedback")
