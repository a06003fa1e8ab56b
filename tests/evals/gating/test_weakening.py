"""A suite that asks other questions than before."""

import pytest
from msgspec.structs import replace

from moat.evals.gating.plan import ProjectState, SuiteState
from moat.evals.gating.weakening import weakened

SUITE = SuiteState(prompt="", target="t", scorers="s", gates="g", dataset="one", asked=("evals/a.jsonl", ""))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dataset": "two"}, ""),  # edited in place: the lock's matter
        ({"asked": ("evals/b.jsonl", "")}, ""),  # renamed
        ({"dataset": "two", "asked": ("evals/b.jsonl", "")}, "evals/a.jsonl to evals/b.jsonl"),
        ({"dataset": "two", "asked": ("evals/a.jsonl", "easy")}, "evals/a.jsonl to evals/a.jsonl (split easy)"),
        ({"dataset": "two", "asked": ("evals/b.jsonl", ""), "replaced": "evals/a.jsonl"}, ""),
        (
            {"dataset": "two", "asked": ("evals/b.jsonl", ""), "replaced": "evals/older.jsonl"},
            "evals/a.jsonl to evals/b.jsonl",
        ),
    ],
)
def test_another_dataset_needs_a_reason_of_its_own(changed, said):
    before = ProjectState(suites={"s": SUITE})
    found = list(weakened(ProjectState(suites={"s": replace(SUITE, **changed)}), before))
    assert found == ([f"s: dataset changed from {said}, and no `replaces` says why"] if said else [])
