"""Checks of providers: keys, where these may go, and, when that is asked for, whether anybody answers there."""

import asyncio
from collections.abc import Iterator, Sequence

from moat.adapters.providers.probing import Answered, probe
from moat.bootstrap.connections import ProjectConnections
from moat.bootstrap.examination import Examination, Finding, Look
from moat.bootstrap.models import all_targets, deployment_of
from moat.bootstrap.settings import CONFIG_FILE
from moat.bootstrap.state import open_state
from moat.domain.connections import ConnectionState, TrustedHost
from moat.domain.errors import MoatError
from moat.ports.connections import HostStore

PROBE_SECONDS = 5.0
"""For one host; all are asked at once."""
MAX_HOSTS = 50
SKEW_WARNING, SKEW_ERROR = 30.0, 240.0
"""Seconds that the clock may be wrong. AWS refuses signatures, and Moat tokens of identity, of five minutes."""


class _NoStore:
    """Where there is no store, nothing is remembered."""

    def trusted_hosts(self) -> list[TrustedHost]:
        return []

    def trust(self, entries: object) -> None:
        """To look trusts nobody."""


def _states(look: Look) -> list[ConnectionState]:
    def ask(store: HostStore) -> list[ConnectionState]:
        return ProjectConnections(lambda: look.sound, look.environ, store).states()

    if not look.state_path.exists():
        return ask(_NoStore())
    with open_state(look.project, to_read=True) as state:
        return ask(state.hosts)


def _providers(look: Look) -> Iterator[Finding]:
    models = look.sound.config.models.values()
    used = {deployment_of(target).provider for model in models for target in all_targets(model)}
    for state in _states(look):
        yield _provider(look, state, used=state.provider in used)


def _provider(look: Look, state: ConnectionState, *, used: bool) -> Finding:
    name, at = f"provider {state.provider}", f"{CONFIG_FILE}: $.providers.{state.provider}"
    if state.standing == "broken":
        return Finding("error", at, state.problem, name=name)
    variables = [each for each in state.credentials if not each.startswith("file ")]
    if unset := [each for each in variables if not look.environ.get(each)]:
        what = f"{' and '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set"
        remedy = "Set it where the server runs, and start it again."
        more = "" if used else "; no model uses this provider"
        return Finding("error" if used else "warning", at, what + more, remedy, f"export {unset[0]}=...", name)
    if state.standing == "withheld":
        what = f"{' and '.join(state.credentials)} is not sent to {' and '.join(state.hosts)}, which is not its host"
        remedy = f"If this is meant, trust it; it may go to {' and '.join(state.trusted) or 'no host yet'}."
        return Finding("error", at, what, remedy, f"moat providers trust {state.provider}", name)
    if state.kind in ("simulated", "replay"):
        return Finding("ok", at, f"{state.kind}: it needs no key and no network", name=name)
    said = f"{' and '.join(state.credentials)} set" if state.credentials else "needs no credential"
    return Finding("ok", at, f"{' and '.join(state.hosts)}: {said}", name=name)


def reachable(look: Look) -> Iterator[Finding]:
    """One request to each host, without a credential."""
    private = {name for name, options in look.sound.config.providers.items() if options.get("private_network") is True}
    hosts: dict[str, bool] = {}
    for state in _states(look):
        for host in state.hosts if state.standing != "broken" else ():
            if "://" in host:
                hosts[host] = hosts.get(host, False) or state.provider in private
    asked = list(hosts.items())[:MAX_HOSTS]
    found = asyncio.run(_probed(asked))
    for (host, _), told in zip(asked, found, strict=True):
        if isinstance(told, Answered):
            what = f"answers within {told.seconds * 1000:.0f} ms (HTTP {told.status})"
            yield Finding("ok", host, what, name=f"reaching {host}")
        else:
            remedy = told.remedy or "Look at name resolution, firewall, proxy and the provider's own status page."
            yield Finding("error", host, told.what, remedy, f"curl -I {host}", f"reaching {host}")
    if len(hosts) > MAX_HOSTS:
        yield Finding("unknown", CONFIG_FILE, f"{len(hosts) - MAX_HOSTS} more hosts were not asked")
    yield from _skew([told for told in found if isinstance(told, Answered)], len(hosts))


async def _probed(hosts: Sequence[tuple[str, bool]]) -> list[Answered | MoatError]:
    async def one(host: str, private: bool) -> Answered | MoatError:
        try:
            return await probe(host, private=private, seconds=PROBE_SECONDS)
        except MoatError as error:
            return error

    return list(await asyncio.gather(*(one(*each) for each in hosts)))


def _skew(found: Sequence[Answered], hosts: int) -> Iterator[Finding]:
    ahead = sorted(told.ahead for told in found if told.ahead is not None)
    if not ahead:
        what = "no answer had a date" if hosts else "no provider is on a network: nobody was asked"
        yield Finding("unknown" if hosts else "ok", "providers' `Date`", what, name="clock")
        return
    middle = ahead[len(ahead) // 2]
    what = f"{abs(middle):.0f} s {'ahead of' if middle > 0 else 'behind'} what {len(ahead)} hosts say"
    if abs(middle) < SKEW_WARNING:
        yield Finding("ok", "providers' `Date`", "the clock agrees with theirs", name="clock")
        return
    far = abs(middle) >= SKEW_ERROR
    remedy = "Signatures, tokens, windows of limits and what is too old go by the clock: let NTP set it."
    yield Finding("error" if far else "warning", "providers' `Date`", what, remedy, "timedatectl", "clock")


PROVIDER_CHECKS = (Examination("providers", _providers),)
