"""Guards and data policies on the lines of batches, whoever runs them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai import OpenAI

from moat.domain.handling import DataConfig
from moat.guards.handling.calls import DataPolicy
from moat.guards.handling.finding import Finder
from moat.pipeline.ports import Ports
from moat.testing.scripted import ScriptedProvider, says
from tests.batches.openai_batch_peer import BatchPeer
from tests.batches.test_asked import limited
from tests.batches.test_provided import over
from tests.batches.world import World, ended, line, results
from tests.guards.test_engine import guards

EMAIL = "ada.lovelace@example.org"
Change = Callable[[Ports], Ports]


def by_guard(*rules: dict[str, Any]) -> Change:
    return lambda ports: replace(ports, guards=guards(*rules))


def by_class(*rules: dict[str, Any]) -> Change:
    config = msgspec.convert({"rules": list(rules)}, DataConfig)
    return lambda ports: replace(ports, handling=DataPolicy(config, Finder([]), ["fake"]))


REDACTED = [
    by_guard({"use": "pii", "action": "redact", "on": ["input"]}),
    by_class({"class": "personal", "action": "redact"}),
]
STOPPED = [by_guard({"use": "pii", "action": "block"}), by_class({"class": "personal", "action": "refuse"})]
NAMES = ["guard", "data policy"]


@contextmanager
def serving(world: World) -> Iterator[OpenAI]:
    with world.running(), world.client() as client:
        yield client


def said(result: Any) -> Any:
    return result["response"]["body"]["choices"][0]["message"]["content"]


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("change", REDACTED, ids=NAMES)
def test_what_a_providers_batch_api_is_sent_is_redacted_and_comes_back_in_its_results(
    tmp_path: Path, change: Change
) -> None:
    peer = BatchPeer()
    with over(peer, tmp_path, change=change) as world, serving(world) as client:
        done = ended(client, world.begin(client, line("q", f"I am {EMAIL}"), line("p", "text")))
        found = results(client, done.output_file_id)
        assert said(found["q"]) == f"echo I am {EMAIL}"
    assert len(peer.batches) == 1
    sent = b"".join(peer.files.values())
    assert b"<EMAIL_1>" in sent
    assert EMAIL.encode() not in sent


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("change", STOPPED, ids=NAMES)
@pytest.mark.parametrize("provided", [True, False])
def test_a_line_that_may_not_go_out_fails_alone(tmp_path: Path, change: Change, provided: bool) -> None:
    peer, ledger = BatchPeer(), limited("1.00")
    lone = ScriptedProvider(says("echo text"))
    with over(peer, tmp_path, change=change, ledger=ledger) as world:
        world = world if provided else World(tmp_path, lone, change=change, ledger=ledger)
        with serving(world) as client:
            done = ended(client, world.begin(client, line("q", f"I am {EMAIL}"), line("p", "text")))
            assert done.status == "completed", done.errors
            assert said(results(client, done.output_file_id)["p"]) == "echo text"
            failed = results(client, done.error_file_id)["q"]["response"]
        assert failed["status_code"] in (400, 403)
        assert failed["body"]["error"]["code"] in ("content_filter", "data_refused")
        assert EMAIL not in str(failed)
        assert EMAIL.encode() not in b"".join(peer.files.values())
        assert [each.held for each in ledger.balances()] == [0]
    assert len(lone.calls) == (0 if provided else 1)
    assert all(EMAIL not in str(call.messages) for call in lone.calls)


def test_a_guards_fixed_answer_is_the_lines_and_nothing_is_sent(tmp_path: Path) -> None:
    peer, ledger = BatchPeer(), limited("1.00")
    rule = {"use": "pii", "action": "fallback", "on": ["input"], "fallback": {"answer": "Ask a person."}}
    with over(peer, tmp_path, change=by_guard(rule), ledger=ledger) as world, serving(world) as client:
        done = ended(client, world.begin(client, line("q", f"I am {EMAIL}")))
        assert said(results(client, done.output_file_id)["q"]) == "Ask a person."
        assert not any(each.held for each in ledger.balances())
    assert peer.batches == {}
    assert EMAIL.encode() not in b"".join(peer.files.values())
