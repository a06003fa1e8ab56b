"""Batches that their provider runs: submitted whole, recorded line by line, at the price of a batch."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.testing.fakes import FakeClock
from tests.batches.openai_batch_peer import BatchPeer
from tests.batches.test_asked import limited
from tests.batches.world import World, ended, eventually, line, results


@contextmanager
def over(peer: BatchPeer, root: Path, **options: Any) -> Iterator[World]:
    with peer.running() as url:
        yield World(root, provider(url), **options)


def provider(url: str) -> OpenAIProvider:
    return OpenAIProvider(OpenAIConfig(base_url=url, batches=True), name="fake")


def test_a_batch_is_submitted_whole_and_every_result_is_a_call_at_half_the_price(tmp_path: Path) -> None:
    peer = BatchPeer(broken=[503])
    ledger = limited("1.00")
    with over(peer, tmp_path, ledger=ledger) as world:
        with world.running(), world.client() as client:
            made = world.begin(client, *(line(f"q{n}", f"text {n}") for n in range(5)), line("bad", "fail"))
            done = ended(client, made)
            assert done.status == "completed"
            counts = done.request_counts
            assert counts is not None
            assert (counts.total, counts.completed, counts.failed) == (6, 5, 1)
            found = results(client, done.output_file_id)
            assert found["q3"]["response"]["body"]["choices"][0]["message"]["content"] == "echo text 3"
            bad = results(client, done.error_file_id)["bad"]["response"]
            assert (bad["status_code"], bad["body"]["error"]["code"]) == (400, "provider_refused")
            assert [(each.used, each.held) for each in ledger.balances()] == [(5 * 15_000 // 2, 0)]
        assert "POST /v1/chat/completions" not in peer.asked
        assert len(peer.batches) == 1
        attempts = [span for span in world.spool.spans if span.kind == "attempt"]
        assert {(each.provider, each.model, each.price_version) for each in attempts} == {
            ("fake", "large", "flat+batch")
        }
        assert sorted(each.cost or 0 for each in attempts) == [0, *[7500] * 5]
        assert {(each.alias, each.tenant, each.error) for each in world.spool.calls} == {
            ("assistant", "acme", ""),
            ("assistant", "acme", "provider_refused"),
        }


def test_the_discount_is_the_deployments(tmp_path: Path) -> None:
    with over(BatchPeer(), tmp_path, discounts={"fake/large": 0.2}) as world:
        with world.running(), world.client() as client:
            ended(client, world.begin(client, line("q")))
        assert [each.cost for each in world.spool.calls] == [12_000]


def test_what_was_submitted_and_not_heard_of_is_found_again(tmp_path: Path) -> None:
    peer = BatchPeer(lose_answer=True)
    with over(peer, tmp_path) as world, world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("q")))
        assert done.status == "completed"
        assert len(peer.batches) == 1


def test_a_new_process_watches_the_same_batch(tmp_path: Path) -> None:
    peer = BatchPeer(looks=10**9)
    with over(peer, tmp_path, ledger=limited("1.00")) as world:
        with world.running(), world.client() as client:
            made = world.begin(client, line("a"), line("b", "late"))
            eventually(lambda: peer.seen)
            url = str(world.provider.batches._base)  # type: ignore[attr-defined]
        ledger = world.ledger = limited("1.00")
        world.provider = provider(url)
        with world.running(), world.client() as client:
            client.models.list()
            eventually(lambda: any(balance.held for balance in ledger.balances()))
            peer.looks = 1
            done = ended(client, made)
            assert done.status == "completed"
            assert set(results(client, done.output_file_id)) == {"a"}
            assert results(client, done.error_file_id)["b"]["error"]["code"] == "batch_expired"
            assert [(each.used, each.held) for each in ledger.balances()] == [(7500, 0)]
    assert len(peer.batches) == 1
    assert len(world.spool.calls) == 1


def test_a_batch_is_cancelled_at_its_provider(tmp_path: Path) -> None:
    peer = BatchPeer(looks=10**9)
    with over(peer, tmp_path) as world, world.running(), world.client() as client:
        made = world.begin(client, line("a"))
        eventually(lambda: peer.seen)
        client.batches.cancel(made.id)
        eventually(lambda: any(each.endswith("/cancel") for each in peer.asked))
        peer.looks = 1
        done = ended(client, made)
        assert done.status == "cancelled"
        assert set(results(client, done.output_file_id)) == {"a"}


def test_a_batch_that_its_provider_does_not_take_fails_and_says_why(tmp_path: Path) -> None:
    ledger = limited("1.00")
    with over(BatchPeer(final="failed"), tmp_path, ledger=ledger) as world, world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("a")))
        assert done.status == "failed"
        assert done.errors is not None
        assert "Enqueued token limit" in str((done.errors.data or [])[0].message)
        assert next(iter(ledger.balances())).held == 0


def test_lines_for_two_models_are_asked_one_by_one(tmp_path: Path) -> None:
    with over(BatchPeer(broken=[500] * 100), tmp_path) as world, world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("a"), line("b", model="spare")))
        assert done.status == "completed"
        assert set(results(client, done.error_file_id)) == {"a", "b"}


def test_a_provider_that_comes_to_no_end_is_given_up(tmp_path: Path) -> None:
    peer = BatchPeer(looks=10**9)
    clock = FakeClock(time.time_ns())
    with over(peer, tmp_path, clock=clock) as world, world.running(), world.client() as client:
        made = world.begin(client, line("a"))
        eventually(lambda: peer.seen)
        clock.advance(86_400 + 1)
        eventually(lambda: any(each.endswith("/cancel") for each in peer.asked))
        peer.final = "cancelled"
        clock.advance(901)
        done = ended(client, made)
        assert done.status == "expired"
        assert results(client, done.error_file_id)["a"]["error"]["code"] == "batch_expired"
