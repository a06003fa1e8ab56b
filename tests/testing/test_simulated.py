"""The simulated provider: rules in a file, deterministic answers, honest about what it is."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.errors import (
    ConfigError,
    DocumentError,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
)
from moat.domain.usage import Usage
from moat.ports.kinds import Surroundings
from moat.ports.models import Provider
from moat.testing.fakes import new_call
from moat.testing.simulated import KIND, SimulatedConfig, SimulatedProvider, ask, text_of
from moat.testing.simulation import Question, Rule, Rules, ScriptedAnswer, Simulation, Skill, read_simulation

RULES = """
seed: 7
skills:
  json: {when: "(?i)reply with json", with: 1.0, without: 0.0}
  luck: {when: "lucky", with: 0.6, without: 0.2}
rules:
  - user: "(?i)refund"
    answers:
      - {needs: [json, luck], text: '{"sure": true}'}
      - {needs: [json], text: '{"sure": false}'}
      - {text: "Of course you can."}
  - user: "order"
    answers:
      - {tool_calls: [{name: look, arguments: {id: 7}}]}
      - {text: "It is on its way."}
"""


def rules(tmp_path: Path, text: str = RULES) -> Simulation:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return read_simulation(path, name="rules.yaml")


async def collect(provider: Provider, call: Call) -> list[Event]:
    return [event async for event in provider.answer(call)]


@pytest.mark.anyio
async def test_it_streams_word_by_word_and_says_that_it_is_simulated(tmp_path: Path) -> None:
    provider = SimulatedProvider(rules(tmp_path))
    events = await collect(provider, new_call("A refund, please", stream=True))
    assert [event.text for event in events[:-1] if isinstance(event, Delta)] == ["Of ", "course ", "you ", "can."]
    assert events[-1] == Finished(reason="stop", usage=Usage(input=4, output=5), model="simulated/large")
    assert await collect(provider, new_call("A refund, please")) == [Delta(text="Of course you can."), events[-1]]
    await provider.aclose()


@pytest.mark.anyio
async def test_tools_are_called_until_their_results_are_there(tmp_path: Path) -> None:
    provider = SimulatedProvider(rules(tmp_path))
    first = await collect(provider, new_call("my order"))
    assert isinstance(first[0], Delta)
    assert (first[0].tool_calls[0].name, first[0].tool_calls[0].arguments) == ("look", '{"id":7}')
    assert isinstance(first[-1], Finished)
    assert first[-1].reason == "tool_calls"
    call = new_call("my order")
    call.messages.append({"role": "tool", "tool_call_id": "x", "content": "sent"})
    assert (await collect(provider, call))[0] == Delta(text="It is on its way.")


@pytest.mark.anyio
async def test_max_tokens_cuts_and_says_so(tmp_path: Path) -> None:
    events = await collect(SimulatedProvider(rules(tmp_path)), new_call("refund", max_tokens=2))
    assert events[0] == Delta(text="Of cours")
    assert isinstance(events[1], Finished)
    assert (events[1].reason, events[1].usage and events[1].usage.output) == ("length", 2)


@pytest.mark.anyio
async def test_what_no_rule_matches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProviderRefused, match="no rule of the simulation answers 'hello'"):
        await collect(SimulatedProvider(rules(tmp_path)), new_call("hello"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, ProviderDown), (429, ProviderOverloaded), (529, ProviderOverloaded), (422, ProviderRefused)],
)
async def test_faults_come_at_their_rate_and_again_the_same(
    status: int, kind: type[ProviderError], tmp_path: Path
) -> None:
    simulation = rules(tmp_path, f"errors: {{rate: 0.3, status: {status}}}" + RULES)

    async def failures() -> list[int]:
        provider = SimulatedProvider(simulation)
        failed = []
        for number in range(200):
            try:
                await collect(provider, new_call("refund"))
            except kind:
                failed.append(number)
        return failed

    first = await failures()
    assert 40 <= len(first) <= 80
    assert first == await failures()


@pytest.mark.anyio
async def test_latency_passes_in_the_same_total_streamed_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal slept
        slept += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    simulation = rules(tmp_path, "latency: {first_token_ms: 40, per_token_ms: 4}" + RULES)
    for stream in (True, False):
        slept = 0.0
        await collect(SimulatedProvider(simulation), new_call("refund", stream=stream))
        assert slept == pytest.approx(0.040 + 18 / 4 * 0.004)
    varied = rules(tmp_path, "latency: {first_token_ms: 100, jitter: 0.5}" + RULES)
    slept = 0.0
    await collect(SimulatedProvider(varied), new_call("refund"))
    assert 0.05 <= slept <= 0.15
    assert slept != pytest.approx(0.1)


@given(st.text(max_size=40), st.integers(0, 5))
def test_a_better_prompt_is_never_worse_on_the_same_question(text: str, repeat: int) -> None:
    simulation = _luck(with_=0.6, without=0.2)
    told = simulation.choose(Question(system="be lucky", user=text, repeat=repeat))
    untold = simulation.choose(Question(system="", user=text, repeat=repeat))
    assert told is not None
    assert untold is not None
    assert len(told.needs) >= len(untold.needs)
    assert simulation.choose(Question(system="very lucky now", user=text, repeat=repeat)) == told


def test_skills_are_had_at_their_rate_and_repeats_differ() -> None:
    simulation = _luck(with_=0.6, without=0.2)
    for system, rate in (("lucky", 0.6), ("", 0.2)):
        chosen = [simulation.choose(Question(system=system, user=str(n), repeat=1)) for n in range(2000)]
        assert sum(bool(answer and answer.needs) for answer in chosen) / 2000 == pytest.approx(rate, abs=0.05)
    chosen = [simulation.choose(Question(system="lucky", user="same", repeat=n)) for n in range(50)]
    assert {bool(answer and answer.needs) for answer in chosen} == {True, False}


def _luck(**skill: Any) -> Simulation:
    answers = (ScriptedAnswer(needs=("luck",), text="good"), ScriptedAnswer(text="bad"))
    return Simulation(
        Rules(seed=3, skills={"luck": Skill(when="lucky", **skill)}, rules=(Rule(user="", answers=answers),))
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("(?i)refund", "(refund", "rules.yaml:7: not a valid regular expression"),
        ('when: "lucky"', 'when: "["', "rules.yaml:5: not a valid regular expression"),
        ("needs: [json]", "needs: [jsn]", "rules.yaml:10: no skill 'jsn'. There are: json, luck."),
        ('      - {text: "Of course you can."}\n', "", "rules.yaml:10: the last answer of a rule must not"),
        ('{text: "It is on its way."}', "{}", "rules.yaml:15: an answer needs `text` or `tool_calls`"),
        ("with: 0.6", "with: 1.6", "rules.yaml:5: expected `float` <= 1.0"),
        ("seed: 7", "sed: 7", "unknown key 'sed' at $. Did you mean 'seed'?"),
    ],
)
def test_a_broken_rules_file_is_explained_with_its_place(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in RULES
    with pytest.raises(DocumentError) as caught:
        rules(tmp_path, RULES.replace(old, new))
    assert words in str(caught.value)


def test_the_question_is_the_last_user_message_whatever_its_shape() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": None},
        {
            "role": "user",
            "content": [{"type": "text", "text": "new"}, {"type": "image_url", "image_url": {}}, {"text": 5}, "x"],
        },
    ]
    assert ask(messages, 2) == Question(system="a\nb", user="new", repeat=2)
    assert ask([]) == Question(system="", user="")
    assert text_of({"role": "user"}) == ""


def test_it_is_built_from_moat_yaml(tmp_path: Path) -> None:
    def others(name: str) -> Provider:
        raise ConfigError(name)

    rules(tmp_path)
    around = Surroundings("fake", tmp_path, others)
    assert isinstance(KIND.build(SimulatedConfig(kind="simulated", rules="rules.yaml"), around), SimulatedProvider)
    with pytest.raises(DocumentError, match=r"none\.yaml: no such file"):
        KIND.build(SimulatedConfig(kind="simulated", rules="none.yaml"), around)
