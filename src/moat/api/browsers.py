"""Browsers that an account knows, by a cookie that outlives the session: strangers' tries do not lock them out."""

import hmac
import ipaddress
import secrets

from moat.domain.accounts import Account

KNOWN_SECONDS = 180 * 86_400
"""How long a browser is known after it signed in last."""
_NETWORKS = {4: 24, 6: 48}
"""Bits of an address that are one network's: who has more addresses than these has many networks."""


def new_mark(account: Account) -> str:
    """What a browser keeps that has just signed in: a random name for it, sealed with the account's stored password, so
    that nobody can make one up and another password ends it. Empty for an account without.
    """
    name = secrets.token_urlsafe(16)
    return f"{name}.{_seal(account, name)}" if account.password else ""


def is_known(account: Account | None, mark: str) -> bool:
    """Was the mark made for this account as it is now?"""
    name, _, seal = mark.partition(".")
    if account is None or not account.password or account.disabled_ns:
        return False
    return hmac.compare_digest(seal.encode(), _seal(account, name).encode())


def network_of(client: str) -> str:
    """The network of a client as `Front.client` names it."""
    try:
        address = ipaddress.ip_address(client.partition("/")[0])
    except ValueError:
        return client
    return str(ipaddress.ip_network((int(address), _NETWORKS[address.version]), strict=False))


def _seal(account: Account, name: str) -> str:
    return hmac.new(account.password.encode(), f"{account.id} {name}".encode(), "sha256").hexdigest()
