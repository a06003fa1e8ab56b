"""What is said of tool calls that no person has allowed."""

from collections.abc import Collection, Iterable

from moat.domain.errors import ApprovalDenied, ApprovalRequired
from moat.domain.guards import Finding
from moat.domain.tool_approvals import ToolApproval


def unapproved(findings: Iterable[Finding], answers: Collection[ToolApproval]) -> ApprovalRequired:
    """Why the calls do not go on. `answers`: what people say of them; none: nobody was asked."""
    wishes = "; ".join(dict.fromkeys(finding.note for finding in findings))
    denied = [each.id for each in answers if each.state == "denied"]
    waiting = [each.id for each in answers if each.state == "pending"]
    error: ApprovalRequired
    if denied:
        error = ApprovalDenied(f"{wishes}, who has denied it ({', '.join(denied)})")
    elif waiting:
        remedy = "Once it is approved, send the same request again."
        error = ApprovalRequired(f"{wishes} ({', '.join(waiting)})", remedy=remedy)
    else:
        error = ApprovalRequired(f"{wishes}, and nobody can be asked here")
    error.approvals = denied or waiting
    return error
