"""`moat eval run`, `show` and `watch` on a project whose model is a real local server."""

import asyncio
import json
import os
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from moat.bootstrap.eval_costs import foresee
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import open_state
from moat.domain.calls import Delta, Finished
from moat.domain.errors import SecretWithheld
from moat.domain.usage import Usage
from moat.testing.loopback import on_loopback
from moat.testing.server import ProviderServer
from tests.evals.targets.test_http import Service

CONFIG = """\
providers:
  local: {{kind: openai, base_url: "{base}/v1", api_key: "${{EVAL_KEY}}"}}
models:
  m: {{use: [local/m], price: {{input: "1", output: "1"}}}}
environments:
  dev: {{}}
"""
PROMPT = 'model: m\nvariables:\n  n: {type: string}\nmessages:\n  - {role: user, content: "Say {{ n }}"}\n' + (
    "params: {max_tokens: 10}\n"
)
SUITE = "prompt: q\ndataset: d.jsonl\nscorers:\n  - {kind: contains, expected: expected}\n"


class Echo:
    """Answers with the last message; `asked` counts."""

    def __init__(self):
        self.asked = Counter()

    async def answer(self, call):
        text = call.messages[-1]["content"]
        self.asked[text] += 1
        yield Delta(text=text)
        yield Finished(reason="stop", usage=Usage(input=10, output=5))

    async def aclose(self):
        pass


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A project below tmp_path, its model, and a way to run commands in it."""
    model = Echo()
    monkeypatch.setenv("EVAL_KEY", "k-eval-test")
    with on_loopback(ProviderServer(model)) as base:
        for path, text in {
            "moat.yaml": CONFIG.format(base=base),
            "prompts/q/1.0.0.yaml": PROMPT,
            "evals/s.yaml": SUITE,
            "evals/d.jsonl": cases(40),
        }.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        yield tmp_path, model


def cases(count, **more):
    return "".join(
        json.dumps({"id": f"c{i:02d}", "variables": {"n": f"{i:02d}"}, "expected": f"{i:02d}", **more}) + "\n"
        for i in range(count)
    )


@pytest.fixture
def moat(world, capsys, monkeypatch):
    """Run a command; its exit code, and what it wrote."""
    import sys

    from moat.cli.main import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["moat", "-C", str(world[0]), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


def ran(moat, *arguments):
    code, out, err = moat("eval", "run", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)[0]


def test_a_run_is_stored_and_what_was_answered_is_not_paid_again(world, moat):
    root, model = world
    first = ran(moat, "q@1.0.0")
    assert (first["run"]["score"], first["run"]["cases"], first["progress"]["cost"]) == (1.0, 40, 40 * 15_000_000)
    assert sum(model.asked.values()) == 40
    assert ran(moat, "q@1.0.0")["run"]["id"] == first["run"]["id"]
    (root / "evals/d.jsonl").write_text(cases(41))
    second = ran(moat, "q@1.0.0")
    progress = second["progress"]
    assert (progress["cached"], progress["cost"], progress["saved"]) == (40, 15_000_000, 40 * 15_000_000)
    assert set(model.asked.values()) == {1}
    results = json.loads(moat("eval", "show", second["run"]["id"], "--json")[1])["results"]
    assert [r["cached"] for r in results].count(False) == 1
    assert {r["cost"] for r in results} == {15_000_000}
    assert all(r["latency_ns"] > 0 for r in results)


def test_repeats_fresh_and_no_cache_ask_anew(world, moat):
    _, model = world
    ran(moat, "q@1.0.0", "--limit", "2", "--repeats", "3")
    assert sum(model.asked.values()) == 6, "no two repeats are one answer"
    ran(moat, "q@1.0.0", "--limit", "2", "--fresh")
    assert sum(model.asked.values()) == 8
    again = ran(moat, "q@1.0.0", "--case", "c01", "--no-cache")
    assert (sum(model.asked.values()), again["run"]["cases"]) == (9, 1)


def test_a_budget_stops_a_run_and_a_higher_one_goes_on(world, moat):
    _, model = world
    code, out, err = moat("eval", "run", "q@1.0.0", "--budget", "0.0004")
    assert (code, out) == (75, "")
    assert "budget of $0.0004" in err
    asked = sum(model.asked.values())
    assert 0 < asked * 15_000_000 <= 400_000_000
    done = ran(moat, "q@1.0.0", "--budget", "$1")
    assert (done["run"]["status"], sum(model.asked.values())) == ("finished", 40)
    assert moat("eval", "run", "q@1.0.0", "--budget", "much")[0] == 78


def test_a_function_is_not_called_for_more_than_the_budget(world, moat):
    root, _ = world
    (root / "bot.py").write_text("def answer(n):\n    return {'text': n, 'cost_usd': '3'}\n")
    suite = SUITE.replace("prompt: q\n", "target: {kind: function, path: 'bot.py:answer'}\nbudget: $5\n")
    (root / "evals/s.yaml").write_text(suite)
    code, out, err = moat("eval", "run", "--suite", "s")
    assert (code, out) == (75, "")
    assert "$5.00 is used up: $3.00 are spent, and the next case may cost $3.00. What was answered is stored" in err
    assert "1 of 40 answers are stored." in err
    assert json.loads(moat("eval", "list", "--json")[1])[0]["spent"] == 3 * 10**12


def test_repeats_go_where_answers_flip_and_nothing_is_asked_twice(world, moat):
    root, _ = world
    text = "calls = {}\ndef answer(case):\n    n = calls[case.id] = calls.get(case.id, 0) + 1\n"
    (root / "bot.py").write_text(text + "    return 'no' if case.id == 'c03' and n % 2 else case.expected\n")
    suite = SUITE.replace("prompt: q\n", "target: {kind: function, path: 'bot.py:answer'}\n")
    (root / "evals/s.yaml").write_text(suite + "repeats: {least: 2, most: 6}\nconcurrency: 1\n")
    found = ran(moat, "--suite", "s", "--limit", "8")
    assert (found["run"]["least"], found["run"]["repeats"], found["progress"]["done"]) == (2, 6, 7 * 3 + 6)
    (score,) = found["comparison"]["scores"]
    assert score["candidate"]["mean"] == pytest.approx((7 + 0.5) / 8)
    assert score["candidate"]["steady"]["flaky"]["mean"] == pytest.approx(1 / 8)
    shown = moat("eval", "show", found["run"]["id"], "--failed")[1]
    assert "pass^k" in shown
    assert shown.count("case c03") == 3
    code, _, err = moat("eval", "run", "--suite", "s", "--repeats", "2..3")
    assert (code, "`most` is at least 4" in err) == (78, True)


def test_judges_that_nobody_checked_are_marked(world, moat):
    root, _ = world
    assert moat("judge", "add", "relevance", "--model", "m")[0] == 0
    (root / "evals/s.yaml").write_text(SUITE + "  - {kind: judge, name: relevant, metric: relevance, model: m}\n")
    out = moat("eval", "run", "q@1.0.0", "--limit", "2")[1]
    assert "judge relevant: uncalibrated: nobody compared it with people" in out
    run = json.loads(moat("eval", "list", "--json")[1])[0]["id"]
    assert "judge relevant: uncalibrated" in moat("eval", "show", run)[1]
    assert "uncalibrated" not in moat("eval", "show", run, "--case", "c00")[1]
    marks = json.loads(moat("eval", "show", run, "--json")[1])["marks"]
    assert marks["relevant"]["trusted"] is False
    (root / "evals/s.yaml").unlink()
    shown = moat("eval", "show", run)[1]
    assert "no scores over all cases: the suite 's' is gone" in shown
    assert "case c00" in shown


def test_splits_are_asked_by_name(world, moat):
    root, _ = world
    (root / "evals/d.jsonl").write_text(
        cases(2) + cases(5, split="test").replace('"c', '"t') + cases(3, split="held-out").replace('"c', '"h')
    )
    assert ran(moat, "q@1.0.0")["run"]["cases"] == 7
    run = ran(moat, "q@1.0.0", "--split", "test")["run"]
    assert (run["cases"], run["split"]) == (5, "test")
    assert moat("eval", "run", "q@1.0.0", "--split", "held-out")[0] == 77
    assert ran(moat, "q@1.0.0", "--split", "held-out", "--release")["run"]["cases"] == 3
    code, _, err = moat("eval", "run", "q@1.0.0", "--case", "c1")
    assert (code, "Did you mean 'c01'" in err) == (65, True)


def test_show_filters(world, moat):
    root, _ = world
    (root / "evals/d.jsonl").write_text(cases(3) + '{"id": "wrong", "variables": {"n": "1"}, "expected": "2"}\n')
    run = ran(moat, "q@1.0.0")["run"]["id"]

    def shown(*filters):
        return [r["case"] for r in json.loads(moat("eval", "show", run, "--json", *filters)[1])["results"]]

    assert shown() == ["c00", "c01", "c02", "wrong"]
    assert shown("--failed") == shown("--failed", "--score", "contains") == ["wrong"]
    assert shown("--errors") == []
    assert shown("--case", "c01", "--case", "wrong", "--limit", "1") == ["c01"]
    assert "contains: 0.00" in moat("eval", "show", run)[1]
    assert "No result" in moat("eval", "show", run, "--errors")[1]


TARGETS = {
    "model": "target: {kind: model, model: m, system: Obey.}",
    "function": "target: {kind: function, path: 'bot.py:answer'}",
    "responses": "target: {kind: responses, path: recorded.jsonl}",
    "pinned": "target: {kind: prompt, prompt: q, version: 1.0.0}",
}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_suite_says_itself_what_answers(world, moat, kind):
    root, _ = world
    (root / "evals/t.yaml").write_text(SUITE.replace("prompt: q", TARGETS[kind]))
    (root / "bot.py").write_text("def answer(**v): return 'I say ' + v.get('n', v.get('input', ''))\n")
    (root / "evals/recorded.jsonl").write_text("".join(f'{{"id": "c{i:02d}", "text": "{i:02d}"}}\n' for i in range(40)))
    (root / "evals/d.jsonl").write_text(cases(40).replace('"n"', '"input"' if kind == "model" else '"n"'))
    run = ran(moat, "--suite", "t")["run"]
    assert (run["status"], run["score"]) == ("finished", 1.0)
    assert bool(run["target"]) == (kind != "pinned")
    assert ran(moat, "--suite", "t")["run"]["id"] == run["id"]
    if kind == "function":
        (root / "bot.py").write_text("def answer(n): return 'no'\n")
        assert ran(moat, "--suite", "t")["run"]["score"] == 0.0
    assert run["id"] in moat("eval", "list")[1]


def test_a_service_is_asked_with_its_secret_and_each_time_anew(world, moat, monkeypatch):
    root, _ = world
    service = Service(lambda body: (200, {"text": body["say"]}))
    monkeypatch.setenv("BOT_TOKEN", "k-bot-secret")
    with on_loopback(service) as base:
        target = f"""target:
  kind: http
  url: {base}/answer
  headers: {{authorization: "Bearer ${{BOT_TOKEN}}"}}
  body: {{say: "It is {{{{ n }}}}"}}
  output: text"""
        (root / "evals/t.yaml").write_text(SUITE.replace("prompt: q", target))
        assert moat("lint")[0] in (0, 1)
        first = ran(moat, "--suite", "t", "--limit", "3")["run"]
        assert (first["score"], first["target"]) == (1.0, f"{base}/answer")
        assert service.seen[0][2][b"authorization"] == b"Bearer k-bot-secret"
        assert ran(moat, "--suite", "t", "--limit", "3")["run"]["id"] != first["id"]
    (root / "evals/t.yaml").write_text(SUITE.replace("prompt: q", target).replace("${BOT_TOKEN}", "literal"))
    code, _, err = moat("eval", "run", "--suite", "t")
    assert (code, "a secret stands in the file" in err) == (78, True)


def test_a_secret_of_a_service_stays_with_its_host(world, monkeypatch):
    root, _ = world
    monkeypatch.setenv("BOT_TOKEN", "k-bot-secret")

    def found(host):
        headers = '{authorization: "${BOT_TOKEN}"}'
        target = f"target: {{kind: http, url: 'https://{host}/x', headers: {headers}}}"
        (root / "evals/t.yaml").write_text(SUITE.replace("prompt: q", target))
        project = Project(root)
        with open_state(project) as state:
            evaluating = Evaluating(project, state, environment())
            return evaluating.of_suite(evaluating.suites["t"])

    assert found("bot.example.com").target.name == "https://bot.example.com/x"
    assert found("bot.example.com").settled is False
    with pytest.raises(SecretWithheld, match=r"evals/t.yaml:1: BOT_TOKEN was used with https://bot.example.com"):
        found("evil.example.com")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("prompt: p", "unknown-prompt"),
        ("target: {kind: model, model: mm}", "unknown-model"),
        ("target: {kind: release, prompt: q, environment: prod}", "no environment 'prod'"),
        ("target: {kind: prompt, prompt: q, version: 9.0.0}", "no version 9.0.0"),
        ("target: {kind: function, path: 'no.py:answer'}", "no file no.py"),
        ("target: {kind: function, path: '../x.py:answer'}", "outside of the project"),
        ("target: {kind: responses, path: no.jsonl}", "no such file"),
        ("target: {kind: http, url: 'http://127.0.0.1/', headers: {x-api-key: abc}}", "a secret stands in the file"),
        ("target: {kind: htttp}", "Did you mean 'http'"),
        ("prompt: q\ntarget: {kind: model, model: m}", "both `prompt` and `target`"),
        ("description: x", "nothing says what answers"),
        ("prompt: q\nbudget: 2.5", "budget"),
        ("prompt: q\nbudget: much", "'much' is not an amount"),
        ("prompt: q\nslices: [labels, colour]", "colour"),
        ("prompt: q\nmodel: mm", "unknown-model"),
    ],
)
def test_lint_names_what_a_suite_gets_wrong(world, moat, target, message):
    (world[0] / "evals/t.yaml").write_text(SUITE.replace("prompt: q", target))
    code, out, _ = moat("lint")
    assert (code, message in out, "evals/t.yaml:" in out) == (1, True, True), out


def test_nothing_to_run_is_said(world, moat):
    assert "neither a prompt nor a suite" in moat("eval", "run")[2]
    assert "which version of 'q'" in moat("eval", "run", "--suite", "s")[2]
    assert "no suite 'x'" in moat("eval", "run", "--suite", "x")[2]
    (world[0] / "evals/t.yaml").write_text(
        SUITE.replace("prompt: q", "target: {kind: release, prompt: q, environment: dev}")
    )
    assert "dev serves no release of 'q'" in moat("eval", "run", "--suite", "t")[2]


@contextmanager
def interrupted_in(seconds_after):
    """Ctrl-C as soon as `seconds_after()` is true."""

    def wait():
        deadline = time.monotonic() + 60
        while not seconds_after() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def test_watch_reruns_what_a_save_changes_and_shows_both_answers(world, moat):
    root, model = world
    (root / "evals/d.jsonl").write_text(cases(4))
    prompt = root / "prompts/q/1.0.0.yaml"
    steps = iter(
        [
            lambda: sum(model.asked.values()) == 4,
            lambda: prompt.write_text(
                PROMPT.replace("Say {{ n }}", "{% if n == '01' %}No{% else %}Say {{ n }}{% endif %}")
            ),
            lambda: model.asked["No"] == 1,
            lambda: prompt.write_text("broken: ["),
            lambda: time.sleep(1.0) or True,
        ]
    )
    step = next(steps)

    def done():
        nonlocal step
        while step is not None and step():
            step = next(steps, None)
        return step is None

    with interrupted_in(done):
        code, out, err = moat("eval", "watch", "q")
    assert code == 0
    assert "s on q@1.0.0: 1.000" in out
    assert "1 answer changed: 1 worse, 0 better" in out
    assert "contains 1 → 0" in out
    assert "before  Say 01" in out
    assert "now     No" in out
    assert "not valid YAML" in err
    assert sum(model.asked.values()) == 5, "unchanged cases come from the cache"
    assert Path(root / ".moat/eval-answers.db").exists()


def test_what_a_run_will_cost_is_foreseen_and_never_guessed(world, moat):
    root, _ = world

    def foreseen(suite="s", prompt="q"):
        project = Project(root)
        with open_state(project) as state:
            evaluating = Evaluating(project, state, environment())
            version = project.catalog.get(prompt, "1.0.0")
            return foresee(project, state, evaluating.target(evaluating.suites[suite], version), None)

    first = foreseen()
    assert (first.answers, first.basis.partition(":")[0]) == (40, "at most")
    assert 40 * 10 * 10**6 < first.cost < 40 * 20 * 10**6, "ten tokens of answer and a few of question"
    run = ran(moat, "q@1.0.0")["run"]["id"]
    second = foreseen()
    assert (second.cost, second.basis) == (40 * 15 * 10**6, f"as {run} cost")
    (root / "prompts/p/1.0.0.yaml").parent.mkdir()
    (root / "prompts/p/1.0.0.yaml").write_text(PROMPT.replace("params: {max_tokens: 10}\n", ""))
    (root / "evals/t.yaml").write_text(SUITE.replace("prompt: q", "prompt: p\nrepeats: 2"))
    third = foreseen("t", "p")
    assert (third.answers, third.cost, "no run is stored" in third.basis) == (80, None, True)


def test_a_secret_of_moat_yaml_is_not_sent_to_the_host_of_a_suite(world, monkeypatch):
    root, _ = world
    monkeypatch.setenv("BOT_TOKEN", "k-bot-secret")
    config = root / "moat.yaml"
    provider = '  there: {kind: openai, base_url: "https://api.example.com/v1", api_key: "${BOT_TOKEN}"}'
    text = config.read_text("utf-8")
    assert "providers:\n" in text
    config.write_text(text.replace("providers:\n", f"providers:\n{provider}\n"), "utf-8")
    target = "target: {kind: http, url: 'https://evil.example.com/x', headers: {authorization: \"${BOT_TOKEN}\"}}"
    (root / "evals/t.yaml").write_text(SUITE.replace("prompt: q", target))
    project = Project(root)
    with open_state(project) as state:
        evaluating = Evaluating(project, state, environment())
        with pytest.raises(SecretWithheld, match=r"BOT_TOKEN was used with https://api\.example\.com"):
            evaluating.of_suite(evaluating.suites["t"])


def test_what_a_service_echoes_of_the_secrets_of_its_suite_is_not_kept(world, moat, monkeypatch):
    root, _ = world
    secrets = {"BOT_TOKEN": "zz-topsecret-4711", "BODY": "body-secret-99", "PART": "path-secret-7"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    headers = '{authorization: "Bearer ${BOT_TOKEN}"}'
    body = '{key: "${BODY}"}'
    service = Service(lambda body: (200, [*secrets.values(), body]))
    with on_loopback(service) as base:
        target = f"{{kind: http, url: '{base}/${{PART}}', headers: {headers}, body: {body}}}"
        (root / "evals/t.yaml").write_text(SUITE.replace("prompt: q", f"target: {target}"))
        run = ran(moat, "--suite", "t", "--limit", "1")["run"]
    path, _, sent, said = service.seen[0]
    assert (path, sent[b"authorization"]) == ("/path-secret-7", b"Bearer zz-topsecret-4711")
    assert json.loads(said) == {"key": "body-secret-99"}
    shown = moat("eval", "show", run["id"], "--json")[1]
    assert "***" in shown
    assert not [value for value in secrets.values() if value in shown]


def test_a_change_under_judgement_asks_no_provider_with_a_secret_that_the_base_does_not_name(world):
    root, model = world
    project = Project(root)
    with open_state(project) as state:
        evaluating = Evaluating(project, state, environment(), confined=True)
        evaluation = evaluating.target(evaluating.suites["s"], project.catalog.get("q", "1.0.0"))
        with pytest.raises(SecretWithheld, match=r"EVAL_KEY is not sent to http://127\.0\.0\.1:.* nothing at the"):
            asyncio.run(evaluating.run(evaluation, fresh=False, watch=lambda _: None))
    assert not model.asked
