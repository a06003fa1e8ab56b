"""`moat audit`, and that no command changes what is guarded without an entry that says who."""

import csv
import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from hashlib import sha256

import pytest

from moat.adapters.sqlite import SqliteState, SqliteToolApprovals, SqliteTrips
from moat.domain.tool_approvals import ToolCall
from moat.domain.trips import Trip
from tests.bootstrap.projects import PROMPT, Project, eventually
from tests.docs.cli_help import help_texts

pytestmark = pytest.mark.promise("guard-4")

ADA = "Ada <ada@example.org>"

LOOKS = """
init serve status doctor lint smoke rerun report limits simulate gate cost
prompt:new,list,show,diff,render,history,publish,import,export
tool:list,show,check,new eval:run,watch,init,plan,report,import,list,show,compare
dataset:list,show,diff,lock,check,split,export,import
judge:add,metrics,list,export,import,calibrate,estimate ci:github,gitlab,comment,notify
release:list,show,history rollout:status
traces:search,show,tail,sessions,session,users,user,replay,saved,size
feedback:list,add,link report:weekly,monthly alerts:list,rules,show,test,history,deliveries,notify
spend:trend,forecast,week,review,audit cost:estimate spikes:list guard:check,test,list,findings policy:explain
cache:stats keys:list,show approvals:list,show
redteam:attacks,compare,init,list,run,show
audit:list,show,verify,anchor accounts:list providers:list deploy:metrics config:check,schema
"""
"""Commands that look, write files of their own or of git's, or add data such as results and opinions."""


def looks() -> set[str]:
    found = set()
    for word in LOOKS.split():
        name, _, rest = word.partition(":")
        found |= {f"moat {name} {each}" for each in rest.split(",")} if rest else {f"moat {name}"}
    return found


def groups() -> set[str]:
    names = list(help_texts())
    return {name for name in names if any(other.startswith(f"{name} ") for other in names)}


def as_ada(project: Project) -> None:
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        subprocess.run(["git", "config", name, value], cwd=project.root, check=True)


def test_every_command_that_changes_something_leaves_its_entry(project: Project) -> None:
    as_ada(project)
    project.replace("moat.yaml", {"require: [support]": "require: []"})
    project.ok("audit", "list")
    seen, tried = 1, set[str]()

    def does(command: str, *arguments: str, entries: str) -> str:
        nonlocal seen
        out = project.ok(*command.split(), *arguments).out
        found = project.ok("audit", "list", "--json", "--limit", "50").json
        new = [one["entry"] for one in found if one["entry"]["sequence"] > seen][::-1]
        assert [one["action"] for one in new] == entries.split(), command
        assert {one["actor"] for one in new} == {ADA}, new
        seen += len(new)
        tried.add(f"moat {command}")
        return out

    staged = ("--to", "staging", "--json")
    does("release create", f"{PROMPT}@1.0.0", *staged, entries="release.create release.assign")
    does("release create", f"{PROMPT}@1.1.0", *staged, entries="release.create release.assign")
    does("release approve", f"{PROMPT}@1.0.0", "--to", "staging", entries="release.create release.approve")
    does("rollback", PROMPT, "--env", "staging", entries="release.assign")
    for begun in (("pause", "resume", "promote"), ("abort",)):
        canary = ("--canary", "10")
        does("release create", f"{PROMPT}@1.2.0", *staged, *canary, entries="release.create release.assign")
        for verb in begun:
            does(f"rollout {verb}", PROMPT, "--env", "staging", entries="release.assign")
        if begun[-1] == "promote":
            does("rollback", PROMPT, "--env", "staging", entries="release.assign")

    made = json.loads(does("keys create", "--name", "shop", "--json", entries="key.create"))["id"]
    does("keys update", made, "--name", "market", entries="key.change")
    does("keys rotate", made, entries="key.rotate")
    does("keys revoke", made, entries="key.revoke")
    invited = ("grace@example.org", "--url", "http://127.0.0.1:1")
    does("accounts add", *invited, "--role", "viewer", entries="account.create")
    does("accounts invite", *invited, entries="account.invite")
    does("accounts role", invited[0], "expert", entries="account.change")
    does("accounts disable", invited[0], entries="account.disable")
    does("accounts enable", invited[0], entries="account.enable")
    does("traces save", "dear", "cost > 1", entries="search.save")
    does("traces forget", "dear", entries="search.forget")
    silence = does("alerts silence", "--for", "1h", "--why", "repairs", "--json", entries="silence.add")
    does("alerts lift", json.loads(silence)["id"], entries="silence.lift")
    does("spend reprice", entries="spend.reprice")
    does("traces expire", entries="traces.expire")
    does("traces compact", entries="traces.compact")
    state = SqliteState.open(project.root / ".moat" / "state.db")
    SqliteTrips(state).add(Trip(id="trip_1", scope="feature", value="chat", why="much", at_ns=1, spent=2, usual=1))
    state.close()
    does("traces export", "--out", str(project.root.parent / "calls"), entries="traces.export")
    does("audit export", str(project.root.parent / "log.jsonl"), entries="audit.export")
    state = SqliteState.open(project.root / ".moat" / "state.db")
    asked = [SqliteToolApprovals(state).take([ToolCall(digest=d, tool="refund")])[0].id for d in "ab"]
    state.close()
    does("approvals approve", asked[0], "--reason", "it was late", entries="approval.grant")
    does("approvals deny", asked[1], entries="approval.deny")
    does("spikes reset", "feature", "chat", "--reason", "a launch", entries="spike.reset")
    does("backup", str(project.root.parent / "copy"), entries="backup.make traces.copy")
    does("audit erase", "2", "--reason", "a request", entries="config.load audit.erase")
    project.ok("audit", "prune")  # nothing is old enough; the store's own tests see what it writes
    assert project.ok("audit", "verify").out.startswith("whole: ")

    shutil.rmtree(project.root / ".moat")
    restored = project.ok("restore", str(project.root.parent / "copy"))
    last = project.ok("audit", "list", "--json", "--limit", "1").json[0]["entry"]
    assert (restored.code, last["action"], last["actor"]) == (0, "backup.restore", ADA)
    assert project.ok("audit", "verify").code == 0
    tried |= {"moat restore", "moat audit prune", "moat providers trust", "moat release sync"}
    tried |= {"moat dataset from-traces", "moat dataset from-feedback"}  # there are no calls here
    assert tried | looks() == help_texts().keys() - groups() | looks()
    assert not tried & looks()


def test_a_log_that_was_tampered_with_is_not_whole(project: Project) -> None:
    for number in range(3):
        project.key("--name", f"key {number}")
    done = project.run("audit", "verify")
    assert (done.code, done.out.partition(" ")[0]) == (0, "whole:")
    anchor = project.root / "anchor.txt"
    anchor.write_text(project.ok("audit", "anchor").out)
    with closing(sqlite3.connect(project.root / ".moat" / "state.db")) as connection:
        connection.execute("DROP TRIGGER audit_keeps")
        connection.execute("DROP TRIGGER audit_contents_keep")
        connection.execute("DELETE FROM audit WHERE sequence = 4")
        connection.execute("DELETE FROM audit_contents WHERE sequence = 4")
        connection.execute("UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit'")
        connection.commit()
    done = project.run("audit", "verify", "--anchor", str(anchor), "--json")
    kinds = [(one["sequence"], one["kind"]) for one in done.json["problems"]]
    assert done.code == 1
    assert kinds == [(0, "unguarded"), (0, "unguarded"), (4, "cut"), (4, "cut")]
    assert "NOT whole: 3 problems" in project.run("audit", "verify").out
    anchor.write_text("4 nonsense")
    assert "is no anchor" in project.run("audit", "verify", "--anchor", str(anchor)).err


def test_where_there_is_no_log_nothing_is_called_whole(project: Project) -> None:
    project.key("--name", "one")
    shutil.rmtree(project.root / ".moat")
    done = project.run("audit", "verify")
    assert done.code == 66
    assert "there is no audit log" in done.err
    assert not (project.root / ".moat" / "state.db").exists(), "looking begins none"


def test_an_export_is_whole_verifiable_and_inert(project: Project) -> None:
    project.key("--name", '=HYPERLINK("http://evil")')
    project.ok("traces", "save", "dear", "cost > 1")
    lines, table = project.root / "log.jsonl", project.root / "log.csv"
    assert "4 records" in project.ok("audit", "export", str(lines)).out
    previous = ""
    for line in lines.read_text().splitlines():
        found = json.loads(line)
        entry, content = found["entry"], found["content"]
        digest = entry.pop("digest")
        assert entry["previous"] == previous
        for value, expected in ((entry, digest), (content, entry["content_digest"])):
            text = json.dumps(value, sort_keys=True, separators=(",", ":"))
            assert sha256(text.encode()).hexdigest() == expected
        previous = digest
    project.ok("audit", "export", str(table))
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["action"] for row in rows] == ["audit.begin", "key.create", "search.save", *["audit.export"] * 2]
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    for target, code in ((lines, 75), (project.root / "log.txt", 65)):
        assert project.run("audit", "export", str(target)).code == code


def test_under_a_legal_hold_nothing_goes(project: Project) -> None:
    project.key("--name", "shop")
    with (project.root / "moat.yaml").open("a") as config:
        config.write("audit: {hold: true}\n")
    for command in (("erase", "2", "--reason", "a request"), ("prune",)):
        done = project.run("audit", *command)
        assert (done.code, "legal hold" in done.err) == (75, True), done
    assert project.run("audit", "erase", "2").code == 65, "say why"
    assert project.ok("audit", "show", "2", "--json").json["content"]["detail"]["name"] == "shop"
    text = (project.root / "moat.yaml").read_text()
    (project.root / "moat.yaml").write_text(text.replace("hold: true", "hold: false"))
    project.ok("audit", "erase", "2", "--reason", "asked for")
    acts = [one["entry"]["action"] for one in project.ok("audit", "list", "--json").json]
    assert acts.index("config.load") > acts.index("audit.erase"), "that the hold ended stands before what it allowed"


def test_entries_are_kept_for_half_a_year_at_least(project: Project) -> None:
    text = (project.root / "moat.yaml").read_text()
    (project.root / "moat.yaml").write_text(text + "audit: {keep_days: 30}\n")
    done = project.run("audit", "prune")
    assert (done.code, "keep_days" in done.err, "183" in done.err) == (78, True, True), done


def test_a_server_notes_its_configuration_and_keeps_the_end_elsewhere(project: Project) -> None:
    anchors = project.root.parent / "anchors"
    text = (project.root / "moat.yaml").read_text()
    (project.root / "moat.yaml").write_text(text + f"audit: {{anchor: {anchors}}}\n")

    def loads() -> list[str]:
        found = project.ok("audit", "list", "--action", "config.load", "--json").json
        return [one["entry"]["subject"] for one in found]

    def digest() -> str:
        return sha256((project.root / "moat.yaml").read_bytes()).hexdigest()

    with project.serving():
        first = digest()
        assert loads() == [first]
        with (project.root / "moat.yaml").open("a") as config:
            config.write("# another remark\n")
        eventually(lambda: loads() == [digest(), first])
        project.key("--name", "shop")
        end = project.ok("audit", "anchor").out
        eventually(lambda: anchors.exists() and anchors.read_text().endswith(end))
    with project.serving():
        assert loads() == [digest(), first], "the same is no news"
    found = project.ok("audit", "verify", "--json").json
    assert (found["count"], found["anchors"]) == (0, len(anchors.read_text().splitlines()) + 1)
