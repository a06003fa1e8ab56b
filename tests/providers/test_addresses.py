"""Where connections may lead, whatever a name resolves to."""

import asyncio
import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.adapters.providers.addresses import Reach, check_host, kind_of, literal, resolve
from moat.adapters.providers.http1 import HttpClient, Timeouts
from moat.domain.errors import AddressRefused, ConfigError, ProviderDown
from tests.providers.peer import answering, peer, whole

pytestmark = pytest.mark.anyio

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
]
UNUSABLE = ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1"]
PRIVATE = ["127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1"]
WRAPPED = ["::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:0a00:0001::", "2002:7f00:1::"]
PUBLIC = ["1.1.1.1", "104.18.7.192", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
SPELLINGS = ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1", "017700000001", "0", "127.0.0.1."]


@pytest.mark.parametrize(
    ("addresses", "kind"), [(METADATA, "metadata"), (UNUSABLE, "unusable"), (PRIVATE + WRAPPED, "private")]
)
def test_special_addresses_are_known_in_every_wrapping(addresses: list[str], kind: str) -> None:
    assert {address: kind_of(ipaddress.ip_address(address)) for address in addresses} == dict.fromkeys(addresses, kind)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert kind_of(ipaddress.ip_address(address)) == "public"


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_never_changes_what_it_is(address: ipaddress.IPv4Address) -> None:
    inner = int(address)
    for wrapped in (0xFFFF << 32 | inner, 0x64FF9B << 96 | inner, 0x2002 << 112 | inner << 80):
        assert kind_of(ipaddress.IPv6Address(wrapped)) == kind_of(address)


@pytest.mark.parametrize("host", SPELLINGS)
def test_unusual_spellings_are_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="unusual spelling"):
        literal(host)


@pytest.mark.parametrize("host", ["api.openai.com", "1password.com", "vllm", "a1.b2", "0x.example"])
def test_names_are_no_addresses(host: str) -> None:
    assert literal(host) is None


@pytest.mark.promise("inj-1")
@pytest.mark.parametrize("reach", list(Reach))
@pytest.mark.parametrize("host", METADATA + UNUSABLE)
def test_metadata_is_out_of_every_reach(host: str, reach: Reach) -> None:
    with pytest.raises(ConfigError):
        check_host(host, reach)


@pytest.mark.promise("inj-1")
@pytest.mark.parametrize(
    ("host", "answers", "reach", "expected"),
    [
        ("api.example.com", ["1.1.1.1", "2606:4700::1111"], Reach.PUBLIC, ["1.1.1.1", "2606:4700::1111"]),
        ("rebound.example.com", ["127.0.0.1"], Reach.NAMED, None),
        ("rebound.example.com", ["10.0.0.1"], Reach.NAMED, None),
        ("rebound.example.com", ["169.254.169.254"], Reach.PRIVATE, None),
        ("rebound.example.com", ["::ffff:10.0.0.1"], Reach.NAMED, None),
        ("mixed.example.com", ["10.0.0.1", "1.1.1.1"], Reach.NAMED, ["1.1.1.1"]),
        ("inside.example.com", ["10.0.0.1"], Reach.PRIVATE, ["10.0.0.1"]),
        ("vllm", ["172.18.0.3"], Reach.NAMED, ["172.18.0.3"]),
        ("vllm", ["172.18.0.3"], Reach.PUBLIC, None),
        ("vllm", ["169.254.169.254"], Reach.NAMED, None),
        ("ollama.default.svc.cluster.local", ["10.96.0.7"], Reach.NAMED, ["10.96.0.7"]),
        ("metadata.google.internal", ["169.254.169.254"], Reach.NAMED, None),
        ("LOCALHOST", ["127.0.0.1", "127.0.0.1"], Reach.NAMED, ["127.0.0.1"]),
        ("localhost", ["127.0.0.1"], Reach.PUBLIC, None),
    ],
)
async def test_what_a_name_resolves_to_decides(
    host: str, answers: list[str], reach: Reach, expected: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(answers, monkeypatch)
    if expected is None:
        with pytest.raises(AddressRefused, match="is not connected to"):
            await resolve(host, 443, reach, where="provider x")
    else:
        assert await resolve(host, 443, reach, where="provider x") == expected


def answer_with(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the resolver answer this; returns the names it was asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in addresses
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.promise("inj-1")
async def test_a_rebound_name_is_not_connected_to_and_its_request_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(answering(whole(b"secrets"))) as server:
        answer_with(["127.0.0.1"], monkeypatch)
        client = HttpClient(where="provider x")
        url = server.url.replace("127.0.0.1", "models.example.com")
        with pytest.raises(AddressRefused, match="private address") as caught:
            async with client.request("POST", url, (("authorization", "Bearer sk-1"),), b"{}"):
                pass
        assert "private_network" in caught.value.remedy
        assert (server.connections, client.open_connections) == (0, 0)


@pytest.mark.promise("inj-1")
async def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(answering(whole(b"ok"))) as server:
        asked = answer_with(["127.0.0.1"], monkeypatch)
        client = HttpClient(reach=Reach.PRIVATE)
        url = server.url.replace("127.0.0.1", "models.example.com")
        async with client.request("POST", url) as response:
            assert await response.read(10) == b"ok"
        assert asked == ["models.example.com"]
        assert b"host: models.example.com:" in server.requests[0]
        await client.aclose()


def hang_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connections to an address never be made, as through a firewall that drops packets."""
    loop = asyncio.get_running_loop()
    create_connection = loop.create_connection

    async def connect(factory: Any, host: str, *arguments: Any, **options: Any) -> Any:
        if host == address:
            await asyncio.sleep(60)
        return await create_connection(factory, host, *arguments, **options)

    monkeypatch.setattr(loop, "create_connection", connect)


async def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(answering(whole(b"ok"))) as server:
        answer_with(["127.0.0.9", "127.0.0.1"], monkeypatch)
        client = HttpClient(reach=Reach.PRIVATE)
        async with client.request("POST", server.url.replace("127.0.0.1", "models.example.com")) as response:
            assert await response.read(10) == b"ok"
        answer_with(["127.0.0.9"], monkeypatch)
        with pytest.raises(ProviderDown, match="cannot connect"):
            async with client.request("POST", server.url.replace("127.0.0.1", "else.example.com")):
                pass
        answer_with(["127.0.0.7", "127.0.0.1"], monkeypatch)
        hang_at("127.0.0.7", monkeypatch)
        async with client.request(
            "POST", server.url.replace("127.0.0.1", "slow.example.com"), timeouts=Timeouts(connect=1.0)
        ) as response:
            assert await response.read(10) == b"ok"
        answer_with([], monkeypatch)
        with pytest.raises(ProviderDown, match="cannot find the host"):
            async with client.request("POST", server.url.replace("127.0.0.1", "none.example.com")):
                pass
        await client.aclose()
