"""`moat lint` for programs: SARIF, GitHub annotations, and what decides the exit code."""

import subprocess
from typing import Any

from moat.cli.findings import github, sarif
from moat.prompts.problems import Problem
from tests.bootstrap.projects import Project

ODD = Problem(rule="secret", path="prompts/a b,c/1.0.0.yaml", line=3, column=7, message="100 % a,b:c\nd", remedy="Go.")
BARE = Problem(rule="pii", severity="warning", path="prompts.lock", message="m")


def check_sarif(log: dict[str, Any]) -> None:
    """What SARIF 2.1.0 requires of the properties that are used."""
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith("/")
        assert " " not in place["artifactLocation"]["uri"]
        assert all(number >= 1 for number in place.get("region", {}).values())
        assert all(isinstance(value, str) for value in result["partialFingerprints"].values())


def test_sarif_has_what_the_standard_requires() -> None:
    log = sarif([ODD, BARE, ODD], "0.1.0", "sub/")
    check_sarif(log)
    odd, bare, again = log["runs"][0]["results"]
    assert odd["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "sub/prompts/a%20b%2Cc/1.0.0.yaml"},
        "region": {"startLine": 3, "startColumn": 7},
    }
    assert "region" not in bare["locations"][0]["physicalLocation"]
    assert odd["partialFingerprints"] != again["partialFingerprints"], "two findings are two"
    moved = sarif([Problem(rule=ODD.rule, path=ODD.path, line=9, message=ODD.message)], "0.1.0", "sub/")
    assert moved["runs"][0]["results"][0]["partialFingerprints"] == odd["partialFingerprints"]
    check_sarif(sarif([], "0.1.0", ""))


def test_annotations_are_escaped_as_github_says() -> None:
    assert list(github([ODD, BARE], "sub/")) == [
        "::error file=sub/prompts/a b%2Cc/1.0.0.yaml,line=3,col=7,title=moat%3A secret::100 %25 a,b:c%0Ad. Go.",
        "::warning file=sub/prompts.lock,title=moat%3A pii::m",
    ]


def test_paths_count_from_the_top_of_the_repository(project: Project) -> None:
    project.replace("prompts/support/answer/1.2.0.yaml", {"model: assistant": "model: asistant"})
    subprocess.run(["git", "init", "-q", str(project.root.parent)], check=True)
    if (project.root / ".git").exists():
        (project.root / ".git").rename(project.root.parent / "other.git")
    done = project.run("lint", "--format", "github")
    assert done.code == 1
    assert done.out.startswith("::error file=project/prompts/support/answer/1.2.0.yaml,line=")
    done = project.run("lint", "--format", "sarif")
    assert done.code == 1
    check_sarif(done.json)


def test_strict_makes_warnings_count(project: Project) -> None:
    (project.root / "prompts/lonely").mkdir()
    (project.root / "prompts/lonely/1.0.0.txt").write_text("hi", "utf-8")
    assert "1 warning" in project.ok("lint").out
    assert project.run("lint", "--strict").code == 1
