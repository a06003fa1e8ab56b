"""What an environment demands of a release, and what a broken glass leaves behind, by the commands that people type."""

import datetime
import subprocess
from pathlib import Path

import pytest

from moat.bootstrap.settings import load_settings
from moat.domain.errors import ConfigError
from tests.bootstrap.projects import PROMPT, Project
from tests.bootstrap.test_rollouts import (
    CONFIG,
    CONFLICT,
    MISSING,
    WRONG,
    create,
    created,
    history,
    releases,
    steer,
    version_like,
)

ALWAYS_FROZEN = "freeze: [{reason: the sale}]"


def rules(project: Project, text: str) -> None:
    """Rules for staging."""
    project.replace("moat.yaml", {"Where the team tries a version.": f"Tried here.\n    {text}"})


def become(project: Project, name: str) -> None:
    """Somebody else sits down at the machine."""
    for key, value in (("user.name", name), ("user.email", f"{name.lower()}@example.org")):
        subprocess.run(["git", "config", key, value], cwd=project.root, check=True)


def commit(project: Project, author: str) -> None:
    """Everything that changed, as written by somebody."""
    who = ["-c", f"user.name={author}", "-c", f"user.email={author.lower()}@example.org"]
    subprocess.run(["git", *who, "add", "-A"], cwd=project.root, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "A change"], cwd=project.root, check=True)


def test_a_refusal_names_all_that_is_missing_at_once(project: Project) -> None:
    rules(project, f"require: [support]\n    approvals: 2\n    {ALWAYS_FROZEN}")
    done = create(project, "1.2.0")
    assert done.code == CONFLICT
    for piece in (
        "requires the suite 'support', which was never run",
        f"`moat gate {PROMPT}@1.2.0 --suite support --env staging`",
        "requires 2 approvals of people other than",
        f"`moat release approve {PROMPT}@1.2.0 --to staging`",
        "is frozen: the sale",
        "Wait until the window ends.",
    ):
        assert piece in done.err
    assert not (project.root / "prompts.lock").exists()


def test_each_arm_of_an_experiment_must_keep_the_rules_but_what_is_served_stays(project: Project) -> None:
    for version in ("1.1.0", "1.0.0"):
        project.release(version)
    rules(project, "require: [support]")
    options = ["--arm", "new=1.2.0:1", "--arm", "other=1.1.0:1", "--arm", "old=1.0.0:1"]
    done = create(project, "1.2.0", "--ab", "x", *options)
    assert done.code == CONFLICT
    assert f"for {PROMPT}@1.2.0" in done.err
    assert f"for {PROMPT}@1.1.0" in done.err
    assert f"for {PROMPT}@1.0.0" not in done.err
    rules_text = (project.root / "moat.yaml").read_text("utf-8")
    (project.root / "moat.yaml").write_text(rules_text.replace("require: [support]", ALWAYS_FROZEN, 1), "utf-8")
    frozen = create(project, "1.2.0", "--ab", "x", *options)
    assert frozen.err.count("is frozen") == 1, "once for all arms"


def test_approvals_are_other_peoples_and_may_come_first(project: Project) -> None:
    rules(project, "approvals: 1")
    commit(project, "Carol")
    become(project, "Ada")
    approve = ("release", "approve", f"{PROMPT}@1.2.0", "--to", "staging")
    project.ok(*approve)
    own = create(project, "1.2.0")
    assert (own.code, "requires 1 approval of somebody other than ada@example.org" in own.err) == (CONFLICT, True)
    become(project, "Bob")
    project.ok(*approve, "--comment", "read it")
    assert history(project) == [], "an approval serves nothing"
    become(project, "Ada")
    made = created(project, "1.2.0")
    shown = project.ok("release", "show", releases(made)[0])
    assert "approved  staging by Bob <bob@example.org>" in shown.out
    assert "(read it)" in shown.out


def test_an_author_does_not_approve_own_work_whoever_releases_it(project: Project) -> None:
    rules(project, "approvals: 1")
    version_like(project, "1.3.0", "1.2.0", ("temperature: 0.2", "temperature: 0.3"))
    commit(project, "Bob")
    become(project, "Bob")
    project.ok("release", "approve", f"{PROMPT}@1.3.0", "--to", "staging")
    become(project, "Ada")
    refused = create(project, "1.3.0")
    assert (refused.code, "other than ada@example.org, bob@example.org" in refused.err) == (CONFLICT, True)


def test_an_approval_is_of_one_content_in_one_environment(project: Project) -> None:
    rules(project, "approvals: 1")
    become(project, "Bob")
    project.ok("release", "approve", f"{PROMPT}@1.2.0", "--to", "staging")
    approved = project.ok("release", "list", "--json").json[0]["release"]["id"]
    become(project, "Ada")
    project.replace("moat.yaml", {"simulated/support-large, ": ""})
    assert create(project, "1.2.0").code == CONFLICT, "another model stands behind it"
    become(project, "Bob")
    assert project.run("release", "approve", "rel_nope", "--to", "staging").code == MISSING
    assert project.run("release", "approve", approved, "--to", "nowhere").code == CONFIG
    assert project.run("release", "approve", f"{PROMPT}@9.9.9", "--to", "staging").code == MISSING


def test_a_broken_glass_needs_a_reason_and_is_never_forgotten(project: Project) -> None:
    rules(project, f"approvals: 1\n    {ALWAYS_FROZEN}")
    assert create(project, "1.0.0", "--break-glass").code == WRONG
    done = create(project, "1.0.0", "--break-glass", "--reason", "shop is down")
    assert done.code == 0
    broken = history(project)[0]
    assert (broken["reason"], len(broken["overridden"])) == ("shop is down", 2)
    for command in (
        ("release", "history", PROMPT, "--env", "staging"),
        ("release", "show", releases(broken)[0]),
        ("rollout", "status"),
    ):
        shown = project.ok(*command).out
        assert all(word in shown for word in ("frozen", "approval")), command


def test_a_freeze_holds_promotions_and_no_way_back(project: Project) -> None:
    for version in ("1.1.0", "1.0.0"):
        project.release(version)
    created(project, "1.2.0", "--canary", "5")
    rules(project, ALWAYS_FROZEN)
    frozen = project.run("rollout", "promote", PROMPT, "--env", "staging")
    assert (frozen.code, "is frozen: the sale" in frozen.err) == (CONFLICT, True)
    urgent = steer(project, "promote", "--percent", "50", "--break-glass", "--reason", "urgent")
    assert urgent["overridden"] == ["is frozen: the sale"]
    assert steer(project, "pause")["overridden"] == ["is frozen: the sale"]
    assert steer(project, "abort")["overridden"] == []
    project.ok("rollback", PROMPT, "--env", "staging")


def test_no_glass_is_thick_enough_for_what_is_not_sound(project: Project) -> None:
    project.release("1.0.0")
    version_like(project, "1.3.0", "1.2.0", ("{{ question }}", "{{ qestion }}"))
    glass = ("--break-glass", "--reason", "now")
    assert create(project, "1.3.0", *glass).code == WRONG
    project.replace(f"prompts/{PROMPT}/1.0.0.yaml", {"temperature: 0.2": "temperature: 0.9"})
    assert create(project, "1.0.0", *glass).code == WRONG


def test_a_flaw_in_what_a_version_includes_is_a_flaw_of_the_version(project: Project) -> None:
    partial = project.root / "prompts/_partials/tone.j2"
    partial.write_text(partial.read_text("utf-8") + "\n{{ mood }}\n", "utf-8")
    done = create(project, "1.2.0")
    assert (done.code, "prompts/_partials/tone.j2:" in done.err, "'mood'" in done.err) == (WRONG, True, True), done


def test_a_published_version_stays_itself_when_its_lock_line_is_gone(project: Project) -> None:
    project.release("1.0.0")
    (project.root / "prompts.lock").unlink()
    project.replace(f"prompts/{PROMPT}/1.0.0.yaml", {"temperature: 0.2": "temperature: 0.9"})
    done = create(project, "1.0.0")
    assert (done.code, "was published with another content" in done.err) == (WRONG, True)
    assert not (project.root / "prompts.lock").exists()


def test_another_model_behind_the_alias_is_another_release_without_the_old_evidence(project: Project) -> None:
    assert project.run("gate", f"{PROMPT}@1.2.0", "--suite", "support").code == 0
    first = create(project, "1.2.0", "--json").json["release"]
    project.replace("moat.yaml", {"[simulated/support-large, simulated/support-small]": "[simulated/other]"})
    assert create(project, "1.2.0", to="production").code == CONFLICT
    second = create(project, "1.2.0", "--json").json["release"]
    assert second["id"] != first["id"]
    assert (first["deployments"], second["deployments"]) == (
        ["simulated/support-large", "simulated/support-small"],
        ["simulated/other"],
    )
    assert ([proof["verdict"] for proof in first["evidence"]], second["evidence"]) == (["pass"], [])


@pytest.mark.parametrize(
    ("freeze", "line", "said"),
    [
        ("{reason: x, timezone: Europe/Atlantis}", "moat.yaml:4", "no time zone 'Europe/Atlantis'"),
        (
            "{reason: x, first: 2026-12-23, last: 2026-01-02}",
            "moat.yaml:4",
            "ends on 2026-01-02, before it begins",
        ),
    ],
)
def test_a_window_that_cannot_be_kept_is_an_error_of_the_configuration(
    tmp_path: Path, freeze: str, line: str, said: str
) -> None:
    (tmp_path / "moat.yaml").write_text(
        f"providers: {{}}\nmodels: {{}}\nenvironments:\n  production: {{freeze: [{freeze}]}}\n", "utf-8"
    )
    with pytest.raises(ConfigError, match=said) as caught:
        load_settings(tmp_path)
    assert line in str(caught.value)


def test_a_window_reads_its_dates_and_times(tmp_path: Path) -> None:
    (tmp_path / "moat.yaml").write_text(
        "providers: {}\nmodels: {}\nenvironments:\n  production:\n    freeze:\n"
        "      - {reason: x, days: [fri], from: '18:00', until: '24:00', first: 2026-12-23, timezone: Europe/Berlin}\n",
        "utf-8",
    )
    (window,) = load_settings(tmp_path).config.environments["production"].freeze
    assert (window.from_, window.first) == ("18:00", datetime.date(2026, 12, 23))


def test_a_promotion_asks_the_rules_again(project: Project) -> None:
    project.release("1.0.0")
    created(project, "1.2.0", "--canary", "10")
    rules(project, "require: [support]")
    done = project.run("rollout", "promote", PROMPT, "--env", "staging")
    assert (done.code, "requires the suite 'support'" in done.err) == (CONFLICT, True)
    forced = steer(project, "promote", "--break-glass", "--reason", "incident 42")
    assert forced["overridden"][0].startswith("requires the suite 'support'")


def test_whoever_wrote_a_partial_since_does_not_approve_it(project: Project) -> None:
    project.release("1.0.0")
    rules(project, "approvals: 1")
    tone = project.root / "prompts/_partials/tone.j2"
    copied = (project.root / f"prompts/{PROMPT}/1.2.0.yaml").read_text("utf-8")
    (project.root / "prompts/_partials/voice.j2").write_text(tone.read_text("utf-8"), "utf-8")
    (project.root / f"prompts/{PROMPT}/1.3.0.yaml").write_text(copied.replace('"tone"', '"voice"'), "utf-8")
    commit(project, "Bob")
    (project.root / "prompts/_partials/voice.j2").write_text("Be brief.\n", "utf-8")
    commit(project, "Alice")
    for approver, code in (("Alice", CONFLICT), ("Bob", CONFLICT), ("Cleo", 0)):
        become(project, approver)
        project.ok("release", "approve", f"{PROMPT}@1.3.0", "--to", "staging")
        become(project, "Dora")
        assert create(project, "1.3.0").code == code, approver


def test_a_rollback_goes_past_what_has_the_same_content(project: Project) -> None:
    project.release("1.0.0")
    first = project.release("1.2.0")
    project.replace("moat.yaml", {"use: [simulated/support-large, simulated/support-small]": "use: [simulated/other]"})
    assert project.release("1.2.0") != first
    back = project.ok("rollback", PROMPT, "--env", "staging", "--json").json["assignment"]
    (served,) = {arm["release"] for arm in back["arms"]}
    shown = project.ok("release", "show", served, "--json").json["release"]
    assert shown["content"]["version"] == "1.0.0"
    assert [found["sequence"] for found in history(project)] == [4, 3, 2, 1]
    assert project.run("rollback", PROMPT, "--env", "staging").code == MISSING
