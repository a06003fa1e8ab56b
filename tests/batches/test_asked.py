"""Batches that the gateway runs itself, through the official SDK."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from openai import ConflictError, NotFoundError, RateLimitError

from moat.batches import service
from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.config import BatchConfig, LimitConfig
from moat.domain.errors import ProviderDown, ProviderOverloaded
from moat.domain.usage import Usage
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.limits import compiled
from moat.testing.fakes import FakeClock
from moat.testing.scripted import ScriptedProvider
from tests.batches.world import KEYS, World, ended, eventually, line, results


class Echo:
    """Says what it was asked; a text that begins with `fail` fails, and one with `wait` waits until `go` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = self.now = 0
        self.waiting = True
        self.busy = 0

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        text = str(call.messages[-1]["content"])
        self.asked.append(text)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.005)
            while text.startswith("wait") and self.waiting:  # noqa: ASYNC110 - set from another thread
                await asyncio.sleep(0.01)
            if text.startswith("fail"):
                raise ProviderDown("is down", where="provider fake")
            if text.startswith("busy") and self.busy:
                self.busy -= 1
                error = ProviderOverloaded("is busy", where="provider fake", retry_after=0.01)
                raise error
            yield Delta(text=f"echo {text}")
            yield Finished(reason="stop", usage=Usage(input=10, output=5), model="large-1")
        finally:
            self.now -= 1

    async def aclose(self) -> None:
        """Nothing."""


def test_a_batch_is_run_and_every_line_is_a_recorded_call(tmp_path: Path) -> None:
    world = World(tmp_path, Echo(), BatchConfig(concurrency=3))
    with world.running(), world.client() as client:
        made = world.begin(client, *(line(f"q{n}", f"text {n}") for n in range(20)))
        assert made.status in ("validating", "in_progress")
        assert (made.endpoint, made.completion_window, made.object) == ("/v1/chat/completions", "24h", "batch")
        done = ended(client, made)
        assert done.status == "completed"
        counts = done.request_counts
        assert counts is not None
        assert (counts.total, counts.completed, counts.failed) == (20, 20, 0)
        assert done.error_file_id is None
        found = results(client, done.output_file_id)
        assert found["q7"]["response"]["body"]["choices"][0]["message"]["content"] == "echo text 7"
        assert found["q7"]["response"]["status_code"] == 200
        assert client.files.retrieve(done.output_file_id or "").purpose == "batch_output"
        assert [each.id for each in client.batches.list()] == [made.id]
    assert len(world.spool.calls) == 20
    assert {span.request_id for span in world.spool.calls} == {
        each["response"]["request_id"] for each in found.values()
    }
    assert world.spool.calls[0].tenant == "acme"
    assert isinstance(world.provider, Echo)
    assert world.provider.most <= 3


def test_a_line_that_fails_goes_to_the_error_file(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    with world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("good"), line("bad", "fail")))
        assert done.status == "completed"
        counts = done.request_counts
        assert counts is not None
        assert (counts.total, counts.completed, counts.failed) == (2, 1, 1)
        assert list(results(client, done.output_file_id)) == ["good"]
        bad = results(client, done.error_file_id)["bad"]["response"]
        assert (bad["status_code"], bad["body"]["error"]["code"]) == (502, "provider_down")


def test_a_busy_provider_is_asked_again_later(tmp_path: Path) -> None:
    echo = Echo()
    echo.busy = 2
    world = World(tmp_path, echo)
    with world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("q", "busy")))
        assert list(results(client, done.output_file_id)) == ["q"]
    assert len(echo.asked) == 3


def test_lines_that_cannot_be_run_fail_the_batch_and_are_named(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    lines = [
        line("a"),
        "{broken",
        {**line("b"), "method": "GET"},
        {**line("c"), "url": "/v1/embeddings"},
        line("a", "twice"),
        "",
        line("d", model="unknown"),
        line("e", stream=True),
        {"custom_id": "f", "method": "POST", "url": "/v1/chat/completions"},
        {**line("g"), "body": {"model": "assistant"}},
        {**line("h"), "custom_id": 7},
        "[]",
    ]
    with world.running(), world.client() as client:
        made = world.begin(client, *lines)
        assert made.status == "failed"
        assert made.errors is not None
        found = [(each.line, each.code, each.param) for each in made.errors.data or []]
        assert found == [
            (2, "invalid_json_line", None),
            (3, "invalid_method", "method"),
            (4, "mismatched_url", "url"),
            (5, "duplicate_custom_id", "custom_id"),
            (7, "not_found", "model"),
            (8, "invalid_request", "stream"),
            (9, "missing_required_parameter", "body"),
            (10, "invalid_request", "messages"),
            (11, "invalid_custom_id", "custom_id"),
            (12, "invalid_json_line", None),
        ]
        assert client.batches.retrieve(made.id).status == "failed"
        assert made.output_file_id is None
    assert not world.spool.spans
    assert len(list((tmp_path / "files").iterdir())) == 1


def test_a_file_that_is_too_long_or_empty_fails(tmp_path: Path) -> None:
    world = World(tmp_path, Echo(), BatchConfig(max_lines=2))
    with world.running(), world.client() as client:
        for lines, code in (([line("a"), line("b"), line("c")], "too_many_lines"), (["", " "], "empty_file")):
            made = world.begin(client, *lines)
            assert made.errors is not None
            assert [each.code for each in made.errors.data or []] == [code]


@pytest.mark.promise("gate-7")
def test_others_see_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    with world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("q")))
        output, input = done.output_file_id or "", done.input_file_id
        with world.client("mk-colleague") as colleague:
            assert colleague.batches.retrieve(done.id).id == done.id
            assert "q" in results(colleague, output)
        for secret in ("mk-other", "mk-staging", "mk-lone"):
            with world.client(secret) as other:
                assert list(other.files.list()) == []
                assert list(other.batches.list()) == []
                tries = (
                    lambda id: other.files.retrieve(id),
                    lambda id: other.files.content(id),
                    lambda id: other.files.delete(id),
                    lambda id: other.batches.retrieve(id),
                    lambda id: other.batches.cancel(id),
                    lambda id: other.batches.create(
                        input_file_id=id, endpoint="/v1/chat/completions", completion_window="24h"
                    ),
                )
                for attempt in tries:
                    for theirs in (output, input, done.id):
                        said = []
                        for id in (theirs, "file_nothing"):
                            with pytest.raises(NotFoundError) as error:
                                attempt(id)
                            said.append(str(error.value.body).replace(id, "ID"))
                        assert said[0] == said[1]
        with world.client("mk-lone") as one, world.client("mk-lone-too") as two:
            file = world.upload(one, line("x"))
            with pytest.raises(NotFoundError):
                two.files.retrieve(file)


def test_a_batch_is_cancelled_and_keeps_what_is_done(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, BatchConfig(concurrency=1))
    with world.running(), world.client() as client:
        made = world.begin(client, line("a"), line("b", "wait"), line("c"))
        eventually(lambda: "wait" in echo.asked)
        said = client.batches.cancel(made.id)
        assert said.status == "cancelling"
        with pytest.raises(ConflictError):
            client.files.delete(made.input_file_id)
        echo.waiting = False
        done = ended(client, made)
        assert done.status == "cancelled"
        assert set(results(client, done.output_file_id)) == {"a", "b"}
        assert client.batches.cancel(made.id).status == "cancelled"
        assert client.files.delete(made.input_file_id).deleted
    assert "Hello" in echo.asked
    assert len(echo.asked) == 2


def test_what_is_not_done_in_time_expires(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, BatchConfig(concurrency=1))
    with world.running(), world.client() as client:
        made = world.begin(client, line("a"), line("b", "wait"), line("c"))
        eventually(lambda: "wait" in echo.asked)
    world.clock.advance(24 * 3600 - 0.05)
    with world.running(), world.client() as client:
        done = ended(client, made)
        assert done.status == "expired"
        assert set(results(client, done.output_file_id)) == {"a"}
        late = results(client, done.error_file_id)
        assert {name: each["error"]["code"] for name, each in late.items()} == {
            "b": "batch_expired",
            "c": "batch_expired",
        }


def test_a_new_process_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, BatchConfig(concurrency=2))
    with world.running(), world.client() as client:
        made = world.begin(client, *(line(f"q{n}", f"{'wait ' * (n > 5)}{n}") for n in range(10)))
        eventually(lambda: client.batches.retrieve(made.id).request_counts.completed == 6)  # type: ignore[union-attr]
    output = next(path for path in (tmp_path / "files").iterdir() if path.read_bytes().startswith(b'{"id":"batch_req'))
    with output.open("ab") as file:
        file.write(b'{"id":"batch_req_torn","custom_id":"q9"')
    echo.waiting = False
    with world.running(), world.client() as client:
        client.models.list()
        done = ended(client, made)
        assert done.status == "completed"
        assert len(results(client, done.output_file_id)) == 10
    done_before = [text for text in echo.asked if not text.startswith("wait")]
    assert len(done_before) == len(set(done_before)) == 6


def limited(amount: str, used: int = 0, **more: object) -> LimitLedger:
    """A ledger with one budget in money, at a thousand picodollars a token. `used`: picodollars before it began."""
    ledger = LimitLedger(FakeClock())
    limits = compiled([LimitConfig(name="budget", money=amount, window="month", **more)])  # type: ignore[arg-type]
    ledger.adopt(
        Rules(limits, frozenset(), {}, lambda alias, usage: None), lambda limit, since: {(): used} if used else {}
    )
    return ledger


def test_a_batch_is_one_reservation(tmp_path: Path) -> None:
    echo = Echo()
    ledger = limited("0.0001")  # 100,000 tokens
    world = World(tmp_path, echo, ledger=ledger)
    with world.running(), world.client() as client:
        with pytest.raises(RateLimitError) as error:
            world.begin(client, *(line(f"q{n}", max_tokens=30_000) for n in range(4)))
        assert "limit budget: the batch's 4 lines may take $0.00012" in str(error.value)
        assert "and there is room for 3 of them" in str(error.value)
        assert "wait" not in str(error.value), "its own lines are in the way, tomorrow too"
        assert "retry-after" not in error.value.response.headers
        assert [(each.used, each.held) for each in ledger.balances()] == [(0, 0)]
        assert list(client.batches.list()) == []
        assert echo.asked == []

        made = world.begin(client, *(line(f"q{n}", f"wait {n}", max_tokens=30_000) for n in range(3)))
        held = eventually(lambda: next(iter(ledger.balances())).held)
        assert held > 90_000_000
        with pytest.raises(RateLimitError):
            client.chat.completions.create(
                model="assistant", messages=[{"role": "user", "content": "x"}], max_tokens=30_000
            )
        echo.waiting = False
        ended(client, made)
        assert [(each.used, each.held) for each in ledger.balances()] == [(3 * 15_000, 0)]


def test_a_batch_that_may_wait_is_told_how_long(tmp_path: Path) -> None:
    world = World(tmp_path, Echo(), ledger=limited("0.00003", used=15_000_000))  # 15,000 tokens are left
    with world.running(), world.client() as client:
        with pytest.raises(RateLimitError) as alone:
            client.chat.completions.create(
                model="assistant", messages=[{"role": "user", "content": "x"}], max_tokens=20_000
            )
        with pytest.raises(RateLimitError) as error:
            world.begin(client, *(line(f"q{n}", max_tokens=number) for n, number in enumerate((5000, 20_000))))
        assert "there is room for 1 of them" in str(error.value)
        assert "wait until the limit has room" in str(error.value)
        month = float(error.value.response.headers["retry-after"])
        assert month == float(alone.value.response.headers["retry-after"]) > 60


def test_an_open_batch_holds_its_remainder_after_a_restart(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, BatchConfig(concurrency=1), ledger=limited("0.0001"))
    with world.running(), world.client() as client:
        made = world.begin(
            client, line("a", max_tokens=20_000), *(line(f"q{n}", "wait", max_tokens=20_000) for n in "bc")
        )
        eventually(lambda: "wait" in echo.asked)
    ledger = world.ledger = limited("0.0001")
    with world.running(), world.client() as client:
        client.models.list()
        held = eventually(lambda: next(iter(ledger.balances()), None)).held
        assert 40_000_000 < held < 60_000_000
        echo.waiting = False
        assert ended(client, made).status == "completed"
        assert next(iter(ledger.balances())).held == 0


def test_a_revoked_key_runs_no_further_line(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, BatchConfig(concurrency=1))
    with world.running(), world.client() as client:
        made = world.begin(client, line("a"), line("b", "wait"), line("c"))
        eventually(lambda: "wait" in echo.asked)
    echo.waiting = False
    rest = {secret: key for secret, key in KEYS.items() if secret != "mk-test"}
    with world.running(rest), world.client("mk-colleague") as client:
        done = ended(client, made)
        errors = results(client, done.error_file_id)
        assert {each["response"]["status_code"] for each in errors.values()} == {401}
    assert len(echo.asked) == 2


def test_a_key_for_other_models_is_told_so_before_the_batch_begins(tmp_path: Path) -> None:
    world = World(tmp_path, ScriptedProvider("ok"))
    with world.running(), world.client("mk-small") as client:
        made = world.begin(client, line("a"), line("b", model="spare"))
        assert made.errors is not None
        assert [(each.line, each.code) for each in made.errors.data or []] == [(1, "access_denied")]


def test_files_go_when_their_time_is_over(tmp_path: Path) -> None:
    world = World(tmp_path, Echo(), BatchConfig(keep_days=2))
    with world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("a")))
        assert len(list(client.files.list())) == 2
    world.clock.advance(3 * 86_400)
    with world.running(), world.client() as client:
        eventually(lambda: not list(client.files.list()))
        with pytest.raises(NotFoundError):
            client.batches.retrieve(done.id)
        eventually(lambda: not list((tmp_path / "files").iterdir()))


def test_a_batch_waits_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.05)
    world = World(tmp_path, Echo())
    with world.running(), world.client() as client:
        world.spool.full = True
        made = world.begin(client, line("a"), line("b"))
        eventually(lambda: client.batches.retrieve(made.id).status == "in_progress")
        world.spool.full = False
        done = ended(client, made)
        assert done.status == "completed"
        assert set(results(client, done.output_file_id)) == {"a", "b"}


def test_a_line_waits_where_a_rate_has_no_room(tmp_path: Path) -> None:
    ledger = LimitLedger(FakeClock())
    limits = compiled([LimitConfig(name="one", concurrent=1)])
    ledger.adopt(Rules(limits, frozenset(), {}, lambda alias, usage: None), lambda limit, since: {})
    world = World(tmp_path, Echo(), BatchConfig(concurrency=2), ledger=ledger)
    with world.running(), world.client() as client:
        done = ended(client, world.begin(client, line("a"), line("b")))
        counts = done.request_counts
        assert counts is not None
        assert (counts.completed, counts.failed) == (2, 0)
    assert [span.error for span in world.spool.calls] == ["", ""]


def test_a_file_that_is_gone_fails_the_batch_line_by_line_no_further(tmp_path: Path) -> None:
    echo = Echo()
    world = World(tmp_path, echo, BatchConfig(concurrency=1))
    with world.running(), world.client() as client:
        made = world.begin(client, line("a"), line("b", "wait"), line("c"))
        eventually(lambda: "wait" in echo.asked)
    input = tmp_path / "files" / made.input_file_id
    input.write_bytes(input.read_bytes()[:-40])
    echo.waiting = False
    with world.running(), world.client() as client:
        done = ended(client, made)
        assert done.status == "failed"
        assert done.errors is not None
        assert "line" in str((done.errors.data or [])[0].message)
        assert "a" in results(client, done.output_file_id)
