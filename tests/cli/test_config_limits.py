"""What `moat config check`, `moat status` and `moat limits` say of limits; the ways to start the program."""

import subprocess
import sys

import pytest

from tests.bootstrap.projects import Project, eventually

BERLIN = """
limits:
  - {name: berlin-day, requests: 100, window: day, timezone: Europe/Berlin}

environments:
"""
MONEY = """
limits:
  - {name: all-month, money: "50.00"}
  - {name: told, money: "5.00", action: warn}

deployments: {}

environments:
"""


@pytest.mark.parametrize("name", ["MAX_TOKENS_PER_REQUEST", "MONTHLY_TOKEN_BUDGET"])
def test_the_check_reads_limits_of_the_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "2k")
    done = project.run("config", "check")
    assert done.code == 78
    assert f"{name}: '2k' is not a number of tokens" in done.err
    monkeypatch.setenv(name, "2000")
    project.ok("config", "check")


def test_the_check_reads_the_limits_of_the_file(project: Project) -> None:
    project.replace("moat.yaml", {"\nenvironments:\n": BERLIN.replace("Europe/Berlin", "Mars/Olympus")})
    done = project.run("config", "check")
    assert done.code == 78
    assert "Mars/Olympus" in done.err


def test_a_money_limit_on_what_has_no_price_is_named(project: Project) -> None:
    text = (project.root / "moat.yaml").read_text()
    assert project.ok("config", "check", "--json").json["notes"] == []
    first = text.index("models:\n")
    file = text[:first] + "models:\n  bare: {use: [simulated/no-price]}\n" + text[first + len("models:\n") :]
    for extra, noted in (
        (MONEY.replace("deployments: {}\n", ""), ["bare: simulated/no-price"]),
        (MONEY.replace('"50.00"', '"50.00", match: {model: [assistant]}').replace("deployments: {}\n", ""), []),
        (MONEY.replace('"50.00"', '"50.00", action: alert').replace("deployments: {}\n", ""), []),
    ):
        (project.root / "moat.yaml").write_text(file.replace("\nenvironments:\n", extra, 1))
        notes = project.ok("config", "check", "--json").json["notes"]
        assert [" ".join(note.split()[:2]) for note in notes] == noted
    (project.root / "moat.yaml").write_text(
        file.replace("\nenvironments:\n", MONEY.replace("deployments: {}\n", ""), 1)
    )
    assert "note: bare: simulated/no-price has no price" in project.ok("config", "check").out
    with project.serving() as server:
        assert "problem: bare: simulated/no-price has no price" in project.ok("status").out
        assert server.get("/readyz")[1] == {"status": "ready", "problems": 0}


def test_a_limit_begins_anew_in_its_own_zone(project: Project) -> None:
    project.replace("moat.yaml", {"\nenvironments:\n": BERLIN})
    project.release("1.0.0")
    key = project.key("--tenant", "acme")
    with project.serving() as server:
        assert server.ask("Can I get a refund?", key, at="staging")[0] == 200
        assert eventually(lambda: " 00:00 Europe/Berlin" in project.ok("limits").out)
        (state,) = server.get("/api/v1/limits")[1]
        assert state["timezone"] == "Europe/Berlin"
    assert " 00:00 Europe/Berlin" in project.ok("limits").out


@pytest.mark.parametrize("module", ["moat", "moat.cli.main"])
def test_the_program_is_a_module_too(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("moat ")
    assert subprocess.run([sys.executable, "-m", module, "nothing"], capture_output=True, check=False).returncode == 64
