"""Secrets stay with the hosts they were first used with.

A merged change of `base_url` must not send a key elsewhere: what a credential was first used with is remembered, and
another host gets it only after an admin has said so. What is remembered is credential by host, whichever provider: a
new provider with an old key is a moved key too.
"""

import re
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from moat.bootstrap.plugins import provider_kind
from moat.bootstrap.settings import Settings, references, resolve
from moat.documents import decode
from moat.domain.calls import Call, Event
from moat.domain.config import Config
from moat.domain.connections import Connection, ConnectionState, Standing, TrustedHost
from moat.domain.errors import ConfigError, ConflictError, InputError, NotFound, SecretWithheld
from moat.ports.connections import HostStore
from moat.ports.kinds import ProviderKind

_ADDRESS = re.compile(r"(?i)(^|[-_])(url|uri|base|endpoint|host)$")
"""Names of options that say where requests go."""
_FILE = re.compile(r"(?i)(^|[-_])file$")
"""Names of options that may hold a credential outside of the environment."""
_PORTS = {"http": 80, "https": 443}

Hosts = Mapping[str, frozenset[str]]
"""Hosts that a credential may go to; one that was never used is missing."""


def read_block(name: str, settings: Settings, environ: Mapping[str, str]) -> tuple[ProviderKind, Any]:
    """A provider's kind, and its block as that kind reads it. Raises `ConfigError`."""
    document = settings.document
    options = resolve(settings.config.providers[name], settings, ["providers", name], environ)
    for field, value in options.items():
        if isinstance(value, str) and "\0" in value:
            place = document.place(["providers", name, field])
            raise ConfigError(f"a NUL character stands in $.providers.{name}.{field}", where=place)
    kind = provider_kind(options["kind"], where=document.place(["providers", name, "kind"]))
    # The document with the references replaced, places kept.
    resolved = document.with_data({**document.data, "providers": {**document.data["providers"], name: options}})
    return kind, decode(resolved, kind.config, at=["providers", name], error=ConfigError)


def connection(name: str, config: Config, options: Any, environ: Mapping[str, str]) -> Connection:
    """What a provider connects to; `options` is its block as its kind reads it."""
    stated = dict.fromkeys(_origin(value) for value in _addresses(msgspec.to_builtins(options, enc_hook=str)) if value)
    return Connection(
        provider=name,
        hosts=tuple(stated) or (str(config.providers[name]["kind"]),),
        credentials=tuple(dict.fromkeys(_credentials(config.providers[name], environ))),
    )


def service(name: str, url: str, options: Any, environ: Mapping[str, str]) -> Connection:
    """What a suite's `target` connects to; `options` is its block as it is written."""
    return Connection(
        provider=name, hosts=(_origin(url),), credentials=tuple(dict.fromkeys(_credentials(options, environ)))
    )


def remembered(store: HostStore) -> Hosts:
    """What a store knows."""
    found: dict[str, frozenset[str]] = {}
    for entry in store.trusted_hosts():
        found[entry.credential] = found.get(entry.credential, frozenset()) | {entry.host}
    return found


class Withheld(msgspec.Struct, frozen=True):
    """Why a provider's credentials are not sent."""

    connection: Connection
    credentials: tuple[str, ...]
    """Those of the connection's that belong elsewhere."""
    elsewhere: tuple[str, ...]
    """Where they may go; empty: nowhere yet, and a first use would be here."""
    where: str

    @property
    def problem(self) -> str:
        """For whoever runs the server."""
        here, name = self.connection, self.connection.provider
        if not self.elsewhere:
            return str(self.error)
        return str(
            ConfigError(
                f"provider {name!r} now goes to {_all(here.hosts)}, where {_all(self.credentials)} must not be sent: "
                f"it belongs to {_all(self.elsewhere)}",
                where=self.where,
                remedy=f"If this is meant, run `moat providers trust {name}`; else name the host it belongs to, or "
                "another credential. Calls to this provider fail until then.",
            )
        )

    @property
    def error(self) -> SecretWithheld:
        """For whoever asks."""
        name = self.connection.provider
        if not self.elsewhere:
            return SecretWithheld(
                f"{_all(self.credentials)} is not sent to {_all(self.connection.hosts)}: "
                "nothing at the merge base sends it there",
                where=f"provider {name}",
                remedy="Merge the provider first, or let somebody who may use the secret run the suite here.",
            )
        return SecretWithheld(
            f"the credentials of provider {name!r} are not sent: moat.yaml names another host than theirs",
            where=f"provider {name}",
            remedy=f"`moat status` names both; an admin may run `moat providers trust {name}`.",
        )


class HostGuard:
    """Judges the connections of one moat.yaml, and notes what is used for the first time."""

    def __init__(self, store: HostStore | None, *, confined: bool = False) -> None:
        """Without a store everything is allowed, and nothing remembered. `confined`: a host that is not remembered gets
        nothing, not even for a first time.
        """
        self._store = store
        self._confined = confined
        self._known: Hosts = remembered(store) if store is not None else {}
        self._first: list[Connection] = []
        self.problems: list[str] = []

    def judge(self, found: Connection, where: str) -> Withheld | None:
        """None: it may be connected to with its credentials."""
        known, pairs = self._known, found.pairs
        if self._confined:
            known, pairs = {**dict.fromkeys(found.credentials, frozenset()), **known}, found.everywhere
        faulty = tuple(dict.fromkeys(name for name, host in pairs if name in known and host not in known[name]))
        if self._store is None or not faulty:
            self._first.append(found)
            return None
        withheld = Withheld(found, faulty, tuple(sorted(set().union(*(known[name] for name in faulty)))), where)
        self.problems.append(withheld.problem)
        return withheld

    def remember(self) -> None:
        """Store what was used for the first time."""
        if self._store is not None:
            now = time.time_ns()
            new = [(found, pair) for found in self._first for pair in found.pairs if pair[0] not in self._known]
            self._store.trust([_entry(found, pair, now) for found, pair in new])


class StatedHosts:
    """Implements `moat.ports.connections.HostStore`: what a store knows, and what files that are trusted say besides,
    for where nothing is remembered yet.
    """

    def __init__(self, store: HostStore, stated: Iterable[Connection], *, everywhere: bool = False) -> None:
        """`everywhere`: hosts on this machine are known too, for a guard that is confined."""
        self._store = store
        self._stated = [
            _entry(found, pair, 0) for found in stated for pair in (found.everywhere if everywhere else found.pairs)
        ]

    def trusted_hosts(self) -> list[TrustedHost]:
        """Of both."""
        return [*self._stated, *self._store.trusted_hosts()]

    def trust(self, entries: Iterable[TrustedHost]) -> None:
        """In the store."""
        self._store.trust(entries)


def stated(settings: Settings, environ: Mapping[str, str]) -> Iterator[Connection]:
    """What the providers of a moat.yaml connect to, also where the credentials themselves are not at hand. One whose
    block cannot be read connects to nothing.
    """
    for name, options in settings.config.providers.items():
        names = _credentials(options, environ)
        filled = {**environ, **{variable: "unset" for variable in names if not environ.get(variable)}}
        with suppress(InputError):
            yield connection(name, settings.config, read_block(name, settings, filled)[1], environ)


class WithheldProvider:
    """A `moat.ports.models.Provider` in the place of one whose credentials must not be sent. It sends nothing."""

    def __init__(self, withheld: Withheld) -> None:
        self._withheld = withheld

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Raises `SecretWithheld`."""
        for event in self._send():
            yield event

    async def count_tokens(self, call: Call) -> int:
        """Raises `SecretWithheld`."""
        return len(self._send())

    async def aclose(self) -> None:
        """It holds nothing."""

    def _send(self) -> tuple[Event, ...]:
        raise self._withheld.error


class ProjectConnections:
    """Implements `moat.ports.connections.Connections` on moat.yaml and a store."""

    def __init__(self, settings: Callable[[], Settings], environ: Mapping[str, str], store: HostStore) -> None:
        """`settings`: as they are now."""
        self._settings = settings
        self._environ = environ
        self._store = store

    def states(self) -> list[ConnectionState]:
        """By name."""
        settings, known = self._settings(), remembered(self._store)
        return [self._state(name, settings, known) for name in sorted(settings.config.providers)]

    def trust(self, provider: str, host: str, *, actor: str) -> ConnectionState:
        """See the port."""
        settings = self._settings()
        if provider not in settings.config.providers:
            names = ", ".join(sorted(settings.config.providers)) or "none"
            raise NotFound(f"there is no provider {provider!r}", where="provider", remedy=f"Providers: {names}.")
        found = self._connection(provider, settings)
        if host and host not in found.hosts:
            raise ConflictError(
                f"provider {provider!r} goes to {_all(found.hosts)}, not to {host}",
                where="host",
                remedy="moat.yaml has changed since: look at it again.",
            )
        now = time.time_ns()
        self._store.trust([_entry(found, pair, now, actor) for pair in found.pairs])
        return self._state(provider, settings, remembered(self._store))

    def _connection(self, name: str, settings: Settings) -> Connection:
        """As it is, also where the credentials themselves are not at hand."""
        names = _credentials(settings.config.providers[name], self._environ)
        environ = {**self._environ, **{name: "unset" for name in names if not self._environ.get(name)}}
        return connection(name, settings.config, read_block(name, settings, environ)[1], self._environ)

    def _state(self, name: str, settings: Settings, known: Hosts) -> ConnectionState:
        kind = str(settings.config.providers[name]["kind"])
        try:
            found = self._connection(name, settings)
        except InputError as error:
            return ConnectionState(provider=name, kind=kind, standing="broken", problem=str(error))
        return ConnectionState(
            provider=name,
            kind=kind,
            hosts=found.hosts,
            credentials=found.credentials,
            standing=standing(found, known),
            trusted=_shared(found, known),
        )


def standing(found: Connection, known: Hosts) -> Standing:
    """How a connection stands by what is remembered."""
    pairs = found.pairs
    if not pairs:
        return "exempt"
    if any(credential in known and host not in known[credential] for credential, host in pairs):
        return "withheld"
    return "trusted" if all(credential in known for credential, _ in pairs) else "new"


def _shared(found: Connection, known: Hosts) -> tuple[str, ...]:
    """Hosts that all credentials may go to that were ever used."""
    sets = [known[credential] for credential in found.credentials if credential in known]
    return tuple(sorted(frozenset.intersection(*sets))) if sets else ()


def _entry(found: Connection, pair: tuple[str, str], now_ns: int, actor: str = "") -> TrustedHost:
    return TrustedHost(credential=pair[0], host=pair[1], provider=found.provider, actor=actor, since_ns=now_ns)


def _addresses(options: dict[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, dict) and "header" not in name:
            yield from _addresses(value)
        elif isinstance(value, str) and _ADDRESS.search(name):
            yield value


def _credentials(options: Any, environ: Mapping[str, str], name: str = "") -> Iterator[str]:
    """Whatever variable a block refers to may be a secret, but for one that is the address itself."""
    if isinstance(options, dict):
        for key, value in options.items():
            yield from _credentials(value, environ, str(key))
    elif isinstance(options, list):
        for value in options:
            yield from _credentials(value, environ, name)
    elif isinstance(options, str):
        found = references(options)
        if found and _ADDRESS.search(name) and options.startswith("${"):
            variable, default = found[0]
            value = environ.get(variable) or default
            found = found[1:] if not value or "://" in value else found
        yield from (variable for variable, _ in found)
        if _FILE.search(name) and options and name != "file":
            yield f"file {options}"


def _origin(address: str) -> str:
    """Scheme, host and port of an address; the address itself where it has none."""
    try:
        parts = urlsplit(address.strip())
        host, port = (parts.hostname or "").rstrip(".").lower(), parts.port
    except ValueError:
        return address
    if not parts.scheme or not host:
        return address.lower()
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, _PORTS.get(parts.scheme)) else "")


def _all(names: tuple[str, ...]) -> str:
    return " and ".join(names)
