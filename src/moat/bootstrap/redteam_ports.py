"""The pipeline's ports as an attack wants them: whose guards stand in front, and who answers."""

from collections.abc import Iterable
from dataclasses import replace as with_ports

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Call
from moat.domain.scores import Case
from moat.pipeline.ports import Ports
from moat.ports.guards import Guards, Watch
from moat.testing.obedient import Obedient, ObedientModels


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """In whose name is asked, as policies choose calls; empty: as evaluations do."""

    environment: str = ""
    tenant: str = ""
    feature: str = ""


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """What an attack meets."""

    scope: Scope = Scope()
    guarded: bool = True
    obedient: bool = False
    """A simulated model answers that does all that is asked."""

    def fitted(self, ports: Ports, cases: Iterable[Case]) -> Ports:
        """The ports for it."""
        guards = _Scoped(ports.guards, self.scope) if self.guarded and ports.guards is not None else None
        models = ports.models
        if self.obedient:
            models = ObedientModels(models, Obedient({case.id: case for case in cases}))
        return with_ports(ports, guards=guards, models=models)


class _Scoped:
    """Implements `moat.ports.guards.Guards`. The call itself keeps its caller: it is recorded as what it is."""

    def __init__(self, guards: Guards, scope: Scope) -> None:
        self._guards = guards
        self._given = {name: value for name, value in msgspec.structs.asdict(scope).items() if value}

    def begin(self, call: Call) -> None:
        """See `moat.ports.guards.Guards`."""
        self._guards.begin(call)

    def watch(self, call: Call) -> Watch | None:
        """That of the scope."""
        return self._guards.watch(replace(call, caller=replace(call.caller, **self._given)))
