"""`moat cost estimate`: from cases, evals and traffic; its exit codes are what a pipeline reads."""

from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.projects import PROMPT, Project
from tests.cli.test_spend import paid, record

PADDING = "Answer as a friend of the house would, and mind every rule below. " * 13


def estimate(project: Project, *arguments: str, version: str = "1.0.0") -> tuple[int, Any]:
    done = project.run("cost", "estimate", f"{PROMPT}@{version}", "--json", *arguments)
    return done.code, done.json


def grow(project: Project) -> None:
    """Version 9.0.0: 1.0.0 with some 200 tokens more."""
    folder = project.root / "prompts" / PROMPT
    text = (folder / "1.0.0.yaml").read_text("utf-8")
    at = text.index("      You")
    (folder / "9.0.0.yaml").write_text(text[:at] + f"      {PADDING.strip()}\n" + text[at:], "utf-8")


def tokens(side: dict[str, Any]) -> tuple[int, int]:
    return side["tokens"]["input"], side["tokens"]["output"]


def test_a_longer_prompt_costs_more_by_its_tokens(project: Project) -> None:
    grow(project)
    code, found = estimate(project, "--baseline", "1.0.0", "--volume", "3000000", version="9.0.0")
    new, old = found["estimate"]["candidate"], found["estimate"]["baseline"]
    added = tokens(new)[0] - tokens(old)[0]
    assert 190 <= added <= 230
    assert new["cost"] - old["cost"] == added * 600_000
    assert found["more_per_month"] == added * 600_000 * 3_000_000
    assert (code, found["verdict"], found["estimate"]["volume"]) == (0, "within", "given")
    assert "cases rendered" in found["estimate"]["evidence"]


def test_the_exit_code_tells_within_above_and_unknown(project: Project) -> None:
    grow(project)
    assert estimate(project, "--baseline", "1.0.0", "--max-increase", "1%", version="9.0.0")[0] == 1
    assert estimate(project, "--baseline", "1.0.0", "--max-increase", "100", version="9.0.0")[0] == 0
    assert estimate(project, "--baseline", "9.0.0", "--max-increase", "0%")[0] == 0
    code, found = estimate(project, "--max-increase", "10%")
    assert (code, found["verdict"], found["estimate"]["baseline"]) == (2, "unknown", None)
    project.replace("moat.yaml", {'    price: {input: "0.60", output: "2.40"}\n': ""})
    code, found = estimate(project, "--baseline", "1.0.0", version="9.0.0")
    assert (code, found["per_month"]) == (2, None)


def test_production_says_how_long_conversations_are(project: Project) -> None:
    grow(project)
    rendered = estimate(project, "--baseline", "1.0.0", version="9.0.0")[1]["estimate"]
    added = tokens(rendered["candidate"])[0] - tokens(rendered["baseline"])[0]
    record(project, *(paid(n, input_tokens=7000, output_tokens=50, cached_tokens=1000) for n in range(1, 5)))
    record(project, paid(9, environment="eval", input_tokens=1), paid(10, shadow_of="req_1", input_tokens=1))
    code, found = estimate(project, "--baseline", "1.0.0", version="9.0.0")
    new, old = found["estimate"]["candidate"], found["estimate"]["baseline"]
    assert (code, tokens(old), tokens(new)) == (0, (7000, 50), (7000 + added, 50))
    assert old["tokens"]["cached"] == 1000
    assert (found["estimate"]["calls_per_month"], found["estimate"]["volume"]) == (4, "observed")
    record(project, *(paid(n, version="9.0.0", input_tokens=7400, output_tokens=70) for n in range(20, 50)))
    found = estimate(project, "--baseline", "1.0.0", version="9.0.0")[1]["estimate"]
    assert tokens(found["candidate"]) == (7400, 70)
    assert "30 requests of" in found["evidence"]


def test_evals_of_both_say_more_than_the_text(project: Project) -> None:
    for version in ("1.0.0", "1.2.0"):
        project.ok("eval", "run", f"{PROMPT}@{version}")
    code, found = estimate(project, "--baseline", "1.0.0", version="1.2.0")
    assert "eval runs" in found["estimate"]["evidence"]
    assert code == 0
    assert all(tokens(found["estimate"][side])[1] > 0 for side in ("candidate", "baseline"))


def write_prompt(project: Project, name: str, version: str, content: str, params: str = "{}") -> None:
    path = project.root / "prompts" / name / f"{version}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"model: assistant\nparams: {params}\nvariables: {{q: {{}}}}\n"
        f"messages:\n  - {{role: user, content: {content!r}}}\n",
        "utf-8",
    )


def test_without_cases_the_text_before_any_variable_counts(project: Project) -> None:
    write_prompt(project, "own", "1.0.0", "a" * 400 + "{{ q }}", "{max_tokens: 100}")
    write_prompt(project, "own", "1.1.0", "a" * 800 + "{{ q }}", "{max_tokens: 100}")
    done = project.run("cost", "estimate", "own@1.1.0", "--baseline", "1.0.0", "--json").json["estimate"]
    assert (tokens(done["baseline"]), tokens(done["candidate"])) == ((100, 100), (200, 100))
    assert "no case fits both versions" in done["evidence"]
    assert "as long as max_tokens allows" in done["evidence"]
    assert done["volume"] == "assumed"


def test_answers_of_unknown_length_have_no_price(project: Project) -> None:
    write_prompt(project, "own", "1.0.0", "a" * 400)
    write_prompt(project, "own", "1.1.0", "a" * 800)
    done = project.run("cost", "estimate", "own@1.1.0", "--baseline", "1.0.0")
    assert done.code == 2
    assert "set max_tokens, or run an eval" in done.out
    assert "is not known" in done.out


def test_no_key_is_needed_to_know_a_price(project: Project) -> None:
    project.replace("moat.yaml", {"models:": '  real: {kind: openai, api_key: "${NO_SUCH_KEY}"}\nmodels:'})
    project.replace("moat.yaml", {'    price: {input: "0.60", output: "2.40"}\n': ""})
    project.replace("moat.yaml", {"[simulated/support-large, simulated/support-small]": "[real/gpt-4o]"})
    found = estimate(project, "--baseline", "1.0.0", version="1.2.0")[1]["estimate"]["candidate"]
    assert found["cost"] == tokens(found)[0] * 2_500_000 + tokens(found)[1] * 10_000_000


def test_the_report_is_for_a_pull_request(project: Project, tmp_path: Path) -> None:
    grow(project)
    page = tmp_path / "cost.md"
    done = project.run(
        *("cost", "estimate", f"{PROMPT}@9.0.0", "--baseline", f"{PROMPT}@1.0.0"),
        *("--max-increase", "1%", "--markdown", str(page)),
    )
    assert done.code == 1
    assert "above the limit of +1%" in done.out
    assert page.read_text("utf-8").startswith(f"# Cost of {PROMPT}@9.0.0")
    assert "above the limit" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-increase", "much"], "is not a percentage"),
        (["--max-increase", "-5%"], "is not a percentage"),
        (["--baseline", "other@1.0.0"], "is no version of"),
        (["--baseline", "7.7.7"], "7.7.7"),
        (["--baseline", "production"], "serves no release"),
    ],
)
def test_what_cannot_be_meant_is_refused(project: Project, arguments: list[str], said: str) -> None:
    done = project.run("cost", "estimate", f"{PROMPT}@1.0.0", *arguments)
    assert done.code not in (0, 1, 2, 70)
    assert said in done.err
