"""Which secret may go to which host."""

import ipaddress
import re
from typing import Literal

import msgspec

_NAME = re.compile(r"\w+://(?:\[([^\]]*)\]|([^:/]*))")
"""The name in a host, without the brackets of an IPv6 address."""

Standing = Literal["trusted", "new", "withheld", "exempt", "broken"]
"""`trusted`: its credentials were used with its hosts before. `new`: they were never used, and will be trusted with the
hosts of their first use. `withheld`: they belong to other hosts, and are not sent. `exempt`: it has no credentials, or
its hosts are on this machine. `broken`: moat.yaml does not say enough of it."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider's requests go, and what they carry. No secret is in it, only names."""

    provider: str
    """As `moat.yaml` names it."""
    hosts: tuple[str, ...]
    """`https://api.openai.com`: scheme, name, and port where it is not the scheme's own. Of a kind that knows its own
    address, and is told no other, the kind's name."""
    credentials: tuple[str, ...]
    """Environment variables that its block refers to, and `file PATH` for files."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every credential with every host that is not this machine."""
        return tuple((credential, host) for credential, host in self.everywhere if not is_here(host))

    @property
    def everywhere(self) -> tuple[tuple[str, str], ...]:
        """Every credential with every host, this machine too: who listens there may be part of a change."""
        return tuple((credential, host) for credential in self.credentials for host in self.hosts)


class TrustedHost(msgspec.Struct, frozen=True, kw_only=True):
    """A credential may go to a host. Entries are never deleted: together they are the audit."""

    credential: str
    host: str
    provider: str
    """Whose it was when this was settled."""
    actor: str = ""
    """Who trusted it; empty: it was the credential's first use."""
    since_ns: int


class ConnectionState(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's connection, and whether its credentials are sent."""

    provider: str
    kind: str
    hosts: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    standing: Standing
    trusted: tuple[str, ...] = ()
    """Hosts that all its credentials may go to."""
    problem: str = ""


def is_here(host: str) -> bool:
    """Is it this machine, by address or as `localhost`? What is sent there stays there."""
    found = _NAME.match(host)
    name = (found[1] or found[2]) if found else ""
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
