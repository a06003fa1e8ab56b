"""Rollouts and the way back, by the commands that people type."""

import shutil
from typing import Any

import pytest

from moat.bootstrap.project import Project as Files
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.state import open_state
from moat.domain.errors import ConflictError
from moat.ports.releases import Order, Plan, Promotion
from tests.bootstrap.projects import PROMPT, Done, Project

WRONG, MISSING, CONFLICT, CONFIG = 65, 66, 75, 78


def create(project: Project, version: str, *options: str, to: str = "staging") -> Done:
    return project.run("release", "create", f"{PROMPT}@{version}", "--to", to, *options)


def created(project: Project, version: str, *options: str) -> Any:
    done = create(project, version, "--json", *options)
    assert done.code == 0, done
    return done.json["assignment"]


def steer(project: Project, command: str, *options: str) -> Any:
    """The assignment that a `moat rollout` command made in staging."""
    return project.ok("rollout", command, PROMPT, "--env", "staging", "--json", *options).json["assignment"]


def history(project: Project) -> Any:
    """Of staging, newest first."""
    return project.ok("release", "history", PROMPT, "--env", "staging", "--json").json


def arms(assignment: Any) -> list[tuple[str, float]]:
    return [(arm["name"], arm["weight"]) for arm in assignment["arms"]]


def releases(assignment: Any) -> list[str]:
    return [arm["release"] for arm in assignment["arms"]]


def served(project: Project) -> dict[str, list[str]]:
    """By release, the environments whose users get it."""
    return {found["release"]["id"]: found["served"] for found in project.ok("release", "list", "--json").json}


def version_like(project: Project, version: str, copied: str, *changes: tuple[str, str]) -> None:
    text = (project.root / f"prompts/{PROMPT}/{copied}.yaml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (project.root / f"prompts/{PROMPT}/{version}.yaml").write_text(text, "utf-8")


def test_a_canary_grows_is_held_and_takes_over(project: Project) -> None:
    old = project.release("1.0.0")
    begun = created(project, "1.2.0", "--canary", "10")
    assert (begun["strategy"], begun["progress"], arms(begun)) == ("canary", "open", [("canary", 10), ("stable", 90)])
    assert "canary 10 %" in project.ok("rollout", "status", "--env", "staging").out
    grown = steer(project, "promote", "--percent", "40")
    assert (arms(grown), grown["experiment"]) == ([("canary", 40), ("stable", 60)], begun["experiment"])
    assert steer(project, "pause", "--reason", "lunch")["progress"] == "paused"
    assert "(paused)" in project.ok("release", "history", PROMPT, "--env", "staging").out
    assert project.run("rollout", "pause", PROMPT, "--env", "staging").code == CONFLICT
    assert steer(project, "resume")["progress"] == "open"
    whole = steer(project, "promote")
    assert (releases(whole), whole["progress"]) == ([releases(begun)[0]], "closed")
    assert releases({"arms": whole["replaces"]}) == [old]
    assert [a["sequence"] for a in history(project)] == [6, 5, 4, 3, 2, 1]
    assert project.run("rollout", "resume", PROMPT, "--env", "staging").code == MISSING


def test_while_a_rollout_is_under_way_nothing_else_begins_and_nothing_is_left_of_the_try(project: Project) -> None:
    old = project.release("1.0.0")
    created(project, "1.1.0", "--canary", "5")
    refused = create(project, "1.2.0")
    assert (refused.code, "`moat rollout promote" in refused.err) == (CONFLICT, True)
    assert "1.2.0" not in (project.root / "prompts.lock").read_text("utf-8")
    back = steer(project, "abort")
    assert (releases(back), back["returns_to"], back["reason"]) == ([old], 1, "abort")
    assert create(project, "1.2.0").code == 0


def test_a_rollback_during_a_canary_ends_it(project: Project) -> None:
    first, second = project.release("1.0.0"), project.release("1.1.0")
    created(project, "1.2.0", "--canary", "50")
    for target in (second, first):
        back = project.ok("rollback", PROMPT, "--env", "staging", "--json").json["assignment"]
        assert (releases(back), back["progress"]) == ([target], "closed")
    assert project.run("rollback", PROMPT, "--env", "staging").code == MISSING


def test_an_experiment_is_won_by_an_arm(project: Project) -> None:
    for version in ("1.1.0", "1.0.0"):
        project.release(version)
    options = ["--arm", "short=1.2.0:1", "--arm", "long=1.1.0:1", "--arm", "old=1.0.0:2"]
    begun = created(project, "1.2.0", "--ab", "tone", *options)
    assert (arms(begun), begun["experiment"]) == (
        [("short", 1), ("long", 1), ("old", 2)],
        f"staging/{PROMPT}/tone#3",
    )
    unsaid = project.run("rollout", "promote", PROMPT, "--env", "staging")
    assert (unsaid.code, "Arms: short, long, old." in unsaid.err) == (WRONG, True)
    assert project.run("rollout", "promote", PROMPT, "--env", "staging", "--percent", "5").code == WRONG
    assert releases(steer(project, "promote", "--arm", "long")) == [releases(begun)[1]]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--canary", "5", "--shadow", "5"], WRONG, "exclude each other"),
        (["--canary", "100"], WRONG, "less than 100 percent"),
        (["--arm", "new=1.2.0:1"], WRONG, "--ab NAME"),
        (["--ab", "x", "--arm", "new"], WRONG, "NAME=VERSION:WEIGHT"),
        (["--ab", "x", "--arm", "new=1.2.0:much"], WRONG, "NAME=VERSION:WEIGHT"),
        (["--ab", "x", "--arm", "a=1.0.0:1", "--arm", "b=1.0.0:1"], WRONG, "no arm is 1.2.0"),
        (["--ab", "x", "--arm", "a=1.2.0:1", "--arm", "b=1.1.0:1"], MISSING, "never released"),
        (["--ab", "x", "--arm", "a=1.2.0:1", "--arm", "a=1.0.0:1"], WRONG, "a name of its own"),
        (["--break-glass"], WRONG, "takes a reason"),
        (["--break-glass", "--reason", " "], WRONG, "takes a reason"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    project: Project, options: list[str], code: int, said: str
) -> None:
    project.release("1.0.0")
    done = create(project, "1.2.0", *options)
    assert (done.code, said in done.err) == (code, True), done
    assert len(history(project)) == 1
    assert len(project.ok("release", "list", "--json").json) == 1


def test_what_serves_nothing_yet_takes_no_share(project: Project) -> None:
    for options in (["--canary", "5"], ["--blue-green"], ["--ab", "x"], ["--shadow", "5"]):
        done = create(project, "1.2.0", *options)
        assert (done.code, "Release the first one whole." in done.err) == (CONFLICT, True)


def test_a_shadow_is_no_users_and_takes_over_when_promoted(project: Project) -> None:
    old = project.release("1.0.0")
    begun = created(project, "1.2.0", "--shadow", "25")
    new = begun["shadow"]["release"]
    assert (releases(begun), begun["shadow"]["weight"]) == ([old], 0.25)
    assert "shadow 25 %" in " ".join(project.ok("rollout", "status").out.split())
    assert served(project) == {old: ["staging"], new: []}
    assert "staging (shadow)" in " ".join(project.ok("release", "list").out.split())
    whole = steer(project, "promote")
    assert (releases(whole), whole["shadow"]) == ([new], None)


def test_blue_green_asks_green_before_it_switches_and_keeps_blue(project: Project) -> None:
    blue = project.release("1.0.0")
    done = create(project, "1.2.0", "--blue-green", "--json").json
    switched = done["assignment"]
    assert ([call["flaw"] for call in done["smoked"]], arms(switched)) == (["", "", ""], [("green", 1), ("blue", 0)])
    green = releases(switched)[0]
    assert served(project) == {green: ["staging"], blue: []}
    assert "staging (ready)" in " ".join(project.ok("release", "list").out.split())
    prepared = history(project)[1]
    assert (arms(prepared), prepared["progress"]) == ([("green", 0), ("blue", 1)], "open")
    back = project.ok("rollback", PROMPT, "--env", "staging", "--json").json["assignment"]
    assert arms(back) == [("", 1)]
    assert releases(back) == [blue]


def test_a_release_that_fails_its_smoke_test_serves_nobody(project: Project) -> None:
    blue = project.release("1.0.0")
    version_like(project, "1.3.0", "1.2.0", ("required: [intent,", "required: [mood, intent,"))
    done = create(project, "1.3.0", "--blue-green")
    assert (done.code, "does not fit `output`" in done.out) == (1, True), done
    assert f"staging serves 1.0.0 ({blue}) as before" in done.out
    (aborted, prepared, first) = history(project)
    assert (releases(aborted), aborted["returns_to"], aborted["progress"]) == ([blue], 1, "closed")
    assert "not switched" in aborted["reason"]
    assert (arms(prepared), first["sequence"]) == ([("green", 0), ("blue", 1)], 1)
    failed = create(project, "1.3.0", "--blue-green", "--json")
    assert (failed.code, all(call["flaw"] for call in failed.json["smoked"])) == (1, True)
    assert create(project, "1.3.0", "--blue-green", "--no-smoke").code == 0


@pytest.mark.parametrize(
    ("simulation", "flaw"),
    [
        ("rules: [{user: '.*', answers: [{text: 'Sure.'}]}]", "the answer is not JSON"),
        ("rules: [{user: '.*', answers: [{text: ' '}]}]", "the answer is empty"),
        ("errors: {rate: 1.0, status: 500}\nrules: [{user: '.*', answers: [{text: 'Sure.'}]}]", "500"),
    ],
)
def test_a_smoke_test_says_what_was_wrong_with_each_answer(project: Project, simulation: str, flaw: str) -> None:
    project.release("1.0.0")
    project.replace("moat.yaml", {"models:\n  assistant:": "models:\n  assistant:\n    retries: 0"})
    (project.root / "simulation/support.yaml").write_text(simulation, "utf-8")
    done = create(project, "1.2.0", "--blue-green", "--json")
    assert done.code == 1, done
    assert [flaw in call["flaw"] for call in done.json["smoked"]] == [True] * 3, done.json["smoked"]


def test_people_read_what_happened(project: Project) -> None:
    project.release("1.0.0")
    done = create(project, "1.2.0", "--blue-green")
    assert (done.out.count(": fine"), "green 100 % 1.2.0" in done.out) == (3, True)
    project.ok("release", "create", f"{PROMPT}@1.1.0", "--to", "staging", "--canary", "12.5")
    assert "staging (12.5 %)" in " ".join(project.ok("release", "list").out.split())
    assert "staging serves canary 12.5 % 1.1.0" in project.ok("rollout", "pause", PROMPT, "--env", "staging").out
    assert "paused" in project.ok("rollout", "status").out
    shown = project.ok("rollout", "promote", PROMPT, "--env", "staging", "--percent", "20").out
    assert "no server runs" in shown
    assert project.ok("rollout", "status", "--env", "production").out.startswith("Nothing is released yet")


def test_what_no_suite_covers_cannot_be_smoked(project: Project) -> None:
    folder = project.root / "prompts" / "other"
    folder.mkdir()
    for version in ("1.0.0", "1.1.0"):
        (folder / f"{version}.txt").write_text(f"Hello {version}", "utf-8")
    project.ok("release", "create", "other@1.0.0", "--to", "staging")
    done = project.run("release", "create", "other@1.1.0", "--to", "staging", "--blue-green")
    assert (done.code, "--no-smoke" in done.err) == (CONFLICT, True)
    found = project.ok("release", "history", "other", "--env", "staging", "--json").json
    assert [a["progress"] for a in found] == ["closed", "open", "closed"]
    project.ok("release", "create", "other@1.1.0", "--to", "staging", "--blue-green", "--no-smoke")


def test_a_smoke_test_ends_no_rollout_but_its_own(project: Project) -> None:
    project.release("1.0.0")
    files = Files(project.root)
    with open_state(files) as state:
        releasing = Releasing(files, state)
        wish = Order(prompt=PROMPT, version="1.2.0", environment="staging", plan=Plan(strategy="blue_green"))
        prepared = releasing.release(wish, "ada")[1]
        releasing.abort(PROMPT, "staging", "bob", "not now")
        switch = Promotion(prompt=PROMPT, environment="staging")
        with pytest.raises(ConflictError, match="ended this rollout"):
            releasing.promote(switch, "ada", experiment=prepared.experiment)
        other = releasing.release(
            Order(prompt=PROMPT, version="1.1.0", environment="staging", plan=Plan(strategy="canary", percent=5)), "bob"
        )[1]
        with pytest.raises(ConflictError, match="ended this rollout"):
            releasing.promote(switch, "ada", experiment=prepared.experiment)
        with pytest.raises(ConflictError, match="ended this rollout"):
            releasing.abort(PROMPT, "staging", "ada", "", experiment=prepared.experiment)
        assert state.releases.history(PROMPT, "staging")[0] == other


@pytest.mark.parametrize("path", [f"prompts/{PROMPT}/1.2.0.yaml", "prompts/_partials/tone.j2"])
def test_a_release_says_when_git_does_not_hold_what_it_is(project: Project, path: str) -> None:
    assert not create(project, "1.0.0", "--json").json["release"]["dirty"]
    with (project.root / path).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert create(project, "1.2.0", "--json").json["release"]["dirty"]


def test_every_change_is_seen_at_the_running_server(project: Project) -> None:
    project.release("1.0.0")
    with project.serving() as server:

        def answering() -> str:
            status, answer = server.ask("Can I return my boots?", at="staging", user="user-1")
            assert status == 200, answer
            listed = server.get(f"/api/v1/serving?prompt={PROMPT}&environment=staging")[1]
            strategy: str = listed[0]["strategy"]
            return strategy

        begun = create(project, "1.2.0", "--canary", "50", "--json").json
        assert (begun["live"], answering()) == (True, "canary")
        for command in (["promote", "--percent", "80"], ["pause"], ["resume"], ["promote"]):
            done = project.ok("rollout", command[0], PROMPT, "--env", "staging", "--json", *command[1:]).json
            assert (done["live"], answering()) == (True, done["assignment"]["strategy"])
        back = project.ok("rollback", PROMPT, "--env", "staging", "--json").json
        assert back["live"]
        switched = create(project, "1.2.0", "--blue-green", "--json").json
        assert (switched["live"], answering()) == (True, "blue_green")
        assert "seen at the running server" in project.ok("rollback", PROMPT, "--env", "staging").out


def test_the_way_back_needs_neither_files_nor_configuration_nor_git(project: Project) -> None:
    first = project.release("1.0.0")
    created(project, "1.2.0")
    created(project, "1.1.0", "--canary", "20")
    shutil.rmtree(project.root / "prompts")
    shutil.rmtree(project.root / ".git")
    (project.root / "moat.yaml").write_text("models: [", "utf-8")
    assert steer(project, "abort")["returns_to"] == 2
    back = project.ok("rollback", PROMPT, "--env", "staging", "--json").json["assignment"]
    assert releases(back) == [first]
