"""Where outgoing connections may lead: no server of ours shall be made to ask the network's own services.

An address is checked after the name was resolved and right before the connection, and it is the checked address that
is connected to: a name that points elsewhere a moment later (DNS rebinding) changes nothing. Metadata services of
clouds give out credentials to whoever asks from inside; they are never reached, under any `Reach`.

Source: OWASP, Server-Side Request Forgery Prevention; IANA special-purpose address registries (through `ipaddress`).
"""

import asyncio
import enum
import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from moat.domain.errors import AddressRefused, ConfigError

Address = IPv4Address | IPv6Address
Kind = Literal["public", "private", "metadata", "unusable"]

_METADATA = tuple(
    ipaddress.ip_network(block)
    for block in (
        "169.254.0.0/16",  # link-local: 169.254.169.254 of nearly every cloud, 169.254.170.2 of ECS
        "fe80::/10",
        "fd00:ec2::/32",  # AWS
        "fd20:ce::/32",  # Google
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
        "168.63.129.16/32",  # Azure's host
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".intranet", ".private", ".home.arpa", ".test")
"""Names that public DNS does not have (RFC 6761, RFC 6762, RFC 8375, and by ICANN's word `.internal`)."""
_NUMERIC = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")


class Reach(enum.Enum):
    """How far a client may go. Metadata services and addresses that nobody can listen on are beyond all of them."""

    PUBLIC = "public"
    """Public addresses only: for URLs that come from users."""
    NAMED = "named"
    """Also private and loopback ones that the URL itself names, as an address or by a name that public DNS does not
    have (`localhost`, `vllm`, `ollama.internal`): for URLs in `moat.yaml`. A public name that resolves to a private
    address is refused."""
    PRIVATE = "private"
    """Also private ones that any name resolves to: the operator said so (split-horizon DNS, private endpoints)."""


def kind_of(address: Address) -> Kind:
    """What an address is, after taking off what may be wrapped around an IPv4 address."""
    inner = _unwrapped(address)
    if any(inner.version == block.version and inner in block for block in _METADATA):
        return "metadata"
    if inner.is_loopback:
        return "private"
    if inner.is_unspecified or inner.is_multicast or inner.is_reserved or inner in ipaddress.ip_network("0.0.0.0/8"):
        return "unusable"
    if inner.is_private or not inner.is_global or (inner.version == 4 and inner in _SHARED):
        return "private"
    return "public"


def literal(host: str) -> Address | None:
    """The address that a URL's host is, None for a name.

    Raises `ConfigError` for the spellings that resolvers take and people do not recognise: `2130706433`,
    `0x7f.1`, `0177.0.0.1`, `127.1`.
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0] if ":" in host else host)
    except ValueError:
        pass
    if ":" in host or _NUMERIC.fullmatch(host):
        raise ConfigError(
            "the host is an unusual spelling of an address", where=repr(host), remedy="Write it as 127.0.0.1 or [::1]."
        )
    return None


def check_host(host: str, reach: Reach) -> None:
    """Refuse what can be refused without a resolver. Raises `ConfigError`."""
    address = literal(host)
    if address is not None and not _allowed(address, host, reach):
        raise ConfigError(_why(address), where=repr(host), remedy=_REMEDIES[kind_of(address)])


async def resolve(host: str, port: int, reach: Reach, *, where: str) -> list[str]:
    """The addresses of a host that may be connected to, in the resolver's order; never empty.

    Raises `AddressRefused` when it has only others, `ConfigError` for an unusual spelling, `OSError` when there is no
    such host.
    """
    address = literal(host)
    found = [address] if address is not None else await _look_up(host, port)
    allowed = [str(each) for each in found if _allowed(each, host, reach)]
    if not allowed:
        raise AddressRefused(
            f"{host!r} is not connected to: {_why(found[0])}", where=where, remedy=_REMEDIES[kind_of(found[0])]
        )
    return allowed


def refusal(address: str, host: str, reach: Reach) -> tuple[str, str] | None:
    """Why an address may not be connected to that a host led to, and what to do about it; None: it may."""
    try:
        found, _ = literal(address), literal(host)
        if found is None:
            return "a name that nobody looked up", ""
        return None if _allowed(found, host, reach) else (_why(found), _REMEDIES[kind_of(found)])
    except ConfigError as error:
        return error.what, error.remedy


async def _look_up(host: str, port: int) -> list[Address]:
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found = [ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return list(dict.fromkeys(found))


def _allowed(address: Address, host: str, reach: Reach) -> bool:
    kind = kind_of(address)
    if kind == "private":
        return reach is Reach.PRIVATE or (reach is Reach.NAMED and _names_private(host))
    return kind == "public"


def _names_private(host: str) -> bool:
    """Does the host itself say that it is ours? An address does, and so does a name without a public ending."""
    if literal(host) is not None:
        return True
    name = host.lower().rstrip(".")
    return "." not in name or name.endswith(_PRIVATE_SUFFIXES)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside a mapped, NAT64, 6to4, Teredo or compatible IPv6 address, else the address."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _why(address: Address) -> str:
    return f"{address} is {_NAMES[kind_of(address)]}"


_NAMES: dict[Kind, str] = {
    "public": "a public address",
    "private": "a private address",
    "metadata": "an address of link-local or metadata services, which give out credentials",
    "unusable": "an address that nobody can answer on",
}
_REMEDIES: dict[Kind, str] = {
    "public": "",
    "private": "If that is meant, write the address itself, or `private_network: true` beside it.",
    "metadata": "Nothing else is served there.",
    "unusable": "For a server on this machine write 127.0.0.1.",
}
