"""What `ReleaseReader` and `ReleaseWriter` promise."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec
import pytest

from moat.domain.errors import ConflictError, NotFound
from moat.domain.releases import (
    Approval,
    Arm,
    Assignment,
    Evidence,
    MessageTemplate,
    PromptVersion,
    Release,
    Variable,
)
from moat.ports.releases import ReleaseReader, ReleaseWriter


class ReleaseStore(ReleaseReader, ReleaseWriter, Protocol):
    """Both sides at once."""


OpenReleases = Callable[[], AbstractContextManager[ReleaseStore]]


def _release(number: int, prompt: str = "support/answer") -> Release:
    return Release(
        id=f"rel_{number:016x}",
        content=PromptVersion(
            name=prompt,
            version=f"1.{number}.0",
            messages=(MessageTemplate("user", "{{ question }}"),),
            model="assistant",
            variables={"question": Variable(), "plan": Variable(default=None)},
            params={"temperature": 0.2, "stop": ["\n", "„Ende“ \x00 🙂"]},
            tools=("lookup_order@1.0.0",),
        ),
        prompt_digest=f"sha256:{number}",
        deployments=("openai/gpt-4o-mini", "simulated/support-small"),
        policies=("baseline@0123456789ab",),
        commit="abc123",
        dirty=True,
        author="ada",
        created_ns=1_700_000_000_000_000_000 + number,
    )


def _evidence(run: str, verdict: str = "pass") -> Evidence:
    judged: dict[str, Any] = {"gates_digest": "sha256:g", "baseline": "sha256:b", "judged_ns": 7} if verdict else {}
    return Evidence(run=run, suite="support", dataset_digest="sha256:d", score=0.1 + 0.2, verdict=verdict, **judged)


def _assignment(sequence: int, release: Release, environment: str = "production") -> Assignment:
    return Assignment(
        environment=environment,
        prompt=release.prompt,
        sequence=sequence,
        arms=(Arm(release.id, 0.9), Arm(release.id, 0.1)),
        actor="ada",
        reason="it's better",
        created_ns=sequence,
        strategy="canary",
        progress="paused",
        experiment=f"{environment}/{release.prompt}/canary#1",
        shadow=Arm(release.id, 1 / 3, "shadow"),
        overridden=("is frozen: „Schluss“", "requires 2 approvals"),
        replaces=(Arm("rel_before"),),
        returns_to=sequence - 1,
    )


def _approval(release: Release, actor: str, created_ns: int, environment: str = "production") -> Approval:
    comment = "„fine“ 🙂" if environment == "production" else ""
    return Approval(release=release.id, environment=environment, actor=actor, created_ns=created_ns, comment=comment)


def everything_is_read_back_as_written(open_store: OpenReleases) -> None:
    """By another opener too."""
    release = msgspec.structs.replace(_release(1), evidence=(_evidence("run_1"), _evidence("run_2")))
    assignment = _assignment(1, release)
    with open_store() as store:
        assert store.create(release) == release
        store.assign(assignment)
    with open_store() as store:
        assert store.get(release.id) == release
        assert store.releases() == [release]
        assert store.current() == [assignment]


def what_an_assignment_leaves_out_is_read_back_as_nothing(open_store: OpenReleases) -> None:
    """No shadow, no experiment, no broken rule, nothing to go back to."""
    with open_store() as store:
        release = store.create(msgspec.structs.replace(_release(1), deployments=()))
        plain = Assignment(
            environment="production",
            prompt=release.prompt,
            sequence=1,
            arms=(Arm(release.id),),
            actor="ada",
            reason="",
            created_ns=1,
        )
        store.assign(plain)
        assert store.get(release.id).deployments == ()
        assert store.history(release.prompt, "production") == [plain]
        assert store.current()[0].shadow is None


def approvals_are_kept_by_release_and_environment(open_store: OpenReleases) -> None:
    """Oldest first, whoever stored them first; one environment's say nothing of another."""
    with open_store() as store:
        release, other = store.create(_release(1)), store.create(_release(2))
        late, early = _approval(release, "ada", 9), _approval(release, "bob", 3)
        elsewhere = _approval(release, "ada", 1, environment="staging")
        for approval in (late, early, elsewhere):
            store.approve(approval)
    with open_store() as store:
        assert store.approvals(release.id, "production") == [early, late]
        assert store.approvals(release.id, "staging") == [elsewhere]
        assert store.approvals(other.id, "production") == []
        assert store.approvals("rel_nope", "production") == []


def a_person_approves_once(open_store: OpenReleases) -> None:
    """The first yes stands, with its comment and time."""
    with open_store() as store:
        release = store.create(_release(1))
        store.approve(_approval(release, "ada", 1))
        store.approve(msgspec.structs.replace(_approval(release, "ada", 2), comment="again"))
        assert store.approvals(release.id, "production") == [_approval(release, "ada", 1)]


def an_unknown_release_is_not_found(open_store: OpenReleases) -> None:
    """By each method that names one, and nothing is left of the attempt."""
    with open_store() as store:
        with pytest.raises(NotFound, match="rel_nope"):
            store.get("rel_nope")
        with pytest.raises(NotFound, match="rel_nope"):
            store.attest("rel_nope", _evidence("run_1"))
        with pytest.raises(NotFound, match="rel_0000000000000001"):
            store.assign(_assignment(1, _release(1)))
        with pytest.raises(NotFound, match="rel_0000000000000001"):
            store.approve(_approval(_release(1), "ada", 1))
        known = store.create(_release(2))
        with pytest.raises(NotFound, match="rel_nope"):
            store.assign(msgspec.structs.replace(_assignment(1, known), shadow=Arm("rel_nope", 0.1)))
        assert store.releases() == [known]
        assert store.approvals(_release(1).id, "production") == []
        assert store.current() == []


def releases_come_newest_first(open_store: OpenReleases) -> None:
    """All of them, or one prompt's, each with its own evidence."""
    one, two = _release(1), msgspec.structs.replace(_release(2), evidence=(_evidence("run_2"),))
    other = msgspec.structs.replace(_release(3, prompt="other"), evidence=(_evidence("run_3"),))
    with open_store() as store:
        for release in (two, other, one):
            store.create(release)
        assert store.releases() == [other, two, one]
        assert store.releases("support/answer") == [two, one]
        assert store.releases("unknown") == []


def creating_again_adds_only_evidence(open_store: OpenReleases) -> None:
    """The manifest stays as it was first stored."""
    first = msgspec.structs.replace(_release(1), evidence=(_evidence("run_1"),))
    again = msgspec.structs.replace(first, author="bob", created_ns=5, evidence=(_evidence("run_2"),))
    with open_store() as store:
        store.create(first)
        stored = store.create(again)
        assert stored == msgspec.structs.replace(first, evidence=(_evidence("run_1"), _evidence("run_2")))
        assert store.get(first.id) == stored


def the_same_run_attests_once(open_store: OpenReleases) -> None:
    """A gate may judge it later: the newest judgement stands."""
    with open_store() as store:
        release = store.create(_release(1))
        store.attest(release.id, _evidence("run_1", verdict=""))
        store.attest(release.id, _evidence("run_1"))
        assert store.get(release.id).evidence == (_evidence("run_1"),)


def only_the_next_assignment_is_taken(open_store: OpenReleases) -> None:
    """A sequence that is taken, skipped or zero is a conflict, and changes nothing."""
    with open_store() as store:
        release = store.create(_release(1))
        store.assign(_assignment(1, release))
        for sequence in (0, 1, 3):
            with pytest.raises(ConflictError, match="number 1"):
                store.assign(_assignment(sequence, release))
        assert store.history(release.prompt, "production") == [_assignment(1, release)]


def each_environment_and_prompt_has_its_own_history(open_store: OpenReleases) -> None:
    """`history` tells it newest first; `current` has the latest of each."""
    with open_store() as store:
        release, other = store.create(_release(1)), store.create(_release(2, prompt="other"))
        served = [_assignment(1, release), _assignment(2, release)]
        staged, elsewhere = _assignment(1, release, "staging"), _assignment(1, other)
        for assignment in (*served, staged, elsewhere):
            store.assign(assignment)
        assert store.history(release.prompt, "production") == served[::-1]
        assert store.history(release.prompt, "nowhere") == []
        assert sorted(store.current(), key=str) == sorted([served[1], staged, elsewhere], key=str)


def the_revision_moves_with_every_change(open_store: OpenReleases) -> None:
    """One's own and another opener's; a read or a refused write may leave it."""
    with open_store() as store, open_store() as other:
        seen = [store.revision()]
        assert store.revision() == seen[0]
        release = store.create(_release(1))
        seen.append(store.revision())
        other.attest(release.id, _evidence("run_1"))
        seen.append(store.revision())
        other.assign(_assignment(1, release))
        seen.append(store.revision())
        other.approve(_approval(release, "ada", 1))
        seen.append(store.revision())
        assert len(set(seen)) == 5
        assert store.revision() == seen[-1]


CHECKS: tuple[Callable[[OpenReleases], None], ...] = (
    everything_is_read_back_as_written,
    what_an_assignment_leaves_out_is_read_back_as_nothing,
    approvals_are_kept_by_release_and_environment,
    a_person_approves_once,
    an_unknown_release_is_not_found,
    releases_come_newest_first,
    creating_again_adds_only_evidence,
    the_same_run_attests_once,
    only_the_next_assignment_is_taken,
    each_environment_and_prompt_has_its_own_history,
    the_revision_moves_with_every_change,
)
