"""All policies of a project, as the pipeline asks them."""

import secrets
from collections.abc import Sequence

from moat.domain.calls import Call
from moat.guards.engine.approving import Approvals
from moat.guards.engine.memory import Memory
from moat.guards.engine.notes import unseen
from moat.guards.engine.rules import Policy, scope_of
from moat.guards.engine.watching import CallWatch, Ward
from moat.guards.remote import Run
from moat.ports.guards import Watch

MAX_SCOPES = 10_000
"""Kinds of calls whose guards are remembered; then they are found anew."""


class PolicyGuards:
    """Implements `moat.ports.guards.Guards`."""

    def __init__(self, policies: Sequence[Policy], secret: bytes = b"", memory: Memory | None = None) -> None:
        """`secret`: keys the digests of `style: hash`; without it they are of this process alone. `memory`: of texts
        that need not be looked at again.
        """
        self.run: Run | None = None
        """The pipeline that guards ask models by, without guards; None: they cannot, and do not run."""
        self.approvals: Approvals | None = None
        """Where guards ask people; None: nowhere, and what they would have to allow is blocked."""
        self._policies = policies
        self._secret = secret or secrets.token_bytes(32)
        self._memory = memory or Memory()
        self._wards: dict[tuple[str, ...], Ward | None] = {}
        self._withholds = any(rule.withholds for policy in policies for rule in policy.rules)

    def begin(self, call: Call) -> None:
        """See `moat.ports.guards.Guards`."""
        if self._withholds:
            call.journal.hide = unseen

    def watch(self, call: Call) -> Watch | None:
        """See `moat.ports.guards.Guards`."""
        scope = scope_of(call)
        if scope not in self._wards:
            if len(self._wards) >= MAX_SCOPES:
                self._wards.clear()
            self._wards[scope] = self._ward(call)
        ward = self._wards[scope]
        if ward is None:
            call.journal.policies, call.journal.hide = "", None
            return None
        call.journal.policies = ward.policies
        return CallWatch(ward, call, self._secret, self.run, self.approvals, self._memory)

    def _ward(self, call: Call) -> Ward | None:
        covering = [policy for policy in self._policies if policy.covers(call)]
        rules = [rule for policy in covering for rule in policy.rules]
        documents = [name for policy in covering for name in policy.config.documents]
        ids = [policy.config.id for policy in covering if policy.rules]
        return Ward.of(rules, documents, ids) if rules else None
