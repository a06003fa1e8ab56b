"""`moat redteam` in a project from `moat init`: offline, on its simulated model."""

import json

import pytest

from tests.bootstrap.projects import Project

FEW = ("--category", "injection", "--category", "over_refusal", "--limit", "3")


def test_a_run_shows_rates_writes_files_and_is_found_again(project: Project) -> None:
    names = ("markdown", "html", "junit", "report")
    files = [part for name in names for part in (f"--{name}", str(project.root / f"r.{name}"))]
    said = project.ok("redteam", "run", "support/answer@1.2.0", *FEW, *files).out
    assert "attacks that worked" in said
    assert "simulated: they say nothing about a real model" in said
    assert all((project.root / f"r.{name}").stat().st_size > 500 for name in names)
    (run,) = json.loads(project.ok("redteam", "list", "--json").out)
    assert run["status"] == "finished"
    assert run["id"] in project.ok("redteam", "list").out
    shown = json.loads(project.ok("redteam", "show", run["id"], "--json").out)
    assert shown["rates"] == json.loads((project.root / "r.report").read_text("utf-8"))["rates"]


def test_demands_decide_the_exit_code(project: Project) -> None:
    everything = ("redteam", "run", "support/answer", "--obedient", "--category", "harm", "--limit", "12")
    assert project.run("redteam", "run", "support/answer", *FEW, "--max-success", "injection=50%").code == 0
    assert project.run(*everything, "--max-success", "5%").code == 1
    assert project.run(*everything, "--max-success", "harm=1%").code == 1
    few = project.run(
        "redteam", "run", "support/answer", "--obedient", "--category", "harm", "--limit", "2", "--max-success", "60%"
    )
    assert few.code == 2
    assert project.run("redteam", "run", "support/answer", *FEW, "--max-success", "harm=5%").code >= 64
    many = project.run("redteam", "run", "support/answer", *FEW, "--max-success", "many")
    assert many.code >= 64
    assert "--max-success: 'many' is not a percentage" in many.err
    assert "`moat redteam list`" in project.run("redteam", "show", "run_nope").err


def test_both_rates_stand_side_by_side(project: Project) -> None:
    (project.root / "policies").mkdir(exist_ok=True)
    (project.root / "policies" / "kept.yaml").write_text(
        "name: kept\nguards:\n  - {use: leak, on: [output], action: block}\n", "utf-8"
    )
    base = ("redteam", "run", "support/answer", "--obedient", "--category", "prompt_leakage", "--json")
    report = json.loads(project.ok(*base, "--without-guards").out)
    total = report["rates"][0]
    assert (total["baseline"], report["against"]) == (1.0, "the same without guards")
    assert total["rate"] < 0.5


def test_versions_are_compared(project: Project) -> None:
    project.ok("redteam", "run", "support/answer@1.1.0", *FEW)
    old = json.loads(project.ok("redteam", "list", "--json").out)[0]["id"]
    report = json.loads(project.run("redteam", "run", "support/answer@1.2.0", *FEW, "--baseline", old, "--json").out)
    assert report["verdict"] in ("pass", "inconclusive")
    compared = project.run("redteam", "compare", old, report["run"]["id"], "--margin", "50%")
    assert compared.code in (0, 2)
    assert "change [95 % interval]" in compared.out
    two = project.run("redteam", "run", "support/answer@1.2.0", *FEW, "--baseline", "support/answer@1.1.0", "--json")
    assert json.loads(two.out)["baseline"]["id"] == old


def test_the_suite_that_is_written_is_a_suite_like_any_other(project: Project) -> None:
    project.ok("redteam", "init", "support/answer", *FEW)
    project.ok("lint")
    said = project.ok("eval", "run", "support/answer@1.2.0", "--suite", "red-team").out
    assert "resisted" in said
    (run,) = json.loads(project.ok("redteam", "list", "--json").out)
    assert "attacks that worked" in project.ok("redteam", "show", run["id"]).out
    project.ok("eval", "run", "support/answer@1.2.0", "--suite", "smoke")
    other = json.loads(project.ok("eval", "list", "--suite", "smoke", "--json").out)[0]["id"]
    assert "no run of attacks" in project.run("redteam", "show", other).err
    assert project.run("redteam", "init", "support/answer", *FEW).code >= 64
    assert project.run("redteam", "init", "support/answer", *FEW, "--name", "../x").code >= 64
    assert project.run("redteam", "init", "assistant", *FEW, "--name", "other").code >= 64


def test_attacks_and_strategies_are_listed(project: Project) -> None:
    assert "prompt_leakage" in project.ok("redteam", "attacks").out
    assert "inj-postscript" in project.ok("redteam", "attacks", "--category", "LLM01", "--full").out
    assert len(json.loads(project.ok("redteam", "attacks", "--json").out)) >= 150
    assert "crescendo" in project.ok("redteam", "attacks", "--strategies").out
    assert json.loads(project.ok("redteam", "attacks", "--strategies", "--json").out)[0]["name"]


@pytest.mark.parametrize(
    "options",
    [
        ("--set", "question"),
        ("--header", "no colon"),
        ("--instructions", "missing.txt"),
        ("--env", "moon"),
        ("--strategy", "magic"),
        ("--category", "magic"),
        ("--variable", "magic"),
        ("--baseline", "run_x", "--without-guards"),
        ("--margin", "200%", "--baseline", "support/answer@1.1.0"),
    ],
)
def test_what_makes_no_sense_is_refused(project: Project, options) -> None:
    found = project.run("redteam", "run", "support/answer", *options)
    assert found.code >= 64
    assert found.err.startswith("error: ")


def test_a_service_is_not_attacked_without_its_guards(project: Project) -> None:
    for option in ("--without-guards", "--obedient"):
        found = project.run("redteam", "run", "http://127.0.0.1:9/v1", option, "--limit", "1")
        assert "brings its own" in found.err
