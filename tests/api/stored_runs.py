"""Two stored runs of the example's suite, as the runner leaves them, and the verdict of a gate on the newer."""

from msgspec.structs import replace

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.domain.releases import digest, prompt_digest
from moat.domain.scores import Judgement, Result, Run, Score
from moat.evals.running.evaluation import Evaluation
from tests.bootstrap.projects import PROMPT

SUITE = "support"
OLD, NEW = "run_old", "run_new"
LOST = 3
"""Every third case of the newer run lost a point; the first one of all has no answer."""


def store_runs(files: Project, state: State) -> None:
    """1.0.0, all right; and 1.1.0, which is worse."""
    evaluating = Evaluating(files, state, {})
    suite = evaluating.suites[SUITE]
    for id, version, created_ns in ((OLD, "1.0.0", 1), (NEW, "1.1.0", 2)):
        evaluation = evaluating.target(suite, files.catalog.get(PROMPT, version))
        run = replace(evaluation.new_run(created_ns), id=id)
        state.runs.start(run)
        state.runs.add(run.id, [_result(run, place, case) for place, case in enumerate(_ids(evaluation))])
        state.runs.finish(run.id, "finished", created_ns + 1, 1.0, "simulated", spent=7)
    state.runs.judge(
        Judgement(
            run=NEW,
            gates_digest=digest(suite.gates),
            baseline=prompt_digest(files.catalog.get(PROMPT, "1.0.0")),
            verdict="regressed",
            created_ns=4,
        )
    )


def _ids(evaluation: Evaluation) -> list[str]:
    return sorted(case.id for case in evaluation.dataset.cases)


def _result(run: Run, place: int, case: str) -> Result:
    names = ("valid_json", "intent", "facts", "refusal", "escalate", "no_promises")
    if run.id == NEW and place == 0:
        silent = [Score(name=name, status="not_run") for name in names]
        return Result(case=case, error="the provider does not answer", scores=silent, trace_id="t0")
    lost = run.id == NEW and place % LOST == 0
    scores = [Score(name=name, value=1.0) for name in names]
    if lost:
        scores[2] = Score(name="facts", value=0.0, reason="missing: '30 days'", evidence={"missing": ["30 days"]})
    return Result(
        case=case,
        output="{}" if lost else '{"answer": "Within 30 days."}',
        scores=scores,
        latency_ns=(place + 1) * 10**6,
        input_tokens=10,
        output_tokens=2,
        cost=3,
        trace_id=f"t{place}",
    )
