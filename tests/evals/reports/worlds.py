"""Two runs of one suite whose results are made up by rules, and the report on them."""

import random
from pathlib import Path

import msgspec

from moat.domain.scores import Case, Result, Run, Score
from moat.evals.compare import Measured, compare
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.gate import judge
from moat.evals.reports.report import build_report
from moat.evals.suites import Gate

INTENTS = ("refund", "shipping", "order status", "other")


def a_run(name, cases, repeats=1, **more):
    facts = {"author": "Ada", "provider": "openai"} | more
    return Run(
        id=f"run_{name}",
        suite="support",
        suite_digest="sha256:s",
        dataset_digest=facts.pop("dataset_digest"),
        prompt="support/answer",
        version=facts.pop("version", "1.1.0"),
        prompt_digest=f"sha256:{name}",
        model="assistant",
        deployments=("openai/large",),
        cases=cases,
        repeats=repeats,
        status="finished",
        created_ns=1_760_000_000_000_000_000,
        finished_ns=1_760_000_060_000_000_000,
        commit="0123456789abcdef",
        **facts,
    )


def a_dataset(count, *, cluster="", **more):
    cases = tuple(
        Case(
            id=f"case-{i:05d}",
            variables={"question": f"Where is my order number {i}?"},
            expected=f"It is on its way, order {i}.",
            labels={"intent": INTENTS[i % 4]},
            tags=["vip"] if i % 5 == 0 else ["plain"],
            cluster=cluster and f"{cluster}{i // 3}",
            **more,
        )
        for i in range(count)
    )
    return Dataset(cases, dataset_digest(cases))


def results(dataset, quality, *, seed=0, repeats=1, text="Your order {} is on its way and will be there soon."):
    """Results whose scores are drawn; `quality(case)` is the chance to be right."""
    chance = random.Random(seed)
    found = []
    for index, case in enumerate(dataset.cases):
        for repeat in range(repeats):
            right = chance.random() < quality(case)
            found.append(
                Result(
                    case=case.id,
                    repeat=repeat,
                    output=text.format(index) if right else f"Sorry, I do not know order {index} at all.",
                    scores=[
                        Score(name="facts", value=float(right), reason="" if right else "the order is not named"),
                        Score(name="overlap", value=round(chance.uniform(0.5, 1.0) if right else 0.2, 3)),
                    ],
                    latency_ns=int(chance.lognormvariate(20.5, 0.4)),
                    input_tokens=120,
                    output_tokens=40,
                    cost=3_000_000_000,
                    trace_id=f"{index:032x}",
                )
            )
    return found


def a_report(count=40, *, new=None, old=None, gates=None, paired=True, slice_by=("tags", "labels.intent"), **more):
    """A report on made-up runs; `new` and `old` replace their results."""
    repeats = more.pop("repeats", 1)
    dataset = more.pop("dataset", None) or a_dataset(count)
    drop = {"refund": 0.55}
    new = new or results(dataset, lambda c: drop.get(c.labels.get("intent"), 0.9), seed=1, repeats=repeats)
    old = old or results(dataset, lambda c: 0.92, seed=2, repeats=repeats, text="Order {} is on its way.")
    count = len(dataset.cases)
    digest = {"dataset_digest": dataset.digest}
    candidate = Measured(a_run("new", count, repeats, **digest, **more.pop("run", {})), new)
    baseline = Measured(a_run("old", count, repeats, version="1.0.0", **digest), old) if paired else None
    gates = (Gate(score="facts", margin=0.05, min=0.7),) if gates is None else gates
    found = judge(compare(baseline, candidate, dataset), gates)
    return build_report(found, candidate, dataset, baseline=baseline, slice_by=slice_by, **more)


def structs(value):
    """As plain JSON data."""
    return msgspec.json.decode(msgspec.json.encode(value))


ROOT = Path(__file__).parents[3]
