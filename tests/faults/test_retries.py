"""When a call is tried again, how long that takes, and which limit strikes when."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from moat.adapters.providers.exchange import ProviderTimeouts
from moat.testing.faults import Script
from moat.testing.faults_choice import parse_fault
from tests.faults.endpoints import ENDPOINTS
from tests.faults.world import DEADLINE, World, world

CHAT = ENDPOINTS[0]


def asked(here: World, model: str, *, stream: bool = False) -> tuple[str, list[str], float]:
    """The outcome, how each attempt ended, and the seconds it took."""
    began = time.monotonic()
    reply = here.ask(CHAT.path, CHAT.body(model, stream=stream))
    seconds = time.monotonic() - began
    _, *attempts = here.spans(reply.headers["x-request-id"])
    return CHAT.outcome(reply), [attempt.error for attempt in attempts], seconds


def asked_at_once(here: World, *models: str, stream: bool = False) -> dict[str, tuple[str, int]]:
    """Outcome and number of attempts by model."""
    with ThreadPoolExecutor(len(models)) as pool:
        found = list(pool.map(lambda model: asked(here, model, stream=stream), models))
    return {model: (outcome, len(attempts)) for model, (outcome, attempts, _) in zip(models, found, strict=True)}


@pytest.mark.promise("up-1")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_may_pass_is_tried_again_and_the_rest_is_not(stream: bool) -> None:
    passing = {"500": "502", "503": "502", "529": "429", "reset": "502", "close": "502", "408": "504"}
    final = {"400": "400", "401": "502", "404": "404", "422": "422"}
    with world() as here:
        found = asked_at_once(here, *(f"tries:3:{fault}" for fault in (*passing, *final)), stream=stream)
    expected = {fault: (status, 3) for fault, status in passing.items()}
    expected |= {fault: (status, 1) for fault, status in final.items()}
    assert found == {f"tries:3:{fault}": outcome for fault, outcome in expected.items()}


@pytest.mark.promise("up-1")
def test_nothing_is_tried_again_after_the_first_byte() -> None:
    models = [
        f"tries:3:{fault}+spare"
        for fault in ("reset-body", "close-body", "idle", "no-done", "error-event", "invalid-json")
    ]
    with world() as here:
        assert asked_at_once(here, *models, stream=True) == dict.fromkeys(models, ("cut", 1))
        quick = [model for model in models if ":idle" not in model]
        assert asked_at_once(here, *quick) == dict.fromkeys(quick, ("200", 4)), "all was still possible"


@pytest.mark.promise("up-1")
@pytest.mark.parametrize(
    ("options", "least"),
    [
        ("retry_after=1", 1.0),
        ("retry_after=0.4,retry_form=ms", 0.4),
        ("retry_after=2,retry_form=date", 0.9),  # dates have whole seconds
    ],
)
def test_retry_after_is_honoured_in_all_its_forms(options: str, least: float) -> None:
    script = Script(faults=(parse_fault(f"429,{options},first=1"),))
    with world(script) as here:
        outcome, attempts, seconds = asked(here, "tries:2:good")
    assert (outcome, attempts) == ("200", ["provider_overloaded", ""])
    assert seconds >= least


@pytest.mark.promise("up-1")
def test_the_deadline_holds_over_all_tries() -> None:
    with world(limits=ProviderTimeouts(first_token=DEADLINE, idle=DEADLINE)) as here:
        models = [f"within:1.5:{fault}" for fault in ("hang", "slow-first-piece", "hang-head", "idle")]
        with ThreadPoolExecutor(len(models)) as pool:
            for model, (outcome, attempts, seconds) in zip(models, pool.map(partial(asked, here), models), strict=True):
                assert (outcome, attempts) == ("504", ["deadline_passed"]), model
                assert seconds < DEADLINE / 2
        outcome, _, seconds = asked(here, "tries:9:within:0.5:503,retry_after=60")
        assert outcome in ("502", "504")
        assert seconds < DEADLINE / 2, "a wait that leaves no time is not begun"


@pytest.mark.promise("up-8")
def test_the_first_piece_and_silence_have_limits_of_their_own() -> None:
    quick_start = ProviderTimeouts(first_token=1.0, idle=DEADLINE)
    with world(Script(pace=1.3, words=1), quick_start) as here:
        assert asked(here, "good", stream=True)[0] == "200", "pieces may be slower than the first"
        assert asked(here, "slow-first-piece", stream=True)[:2] == ("504", ["provider_timeout"])
    slow_start = ProviderTimeouts(first_token=DEADLINE, idle=1.0)
    with world(Script(words=3), slow_start) as here:
        assert asked(here, "slow,seconds=1.3", stream=True)[0] == "200", "the first may be slower than the others"
        assert asked(here, "idle", stream=True)[:2] == ("cut", ["provider_timeout"])


@pytest.mark.promise("up-1")
def test_a_provider_that_accepts_no_connection() -> None:
    with world() as here:
        outcome, attempts, _ = asked(here, "refuse,seconds=4")
        assert (outcome, attempts) == ("502", ["provider_down"]), "it resets the one it has"
        assert asked(here, "good")[0] == "502", "and accepts no other"
        assert asked(here, "good+spare")[0] == "200", "a fallback answers"
        deadline = time.monotonic() + DEADLINE
        while asked(here, "good")[0] != "200":
            assert time.monotonic() < deadline, "it comes back"
            time.sleep(0.05)
