"""Checks of the server: what it says of itself, its port, its limits, and how browsers reach it."""

import ipaddress
import resource
from collections.abc import Iterator
from contextlib import closing

from moat.bootstrap.examination import Examination, Finding, Look
from moat.bootstrap.http_server import DESCRIPTORS, listen
from moat.bootstrap.settings import CONFIG_FILE
from moat.console.site import BUILT, INDEX
from moat.domain.errors import Unavailable

_FEW_DESCRIPTORS = 256
"""Beside two for each call: stores, segments, connections that lie idle."""
_SHOWN = 5


def _server(look: Look) -> Iterator[Finding]:
    if look.running is None:
        what = "no server of this project runs: files were looked at, with this shell's environment"
        yield Finding("ok", str(look.folder / "server.json"), what)
        return
    if problems := look.running.problems:
        shown = "; ".join(problems[:_SHOWN]) + (f"; and {len(problems) - _SHOWN} more" if problems[_SHOWN:] else "")
        yield Finding("error", look.running.url, f"it runs, and says: {shown}", "", "moat status")
        return
    yield Finding("ok", look.running.url, "it runs, and nothing is broken")


def _ports(look: Look) -> Iterator[Finding]:
    server = look.sound.config.server
    at = f"{server.host}:{server.port}"
    if look.running is not None:
        yield Finding("ok", at, f"this server listens on {look.running.url}")
        return
    if server.port == 0:
        yield Finding("ok", at, "any free port")
        return
    try:
        with closing(listen(server.host, server.port)):
            yield Finding("ok", at, "free")
    except Unavailable as error:
        command = f"ss -ltnp 'sport = :{server.port}'"
        yield Finding("error", at, error.what, error.remedy or "", command)


def _descriptors(look: Look) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A server raises its own limit when it starts, up to the hard one.
    limit = (
        soft if look.running is not None else DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    )
    if limit == resource.RLIM_INFINITY:
        limit = DESCRIPTORS
    wanted = 2 * look.sound.config.server.max_requests + _FEW_DESCRIPTORS
    about = f"{limit:,} files and sockets; `server.max_requests` may need {wanted:,}"
    if limit < wanted:
        remedy = "Raise the limit of the user or the unit (`LimitNOFILE=`), or lower `server.max_requests`."
        yield Finding("warning", "RLIMIT_NOFILE", about, remedy, "ulimit -n 65536")
    else:
        yield Finding("ok", "RLIMIT_NOFILE", about)


def _console(look: Look) -> Iterator[Finding]:
    if (BUILT / INDEX.removeprefix("/")).is_file():
        yield Finding("ok", str(BUILT), "built")
    else:
        what = "not built: `/` shows no pages"
        yield Finding("warning", str(BUILT), what, "Build it in a checkout, or install a wheel.", "make console")


def _transport(look: Look) -> Iterator[Finding]:
    """Whether passwords, sessions and keys cross a network in plain text."""
    config = look.sound.config
    console, host = config.console, config.server.host
    at = f"{CONFIG_FILE}: $.console.public_url"
    https = console.public_url.startswith("https://")
    if https:
        what = f"{console.public_url}: cookies are `Secure`, of this host only, and out of reach of scripts"
        yield Finding("ok", at, what)
    elif _is_here(host):
        yield Finding("ok", f"{CONFIG_FILE}: $.server.host", f"{host}: only this machine reaches the server")
    elif console.trusted_proxies and not console.public_url:
        what = f"by https where {', '.join(console.trusted_proxies)} says so; the server listens on {host} itself too"
        remedy = "Name the address that browsers use in `public_url`, and let only the proxy reach the port."
        yield Finding("warning", at, what, remedy)
    else:
        what = (
            f"the server listens on {host} without https: passwords, sessions and keys cross the network in plain text"
        )
        remedy = "Put a proxy that ends TLS in front, listen on 127.0.0.1, and write `public_url: https://...`."
        yield Finding("error", at, what, remedy)
    if https and not console.trusted_proxies:
        what = (
            "no proxy is trusted, so that all browsers seem to be at one address: sign-in slows down for all together"
        )
        yield Finding("warning", f"{CONFIG_FILE}: $.console.trusted_proxies", what, "Name the proxy's.", name="proxies")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


SERVER_CHECKS = (
    Examination("server", _server, needs_settings=False),
    Examination("port", _ports),
    Examination("open files", _descriptors),
    Examination("console", _console, needs_settings=False),
    Examination("transport", _transport),
)
