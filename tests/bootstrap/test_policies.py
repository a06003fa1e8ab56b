"""Guard policies belong to what is tested: runs and releases say which, and a change of one is seen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.bootstrap.policy_files import policy_files, unread
from moat.domain.errors import ConfigError
from moat.domain.policies import GuardConfig, PolicyConfig, PolicyScope, PolicyTest, about
from tests.bootstrap.projects import PROMPT, Project, eventually

POLICY = "policies/baseline.yaml"
SHOP = "allow: [ridgeline.example,"
CONFIG = PolicyConfig(name="desk", guards=[GuardConfig(use="pii", action="redact")])


def run(project: Project) -> str:
    """The run of the smoke suite on 1.2.0."""
    return str(project.ok("eval", "run", f"{PROMPT}@1.2.0", "--suite", "smoke", "--json").json[0]["run"]["id"])


def test_what_a_policy_does_has_a_digest_and_what_is_said_of_it_has_none() -> None:
    same = replace(CONFIG, description="Ours", tests=[PolicyTest(text="x", expect="pass")])
    assert same.id == CONFIG.id
    others = [
        replace(CONFIG, when=PolicyScope(tenant=["acme"])),
        replace(CONFIG, documents=["passages"]),
        replace(CONFIG, guards=[*CONFIG.guards, GuardConfig(use="secrets", action="flag")]),
        replace(CONFIG, guards=[replace(CONFIG.guards[0], threshold=0.9)]),
        replace(CONFIG, guards=[replace(CONFIG.guards[0], with_={"kinds": ["email"]})]),
    ]
    assert len({each.id for each in [CONFIG, *others]}) == 1 + len(others)


@given(
    st.builds(
        PolicyScope, **{name: st.lists(st.sampled_from("ab"), max_size=2) for name in PolicyScope.__annotations__}
    )
)
def test_a_policy_that_holds_for_a_call_may_hold_for_its_prompt_and_model(scope: PolicyScope) -> None:
    whole = replace(CONFIG, when=scope)
    for prompt, model in (("a", "b"), ("", "a")):
        holds = scope.holds(environment="a", tenant="a", feature="b", prompt=prompt, model=model)
        assert not holds or about([whole], prompt, model) == (whole.id,)
    assert about([replace(whole, guards=[])], "a", "b") == ()


def test_a_run_under_other_policies_proves_nothing(project: Project) -> None:
    project.guard()
    first = run(project)
    assert run(project) == first
    (policy,) = project.ok("eval", "show", first, "--json").json["run"]["policies"]
    assert policy.startswith("baseline@")

    project.replace(POLICY, {"# Guards": "# Our guards", "No secrets": "No keys"})
    assert run(project) == first, "what a policy says of itself changes nothing"

    project.replace(POLICY, {SHOP: f"{SHOP} example.org,"})
    second = run(project)
    assert second != first
    assert project.ok("eval", "show", second, "--json").json["run"]["policies"] not in ([policy], [])


def test_a_changed_policy_needs_a_new_gate_and_is_drift_until_then(project: Project) -> None:
    project.guard()
    version = f"{PROMPT}@1.0.0"
    project.ok("gate", version, "--suite", "support")
    released = project.ok("release", "create", version, "--to", "production", "--json").json["release"]
    assert [each.partition("@")[0] for each in released["policies"]] == ["baseline"]
    assert released["policies"][0] in project.ok("release", "show", released["id"]).out

    project.replace(POLICY, {SHOP: f"{SHOP} example.org,"})
    (row,) = project.ok("status", "--json").json["served"]
    assert [drift["kind"] for drift in row["drift"]] == ["policy-changed"]
    assert released["policies"][0] in row["drift"][0]["message"]

    project.ok("gate", version, "--suite", "support")
    again = project.ok("release", "create", version, "--to", "production", "--json").json
    assert again["release"]["id"] != released["id"], "what ships together has changed"
    assert "policy-changed" not in {drift["kind"] for drift in again["drift"]}
    assert project.ok("rollback", PROMPT).code == 0


def test_another_version_is_not_released_on_a_gate_under_other_policies(project: Project) -> None:
    project.guard()
    project.ok("gate", f"{PROMPT}@1.0.0", "--suite", "support")
    project.replace(POLICY, {SHOP: f"{SHOP} example.org,"})
    refused = project.run("release", "create", f"{PROMPT}@1.0.0", "--to", "production")
    assert refused.code != 0
    assert "requires the suite 'support'" in refused.err


def test_a_release_says_which_policies_its_runs_did_not_have(project: Project) -> None:
    project.guard()
    (project.root / "policies" / "strict.yaml").write_text(
        "name: strict\nwhen: {environment: [production]}\nguards: [{use: banned, with: {words: [x]}, action: flag}]\n",
        "utf-8",
    )
    project.ok("gate", f"{PROMPT}@1.0.0", "--suite", "support")
    out = project.ok("release", "create", f"{PROMPT}@1.0.0", "--to", "production").out
    assert "policies  baseline@" in out
    assert "without   strict@" in out
    assert "not about evals" in out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_changed_policy_holds_at_once_and_each_call_says_which_it_ran_under(project: Project, workers: str) -> None:
    project.guard()
    released = project.release("1.0.0")
    with project.serving("--workers", workers) as server:
        key = project.key("--environment", "staging")
        question = "Do you know the word xylophone?"
        assert server.ask(question, key, at="staging")[0] == 200
        project.replace(
            POLICY, {"guards:\n": "guards:\n  - {use: banned, action: block, with: {words: [xylophone]}}\n"}
        )
        eventually(lambda: server.ask(question, key, at="staging")[0] == 400)
        drift = eventually(lambda: project.ok("status", "--json").json["served"][0]["drift"])
        assert "policy-changed" in {each["kind"] for each in drift}

        def two_policies() -> dict[str, str]:
            calls = project.ok("traces", "search", f"release = {released} and policy ~ baseline", "--json").json
            found = {call["policy"]: call.get("guard", "") for call in calls}
            return found if len(found) == 2 else {}

        assert set(eventually(two_policies).values()) == {"", "block"}


def written(root: Path, *names: str) -> None:
    for name in names:
        (root / "policies" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "policies" / name).write_text("name: any\n", "utf-8")


def test_every_file_that_may_be_a_policy_is_read_or_named(tmp_path: Path) -> None:
    assert policy_files(tmp_path) == []
    read = ("a.yaml", "b.yml", "C.YAML", "team/d.yml", "team/deep.yaml/e.yaml")
    written(tmp_path, *read, "f.json", "team/g.yaml.bak", "README.md", "..data/a.yaml", ".git/h.yaml")
    (tmp_path / "policies" / "linked").symlink_to(tmp_path / "policies" / "team")
    (tmp_path / "policies" / "z.yaml").symlink_to(tmp_path / "policies" / "..data" / "a.yaml")
    found = {path.relative_to(tmp_path / "policies").as_posix() for path in policy_files(tmp_path)}
    assert found == {*read, "z.yaml"}
    assert unread(tmp_path) == ["policies/f.json", "policies/linked", "policies/team/g.yaml.bak"]


def test_a_policy_that_cannot_be_read_is_no_policy_less(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="no file that can be read") as raised:
        policy_files(tmp_path)
    assert raised.value.where == "policies/a.yaml"
    (tmp_path / "policies" / "a.yaml").unlink()
    (tmp_path / "policies").rmdir()
    (tmp_path / "policies").write_text("")
    with pytest.raises(ConfigError, match="Not a directory"):
        policy_files(tmp_path)


def test_policies_in_folders_and_of_both_endings_are_in_force(project: Project) -> None:
    written(project.root, "notes.txt")
    rule = "guards: [{use: banned, with: {words: [x]}, action: block}]\n"
    (project.root / "policies" / "a.yml").write_text(f"name: first\n{rule}", "utf-8")
    (project.root / "policies" / "team").mkdir()
    (project.root / "policies" / "team" / "b.yaml").write_text(f"name: second\n{rule}", "utf-8")
    found = project.ok("guard", "list", "--json").json["policies"]
    assert [policy["name"] for policy in found] == ["first", "second"]
    (note,) = project.ok("config", "check", "--json").json["notes"]
    assert note.startswith("policies/notes.txt is not read")
    (project.root / "policies" / "team" / "b.yaml").write_text("name: second\nguard: []\n", "utf-8")
    assert "policies/team/b.yaml:2: unknown key 'guard'" in project.run("config", "check").err
