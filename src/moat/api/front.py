"""What a request says of the browser that sent it: where from, by which way, of which page."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from moat.domain.accounts import LONGEST_NS
from moat.domain.console import ConsoleConfig
from moat.domain.errors import CrossSite, WrongHost
from moat.gateway.http import Scope

SESSION_COOKIE = "moat_session"
HANDSHAKE_COOKIE = "moat_oidc"
BROWSER_COOKIE = "moat_browser"
"""Who has signed in before in this browser: it opens nothing, and gives tries of its own."""
_HOST_ONLY = "__Host-"
"""Browsers keep a cookie of such a name only when no other host, not even one beside it, can have set it."""
_V6_NETWORK = 64
"""Bits that are one client's: it has all addresses below."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Front:
    """How browsers reach this server, as `console` in moat.yaml says."""

    def __init__(self, config: ConsoleConfig) -> None:
        self._public = config.public_url.rstrip("/")
        self._proxies: list[_Network] = [ipaddress.ip_network(each, strict=False) for each in config.trusted_proxies]

    def is_secure(self, scope: Scope) -> bool:
        """Did the browser come by https?"""
        if self._public:
            return self._public.startswith("https://")
        return self._is_proxied(scope) and header(scope, b"x-forwarded-proto").lower() == "https"

    def url(self, scope: Scope) -> str:
        """Where the browser found this server, without a slash at the end."""
        return self._public or f"{'https' if self.is_secure(scope) else 'http'}://{header(scope, b'host')}"

    def client(self, scope: Scope) -> str:
        """Whose request it is: an address, or the network of an IPv6 one. What proxies in front say is heeded from
        the nearest on, as far as they are trusted: what comes before them anybody can write.
        """
        address = str((scope.get("client") or ("",))[0])
        hops = [hop.strip() for hop in header(scope, b"x-forwarded-for").split(",") if hop.strip()]
        while hops and self._is_trusted(address):
            address = hops.pop()
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return "unknown"
        if found.version == 4:
            return str(found)
        return str(found.ipv4_mapped or ipaddress.ip_network((int(found), _V6_NETWORK), strict=False))

    def cookie(self, scope: Scope, name: str) -> str:
        """The value of one of Moat's cookies; empty when there is none."""
        wanted = self._named(scope, name)
        for raw in _values(scope, b"cookie"):
            for part in raw.split(";"):
                found, _, value = part.strip().partition("=")
                if found == wanted:
                    return value
        return ""

    def set_cookie(self, scope: Scope, name: str, value: str, seconds: int) -> str:
        """The header that makes a browser keep it for so long; 0: forget it. No script can read it."""
        secure = "; Secure" if self.is_secure(scope) else ""
        named = self._named(scope, name)
        return f"{named}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"

    def session_cookie(self, scope: Scope, token: str) -> str:
        """The header that signs a browser in; out with no token."""
        return self.set_cookie(scope, SESSION_COOKIE, token, LONGEST_NS // 10**9 if token else 0)

    def check_site(self, scope: Scope) -> None:
        """Raise `CrossSite` when the browser says that the request does not come from a page of this server.

        By `Sec-Fetch-Site` and `Origin`, each when it is sent: programs send neither, and scripts can change neither.
        """
        site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
        if site not in ("", "same-origin", "none") or (origin and origin.lower() not in self._origins(scope)):
            raise CrossSite(
                "the request comes from a page of another site",
                remedy="Use Moat's own pages; set console.public_url when a proxy changes the host.",
            )

    def check_host(self, scope: Scope) -> None:
        """Raise `WrongHost` when a browser has found this server under a name that is not its own, as one does that
        another site's name was made to lead here. There is no telling without `console.public_url`; addresses of this
        machine, and what trusted proxies write, count as its own.
        """
        host = header(scope, b"host").lower()
        if not self._public or self._is_proxied(scope) or _is_loopback(host):
            return
        if host not in _hosts(self._public):
            raise WrongHost(
                f"{host[:80]!r} is not this server",
                where="host",
                remedy="Use console.public_url; list a proxy that changes the host in console.trusted_proxies.",
            )

    def _origins(self, scope: Scope) -> set[str]:
        """Where pages of this server may come from. What terminates TLS in front is not known without a public
        address, so both schemes count then.
        """
        host = header(scope, b"host").lower()
        own = {_origin(self._public)} if self._public else set()
        if host and (not self._public or _is_loopback(host)):
            own |= {f"http://{host}", f"https://{host}"}
        return own

    def _named(self, scope: Scope, name: str) -> str:
        return f"{_HOST_ONLY}{name}" if self.is_secure(scope) else name

    def _is_proxied(self, scope: Scope) -> bool:
        return self._is_trusted(str((scope.get("client") or ("",))[0]))

    def _is_trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


_PORTS = {"http": ":80", "https": ":443"}


def _origin(url: str) -> str:
    """As browsers write it: in lower case, without the scheme's own port."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix(_PORTS.get(parts.scheme, ' '))}"


def _hosts(url: str) -> tuple[str, str]:
    """What a browser that went there says in `host`, without and with the scheme's own port."""
    scheme, _, host = _origin(url).partition("://")
    return host, f"{host}{_PORTS.get(scheme, '')}"


def _is_loopback(host: str) -> bool:
    """Is it this machine, by a name that no other site can have? With or without a port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def header(scope: Scope, name: bytes) -> str:
    """The last value of a header; empty when it is not sent."""
    return ["", *_values(scope, name)][-1]


def _values(scope: Scope, name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for found, value in scope["headers"] if found == name)
