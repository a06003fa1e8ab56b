"""Batches that Anthropic's batch API runs: the client speaks OpenAI's files and batches."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from moat.adapters.providers.anthropic import AnthropicConfig, AnthropicProvider
from moat.domain.errors import ConfigError
from moat.ports.kinds import Surroundings
from moat.testing.fakes import FakeClock
from tests.batches.anthropic_batch_peer import AnthropicBatchPeer
from tests.batches.test_asked import limited
from tests.batches.world import World, ended, eventually, line, results


def provider(url: str, **options: Any) -> AnthropicProvider:
    def no_other(name: str) -> Any:
        raise ConfigError(f"there is no provider {name!r}")

    around = Surroundings(name="fake", root=Path(), provider=no_other, quota=lambda model, quota: None)
    config = AnthropicConfig(base_url=url, api_key="sk-ant-test", batches=True, **options)
    return AnthropicProvider(config, around)


@contextmanager
def over(peer: AnthropicBatchPeer, root: Path, settings: dict[str, Any] | None = None, **more: Any) -> Iterator[World]:
    with peer.running() as url:
        yield World(root, provider(url, **settings or {}), **more)


def text_of(found: dict[str, Any]) -> Any:
    return found["response"]["body"]["choices"][0]["message"]["content"]


def test_a_batch_is_submitted_whole_and_every_result_is_a_call_at_half_the_price(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(broken=[529])
    ledger = limited("1.00")
    lines = [line(f"ticket {n} / ü", f"text {n}") for n in range(5)]
    with over(peer, tmp_path, ledger=ledger) as world:
        with world.running(), world.client() as client:
            made = world.begin(client, *lines, line("bad", "fail"), line("full", "busy"))
            done = ended(client, made)
            assert done.status == "completed"
            counts = done.request_counts
            assert counts is not None
            assert (counts.total, counts.completed, counts.failed) == (7, 5, 2)
            found = results(client, done.output_file_id)
            assert text_of(found["ticket 3 / ü"]) == "echo text 3"
            assert found["ticket 3 / ü"]["response"]["body"]["usage"]["prompt_tokens"] == 10
            failed = results(client, done.error_file_id)
            assert {name: each["response"]["status_code"] for name, each in failed.items()} == {"bad": 400, "full": 429}
            assert "no such thing" in failed["bad"]["response"]["body"]["error"]["message"]
            assert [(each.used, each.held) for each in ledger.balances()] == [(5 * 15_000 // 2, 0)]
        assert len(peer.batches) == 1
        assert "POST /v1/messages" not in peer.asked
        assert peer.heads[-1]["anthropic-version"] == "2023-06-01"
        attempts = [span for span in world.spool.spans if span.kind == "attempt"]
        assert {(each.provider, each.model, each.price_version) for each in attempts} == {
            ("fake", "large", "flat+batch")
        }
        assert sorted(each.cost or 0 for each in attempts) == [0, 0, *[7500] * 5]
        assert {(each.cached_tokens, each.cache_write_tokens) for each in attempts if each.cost} == {(1, 3)}
        assert {(each.alias, each.tenant) for each in world.spool.calls} == {("assistant", "acme")}


def test_what_lines_ask_is_translated_and_their_answers_too(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer()
    schema = {"type": "object", "properties": {"said": {"type": "string"}}, "required": ["said"]}
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    forced: dict[str, Any] = {"tools": [tool], "tool_choice": {"type": "function", "function": {"name": "look"}}}
    own: dict[str, Any] = {"anthropic": {"anthropic_beta": ["context-1m-2025-08-07"]}}
    settings: dict[str, Any] = {"structured_outputs": "tool", "betas": ["files-api-2025-04-14"], "max_tokens": 1234}
    with over(peer, tmp_path, settings) as world, world.running(), world.client() as client:
        answer = [line("form", response_format=form), line("tool", **forced), line("own", **own), line("two", n=2)]
        older: dict[str, Any] = {"anthropic": {"anthropic_version": "2022-01-01"}}
        done = ended(client, world.begin(client, *answer, line("older", **older)))
        found = results(client, done.output_file_id)
        assert set(found) == {"form", "tool", "own"}
        assert json.loads(text_of(found["form"])) == {"said": "echo Hello"}
        call = found["tool"]["response"]["body"]["choices"][0]["message"]["tool_calls"][0]["function"]
        assert call == {"name": "look", "arguments": '{"said":"echo Hello"}'}
        failed = results(client, done.error_file_id)
        assert "gives one answer" in failed["two"]["response"]["body"]["error"]["message"]
        assert "cannot choose a version" in failed["older"]["response"]["body"]["error"]["message"]
    made = peer.asked.index("POST /v1/messages/batches")
    assert peer.heads[made]["anthropic-beta"] == "files-api-2025-04-14,context-1m-2025-08-07"
    (requests,) = peer.requests.values()
    assert {each["params"]["max_tokens"] for each in requests} == {1234}
    assert {each["params"]["model"] for each in requests} == {"large"}


def test_lines_of_responses_go_the_same_way(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer()
    with over(peer, tmp_path) as world, world.running(), world.client() as client:
        asked = {
            "custom_id": "r",
            "method": "POST",
            "url": "/v1/responses",
            "body": {"model": "assistant", "input": "Hi"},
        }
        done = ended(client, world.begin(client, asked, endpoint="/v1/responses"))
        body = results(client, done.output_file_id)["r"]["response"]["body"]
        assert body["output"][0]["content"][0]["text"] == "echo Hi"
    assert len(peer.batches) == 1


def test_a_cancelled_batch_keeps_what_was_done(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(looks=10**9)
    ledger = limited("1.00")
    with over(peer, tmp_path, ledger=ledger) as world, world.running(), world.client() as client:
        made = world.begin(client, *(line(f"q{n}") for n in range(4)))
        eventually(lambda: peer.seen)
        client.batches.cancel(made.id)
        eventually(lambda: any(each.endswith("/cancel") for each in peer.asked))
        peer.looks = 1
        done = ended(client, made)
        assert done.status == "cancelled"
        assert set(results(client, done.output_file_id)) == {"q0", "q2"}
        assert done.error_file_id is None
        assert [(each.used, each.held) for each in ledger.balances()] == [(2 * 7500, 0)]


def test_what_its_provider_did_not_get_to_is_expired(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(expire=True)
    ledger = limited("1.00")
    with over(peer, tmp_path, ledger=ledger) as world, world.running(), world.client() as client:
        done = ended(client, world.begin(client, *(line(f"q{n}") for n in range(4))))
        assert done.status == "expired"
        assert set(results(client, done.output_file_id)) == {"q0", "q2"}
        late = results(client, done.error_file_id)
        assert {name: each["error"]["code"] for name, each in late.items()} == {
            "q1": "batch_expired",
            "q3": "batch_expired",
        }
        assert [(each.used, each.held) for each in ledger.balances()] == [(2 * 7500, 0)]


def test_a_batch_that_is_cancelled_elsewhere_says_so_for_each_line(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(looks=10**9)
    with over(peer, tmp_path) as world, world.running(), world.client() as client:
        made = world.begin(client, line("a"), line("b"))
        eventually(lambda: peer.seen)
        peer.cancel(next(iter(peer.batches)))
        peer.looks = 1
        done = ended(client, made)
        assert done.status == "expired"
        assert "cancelled at its provider" in results(client, done.error_file_id)["b"]["error"]["message"]


def test_a_batch_past_its_window_is_cancelled_at_its_provider(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(looks=10**9)
    clock = FakeClock(time.time_ns())
    with over(peer, tmp_path, clock=clock) as world, world.running(), world.client() as client:
        made = world.begin(client, line("a"), line("b"))
        eventually(lambda: peer.seen)
        clock.advance(86_400 + 1)
        eventually(lambda: any(each.endswith("/cancel") for each in peer.asked))
        peer.looks = 1
        done = ended(client, made)
        assert done.status == "expired"
        assert set(results(client, done.output_file_id)) == {"a"}
        assert set(results(client, done.error_file_id)) == {"b"}


def test_what_was_submitted_and_not_heard_of_is_found_by_its_results(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(lose_answer=True, page=1)
    others = [{"custom_id": f"someone-elses-{n}", "params": {"messages": [{"content": "x"}]}} for n in range(2)]
    for many in (others, others[:1]):
        peer.add(many)
    with over(peer, tmp_path) as world, world.running(), world.client() as client:
        made = world.begin(client, line("a"), line("b"))
        eventually(lambda: peer.asked.count("GET /v1/messages/batches") >= 3)
        assert client.batches.retrieve(made.id).status == "in_progress"
        assert len(peer.batches) == 3, "while it may be running there, it is not submitted again"
        for id in list(peer.batches):
            peer.run(id)
        done = ended(client, made)
        assert (done.status, done.error_file_id) == ("completed", None)
        assert set(results(client, done.output_file_id)) == {"a", "b"}
    assert peer.asked.count("POST /v1/messages/batches") == 1


def test_what_did_not_get_there_is_submitted_again(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(broken=[500])
    old = peer.add([{"custom_id": "old", "params": {"messages": [{"content": "x"}]}}])
    old["created_at"] = "2024-09-24T18:37:24.100435Z"
    with over(peer, tmp_path) as world, world.running(), world.client() as client:
        assert ended(client, world.begin(client, line("a"))).status == "completed"
    assert peer.asked.count("POST /v1/messages/batches") == 2
    assert len(peer.batches) == 2


@pytest.mark.parametrize("lost", [False, True])
def test_a_new_process_goes_on_with_it(tmp_path: Path, *, lost: bool) -> None:
    peer = AnthropicBatchPeer(looks=10**9, lose_answer=lost)
    with over(peer, tmp_path, ledger=limited("1.00")) as world:
        with world.running(), world.client() as client:
            made = world.begin(client, line("a"), line("b", "late"))
            eventually(lambda: peer.batches)
            eventually(lambda: peer.seen or peer.asked.count("GET /v1/messages/batches") > 1)
        ledger = world.ledger = limited("1.00")
        world.provider = provider(peer.url)
        peer.run(next(iter(peer.batches)))
        with world.running(), world.client() as client:
            done = ended(client, made)
            assert done.status == "expired"
            assert set(results(client, done.output_file_id)) == {"a"}
            assert results(client, done.error_file_id)["b"]["error"]["code"] == "batch_expired"
            assert [(each.used, each.held) for each in ledger.balances()] == [(7500, 0)]
    assert len(peer.batches) == 1
    assert len(world.spool.calls) == 1


def test_a_batch_is_not_submitted_once_it_is_cancelled(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(broken=[529] * 1000)
    with over(peer, tmp_path) as world, world.running(), world.client() as client:
        made = world.begin(client, line("a"))
        eventually(lambda: peer.asked)
        client.batches.cancel(made.id)
        done = ended(client, made)
        assert (done.status, done.output_file_id, done.error_file_id) == ("cancelled", None, None)
    assert peer.batches == {}


def test_the_key_goes_to_no_other_host(tmp_path: Path) -> None:
    peer, other = AnthropicBatchPeer(), AnthropicBatchPeer()
    with other.running() as peer.results_at, over(peer, tmp_path) as world, world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("a")))
        assert set(results(client, done.output_file_id)) == {"a"}
    assert other.asked == []


def test_what_the_provider_refuses_fails_the_batch_and_says_why(tmp_path: Path) -> None:
    peer = AnthropicBatchPeer(broken=[413])
    ledger = limited("1.00")
    with over(peer, tmp_path, ledger=ledger) as world, world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("a")))
        assert done.status == "failed"
        assert done.errors is not None
        assert "broken for a test" in str((done.errors.data or [])[0].message)
        assert next(iter(ledger.balances())).held == 0


def test_only_anthropics_own_server_has_batches_unless_it_is_said() -> None:
    def built(**options: Any) -> AnthropicProvider:
        around = provider("http://127.0.0.1:9")
        return AnthropicProvider(AnthropicConfig(**options), Surroundings("x", Path(), lambda name: around, print))

    assert built().batches is not None
    assert built(base_url="https://api.anthropic.com/v1/").batches is not None
    assert built(batches=False).batches is None
    assert built(base_url="http://127.0.0.1:9").batches is None
