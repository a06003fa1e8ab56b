"""What people work on prompts with, over a running server."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from moat.api.workbench import Workbench
from moat.bootstrap.draft_evals import BackgroundDraftEvals
from moat.bootstrap.drafting import Drafting
from moat.bootstrap.limit_drafting import LimitDrafting
from moat.bootstrap.proposing import Proposing
from moat.bootstrap.reload import Snapshots
from moat.gateway.serving import Live
from moat.ports.audit import AuditWriter
from moat.spend.ledger import LimitLedger


def open_workbench(
    opened: AsyncExitStack,
    served: tuple[Path, Live, Snapshots],
    ledger: LimitLedger,
    environ: Mapping[str, str],
    audit: AuditWriter,
) -> Workbench:
    """`served`: the project's folder, and what of it is in force. Evals that go on end when all is closed."""
    root, live, snapshots = served
    drafting = Drafting(root, live, lambda: snapshots.settings, lambda: snapshots.catalog)
    evals = BackgroundDraftEvals(root, ledger, environ)
    opened.push_async_callback(evals.aclose)
    proposals = Proposing(root, lambda: snapshots.settings, audit)
    limits = LimitDrafting(root, lambda: snapshots.settings, environ)
    return Workbench(drafting, drafting.lint, evals, proposals, limits.draft)
