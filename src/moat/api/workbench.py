"""What people work on prompts with."""

from collections.abc import Callable
from dataclasses import dataclass

from moat.ports.drafts import Draft, DraftEvals, Drafts, Proposals
from moat.ports.limit_drafts import ConfigDraft, LimitWish
from moat.prompts.problems import Problem


@dataclass(frozen=True)
class Workbench:
    """The rooms of the house that look at drafts, try them, and take what comes of them."""

    drafts: Drafts
    lint: Callable[[Draft], list[Problem]]
    """What lint finds in a draft."""
    evals: DraftEvals
    proposals: Proposals
    limit_draft: Callable[[LimitWish], ConfigDraft]
    """moat.yaml with a wish in it. Raises `MoatError` with why it cannot be."""
