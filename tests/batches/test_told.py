"""What a budget holds for a line of a provider's batch is what the provider is told it may answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, RateLimitError

from moat.domain.config import LimitConfig
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.limits import compiled
from moat.testing.fakes import FakeClock
from tests.batches.anthropic_batch_peer import AnthropicBatchPeer
from tests.batches.openai_batch_peer import BatchPeer
from tests.batches.test_asked import Echo
from tests.batches.test_provided import over, provider
from tests.batches.test_provided_by_anthropic import over as over_anthropic
from tests.batches.world import World, ended, eventually, line, results

MILLION = {"tokens": 1_000_000, "window": "month"}
SHORT = {"tokens": 1000, "window": "request", "action": "cap"}


def ledger(*limits: dict[str, Any]) -> LimitLedger:
    found = LimitLedger(FakeClock())
    rules = compiled([LimitConfig(name=f"limit-{n}", **each) for n, each in enumerate(limits)])
    found.adopt(Rules(rules, frozenset(), {}, lambda alias, usage: None), lambda limit, since: {})
    return found


def lengths(peer: BatchPeer) -> dict[str, int | None]:
    """By what was asked: how long the provider was told that the answer may be."""
    asked = [json.loads(raw)["body"] for raw in peer.files["file-0"].splitlines()]
    return {
        body["messages"][-1]["content"]: body.get("max_completion_tokens", body.get("max_tokens")) for body in asked
    }


def test_lines_that_say_nothing_are_told_what_is_held(tmp_path: Path) -> None:
    peer = BatchPeer()
    counted = ledger(MILLION)
    with over(peer, tmp_path, ledger=counted) as world, world.running(), world.client() as client:
        made = world.begin(client, line("a", "free"), line("b", "two", n=2), line("c", "stated", max_tokens=70))
        done = ended(client, made)
        assert set(results(client, done.output_file_id)) == {"a", "b", "c"}
        assert [(each.used, each.held) for each in counted.balances()] == [(3 * 15, 0)]
    assert lengths(peer) == {"free": 4096, "two": 4096, "stated": 70}


def test_without_a_budget_nothing_is_told(tmp_path: Path) -> None:
    peer = BatchPeer()
    with over(peer, tmp_path) as world, world.running(), world.client() as client:
        ended(client, world.begin(client, line("a", "free"), line("c", "stated", max_tokens=70)))
    assert lengths(peer) == {"free": None, "stated": 70}


def test_a_cap_of_each_request_caps_each_line(tmp_path: Path) -> None:
    peer = BatchPeer()
    with over(peer, tmp_path, ledger=ledger(SHORT)) as world, world.running(), world.client() as client:
        made = world.begin(client, line("a", "free"), line("b", "long", max_tokens=5000), line("c", "two", n=2))
        ended(client, made)
        with pytest.raises(BadRequestError, match="limit-0"):
            world.begin(client, line("d", "x" * 5000))
    told = lengths(peer)
    assert told == {"free": told["free"], "long": told["free"], "two": (told["free"] or 0) // 2}
    assert 900 < (told["free"] or 0) < 1000


def test_a_cap_of_a_month_leaves_lines_what_there_is_and_refuses_what_there_is_no_room_for(tmp_path: Path) -> None:
    peer = BatchPeer()
    counted = ledger({"tokens": 6000, "window": "month", "action": "cap"})
    with over(peer, tmp_path, ledger=counted) as world, world.running(), world.client() as client:
        ended(client, world.begin(client, line("a", "first"), line("b", "second")))
        with pytest.raises(RateLimitError, match="limit-0"):
            world.begin(client, *(line(f"q{n}", f"{n}") for n in range(3)))
        assert next(iter(counted.balances())).held == 0
    told = lengths(peer)
    assert told["first"] == 4096
    assert 1000 < (told["second"] or 0) < 6000 - 4096


def test_a_line_that_could_pass_what_is_held_is_refused(tmp_path: Path) -> None:
    peer = BatchPeer()
    with over(peer, tmp_path, ledger=ledger(MILLION)) as world, world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("a", "free"), line("b", "more", max_output_tokens=9)))
        bad = results(client, done.error_file_id)["b"]["response"]
        assert (bad["status_code"], bad["body"]["error"]["param"]) == (400, "max_output_tokens")
    assert list(lengths(peer)) == ["free"]


def test_what_is_held_after_a_restart_is_told_as_well(tmp_path: Path) -> None:
    peer = BatchPeer(broken=[503] * 10_000)
    with over(peer, tmp_path, ledger=ledger(MILLION, SHORT)) as world:
        with world.running(), world.client() as client:
            made = world.begin(client, line("a", "free"))
            eventually(lambda: peer.asked)
            url = str(world.provider.batches._base)  # type: ignore[attr-defined]
        world.provider, world.ledger = provider(url), ledger(MILLION, SHORT)
        peer.broken.clear()
        with world.running(), world.client() as client:
            client.models.list()
            assert ended(client, made).status == "completed"
    assert 900 < (lengths(peer)["free"] or 0) < 1000


def test_anthropic_is_told_instead_of_its_default(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer()
    settings = {"max_tokens": 64_000}
    with over_anthropic(peer, tmp_path, settings, ledger=ledger(MILLION)) as world, world.running():
        with world.client() as client:
            ended(client, world.begin(client, line("a", "free"), line("b", "stated", max_tokens=70)))
    (requests,) = peer.requests.values()
    assert [each["params"]["max_tokens"] for each in requests] == [4096, 70]


def test_a_capped_budget_lets_the_gateway_run_all_that_it_let_in(tmp_path: Path) -> None:
    counted = ledger({"tokens": 10_000, "window": "month", "action": "cap"})
    world = World(tmp_path, Echo(), ledger=counted)
    with world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("a"), line("b"), line("c", max_tokens=70)))
        assert (done.status, done.error_file_id) == ("completed", None)
        assert [(each.used, each.held) for each in counted.balances()] == [(3 * 15, 0)]


def test_lines_of_responses_are_told_as_well(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer()
    asked = {"method": "POST", "url": "/v1/responses"}
    bodies: list[dict[str, Any]] = [{"input": "Hi"}, {"input": "Hi", "max_output_tokens": 70}]
    lines = [{"custom_id": f"r{n}", **asked, "body": {"model": "assistant", **body}} for n, body in enumerate(bodies)]
    counted = ledger(MILLION)
    with over_anthropic(peer, tmp_path, {"max_tokens": 9000}, ledger=counted) as world, world.running():
        with world.client() as client:
            done = ended(client, world.begin(client, *lines, endpoint="/v1/responses"))
            assert set(results(client, done.output_file_id)) == {"r0", "r1"}
    (requests,) = peer.requests.values()
    assert [each["params"]["max_tokens"] for each in requests] == [4096, 70]
