"""Gemini on Vertex AI: its addresses, and the tokens of a service account from a server that checks their claims."""

import base64
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from moat.adapters.providers.gemini_tokens import AHEAD, SCOPE, ServiceAccount, Tokens, read_account, signer
from moat.adapters.providers.gemini_vertex import KIND, VertexAccess, VertexConfig
from moat.domain.calls import Call, Delta, Deployment, Event, Finished
from moat.domain.errors import ConfigError, ProviderError, ProviderRefused, Unsupported
from moat.domain.usage import Usage
from moat.ports.kinds import Surroundings
from moat.testing.fakes import new_call
from moat.testing.loopback import on_loopback
from tests.providers.gemini_server import Reply, fixture, gemini_server, says

pytestmark = pytest.mark.anyio

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any = KEY) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def account(token_uri: str, key: Any = KEY) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "p1",
        "private_key_id": "k1",
        "private_key": pem(key),
        "client_email": "moat@p1.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }


class TokenServer:
    """Exchanges claims whose signature is right, as oauth2.googleapis.com does."""

    def __init__(self, *replies: tuple[int, dict[str, Any]]) -> None:
        self.replies = list(replies)
        self.claims: list[dict[str, Any]] = []
        self.heads: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        form = parse_qs((await receive())["body"].decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        status, body = self.check(form["assertion"][0])
        sent = json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": sent})

    def check(self, assertion: str) -> tuple[int, dict[str, Any]]:
        head, claims, signature = assertion.split(".")
        try:
            KEY.public_key().verify(_decode(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        self.heads.append(json.loads(_decode(head)))
        self.claims.append(json.loads(_decode(claims)))
        if len(self.claims) <= len(self.replies):
            return self.replies[len(self.claims) - 1]
        return 200, {"access_token": f"ya29.{len(self.claims)}", "expires_in": 3599, "token_type": "Bearer"}


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def tokens(url: str, clock: Clock) -> Tokens:
    read = read_account(json.dumps(account(url)), where="w")
    return Tokens(read, signer(read, where="w"), where="provider v", clock=clock)


async def test_a_token_is_claimed_once_and_replaced_ahead_of_its_end() -> None:
    server, clock = TokenServer(), Clock()
    with on_loopback(server) as url:
        found = tokens(url, clock)
        assert [await found.token(), await found.token()] == ["ya29.1", "ya29.1"]
        clock.now += 3599 - AHEAD - 1
        assert await found.token() == "ya29.1"
        clock.now += 2
        assert await found.token() == "ya29.2"
        found.forget()
        assert await found.token() == "ya29.3"
        await found.aclose()
    assert server.heads[0] == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    claims = server.claims[0]
    assert (claims["iss"], claims["scope"], claims["aud"]) == ("moat@p1.iam.gserviceaccount.com", SCOPE, url)
    assert claims["exp"] - claims["iat"] == 3600


async def test_while_the_old_token_lasts_nobody_notices_that_there_is_no_new_one() -> None:
    good, bad = (200, {"access_token": "ya29.old", "expires_in": 3599}), (500, {"error": "internal_failure"})
    server, clock = TokenServer(good, bad, bad, (200, {"token": 1})), Clock()
    with on_loopback(server) as url:
        found = tokens(url, clock)
        assert await found.token() == "ya29.old"
        clock.now += 3599 - AHEAD + 1
        assert await found.token() == "ya29.old"
        clock.now += AHEAD
        for what in ("500", "without an access token"):
            with pytest.raises(ProviderError, match=what):
                await found.token()
        await found.aclose()


async def test_a_claim_that_is_refused_is_our_fault() -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with on_loopback(TokenServer()) as url:
        read = read_account(json.dumps(account(url, other)), where="w")
        found = Tokens(read, signer(read, where="w"), where="provider v")
        with pytest.raises(ProviderRefused) as caught:
            await found.token()
        await found.aclose()
    assert caught.value.status == 502
    assert "PRIVATE" not in str(caught.value)


def around(root: Path) -> Surroundings:
    return Surroundings(name="v", root=root, provider=lambda name: pytest.fail(name))


async def ask(config: dict[str, Any], root: Path, call: Call) -> list[Event]:
    provider = KIND.build(VertexConfig(project="p1", location="europe-west4", **config), around(root))
    try:
        return [event async for event in provider.answer(call)]
    finally:
        await provider.aclose()


async def test_a_service_account_from_a_file_asks_with_its_token(tmp_path: Path) -> None:
    server = TokenServer()
    with on_loopback(server) as url, gemini_server(says("Hello")) as google:
        (tmp_path / "key.json").write_text(json.dumps(account(url)))
        config = {"credentials_file": "key.json", "base_url": f"{google.url}/v1"}
        events = await ask(config, tmp_path, new_call())
    assert isinstance(events[0], Delta)
    assert events[0].text == "Hello"
    (asked,) = google.asked
    assert asked.headers["authorization"] == "Bearer ya29.1"
    assert asked.path == "/v1/projects/p1/locations/europe-west4/publishers/google/models/large:generateContent"


async def test_a_token_that_is_refused_is_not_used_again(tmp_path: Path) -> None:
    server = TokenServer()
    refused = {"error": {"code": 401, "message": "token ya29.1 expired", "status": "UNAUTHENTICATED"}}
    with on_loopback(server) as url, gemini_server(Reply(refused, 401), says("Hello")) as google:
        config = VertexConfig(project="p1", base_url=google.url, credentials=json.dumps(account(url)))
        provider = KIND.build(config, around(tmp_path))
        with pytest.raises(ProviderRefused) as caught:
            [event async for event in provider.answer(new_call())]
        assert [event async for event in provider.answer(new_call())]
        await provider.aclose()
    assert caught.value.status == 502
    assert "ya29.1" not in str(caught.value)
    assert google.asked[1].headers["authorization"] == "Bearer ya29.2"


@pytest.mark.parametrize(
    ("location", "model", "url"),
    [
        ("global", "m", "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/m"),
        (
            "us-east1",
            "m",
            "https://us-east1-aiplatform.googleapis.com/v1/projects/p/locations/us-east1/publishers/google/models/m",
        ),
        ("eu", "m", "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/google/models/m"),
        ("global", "endpoints/7", "https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/7"),
        ("global", "projects/q/locations/l/endpoints/7", None),
    ],
)
def test_addresses(location: str, model: str, url: str | None) -> None:
    access = VertexAccess(VertexConfig(project="p", location=location, access_token="t"), None)
    assert access.url(model) == (url or f"https://aiplatform.googleapis.com/v1/{model}")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"access_token": "t", "credentials": "{}"},
        {"credentials": "{}"},
        {"credentials_file": "missing.json"},
        {"credentials": json.dumps(account("https://t") | {"type": "authorized_user"})},
        {"credentials": json.dumps(account("https://t") | {"private_key": "secret nonsense"})},
        {"credentials": json.dumps(account("https://t", ec.generate_private_key(ec.SECP256R1())))},
        {"credentials": json.dumps(account("ftp://t"))},
        {"access_token": "t\nx"},
        {"access_token": "t", "base_url": "x"},
    ],
)
def test_what_cannot_work_is_refused_when_it_is_configured(config: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        KIND.build(VertexConfig(project="p", **config), around(tmp_path))  # type: ignore[arg-type]
    assert "secret nonsense" not in str(caught.value)


async def test_signing_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ConfigError, match=r"moat\[vertex\]"):
        signer(ServiceAccount(client_email="a", private_key="b"), where="w")


@pytest.mark.parametrize(
    ("model", "count", "method"),
    [
        ("text-embedding-005", 2, "predict"),
        ("gemini-embedding-001", 1, "embedContent"),
        ("gemini-embedding-001", 2, "batchEmbedContents"),
    ],
)
async def test_embeddings_as_googles_sdk_asks_for_them(tmp_path: Path, model: str, count: int, method: str) -> None:
    replies = {
        "predict": json.loads(fixture("predict.json")),
        "embedContent": {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 7}},
        "batchEmbedContents": {"embeddings": [{"values": [0.5]}, {"values": [1]}], "usageMetadata": {}},
    }
    texts = ["one", "two"][:count]
    call = msgspec.structs.replace(
        new_call(),
        operation="embeddings",
        deployment=Deployment("v", model),
        params={"input": texts, "dimensions": 2, "google": {"taskType": "RETRIEVAL_QUERY", "autoTruncate": False}},
    )
    with gemini_server(replies[method]) as google:
        events = await ask({"access_token": "t", "base_url": google.url}, tmp_path, call)
    usage = {"predict": Usage(input=7), "embedContent": Usage(input=7)}.get(method, Usage(input=2, estimated=True))
    assert events[1] == Finished(reason="stop", usage=usage, model=model)
    asked = google.asked[0]
    assert asked.path.endswith(f"/{model}:{method}")
    options = {"taskType": "RETRIEVAL_QUERY", "autoTruncate": False, "outputDimensionality": 2}
    one = {"content": {"parts": [{"text": "one"}]}, "embedContentConfig": options}
    if method == "predict":
        assert asked.body == {
            "instances": [{"content": text, "task_type": "RETRIEVAL_QUERY"} for text in texts],
            "parameters": {"autoTruncate": False, "outputDimensionality": 2},
        }
    else:
        assert asked.body == one if count == 1 else asked.body["requests"][0] == one


@pytest.mark.parametrize(
    "params",
    [{"input": [1, 2]}, {"input": []}, {}, {"input": "x", "logit_bias": {}}, {"input": "x", "google": 3}],
)
async def test_embeddings_that_cannot_be_asked_for(tmp_path: Path, params: dict[str, Any]) -> None:
    call = msgspec.structs.replace(new_call(), operation="embeddings", params=params)
    with pytest.raises(Unsupported):
        await ask({"access_token": "t", "base_url": "http://127.0.0.1:1"}, tmp_path, call)


async def test_tokens_are_counted_without_what_vertex_does_not_take(tmp_path: Path) -> None:
    with gemini_server({"totalTokens": 12}) as google:
        config = VertexConfig(project="p", access_token="t", base_url=google.url)
        provider = KIND.build(config, around(tmp_path))
        call = new_call(service_tier="flex")
        assert await provider.count_tokens(call) == 12  # type: ignore[attr-defined]
        await provider.aclose()
    assert google.asked[0].body == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
