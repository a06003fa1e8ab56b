"""A suite with scorers of the project's own, run by the command as people run it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "support-assistant"
SCORERS = """
from moat.evals import scorer
from app.words import WORDS


@scorer
def polite(answer, case, *, least=1):
    found = [word for word in WORDS if word in answer.json["answer"].lower()]
    return len(found) >= least, f"found {found}"


async def broken(answer, case):
    return answer.nothing
"""
SUITE = """
prompt: support/answer
dataset: datasets/smoke.jsonl
scorers:
  - {kind: python, name: polite, path: evals/scorers.py:polite}
  - {kind: python, name: broken, path: evals/scorers.py:broken}
  - {kind: finish_reason}
  - {kind: latency, max_first_token_ms: 60000}
  - {kind: not, of: [{kind: python, path: evals/scorers.py:polite, options: {least: 9}}]}
gates:
  - {score: polite, min: 0.1}
"""


def moat(project, *arguments):
    command = [sys.executable, "-m", "moat", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)


def run(project):
    """The run's id, as the command made or found it."""
    ran = moat(project, "eval", "run", "support/answer@1.0.0", "--suite", "own", "--json")
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return json.loads(ran.stdout)[0]["run"]["id"]


def test_functions_of_the_project_score_and_a_changed_one_scores_anew(tmp_path):
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project)
    (project / "app").mkdir()
    (project / "app" / "words.py").write_text("WORDS = ['you', 'please']\n")
    (project / "evals" / "scorers.py").write_text(SCORERS)
    (project / "evals" / "own.yaml").write_text(SUITE)
    first = run(project)
    text = moat(project, "eval", "show", first, "--json").stdout
    line = SCORERS.splitlines().index("    return answer.nothing") + 1
    assert f"evals/scorers.py:{line}: AttributeError" in text
    assert "found ['you']" in text
    (project / "app" / "words.py").write_text("WORDS = ['you', 'thanks']\n")
    assert run(project) != first
