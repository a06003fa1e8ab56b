"""What the evals tests are made of: a suite, cases, a pipeline that answers from a function, runs in a file."""

from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import msgspec

from moat.domain.calls import Attempt, Delta, Deployment, Finished
from moat.domain.errors import NotFound
from moat.domain.releases import PromptVersion
from moat.domain.scores import Case, Result, Run
from moat.domain.usage import Usage
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.running.evaluation import Evaluation
from moat.evals.scorers import KINDS
from moat.evals.suites import Gate, Suite
from moat.evals.targets.chat import PromptTarget


def a_dataset(count, **more):
    cases = tuple(Case(id=f"case-{i:04d}", variables={"i": i}, expected="yes", **more) for i in range(count))
    return Dataset(cases, dataset_digest(cases))


def a_target(count=5, *, repeats=1, concurrency=4, timeout=30.0):
    scorers = [{"kind": "equals"}, {"kind": "length", "max": 10}]
    suite = Suite(
        name="support",
        prompt="support/answer",
        dataset=Path("x.jsonl"),
        scorers=tuple(msgspec.convert(options, KINDS[options["kind"]]) for options in scorers),
        gates=(Gate(score="equals", margin=0.05),),
        repeats=repeats,
        concurrency=concurrency,
        timeout=timeout,
    )
    prompt = PromptVersion(name="support/answer", version="1.0.0", messages=(), model="assistant")
    target = PromptTarget(prompt=prompt, model="assistant")
    return Evaluation(suite=suite, dataset=a_dataset(count), target=target, prompt=prompt, alias="assistant")


def answers(reply):
    """A pipeline whose answer to the case with variable `i` is `reply(i)`; an error is raised. `.asked` counts."""

    async def ask(call):
        i = call.prompt.variables["i"]
        ask.asked[i, call.repeat] += 1
        call.journal.attempts.append(
            Attempt(span_id="s", deployment=Deployment("fake", "m"), started_ns=0, usage=Usage(input=3), cost=7)
        )
        said = reply(i)
        if isinstance(said, Exception):
            raise said
        if hasattr(said, "__await__"):
            said = await said
        yield Delta(text=said)
        yield Finished(reason="stop")

    ask.asked = Counter()
    return ask


class FileRuns:
    """A `Runs` that appends to a file; every line is written before the call returns."""

    def __init__(self, path):
        self.path = path
        self.batches = []

    def _lines(self, kind):
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        found = [msgspec.json.decode(line) for line in lines if line.endswith(b"\n")]
        return [value for name, value in found if name == kind]

    def _append(self, *entries):
        with self.path.open("ab") as file:
            file.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))

    def start(self, run):
        self._append(("run", run))

    def alone(self, run_id):
        return nullcontext()

    def add(self, run_id, results, spent=0):
        known = {(result.case, result.repeat) for result in self.results(run_id)}
        new = [result for result in results if (result.case, result.repeat) not in known]
        self.batches.append(len(results))
        self._append(*(("result", (run_id, result)) for result in new))

    def finish(self, run_id, status, finished_ns, score, provider, spent=0):
        change = {"status": status, "finished_ns": finished_ns, "score": score, "provider": provider, "spent": spent}
        self._append(("finish", (run_id, change)))

    def get(self, run_id):
        runs = [run for run in self.runs() if run.id == run_id]
        if not runs:
            raise NotFound(f"no run {run_id!r}")
        return runs[0]

    def results(self, run_id):
        found = [msgspec.convert(value, Result) for owner, value in self._lines("result") if owner == run_id]
        return sorted(found, key=lambda result: (result.case, result.repeat))

    def each(self, run_id, cases=None):
        return (result for result in self.results(run_id) if cases is None or result.case in cases)

    def scored(self, run_id, after=None):
        return (result for result in self.results(run_id) if after is None or (result.case, result.repeat) > after)

    def runs(self, *, suite="", prompt="", limit=50):
        changes = dict(self._lines("finish"))
        stored = [msgspec.convert({**run, **changes.get(run["id"], {})}, Run) for run in self._lines("run")]
        return stored[::-1]

    def find(self, *, suite_digest, dataset_digest, prompt_digest, model):
        wanted = (suite_digest, dataset_digest, prompt_digest, model)
        return [
            run for run in self.runs() if (run.suite_digest, run.dataset_digest, run.prompt_digest, run.model) == wanted
        ]
