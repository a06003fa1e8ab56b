"""`moat report weekly|monthly`."""

import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from moat.domain.spans import Span
from tests.adapters.test_notify import mail
from tests.bootstrap.projects import Project
from tests.cli.test_spend import DAY, paid, record

SECOND = 10**9


def grown(dice: random.Random) -> list[list[Span]]:
    """Two weeks: in the later a second, dearer and slower model takes half of the calls."""
    calls = []
    for number in range(1200):
        late = number % 2 == 0
        dear = late and number % 4 == 0
        ago = (0 if late else 7 * DAY) + SECOND + dice.randrange(6 * DAY)
        duration = round(dice.lognormvariate(0, 0.3) * SECOND * (3 if dear else 1))
        said: dict[str, Any] = {"version": "2.0.0" if dear else "1.0.0", "cost": 10**10 if dear else 10**9}
        call, attempt = paid(number, ago=ago, tenant=dice.choice(["acme", "globex"]), **said)
        name = "large" if dear else "assistant"
        call = replace(call, model=name, alias=name, duration_ns=duration)
        calls.append([call, replace(attempt, model=f"support-{name}", alias=name, duration_ns=duration)])
    return calls


def test_it_says_what_explains_the_change_and_no_more(project: Project) -> None:
    record(project, *grown(random.Random(1)))
    shown = project.ok("report", "weekly").out
    assert "600 calls (unchanged)" in shown
    words = " ".join(shown.split())
    assert re.search(r"model large \(new\): \+\$\d+\.\d+, more than the whole change: others went the other", words)
    assert all(int(share) <= 100 for share in re.findall(r"(\d+)% of the change", words))
    assert "version support/answer 2.0.0 (new)" in shown
    assert "model large: p95 (new)" in shown
    assert not re.search(r"tenant (acme|globex): \+", shown), "both grew alike"
    assert "No difference in failures" in shown
    assert "No opinion of these calls" in shown
    found = project.ok("report", "weekly", "--json").json
    parts = next(g for s in found["sections"] for g in s["grids"] if g["title"] == "What the change is made of")
    assert [row[0] for row in parts["rows"]] == [
        "more or fewer requests",
        "other models asked",
        "tokens of a request",
        "money for a token",
        "together",
    ]


def test_a_release_that_made_it_slower_and_dearer_is_named_with_figures_that_add_up(project: Project) -> None:
    """The model, the tenants and the number of calls are as before."""
    dice = random.Random(4)
    calls = []
    for number in range(1600):
        late, ours = number % 2 == 0, number % 8 < 4
        new = late and ours
        said: dict[str, Any] = {
            "tenant": dice.choice(["acme", "globex"]),
            "version": "2.0.0" if new else "1.0.0",
            "cost": 3 * 10**9 if new else 10**9,
        }
        call, attempt = paid(number, ago=(0 if late else 7 * DAY) + SECOND + dice.randrange(6 * DAY), **said)
        duration = round(dice.lognormvariate(0, 0.3) * SECOND * (3 if new else 1))
        calls.append([replace(call, duration_ns=duration), replace(attempt, duration_ns=duration)])
    record(project, *calls)
    shown = project.ok("report", "weekly").out
    assert re.search(r"version support/answer 2\.0\.0: p95 \(new\) [34]\.\d+ s, 400 calls", shown)
    sentence = (
        "version support/answer 2.0.0 (new): $0.003000 a call instead of $0.001000, +$0.8000, 100% of the change."
    )
    assert sentence in " ".join(shown.split())
    assert "model assistant: p95" not in shown, "the only one explains nothing"
    found = project.ok("report", "weekly", "--json").json
    grids = {grid["title"]: grid["rows"] for section in found["sections"] for grid in section["grids"]}
    effects = [float(row[-1].replace("$", "").replace("+", "")) for row in grids["What versions did to the cost"]]
    assert sum(effects[:-1]) == effects[-1] == 0.8


def test_a_release_that_changed_nothing_is_not_named(project: Project) -> None:
    """An eighth more calls, and a new version of the same cost: more calls, it says, and nothing of the version."""
    dice = random.Random(5)
    calls = []
    for number in range(1700):
        late = number % 17 < 9
        version = "1.1.0" if late and dice.random() < 0.7 else "1.0.0"
        ago = (0 if late else 7 * DAY) + SECOND + dice.randrange(6 * DAY)
        cost = round(2e9 * dice.lognormvariate(0, 0.3))
        calls.append(paid(number, ago=ago, tenant=dice.choice(["acme", "globex"]), version=version, cost=cost))
    record(project, *calls)
    shown = project.ok("report", "weekly").out
    assert "The cost went from" in shown
    assert "more or fewer requests" in shown
    assert not re.search(r"version support/answer.*(of the change|of it)", " ".join(shown.split()))


def test_a_release_of_the_time_stands_in_it_with_its_figures(project: Project) -> None:
    project.release("1.0.0")
    project.release("1.1.0")
    record(project, *(paid(n, ago=n * SECOND, version="1.0.0" if n % 2 else "1.1.0") for n in range(1, 60)))
    shown = project.ok("report", "weekly").out
    assert re.search(r"support/answer@staging +1\.0\.0 +1\.1\.0", shown)
    assert re.search(r"support/answer +1\.1\.0 +29", shown)


def test_nothing_one_call_and_a_month(project: Project) -> None:
    empty = project.ok("report", "weekly").out
    assert "No calls in this time." in empty
    assert "How fast" not in empty
    record(project, paid(1, ago=SECOND))
    one = project.ok("report", "weekly").out
    assert "1 call (was nothing)" in one
    assert "nothing can be compared" in one
    assert project.ok("report", "monthly", "--month", "2024-02", "--json").json["period"].startswith("2024-02")
    record(project, *(paid(n, ago=n * DAY) for n in range(2, 40)))
    assert "29 calls" in project.ok("report", "monthly").out
    assert "acme" in project.ok("report").out, "the plain report goes on as before"


@pytest.mark.promise("inj-9")
def test_every_form(project: Project, tmp_path: Path) -> None:
    record(project, *(paid(n, ago=n * DAY // 3, tenant="<script>|x|\x1b[31m") for n in range(1, 30)))
    text = project.ok("report", "weekly", "--markdown").out
    assert text.startswith("# Week of ")
    assert "<script>" not in text
    assert "\x1b" not in text
    file = tmp_path / "week.html"
    assert str(file) in project.ok("report", "weekly", "--html", str(file)).out
    page = file.read_text("utf-8")
    assert "<script" not in page
    assert "\x1b" not in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page), "nothing from elsewhere"
    assert page.count("<svg") == 4
    HTMLParser().feed(page)
    assert project.run("report", "weekly", "--html", str(tmp_path / "none" / "x.html")).code == 74


def test_it_goes_by_mail(project: Project) -> None:
    record(project, paid(1, ago=SECOND))
    with mail() as (box, place):
        text = (project.root / "moat.yaml").read_text("utf-8")
        channel = f"{{kind: email, url: 'smtp://{place}', to: [ada@example.org]}}"
        (project.root / "moat.yaml").write_text(f"{text}\nalerts: {{channels: {{mail: {channel}}}}}\n", "utf-8")
        assert "mail has taken it" in project.ok("report", "weekly", "--email", "mail").out
    [letter] = box.letters
    assert letter["Subject"].startswith("Week of ")
    plain, page = (part for part in letter.walk() if part.get_content_maintype() == "text")
    assert b"How expensive" in plain.get_payload(decode=True)
    assert b"<svg" in page.get_payload(decode=True)


def test_times_and_filters_that_are_none(project: Project) -> None:
    for arguments in (
        ["monthly", "--month", "soon"],
        ["monthly", "--month", "2999-01"],
        ["monthly", "--month", "2024-01", "--until", "2d"],
        ["weekly", "--until", "someday"],
        ["weekly", "--query", "tenant ="],
    ):
        assert project.run("report", *arguments).code == 65, arguments
    assert project.run("report", "weekly", "--timezone", "Mars/Base").code == 78


def test_replays_are_nobodys_traffic(project: Project) -> None:
    again = [
        [replace(span, environment="", feature="rerun") for span in paid(n, ago=n * SECOND)] for n in range(100, 106)
    ]
    record(project, *(paid(n, ago=n * SECOND) for n in range(1, 4)), *again)
    found = project.ok("report", "weekly").out
    assert "3 calls (was nothing)" in found
    assert "(not said)" not in found
