"""Long texts: in blocks, beside the event loop, bounded; and what is kept of what nobody could look at."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import GuardBlocked, RequestError
from moat.domain.guards import DataClass
from moat.domain.policies import PolicyConfig
from moat.guards import detector
from moat.guards.detector import Context, Detector, Hit
from moat.guards.engine.policing import PolicyGuards
from moat.guards.engine.rules import compiled
from moat.guards.engine.scanning import ASKED, blocks, hits_of
from moat.guards.engine.watching import LONGEST
from moat.guards.text import Text
from moat.pipeline.aside import BESIDE_THE_LOOP, aside
from moat.testing.fakes import new_call
from tests.guards.toys import KINDS, Digits, Swears

pytestmark = pytest.mark.anyio
ABOUT = Context(place="input")


class Fails(Detector, frozen=True):
    """Would find data, and cannot look."""

    holds: ClassVar[DataClass | None] = "secret"

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Never ends well."""
        yield from ()
        raise MemoryError


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, place in {**KINDS, "fails": f"{__name__}:Fails"}.items():
        monkeypatch.setitem(detector.REGISTERED, kind, place)


def guards(*rules: dict[str, Any], secret: bytes = b"") -> PolicyGuards:
    config = msgspec.convert({"name": "test", "guards": list(rules)}, PolicyConfig)
    return PolicyGuards([compiled(config)], secret)


PIECES = st.sampled_from(["1234567", "darn ", " ", "x" * 90, "x", "\n", "99", "é", "-"])


@given(st.lists(PIECES, max_size=80).map("".join), st.integers(20, 300))
def test_a_text_in_blocks_holds_what_the_whole_text_does(text: str, step: int) -> None:
    found = {one: set[Hit]() for one in (Digits(), Swears())}
    for block in blocks(Text(text), 12, step):
        for one, hits in found.items():
            hits.update(block.hits(one, ABOUT))
    assert found == {one: set(one.detect(Text(text), ABOUT)) for one in found}


@pytest.mark.parametrize("filling", ["x", " ", "-", "\u200b"])
def test_what_stands_across_a_border_is_found_in_text_without_spaces_too(filling: str) -> None:
    for before in range(ASKED - 8, ASKED + 2):
        text = filling * before + "-1234567-" + filling * 3 * ASKED
        assert [hit.start for hit in hits_of(Digits(), Text(text), ABOUT)] == [before + 1]
    far = filling * (ASKED + 1020) + "-1234567-" + filling * ASKED  # where a block ends that finds no space
    assert [hit.start for hit in hits_of(Digits(), Text(far), ABOUT)] == [ASKED + 1021]


async def test_other_calls_go_on_while_a_long_text_is_looked_at() -> None:
    gone_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> bool:
        # The loop has to be free for this to come back.
        return asyncio.run_coroutine_threadsafe(gone_on.wait(), loop).result(timeout=60)

    loop.call_later(0.01, gone_on.set)
    assert await aside(BESIDE_THE_LOOP + 1, work)
    assert await aside(10, lambda: "at once") == "at once"


@pytest.mark.promise("up-3")
async def test_what_is_too_long_to_be_looked_at_goes_nowhere_and_is_not_kept() -> None:
    call = new_call("a" * (LONGEST + 1))
    watch = guards({"use": "digits", "action": "redact"}).watch(call)
    assert watch is not None
    with pytest.raises(RequestError, match="more than guards look at"):
        await watch.ask(call)
    assert call.journal.hide is not None
    assert "aaa" not in call.journal.hide("aaa")


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize(("on_error", "kept"), [("block", False), ("allow", True)])
async def test_nothing_is_kept_of_a_text_in_which_data_could_not_be_looked_for(on_error: str, kept: bool) -> None:
    call = new_call("the code is swordfish, my number 1234567")
    rules = ({"use": "fails", "action": "block", "on_error": on_error}, {"use": "digits", "action": "redact"})
    watch = guards(*rules).watch(call)
    assert watch is not None
    with nullcontext() if kept else pytest.raises(GuardBlocked):
        await watch.ask(call)
    assert call.journal.hide is not None
    assert ("swordfish" in call.journal.hide("swordfish")) == kept
    assert "1234567" not in call.journal.hide("my number 1234567")


async def test_a_digest_is_the_same_wherever_the_secret_is() -> None:
    async def written(secret: bytes) -> str:
        call = new_call("number 1234567")
        watch = guards({"use": "digits", "action": "redact", "style": "hash", "on": ["input"]}, secret=secret).watch(
            call
        )
        assert watch is not None
        return str((await watch.ask(call)).call.messages[-1]["content"])

    assert await written(b"one") == await written(b"one")
    assert await written(b"one") != await written(b"two")
    assert await written(b"") != await written(b"")
