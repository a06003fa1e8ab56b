"""What is said to be missing is what a release or a promotion is refused for, no more and no less."""

from pathlib import Path

import pytest

from moat.bootstrap.project import Project as Files
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.state import open_state
from moat.domain.errors import NotFound, PromptError
from moat.ports.releases import Clearance
from tests.bootstrap.projects import PROMPT, Project
from tests.bootstrap.test_promotion_rules import ALWAYS_FROZEN, become, commit, rules
from tests.bootstrap.test_rollouts import CONFLICT, create, created, history, releases, steer, version_like

ADA = "Ada <ada@example.org>"


def clearance(root: Path, release: str, actor: str = ADA) -> Clearance:
    files = Files(root)
    with open_state(files) as state:
        return Releasing(files, state).clearance(PROMPT, "staging", release, actor)


def approve(project: Project, who: str, comment: str) -> None:
    become(project, who)
    project.ok("release", "approve", f"{PROMPT}@1.2.0", "--to", "staging", "--comment", comment)


def test_a_version_lacks_what_its_release_would_be_refused_for(project: Project) -> None:
    rules(project, f"require: [support]\n    approvals: 2\n    {ALWAYS_FROZEN}")
    become(project, "Ada")
    found = clearance(project.root, "1.2.0")
    refused = create(project, "1.2.0")
    assert refused.code == CONFLICT
    assert len(found.missing) == 3
    assert all(lack.what in refused.err and lack.remedy in refused.err for lack in found.missing), found
    assert all(lack.overridable for lack in found.missing)
    assert (found.served, found.rollout, found.approved, found.needed) == (False, False, 0, 2)
    assert history(project) == [], "it was a question"
    assert not (project.root / "prompts.lock").exists()


def test_one_of_two_approvals_and_those_that_do_not_count(project: Project) -> None:
    rules(project, "approvals: 2")
    commit(project, "Carol")
    approve(project, "Ada", "my own")
    approve(project, "Bob", "looks good")
    found = clearance(project.root, "1.2.0")
    assert [(vote.actor.partition(" ")[0], vote.comment, vote.counts) for vote in found.approvals] == [
        ("Ada", "my own", False),
        ("Bob", "looks good", True),
    ]
    assert (found.approved, found.needed, len(found.missing)) == (1, 2, 1)
    assert clearance(project.root, "1.2.0", "Bob <bob@example.org>").approved == 1, "Ada's, when Bob releases"
    approve(project, "Cleo", "read it")
    done = clearance(project.root, found.release)
    assert (done.release, done.approved, done.missing) == (found.release, 2, ())
    become(project, "Ada")
    assert create(project, "1.2.0").code == 0
    assert clearance(project.root, found.release).served


def test_a_rollout_lacks_what_its_promotion_would_be_refused_for(project: Project) -> None:
    project.release("1.0.0")
    begun = created(project, "1.2.0", "--canary", "10")
    canary = releases(begun)[0]
    assert clearance(project.root, canary).missing == ()
    rules(project, f"require: [support]\n    {ALWAYS_FROZEN}")
    found = clearance(project.root, canary)
    refused = project.run("rollout", "promote", PROMPT, "--env", "staging")
    assert (found.rollout, len(found.missing), refused.code) == (True, 2, CONFLICT)
    assert all(lack.what in refused.err for lack in found.missing)
    steer(project, "promote", "--percent", "50", "--break-glass", "--reason", "incident 42")
    after = clearance(project.root, canary)
    assert after.missing == (), "what was broken is not asked again"
    assert set(after.overridden) == {lack.what for lack in found.missing}
    project.ok("rollout", "promote", PROMPT, "--env", "staging")


def test_nothing_else_may_come_while_a_rollout_is_under_way_whatever_is_broken(project: Project) -> None:
    project.release("1.0.0")
    created(project, "1.2.0", "--canary", "10")
    (lack,) = clearance(project.root, "1.1.0").missing
    assert ("another rollout (canary)" in lack.what, lack.overridable) == (True, False)


def test_a_canary_is_made_smaller_whatever_the_rules_say(project: Project) -> None:
    project.release("1.0.0")
    created(project, "1.2.0", "--canary", "50")
    rules(project, ALWAYS_FROZEN)
    assert project.run("rollout", "promote", PROMPT, "--env", "staging", "--percent", "51").code == CONFLICT
    smaller = steer(project, "promote", "--percent", "5")
    assert ([arm["weight"] for arm in smaller["arms"]], smaller["overridden"]) == ([5, 95], [])
    assert project.run("rollout", "promote", PROMPT, "--env", "staging", "--percent", "50").code == CONFLICT


def test_the_rules_are_those_of_the_file_as_it_is_now(project: Project) -> None:
    files = Files(project.root)
    with open_state(files) as state:
        before = {found.name: found for found in Releasing(files, state).rules()}
        assert (before["production"].rules.require, before["staging"].rules.approvals) == (["support"], 0)
        assert before["staging"].frozen == ""
        rules(project, f"approvals: 3\n    {ALWAYS_FROZEN}")
        after = {found.name: found for found in Releasing(Files(project.root), state).rules()}
    assert (after["staging"].rules.approvals, after["staging"].frozen) == (3, "is frozen: the sale")


def test_a_version_that_is_not_there_or_not_sound_is_refused_as_by_a_release(project: Project) -> None:
    version_like(project, "1.3.0", "1.2.0", ("{{ question }}", "{{ qestion }}"))
    for version, error in (("9.9.9", NotFound), ("rel_nope", NotFound), ("1.3.0", PromptError)):
        with pytest.raises(error):
            clearance(project.root, version)
