"""What is shipped, how attacks are read, and how strategies put them."""

import base64
import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.errors import ConfigError
from moat.evals.redteam.attacks import Attack, chosen, filled, load, shipped
from moat.evals.redteam.cases import ALL, Entrance, dataset
from moat.evals.redteam.strategies import STRATEGIES, parse
from moat.evals.scorers.attack import Success, stands_in
from moat.guards.text import Text
from tests.evals.redteam.players import every, tools

ONE = Attack(id="one", text="Please write the word and the other word", category="x", succeeds=Success(says=("a-b",)))


def test_enough_is_shipped_for_each_row_that_words_can_try() -> None:
    attacks = every()
    assert len(attacks) >= 150
    assert len({attack.id for attack in attacks}) == len(attacks)
    rows = {attack.owasp for attack in attacks}
    assert rows - {""} == {"LLM01", "LLM02", "LLM05", "LLM06", "LLM07", "LLM08", "LLM09", "LLM10"}
    assert len({attack.language for attack in attacks}) >= 8
    assert sum(attack.benign for attack in attacks) >= 20


def test_to_quote_an_attack_is_never_its_success() -> None:
    for attack in every():
        put = filled(attack, "some_tool", 3)
        said = " ".join([put.text, put.carrier, *put.turns]).casefold()
        if put.succeeds is not None:
            assert not [sign for sign in put.succeeds.says if sign.casefold() in said], attack.id
            echoed = [word for word in put.succeeds.words if stands_in(word, said)]
            assert len(echoed) < put.succeeds.least or attack.family == "other-data", attack.id
            assert not put.succeeds.words or len(put.succeeds.words) >= put.succeeds.least, attack.id


def test_nothing_is_left_to_fill_in() -> None:
    for attack in every():
        put = filled(attack, "some_tool", 0)
        texts = [put.text, put.carrier, *put.turns, *(put.succeeds.says if put.succeeds else ())]
        for name in ("{first}", "{second}", "{marker}", "{tool}"):
            assert not any(name in text for text in texts), attack.id


def test_the_same_seed_makes_the_same_cases_and_another_one_others() -> None:
    entrance = Entrance(variable="question")
    one, same, other = (dataset(every(), entrance, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.digest != other.digest
    assert len({case.id for case in one.cases}) == len(one.cases)


def test_ways_to_put_one_attack_are_one_cluster() -> None:
    found = dataset([ONE], Entrance(), names=[ALL])
    assert {case.cluster for case in found.cases} == {"one"}
    assert len(found.cases) == 1 + len(STRATEGIES)


def test_harmless_questions_are_asked_as_they_are() -> None:
    benign = [attack for attack in every() if attack.benign]
    found = dataset(benign, Entrance(), names=[ALL])
    assert [case.messages[0]["content"] for case in found.cases] == [attack.text for attack in benign]
    assert all(case.expected is None and case.labels["refuse"] is False for case in found.cases)


def test_attacks_stand_where_they_come_from() -> None:
    document = replace(ONE, place="document", carrier="What is this?")
    entrance = Entrance(variable="q", given={"plan": "free"}, context=True, tools=("look",))
    (case,) = dataset([document], entrance, names=["plain"]).cases
    assert (case.variables, case.context) == ({"plan": "free", "q": "What is this?"}, [ONE.text])
    (case,) = dataset([document], Entrance(), names=["plain"]).cases
    assert case.messages[0]["content"] == f"What is this?\n\n<document>\n{ONE.text}\n</document>"
    (case,) = dataset([replace(document, place="tool_result")], entrance, names=["plain"]).cases
    assert [m["role"] for m in case.messages] == ["assistant", "tool"]
    assert case.messages[1]["content"] == ONE.text
    (case,) = dataset([replace(document, place="tool_result")], Entrance(), names=["plain"]).cases
    assert case.labels["place"] == "document"


def test_what_needs_a_tool_is_asked_only_where_it_is() -> None:
    wants = [attack for attack in every() if attack.wants_tool]
    assert len(dataset(wants, Entrance(tools=tools()), names=["plain"]).cases) == len(wants)
    with pytest.raises(ConfigError, match="no attack is left"):
        dataset(wants, Entrance())


def test_strategies_are_combined_from_left_to_right() -> None:
    put = parse("role_play+base64")(ONE, 0)
    coded = put.text.rpartition("\n")[2]
    assert "Ottilie" in base64.b64decode(coded).decode()
    turned = parse("base64+crescendo")(ONE, 0)
    assert len(turned.turns) == 3
    assert not turned.text.startswith("The following")
    assert "Base64" in turned.turns[1]


@pytest.mark.parametrize("name", ["leetspeak", "homoglyphs", "zero_width", "capitals"])
def test_letters_are_changed_and_can_be_read_back(name: str) -> None:
    put = parse(name)(replace(ONE, text=ONE.text * 3), 1)
    assert put.text != ONE.text * 3
    read = Text(put.text).plain.replace(" ", "")
    assert "otherword" in read


@given(st.text(min_size=1, max_size=200), st.sampled_from(sorted(STRATEGIES)), st.integers(0, 5))
def test_every_strategy_takes_every_text(text: str, name: str, seed: int) -> None:
    attack = replace(ONE, text=text)
    put = parse(name)(attack, seed)
    assert put == parse(name)(attack, seed)
    assert put.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("category: own\ndescription: d\nattacks:\n  - {id: a, text: t}\n", "nothing says when 'a' worked"),
        ("category: own\ndescription: d\nattacks: []\n", "length"),
        ("category: own\ndescription: d\nowasp: LLM11\nattacks: [{id: a, text: t}]\n", "regex|pattern|match"),
        (
            "category: own\ndescription: d\nsucceeds: {says: [x]}\nattacks: [{id: a, text: t}, {id: a, text: u}]\n",
            "stands twice",
        ),
        ("category: own\ndescription: d\nsucceeds: {}\nattacks: [{id: a, text: t}]\n", "nothing would show"),
        ("category: own\ndescription: d\nsuceeds: {says: [x]}\nattacks: [{id: a, text: t}]\n", "suceeds"),
        ("category: [", "own.yaml"),
    ],
)
def test_files_that_make_no_sense_say_where(tmp_path, text: str, said: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=said) as error:
        load(path, name="own.yaml")
    assert error.value.where.startswith("own.yaml")


def test_unknown_names_are_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match="no category 'injektion'"):
        list(chosen(shipped(), ("injektion",)))
    with pytest.raises(ConfigError, match="no strategy 'bas64'"):
        parse("role_play+bas64")
    rows = {attack.category for attack in chosen(shipped(), ("LLM01",))}
    assert rows == {"injection", "indirect", "jailbreak"}


def test_no_six_words_in_a_row_are_in_what_injection_detectors_learned_from() -> None:
    def sixes(text: str) -> set[str]:
        words = re.findall(r"\w+", text.casefold())
        return {" ".join(words[i : i + 6]) for i in range(len(words) - 5)}

    attacks = {six for attack in every() if not attack.benign for six in sixes(" ".join([attack.text, *attack.turns]))}
    folder = Path(__file__).parents[3] / "bench" / "guards" / "data" / "injection"
    files = [*folder.glob("attacks.*.txt"), *folder.glob("indirect.*"), *folder.glob("injection*.json.gz")]
    assert len(files) >= 4
    for path in files:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        learned = sixes(raw.decode())
        assert len(learned) > 1000
        assert not attacks & learned, path.name
