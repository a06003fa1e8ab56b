"""`moat prompt` and `moat tool`, from the command line to the files."""

import json
from pathlib import Path

import pytest

from tests.bootstrap.projects import PROMPT, Project
from tests.cli.test_commands import record


def test_new_versions(project: Project) -> None:
    project.replace(f"prompts/{PROMPT}/1.2.0.yaml", {"model: assistant": "model: assistant  # why"})
    assert project.ok("prompt", "new", PROMPT).out == f"prompts/{PROMPT}/1.3.0.yaml\n"
    copy = (project.root / f"prompts/{PROMPT}/1.3.0.yaml").read_text("utf-8")
    assert "# why" in copy
    assert "created_by:" in copy
    assert "2.0.0" in project.ok("prompt", "new", PROMPT, "--major", "--from", "1.0.0").out
    assert "2.0.1" in project.ok("prompt", "new", PROMPT, "--patch").out
    assert "2.1.0" in project.ok("prompt", "new", PROMPT, "--minor").out
    assert "3.0.0-rc.1" in project.ok("prompt", "new", f"{PROMPT}@3.0.0-rc.1").out
    assert project.ok("prompt", "new", "team/hello").out == "prompts/team/hello/1.0.0.yaml\n"
    (project.root / "prompts/plain").mkdir()
    (project.root / "prompts/plain/v1.0.0.txt").write_text("Hi {{ name }}")
    assert project.ok("prompt", "new", "plain").out == "prompts/plain/1.1.0.txt\n"
    errors = [p for p in project.run("lint", "--json").json if p["severity"] == "error"]
    assert errors == []


def test_new_refuses(project: Project) -> None:
    before = sorted(str(path) for path in project.root.rglob("*"))
    for arguments, code in (
        ((f"{PROMPT}@1.0.0",), 75),
        ((f"{PROMPT}@new",), 65),
        ((PROMPT, "--major", "--minor"), 65),
        ((PROMPT, "--from", "9.9.9"), 66),
        (("other", "--from", "1.0.0"), 66),
    ):
        assert project.run("prompt", "new", *arguments).code == code, arguments
    assert sorted(str(path) for path in project.root.rglob("*")) == before


@pytest.mark.promise("inj-8")
@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "_partials", "."])
def test_new_and_import_stay_in_the_project(project: Project, tmp_path: Path, name: str) -> None:
    outside = sorted(path.name for path in tmp_path.iterdir())
    (project.root / "x.txt").write_text("Hi")
    assert project.run("prompt", "new", name).code == 65
    done = project.run("prompt", "import", str(project.root / "x.txt"), "--name", name, "--model", "assistant")
    assert done.code == 65
    assert sorted(path.name for path in tmp_path.iterdir()) == outside


@pytest.mark.promise("inj-8")
def test_a_name_inside_an_imported_file_stays_in_the_project(project: Project, tmp_path: Path) -> None:
    foreign = tmp_path / "evil.json"
    (project.root / "prompts/linked").symlink_to(tmp_path)
    for name in ("../../evil", "/etc/evil", "a\0b", "linked"):
        foreign.write_text(json.dumps({"name": name, "type": "text", "prompt": "x", "config": {"model": "assistant"}}))
        assert project.run("prompt", "import", str(foreign)).code == 65, name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.json", "project"]


def test_list_and_show(project: Project) -> None:
    project.ok("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke")
    project.release("1.0.0")
    rows = {row["id"]: row for row in project.ok("prompt", "list", PROMPT, "--json").json}
    first, second = rows[f"{PROMPT}@1.0.0"], rows[f"{PROMPT}@1.1.0"]
    assert (first["published"], first["served"], first["score"]) == ("yes", ["staging"], 1.0)
    assert (second["published"], second["served"], second["score"]) == ("no", [], None)
    project.replace(f"prompts/{PROMPT}/1.0.0.yaml", {"temperature: 0.2": "temperature: 0.3"})
    (edited, *_) = project.ok("prompt", "list", "--json").json
    assert (edited["published"], edited["score"]) == ("edited since", None)
    assert "edited since" in project.ok("prompt", "list").out
    assert project.run("prompt", "list", "nothing").code == 66
    assert 'temperature":0.2' in project.ok("prompt", "show", f"{PROMPT}@staging").out


def test_diff(project: Project) -> None:
    out = project.ok("prompt", "diff", f"{PROMPT}@1.0.0", f"{PROMPT}@1.2.0").out
    assert "+ partial boundaries" in out
    assert "[-" in out
    assert "{+" in out
    assert "for a million calls" in out
    assert project.ok("prompt", "diff", f"{PROMPT}@1.1.0").out.startswith(f"{PROMPT}@1.0.0 -> {PROMPT}@1.1.0")
    assert "Nothing is different" in project.ok("prompt", "diff", f"{PROMPT}@1.0.0", f"{PROMPT}@1.0.0").out
    assert project.run("prompt", "diff", f"{PROMPT}@1.0.0").code == 66
    found = project.ok("prompt", "diff", f"{PROMPT}@1.0.0", f"{PROMPT}@1.2.0", "--json").json
    assert found["token_delta"] == found["after_tokens"] - found["before_tokens"] > 0
    assert found["cost"]["per_month"] == found["cost"]["per_call"] * 1_000_000
    assert [text["name"] for text in found["texts"]] == ["messages[0] system", "partial boundaries"]


def test_diff_at_the_observed_volume(project: Project) -> None:
    record(project, prompt=PROMPT, version="1.0.0")
    cost = project.ok("prompt", "diff", f"{PROMPT}@1.0.0", f"{PROMPT}@1.2.0", "--json").json["cost"]
    assert (cost["volume"], cost["calls_per_month"]) == ("observed", 1)
    assert "1 calls of the last 30 days" in project.ok("prompt", "diff", f"{PROMPT}@1.0.0", f"{PROMPT}@1.2.0").out
    project.replace(f"prompts/{PROMPT}/1.2.0.yaml", {"model: assistant": "model: unknown"})
    assert project.ok("prompt", "diff", f"{PROMPT}@1.0.0", f"{PROMPT}@1.2.0", "--json").json["cost"] is None


def test_diff_against_git(project: Project) -> None:
    project.replace(f"prompts/{PROMPT}/1.2.0.yaml", {"temperature: 0.2": "temperature: 0.9"})
    project.release("1.0.0")
    now = project.ok("prompt", "diff", f"{PROMPT}@1.2.0", "--revision", "HEAD", "--json").json
    assert [(f["path"], f["before"], f["after"]) for f in now["fields"]] == [("params.temperature", 0.2, 0.9)]
    then = project.ok("prompt", "diff", f"{PROMPT}@1.2.0", "--revision", "HEAD~1..HEAD", "--json").json
    assert (then["fields"], then["texts"]) == ([], [])
    served = project.ok("prompt", "diff", f"{PROMPT}@staging", f"{PROMPT}@1.2.0", "--json").json
    assert served["before"] == f"{PROMPT}@1.0.0"
    assert project.run("prompt", "diff", f"{PROMPT}@1.2.0", "--revision", "nowhere").code == 66
    assert project.run("prompt", "diff", f"{PROMPT}@production").code == 66


def test_render_with_a_file_and_an_environment(project: Project) -> None:
    project.release("1.0.0")
    values = project.root / "values.json"
    values.write_text('{"question": "From the file?", "member": true}')
    done = project.ok(
        "prompt", "render", f"{PROMPT}@staging", "--vars", str(values), "--var", "member=false", "--json"
    )  # fmt: skip
    assert done.json[-1]["content"] == "From the file?"
    assert "Trail Club." not in done.json[0]["content"].splitlines()[-1]
    values.write_text("[1]")
    assert project.run("prompt", "render", f"{PROMPT}@1.0.0", "--vars", str(values)).code == 65


def test_history_in_both_directions(project: Project) -> None:
    project.ok("eval", "run", f"{PROMPT}@1.0.0", "--suite", "smoke")
    first = project.release("1.0.0")
    second = project.release("1.2.0")
    record(project, prompt=PROMPT, version="1.2.0")
    found = {v["version"]: v for v in project.ok("prompt", "history", PROMPT, "--json").json["versions"]}
    old, new = found["1.0.0"], found["1.2.0"]
    assert [r["id"] for r in old["releases"]] == [first]
    assert [r["suite"] for r in old["runs"]] == ["smoke"]
    assert old["changes"][-1]["subject"].startswith("Start from")
    assert (old["published"], found["1.1.0"]["published"]) == (True, False)
    assert old["servings"][0]["until_ns"] == new["servings"][0]["since_ns"]
    assert (new["servings"][0]["until_ns"], new["servings"][0]["release"]) == (0, second)
    assert (old["calls"], new["calls"]) == (0, 1), "the evals' calls do not count"
    text = project.ok("prompt", "history", PROMPT).out
    assert "served in staging" in text
    assert "1 recorded call" in text
    (project.root / f"prompts/{PROMPT}/1.0.0.yaml").unlink()
    project.replace(f"prompts/{PROMPT}/1.1.0.yaml", {"model: assistant": "modle: assistant"})
    gone = project.ok("prompt", "history", f"{PROMPT}@1.0.0").out
    assert "the file is gone" in gone
    assert first in gone
    assert "modle" in project.ok("prompt", "history", f"{PROMPT}@1.1.0").out
    assert project.run("prompt", "history", "nothing").code == 66
    assert project.run("prompt", "history", f"{PROMPT}@9.0.0").code == 66


def test_publish(project: Project) -> None:
    assert f"published {PROMPT}@1.0.0" in project.ok("prompt", "publish", f"{PROMPT}@1.0.0").out
    assert "0 versions added" in project.ok("prompt", "publish", f"{PROMPT}@1.0.0").out
    assert "2 versions added" in project.ok("prompt", "publish", "--all").out
    lock = (project.root / "prompts.lock").read_text("utf-8")
    assert lock.count(PROMPT) == 3
    project.ok("prompt", "new", PROMPT)
    project.replace(f"prompts/{PROMPT}/1.3.0.yaml", {"model: assistant": "model: asistant"})
    for arguments in ((f"{PROMPT}@1.3.0",), ("--all",), (), (f"{PROMPT}@1.0.0", "--all")):
        assert project.run("prompt", "publish", *arguments).code == 65, arguments
    (project.root / f"prompts/{PROMPT}/1.2.0.yaml").unlink()
    assert project.run("prompt", "new", f"{PROMPT}@1.2.0", "--from", "1.0.0").code == 75, "it was published"
    project.replace(f"prompts/{PROMPT}/1.3.0.yaml", {"model: asistant": "modle: x"})
    assert project.run("prompt", "publish", "--all").code == 65
    assert (project.root / "prompts.lock").read_text("utf-8") == lock


def test_import_and_export(project: Project, tmp_path: Path) -> None:
    foreign = tmp_path / "chat.json"
    tool = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}
    request = {"model": "gpt-x", "messages": [{"role": "user", "content": "{{ q }} {% x %}"}], "tools": [tool]}
    foreign.write_text(json.dumps(request))
    options = ("--name", "team/imported", "--model", "assistant")
    done = project.ok("prompt", "import", str(foreign), *options, "--json").json
    assert done["format"] == "openai"
    (item,) = done["imported"]
    assert item["files"] == ["tools/look/1.0.0.yaml", "prompts/team/imported/1.0.0.yaml"]
    assert len(item["notes"]) == 2
    rendered = project.ok("prompt", "render", "team/imported@1.0.0", "--var", "q=Why?", "--json").json
    assert rendered == [{"role": "user", "content": "Why? {% x %}"}]
    assert project.run("prompt", "import", str(foreign), *options).code == 75
    text = project.ok("prompt", "import", str(foreign), "--name", "team/imported", "--version", "1.1.0").out
    assert "gpt-x" in text, "lint says that there is no such model"
    target = tmp_path / "out.json"
    export = ("prompt", "export", "team/imported@1.0.0", "--format")
    project.ok(*export, "langfuse", "--output", str(target))
    assert json.loads(target.read_text())["prompt"] == "{{q}} {% x %}"
    assert project.run(*export, "langfuse", "--output", str(target)).code == 75
    assert project.run(*export, "mlflow", "--output", "/no/such/x").code == 74
    printed = project.ok(*export, "text")
    assert printed.out == "{{q}} {% x %}\n"
    assert "not in the file: the model assistant" in printed.err


def test_several_prompts_come_whole_or_not_at_all(project: Project, tmp_path: Path) -> None:
    config = tmp_path / "promptfooconfig.yaml"
    config.write_text("prompts:\n  - {label: One, raw: 'a'}\n  - {label: Two, raw: 'b'}\n")
    project.ok("prompt", "import", str(config), "--name", "lab", "--model", "assistant")
    assert (project.root / "prompts/lab/one/1.0.0.yaml").exists()
    config.write_text("prompts:\n  - {label: Three, raw: 'a'}\n  - {label: Two, raw: 'b'}\n")
    assert project.run("prompt", "import", str(config), "--name", "lab", "--model", "assistant").code == 75
    assert not (project.root / "prompts/lab/three").exists()
    config.write_text("prompts: [a, b]\n")
    done = project.run("prompt", "import", str(config), "--name", "lab", "--model", "assistant")
    assert (done.code, "would be the same version" in done.err) == (75, True)


def test_tools(project: Project) -> None:
    project.replace(f"prompts/{PROMPT}/1.2.0.yaml", {"output:\n": "tools: [lookup_order@1.0.0]\noutput:\n"})
    (row,) = project.ok("tool", "list", "--json").json
    assert (row["id"], row["pinned_by"]) == ("lookup_order@1.0.0", [f"{PROMPT}@1.2.0"])
    assert "lookup_order@1.0.0" in project.ok("tool", "list").out
    shown = project.ok("tool", "show", "lookup_order@1.0.0", "--json").json
    assert shown["definition"]["function"]["name"] == "lookup_order"
    assert "does not fit  {}" in project.ok("tool", "show", "lookup_order@1.0.0").out
    assert "1 tool checked: 0 mistakes" in project.ok("tool", "check").out
    for reference in ("lookup_order@9.0.0", "lookup_order", "nothing@1.0.0"):
        assert project.run("tool", "show", reference).code == 66
    project.replace("tools/lookup_order/1.0.0.yaml", {"examples:\n": "examples:\n  - {}\n"})
    failed = project.run("tool", "check", "lookup_order@1.0.0", "--json")
    assert (failed.code, sum(bool(row["problem"]) for row in failed.json)) == (1, 1)
    project.replace("tools/lookup_order/1.0.0.yaml", {"parameters:\n  type: object": "parameters:\n  type: thing"})
    assert "not checked" in project.run("tool", "check").out
    project.replace("tools/lookup_order/1.0.0.yaml", {"description:": "descripton:"})
    assert "descripton" in project.ok("tool", "list").out


def test_a_tool_from_a_function(project: Project) -> None:
    (project.root / "mine.py").write_text('def refund(order: str, full: bool = True) -> None:\n    """Refunds."""\n')
    assert project.ok("tool", "new", "mine.py:refund").out.startswith("tools/refund/1.0.0.yaml\n")
    shown = project.ok("tool", "show", "refund@1.0.0", "--json").json["tool"]
    assert shown["parameters"]["required"] == ["order"]
    assert project.run("tool", "new", "mine.py:refund").code == 75
    assert (
        "tools/pay_back/2.0.0.yaml"
        in project.ok("tool", "new", "mine.py:refund", "--name", "pay_back", "--version", "2.0.0").out
    )
    assert project.run("tool", "new", "mine.py:refund", "--name", "../x").code == 65
    assert project.run("tool", "new", "mine.py:gone").code == 66
    assert [p for p in project.run("lint", "--json").json if p["severity"] == "error"] == []
