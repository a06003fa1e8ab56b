"""Signing in with a provider of identities: a real one over a real socket, and one that lies."""

import base64
import hashlib
import http.client
import http.server
import json
import secrets
import socket
import threading
import time
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from msgspec.structs import replace

from moat.adapters.oidc import OidcProvider
from moat.api.oidc import CALLBACK, HANDSHAKE_NS, START, own_path
from moat.domain.accounts import Account
from moat.domain.audit import AuditQuery
from moat.domain.console import ConsoleConfig, OidcConfig
from moat.domain.errors import ConfigError, Unavailable
from moat.domain.identities import Handshake
from tests.api.world import Api, open_api
from tests.bootstrap.projects import PROMPT

with warnings.catch_warnings():  # of a library below it, to itself
    warnings.simplefilter("ignore")
    import oidc_provider_mock

CLIENT = "moat"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def published(key: Any, kid: str, **fields: Any) -> dict[str, Any]:
    made = jwt.get_algorithm_by_name("ES256" if key is CURVE else "RS256")
    return {**json.loads(made.to_jwk(key.public_key())), "kid": kid, **fields}


class Provider:
    """One that checks what it is sent as the standard has it, and answers with whatever token a test forges."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: dict[str, str] = {}
        self.keys = [published(KEY, "1", use="sig", alg="RS256"), published(CURVE, "2")]
        self.claims: dict[str, Any] = {"email": "ada@example.org", "email_verified": True, "name": "Ada"}
        self.more: dict[str, Any] | None = None
        """What `userinfo` says."""
        self.forge: Callable[[dict[str, Any]], str] = lambda claims: signed(claims)
        self.about: dict[str, Any] = {}
        self.codes: set[str] = set()

    def authorize(self, address: str) -> str:
        """Where a browser is sent back to."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
        self.asked = {name: values[0] for name, values in query.items()}
        assert (self.asked["response_type"], self.asked["client_id"]) == ("code", CLIENT)
        assert self.asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes.add(code)
        answer = {"code": code, "state": self.asked["state"], "session_state": "x", "iss": self.url}
        return f"{self.asked['redirect_uri']}?{urllib.parse.urlencode(answer)}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """What a code is worth, once, to whoever began."""
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        basic = base64.b64encode(f"{CLIENT}:s%2Fecret".encode()).decode()
        if form["code"] not in self.codes or challenge != self.asked["code_challenge"]:
            return None
        assert authorization == f"Basic {basic}"
        assert form["redirect_uri"] == self.asked["redirect_uri"]
        self.codes.remove(form["code"])
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "42", "iat": now, "exp": now + 300}
        token = self.forge({**claims, "nonce": self.asked["nonce"], **self.claims})
        return {"id_token": token, "access_token": "at", "token_type": "Bearer"}


def signed(claims: dict[str, Any], key: Any = KEY, algorithm: str = "RS256", **head: Any) -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": "1", **head})


@contextmanager
def serving(make: Callable[[Provider], None] = lambda provider: None) -> Iterator[Provider]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            about = {
                "issuer": provider.url,
                **{f"{name}_endpoint": f"{provider.url}/{name}" for name in ("authorization", "token", "userinfo")},
                "jwks_uri": f"{provider.url}/keys",
            }
            answers: dict[str, Any] = {
                "/.well-known/openid-configuration": {**about, **provider.about},
                "/keys": {"keys": provider.keys},
                "/userinfo": provider.more if self.headers["authorization"] == "Bearer at" else None,
            }
            self.answer(answers.get(self.path))

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in urllib.parse.parse_qs(sent).items()}
            self.answer(provider.token(form, self.headers["authorization"]))

        def answer(self, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(200 if content is not None else 400)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_port}")
        make(provider)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def own(template: Path, tmp_path: Path) -> Iterator[Api]:
    with open_api(template, tmp_path) as opened:
        yield opened


def trust(api: Api, issuer: str, **fields: Any) -> None:
    config = OidcConfig(issuer=issuer, client_id=CLIENT, name="Our own", **{"domains": ["example.org"], **fields})
    api.console[0] = ConsoleConfig(oidc=config)
    provider = OidcProvider(config, "s/ecret")
    api.sign_in.provider = lambda: provider


def get(api: Api, path: str, cookie: str = "") -> tuple[int, str, list[str]]:
    """Status, where it leads, and cookies."""
    connection = urllib.request.Request(f"{api.url}{path}", headers={"cookie": cookie})
    opener = urllib.request.build_opener(Still())
    try:
        with opener.open(connection, timeout=60) as response:
            return response.status, response.headers.get("location", ""), response.headers.get_all("set-cookie") or []
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("location", ""), error.headers.get_all("set-cookie") or []


class Still(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return


def pair(cookies: list[str], name: str) -> str:
    return next(cookie.partition(";")[0] for cookie in cookies if cookie.startswith(name))


def begin(api: Api, then: str = "/") -> tuple[str, str]:
    """Where the browser is sent, and its cookie."""
    status, address, cookies = get(api, f"{START}?then={urllib.parse.quote(then)}")
    assert (status, "HttpOnly; SameSite=Lax" in cookies[0]) == (303, True)
    return address, pair(cookies, "moat_oidc")


def back(api: Api, address: str, cookie: str) -> tuple[str, str]:
    """Where the browser ends, and its session's cookie."""
    status, then, cookies = get(api, address.removeprefix(api.url), cookie)
    assert (status, any(each.startswith("moat_oidc=;") for each in cookies)) == (303, True)
    session = [each for each in cookies if each.startswith("moat_session=")]
    assert bool(session) == (not then.startswith("/sign-in"))
    return then, pair(cookies, "moat_session") if session else ""


def come(api: Api, provider: Provider, then: str = "/") -> tuple[str, str]:
    """All the way."""
    address, cookie = begin(api, then)
    return back(api, provider.authorize(address), cookie)


def whoami(api: Api, cookie: str) -> Any:
    return json.loads(api.raw("GET", "/api/v1/session", Cookie=cookie)[2])


@pytest.mark.filterwarnings("ignore")  # what the provider uses of itself
def test_somebody_signs_in_at_a_real_provider(own: Api) -> None:
    user = oidc_provider_mock.User(
        sub="ada", claims={"email": "Ada@example.org", "email_verified": True, "name": "Ada", "groups": ["llm"]}
    )
    with oidc_provider_mock.run_server_in_thread(user_claims=[user]) as server:
        trust(own, f"http://localhost:{server.server_port}", roles_claim="groups", roles={"llm": "engineer"})
        ways = json.loads(own.raw("GET", "/api/v1/sign-in")[2])
        assert (ways["ways"], ways["oidc_name"]) == (["password", "oidc"], "Our own")
        address, cookie = begin(own, "/prompts?q=a")
        form = urllib.request.Request(address, b"sub=ada")
        try:
            with urllib.request.build_opener(Still()).open(form, timeout=60):
                raise AssertionError("it sends the browser back")
        except urllib.error.HTTPError as error:
            with error:
                returned = error.headers["location"]
        then, session = back(own, returned, cookie)
        assert then == "/prompts?q=a"
        person = whoami(own, session)
        assert (person["actor"], person["account"]["name"], person["role"]) == ("ada@example.org", "Ada", "engineer")
        assert own.state.accounts.accounts()[0].subject == f"http://localhost:{server.server_port} ada"


def test_the_same_person_comes_back_whatever_their_address_is_now(own: Api) -> None:
    with serving() as provider:
        trust(own, provider.url)
        assert whoami(own, come(own, provider)[1])["role"] == "viewer"
        provider.claims = {"email": "lovelace@elsewhere.org", "email_verified": False}
        assert whoami(own, come(own, provider)[1])["actor"] == "ada@example.org"
        (account,) = own.state.accounts.accounts()
        own.state.accounts.change(account.id, lambda a: replace(a, disabled_ns=1), actor="tests")
        assert come(own, provider) == ("/sign-in?problem=disabled", "")


def test_an_account_that_was_made_before_is_theirs(own: Api) -> None:
    own.state.accounts.add(Account(id="usr_1", email="ada@elsewhere.org", role="expert"), actor="tests")
    with serving() as provider:
        trust(own, provider.url, domains=[])
        assert come(own, provider) == ("/sign-in?problem=no_account", "")
        provider.claims = {"email": "ada@elsewhere.org", "email_verified": True}
        assert whoami(own, come(own, provider)[1])["role"] == "expert"
        provider.claims |= {"sub": "43"}
        assert come(own, provider) == ("/sign-in?problem=no_account", ""), "somebody else got that address"


@pytest.mark.parametrize(
    "claims", [{"email_verified": False}, {"email_verified": None}, {"email": ""}, {"email": None}]
)
def test_an_address_that_nobody_verified_is_none(own: Api, claims: dict[str, Any]) -> None:
    own.state.accounts.add(Account(id="usr_1", email="ada@example.org", role="admin"), actor="tests")
    with serving() as provider:
        trust(own, provider.url)
        provider.claims |= claims
        assert come(own, provider) == ("/sign-in?problem=unverified", "")


def test_groups_decide_at_each_sign_in(own: Api) -> None:
    roles = {"llm": "engineer", "medics": "expert"}
    with serving() as provider:
        trust(own, provider.url, roles_claim="groups", roles=roles, role="none")
        provider.claims["groups"] = []
        assert come(own, provider) == ("/sign-in?problem=no_account", "")
        for groups, role in ((["medics", "x"], "expert"), (["medics", "llm"], "engineer"), ("medics", "expert")):
            provider.claims["groups"] = groups
            assert whoami(own, come(own, provider)[1])["role"] == role
        provider.claims["groups"] = ["x"]
        assert come(own, provider) == ("/sign-in?problem=no_account", "")
        changed = own.state.audit.entries(AuditQuery(action="account.change"))
        assert {one.entry.actor for one in changed} == {"moat"}


def test_the_last_admin_stays_one_whatever_the_provider_says(own: Api) -> None:
    own.state.accounts.add(Account(id="usr_1", email="ada@example.org", role="admin"), actor="tests")
    with serving() as provider:
        trust(own, provider.url, roles_claim="groups", roles={})
        provider.more = {"sub": "42"}
        assert whoami(own, come(own, provider)[1])["role"] == "admin"


def test_what_the_token_lacks_is_asked_for(own: Api) -> None:
    with serving() as provider:
        trust(own, provider.url)
        provider.claims = {}
        provider.more = {"sub": "42", "email": "ada@example.org", "email_verified": True}
        assert whoami(own, come(own, provider)[1])["actor"] == "ada@example.org"
        provider.more = {"sub": "43", "email": "eve@example.org", "email_verified": True}
        assert come(own, provider) == ("/sign-in?problem=failed", "")


def now() -> int:
    return int(time.time())


FORGED: dict[str, Callable[[dict[str, Any]], str]] = {
    "no signature": lambda c: jwt.encode(c, None, "none"),
    "no signature, named key": lambda c: jwt.encode(c, None, "none", headers={"kid": "1"}),
    "the public key as a secret": lambda c: hs256(c, json.dumps(published(KEY, "1")).encode()),
    "the client's secret": lambda c: hs256(c, b"s/ecret" * 8),
    "another key": lambda c: signed(c, OTHER),
    "another key of an unknown name": lambda c: signed(c, OTHER, kid="9"),
    "a key it brings along": lambda c: signed(c, OTHER, jwk=published(OTHER, "1")),
    "the key of another algorithm": lambda c: signed(c, KEY, "RS512"),
    "another issuer": lambda c: signed(c | {"iss": "https://evil.example"}),
    "another application": lambda c: signed(c | {"aud": "other"}),
    "several applications, made for another": lambda c: signed(c | {"aud": [CLIENT, "other"], "azp": "other"}),
    "several applications, for nobody": lambda c: signed(c | {"aud": [CLIENT, "other"]}),
    "another's, for us too": lambda c: signed(c | {"azp": "other"}),
    "over": lambda c: signed(c | {"exp": now() - 120}),
    "from the future": lambda c: signed(c | {"iat": now() + 600}),
    "without an end": lambda c: signed({k: v for k, v in c.items() if k != "exp"}),
    "without a subject": lambda c: signed({k: v for k, v in c.items() if k != "sub"}),
    "of nobody": lambda c: signed(c | {"sub": ""}),
    "of another sign-in": lambda c: signed(c | {"nonce": "x"}),
    "of no sign-in": lambda c: signed({k: v for k, v in c.items() if k != "nonce"}),
    "a changed body": lambda c: swapped(signed(c), signed(c | {"sub": "1"}, OTHER)),
    "no token": lambda c: "nothing",
    "nothing": lambda c: "",
}


def hs256(claims: dict[str, Any], secret: bytes) -> str:
    import hmac

    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    text = part({"alg": "HS256", "kid": "1", "typ": "JWT"}) + b"." + part(claims)
    seal = base64.urlsafe_b64encode(hmac.new(secret, text, hashlib.sha256).digest()).rstrip(b"=")
    return (text + b"." + seal).decode()


def swapped(token: str, other: str) -> str:
    head, _, seal = token.split(".")
    return ".".join((head, other.split(".")[1], seal))


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_signs_nobody_in(own: Api, name: str) -> None:
    own.state.accounts.add(Account(id="usr_1", email="ada@example.org", role="admin"), actor="tests")
    with serving() as provider:
        trust(own, provider.url)
        provider.forge = FORGED[name]
        assert come(own, provider) == ("/sign-in?problem=failed", "")
        provider.forge = signed
        assert come(own, provider)[0] == "/", "a true one does"
    failed = own.state.audit.entries(AuditQuery(action="account.sign_in_failed"))
    assert len(failed) == 1


def test_keys_are_of_the_kind_that_the_token_needs_and_may_change(own: Api) -> None:
    with serving() as provider:
        trust(own, provider.url)
        provider.forge = lambda claims: signed(claims, CURVE, "ES256", kid="2")
        assert come(own, provider)[0] == "/"
        provider.keys = [published(OTHER, "3")]
        provider.forge = lambda claims: signed(claims, OTHER, kid="3")
        assert come(own, provider)[0] == "/sign-in?problem=failed", "looked at within this minute"
        own.sign_in.provider()._looks._kept["keys"].ended -= 61  # type: ignore[union-attr]
        assert come(own, provider)[0] == "/"


def test_an_answer_is_for_the_browser_that_began(own: Api) -> None:
    failed = ("/sign-in?problem=failed", "")
    with serving() as provider:
        trust(own, provider.url)
        address, cookie = begin(own)
        other = begin(own)[1]
        returned = provider.authorize(address)
        assert back(own, returned, "") == failed
        assert back(own, returned, other) == failed
        assert back(own, returned, cookie[:-1] + ("0" if cookie[-1] != "0" else "1")) == failed
        assert back(own, returned.replace("state=", "state=x"), cookie) == failed
        assert back(own, returned.replace("iss=http", "iss=https"), cookie) == failed
        assert back(own, f"{CALLBACK}?error=access_denied&state={provider.asked['state']}", cookie) == (
            *("/sign-in?problem=denied",),
            "",
        )
        assert back(own, returned, cookie)[0] == "/"
        assert back(own, returned, cookie) == failed, "a code is good once"
        address, cookie = begin(own)
        own.clock.advance(HANDSHAKE_NS / 1e9)
        assert back(own, provider.authorize(address), cookie) == failed


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/prompts/a?b=c#d", "/prompts/a?b=c#d"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: b=c", "/"),
        ("/\t/evil.example", "/"),
        ("/" + "a" * 2000, "/"),
    ],
)
def test_one_comes_back_to_a_page_of_this_server(asked: str, path: str) -> None:
    assert own_path(asked) == path


def test_a_provider_that_is_not_who_it_was_said_to_be_is_not_asked(own: Api) -> None:
    with serving(lambda provider: provider.about.update(issuer="https://evil.example")) as provider:
        trust(own, provider.url)
        assert get(own, START)[0] == 503
    with serving(lambda p: p.about.update(token_endpoint="http://evil.example/token")) as provider:
        trust(own, provider.url)
        assert come(own, provider)[0] == "/sign-in?problem=failed", "no secret goes out in plain"
    trust(own, "http://127.0.0.1:9")
    assert get(own, START)[0] == 503


def test_only_an_address_that_cannot_be_listened_to_is_asked() -> None:
    handshake = Handshake(state="s", nonce="n", verifier="v", redirect="r", then="/", expires_ns=1)
    with pytest.raises(ConfigError, match="https"):
        OidcProvider(OidcConfig(issuer="http://idp.example.org", client_id="x"), "").address(handshake)
    with pytest.raises(Unavailable):
        OidcProvider(OidcConfig(issuer="https://127.0.0.1:9", client_id="x"), "").address(handshake)


def test_without_a_provider_there_is_no_such_way(own: Api) -> None:
    assert get(own, START)[0] == get(own, f"{CALLBACK}?code=x")[0] == 404


@contextmanager
def silent() -> Iterator[tuple[str, list[socket.socket]]]:
    """A provider that takes what comes and says nothing until the end; its connections."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    taken.append(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in taken:
                each.close()


def test_a_provider_that_says_nothing_holds_up_nobody_else(own: Api) -> None:
    """However many strangers want to sign in there, from however many places."""
    with silent() as (issuer, taken), ExitStack() as stack:
        trust(own, issuer)
        own.console[0] = replace(own.console[0], trusted_proxies=["127.0.0.1"])
        waiting = []
        for number in range(140):
            connection = stack.enter_context(closing(http.client.HTTPConnection(own.host, timeout=60)))
            connection.request("GET", START, headers={"x-forwarded-for": f"10.0.0.{number}"})
            waiting.append(connection)
        assert own.get("/api/v1/status")[0] == 200
        back = {"prompt": PROMPT, "environment": "nowhere"}
        assert own.post("/api/v1/rollbacks", back)[0] == 400, "it was heard"
        assert len(taken) == 1, "one looks, the others wait for what it finds"
        for each in taken:
            each.shutdown(socket.SHUT_RDWR)
        assert {connection.getresponse().status for connection in waiting} == {503}
        assert get(own, START)[0] == 503
        assert len(taken) == 1, "and for a while nobody looks again"


def test_ways_to_the_provider_are_counted_for_each_client(own: Api) -> None:
    with serving() as provider:
        trust(own, provider.url)
        statuses = [get(own, path)[0] for path in [START, CALLBACK] * 15]
        assert set(statuses) == {303}
        assert [get(own, path)[0] for path in (START, CALLBACK)] == [429, 429]
        own.clock.advance(2)
        assert get(own, START)[0] == 303
