"""`/v1/feedback` and signed links over a real socket: checked, scoped, idempotent, and kept before the answer."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import pytest

from moat.domain.errors import StorageError
from moat.domain.keys import Key, hash_secret
from moat.domain.spans import Span
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.feedback import LINK_POSTS, FeedbackApi
from moat.gateway.feedback_links import LinkSigner
from moat.gateway.handover import is_anywhere
from moat.gateway.opinions import Opinions
from moat.gateway.serving import Live, Serving
from moat.pipeline.recipe import build
from moat.testing.fakes import FakeClock, ListOpinions, ListSpool, fake_ports
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import no_management

KEYS = {
    "mk-free": Key(id="key_free", hash=""),
    "mk-acme": Key(id="key_acme", hash="", tenant="acme"),
    "mk-staging": Key(id="key_staging", hash="", environment="staging"),
    "mk-ada": Key(id="key_ada", hash="", user="ada"),
    "mk-viewer": Key(id="key_viewer", hash="", role="viewer"),
}


class Calls:
    """A trace store that knows two calls; `away` makes it fail."""

    away = False

    def search(self, wanted: Any, limit: int = 50) -> list[Span]:
        if self.away:
            raise StorageError("the store is away")
        owner = {"req_acme": ("acme", "production"), "req_globex": ("globex", "staging")}.get(wanted.request_id)
        return [span(*owner)] if owner else []

    def trace(self, trace_or_request_id: str) -> list[Span]:
        planted = span("acme", "production", kind="app")
        return {
            "t_globex": [span("globex", "staging")],
            "t_planted": [planted, span("globex", "staging")],
            "t_apps": [planted],
        }.get(trace_or_request_id, [])


def span(tenant: str, environment: str, kind: Any = "call") -> Span:
    return Span(
        span_id="s", trace_id="t", kind=kind, name="chat", started_ns=1, duration_ns=1,
        tenant=tenant, environment=environment,
    )  # fmt: skip


class World:
    """A gateway that takes feedback."""

    def __init__(self, stack: ExitStack) -> None:
        self.kept, self.calls, self.clock = ListOpinions(), Calls(), FakeClock()
        ring = KeyRing(
            [
                Key(**{f: getattr(k, f) for f in k.__struct_fields__} | {"hash": hash_secret(s)})
                for s, k in KEYS.items()
            ],
            self.clock,
        )
        ports = fake_ports(ScriptedProvider("never"))
        live = Live(Serving(build(ports), ring, ports.prompts))
        opinions = Opinions(self.kept, self.calls, self.clock)  # type: ignore[arg-type]
        api = FeedbackApi(live, opinions, LinkSigner(b"secret"), self.clock)
        app = Gateway(live, ListSpool(), max_body=2**20, management=no_management, feedback=api)
        self.url = stack.enter_context(on_loopback(app))

    def send(
        self, method: str, path: str, data: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}{path}", data, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, dict(answer.headers.items()), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers.items()), error.read().decode()

    def give(self, key: str = "mk-free", path: str = "/v1/feedback", /, **said: Any) -> tuple[int, Any]:
        body = json.dumps(said).encode()
        status, _, text = self.send("POST", path, body, authorization=f"Bearer {key}", content_type="application/json")
        return status, json.loads(text)

    def link(self, key: str = "mk-free", **order: Any) -> str:
        status, answer = self.give(key, "/v1/feedback/links", **order)
        assert status == 200, answer
        return str(answer["path"])

    def fill(self, path: str, **fields: Any) -> tuple[int, str]:
        body = urlencode(fields, doseq=True).encode()
        status, _, text = self.send("POST", path, body, content_type="application/x-www-form-urlencoded")
        return status, text


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({"thumbs": "up"}, 1.0),
        ({"thumbs": "down"}, 0.0),
        ({"rating": 1}, 0.0),
        ({"rating": 4}, 0.75),
        ({"value": 0.25}, 0.25),
        ({"comment": "too long\n"}, None),
        ({"categories": ["wrong", "slow", "wrong"]}, None),
        ({"correction": {"answer": 42}}, None),
    ],
)
def test_every_kind_of_opinion_is_kept_as_a_share(world: World, said: dict[str, Any], value: float | None) -> None:
    status, answer = world.give(request_id="req_1", **said)
    (kept,) = world.kept.opinions
    assert (status, answer) == (200, {"id": kept.id, "value": value})
    assert (kept.value, kept.request_id, kept.source, kept.rating) == (value, "req_1", "person", said.get("rating"))
    assert kept.categories == tuple(dict.fromkeys(said.get("categories", ())))


def test_an_opinion_sent_again_is_the_same_and_another_persons_is_not(world: World) -> None:
    def id_of(key: str = "mk-free", /, **said: Any) -> str:
        return str(world.give(key, rating=3, **said)[1]["id"])

    first = id_of(request_id="r", by="u1")
    assert id_of(request_id="r", by="u1", comment="on second thoughts") == first
    others = {
        id_of(request_id="r", by="u2"),
        id_of(request_id="r2", by="u1"),
        id_of(request_id="r", by="u1", name="tone"),
    }
    assert len({first, *others}) == 4
    assert id_of(request_id="r", id="mine") == id_of(request_id="r9", id="mine")
    # A tenant's ids are its own, and a person's key says who speaks.
    assert id_of("mk-acme", request_id="r", id="mine") != id_of(request_id="r", id="mine")
    id_of("mk-ada", request_id="r", by="eve")
    assert world.kept.opinions[-1].by == "ada"


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"rating": 3}, "$"),
        ({"request_id": "r"}, "$"),
        ({"request_id": "r", "rating": 0}, "$.rating"),
        ({"request_id": "r", "rating": True}, "$.rating"),
        ({"request_id": "r", "value": 1.5}, "$.value"),
        ({"request_id": "r", "thumbs": "sideways"}, "$.thumbs"),
        ({"request_id": "r", "thumbs": "up", "rating": 1}, "$"),
        ({"request_id": "r", "rating": 1, "name": "a b"}, "$.name"),
        ({"request_id": "r", "rating": 1, "tenant": "globex"}, "$"),
        ({"request_id": "r\n", "rating": 1}, "$.request_id"),
        ({"request_id": "r" * 300, "rating": 1}, "$.request_id"),
        ({"request_id": "r", "categories": ["a"] * 21}, "$.categories"),
        ({"request_id": "r", "categories": ["\x1b[31m"]}, "$.categories[0]"),
        ({"request_id": "r", "comment": "x" * 10_001}, "$.comment"),
        ({"request_id": "r", "correction": "x" * 70_000}, "$.correction"),
    ],
)
def test_what_is_no_opinion_is_refused_with_its_place(world: World, said: dict[str, Any], where: str) -> None:
    status, answer = world.give(**said)
    assert (status, answer["error"]["param"]) == (400, where)
    assert world.kept.opinions == []


def test_bodies_are_bounded_and_typed(world: World) -> None:
    key = {"authorization": "Bearer mk-free"}
    assert world.send("POST", "/v1/feedback", b"{" * 300_000, content_type="application/json", **key)[0] == 413
    assert world.send("POST", "/v1/feedback", b"[" * 100_000, content_type="application/json", **key)[0] == 400
    assert world.send("POST", "/v1/feedback", b"{}", content_type="text/plain", **key)[0] == 415
    assert world.send("POST", "/v1/feedback", b"\xff", content_type="application/json", **key)[0] == 400
    assert world.send("POST", "/v1/feedback", b"{}", content_type="application/json")[0] == 401
    assert world.give("mk-viewer", request_id="r", rating=1)[0] == 403
    assert world.send("GET", "/v1/feedback", **key)[0] == 405


@pytest.mark.promise("gate-7")
def test_a_bound_key_reaches_its_own_calls_only(world: World) -> None:
    assert world.give("mk-acme", request_id="req_acme", rating=5)[0] == 200
    assert world.give("mk-acme", request_id="req_late", rating=5)[0] == 200
    assert world.give("mk-staging", request_id="req_globex", rating=5)[0] == 200
    refused = [
        world.give("mk-acme", request_id="req_globex", rating=5),
        world.give("mk-acme", trace_id="t_globex", rating=5),
        world.give("mk-acme", trace_id="t_planted", rating=5),  # with a span of acme's application beside the call
        world.give("mk-acme", request_id="req_globex", trace_id="t_apps", rating=5),
        world.give("mk-staging", request_id="req_acme", rating=5),
        world.give("mk-acme", "/v1/feedback/links", request_id="req_globex"),
    ]
    assert {(status, json.dumps(answer)) for status, answer in refused} == {(404, json.dumps(refused[0][1]))}
    assert [(kept.tenant, kept.environment) for kept in world.kept.opinions] == [
        ("acme", ""), ("acme", ""), ("", "staging"),
    ]  # fmt: skip
    assert world.give("mk-acme", trace_id="t_apps", rating=5)[0] == 200, "a trace that applications alone reported"


def test_an_opinion_is_taken_while_the_trace_store_is_away(world: World) -> None:
    world.calls.away = True
    assert world.give("mk-acme", request_id="req_globex", rating=5)[0] == 200
    assert world.kept.opinions[0].tenant == "acme", "so that it is found with that tenant's calls only"


def test_what_cannot_be_kept_is_not_acknowledged(world: World) -> None:
    path = world.link(request_id="req_1")
    world.kept.full = True
    assert world.give(request_id="req_1", rating=5)[0] == 503
    assert world.fill(path, rating=5)[0] == 503


def test_somebody_with_a_link_says_what_he_thinks_without_a_key(world: World) -> None:
    path = world.link("mk-acme", request_id="req_acme", by="u1", categories=["wrong", '<b>"bold"'])
    status, headers, text = world.send("GET", f"{path}?rating=4")
    assert (status, world.kept.opinions) == (200, []), "mail programs open every link"
    assert 'value="4" checked' in text
    assert "<b>" not in text
    assert "&lt;b&gt;&quot;bold&quot;" in text
    assert re.findall(r"<script|src=|href=|https?:", text) == []
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")

    status, text = world.fill(path, rating=2, category=["wrong", "not offered"], comment="a\r\n<script>", correction="")
    assert (status, "Thank you" in text) == (200, True)
    assert world.fill(path, rating=5)[0] == 200
    first, second = world.kept.opinions
    assert first.id == second.id, "a link is one opinion, however often it is used"
    assert (first.request_id, first.by, first.tenant, first.value) == ("req_acme", "u1", "acme", 0.25)
    assert (first.categories, first.comment, first.correction) == (("wrong",), "a\n<script>", None)
    assert "<script>" not in text


def test_links_are_for_one_request_and_for_a_while(world: World) -> None:
    path = world.link(request_id="req_1", expires_days=1)
    other = LinkSigner(b"another secret").path
    forged = [path[:-1] + ("A" if path[-1] != "A" else "B"), path + "A", "/feedback/", "/feedback/x", "/feedback/%ff"]
    forged.append("/feedback/" + "A" * 5000)
    signer = LinkSigner(b"secret")
    forged.append(other(signer.read(path.removeprefix("/feedback/"), 0)))
    for token in forged:
        assert world.send("GET", token)[0] == 404, token
        assert world.fill(token, rating=1)[0] == 404, token
    world.clock.advance(2 * 86_400)
    assert world.send("GET", path)[0] == 410
    assert world.fill(path, rating=1)[0] == 410
    assert world.kept.opinions == []


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"request_id": ""},
        {"request_id": "r", "expires_days": 0},
        {"request_id": "r", "expires_days": 1e9},
        {"request_id": "r", "categories": ["x" * 250 for _ in range(20)]},
        {"request_id": "r", "by": "\n"},
        {"request_id": "r", "tenant": "globex"},
    ],
)
def test_links_that_cannot_be(world: World, order: dict[str, Any]) -> None:
    assert world.give("mk-free", "/v1/feedback/links", **order)[0] == 400


def test_forms_that_say_nothing_or_come_otherwise_are_refused(world: World) -> None:
    path = world.link(request_id="req_1")
    assert world.fill(path)[0] == 400
    assert world.fill(path, rating="9", category="not offered")[0] == 400
    assert world.fill(path, comment="x" * 10_001)[0] == 400
    assert world.fill(path, **{f"f{n}": 1 for n in range(60)})[0] == 400
    assert world.send("POST", path, b"{}", content_type="application/json")[0] == 415
    assert world.kept.opinions == []


def test_a_link_is_used_so_often_and_no_more(world: World) -> None:
    path, other = world.link(request_id="req_1"), world.link(request_id="req_2")
    assert [world.fill(path, rating=1)[0] for _ in range(LINK_POSTS + 2)] == [200] * LINK_POSTS + [429] * 2
    assert world.fill(other, rating=1)[0] == 200


def test_another_way_to_write_a_link_is_no_other_link(world: World) -> None:
    path = world.link(request_id="req_1")
    for ending in ("=", "==", "%3D"):
        assert world.fill(path + ending, rating="5")[0] == 404


def test_ids_are_their_keys_own(world: World) -> None:
    for key in ("mk-free", "mk-ada"):
        assert world.give(key, request_id="req_1", id="mine", rating=5)[0] == 200
    assert len({kept.id for kept in world.kept.opinions}) == 2


def test_the_last_word_counts_whatever_the_clock_says(world: World) -> None:
    world.give(request_id="req_1", rating=5)
    world.clock.jump(-3600)
    world.give(request_id="req_1", rating=1)
    first, second = world.kept.opinions
    assert first.id == second.id
    assert first.at_ns < second.at_ns


def test_one_process_takes_all_feedback() -> None:
    assert not is_anywhere(b"POST /v1/feedback HTTP/1.1\r\n")
    assert not is_anywhere(b"POST /feedback/x HTTP/1.1\r\n")
