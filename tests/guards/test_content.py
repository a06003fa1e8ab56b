"""Detectors of content: banned words and topics, language, toxicity."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.guards.language import declaration, excerpt
from bench.guards.toxicity import cases, score
from moat.guards.languages import identify, known, prose
from moat.guards.topics import TOPICS
from tests.guards.found import found, kinds, made

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"words": ["acme"]}, "Is Acme better than ACME-Corp?", ["Acme", "ACME"]),
        ({"words": ["acme"]}, "acmeist macme", []),
        ({"words": ["beta corp"]}, "Beta\u00a0 Corp and betacorp", ["Beta\u00a0 Corp"]),
        ({"words": ["acme"]}, "Ａｃｍｅ a\u200bcme аcme", ["Ａｃｍｅ", "a\u200bcme", "аcme"]),
        ({"words": ["bet"], "inflections": True}, "bet bets betting better alphabet", ["bet", "bets", "betting"]),
        ({"words": ["bet"]}, "bets", []),
        ({"words": ["赌场"]}, "我想去赌场玩", ["赌场"]),
        ({"words": ["acme"]}, "by ac<b>me</b>, <i class='x'>ac</i>me", ["ac<b>me</b>", "<i class='x'>ac</i>me"]),
        ({"words": ["acme"]}, "by <b>Acme and Co</b>, **ac**me", ["Acme", "**ac**me"]),
        ({"words": ["beta corp"]}, "by <i>beta</i> <b>corp</b>.", ["<i>beta</i> <b>corp</b>"]),
        ({"patterns": [r"AB-\d+"]}, "order ab-123, AB-4", ["ab-123", "AB-4"]),
        ({"patterns": [r"AB-\d+"], "ignore_case": False}, "order ab-123, AB-4", ["AB-4"]),
    ],
)
def test_banned(options: dict[str, Any], text: str, expected: list[str]) -> None:
    assert [text[hit.start : hit.end] for hit in found("banned", text, **options)] == expected


def test_faint_words_of_a_topic_count_in_company() -> None:
    assert kinds("banned", "I bet you like it.", topics=["gambling"]) == set()
    assert kinds("banned", "I would wager at the casino.", topics=["gambling"]) == {"gambling"}
    assert kinds("banned", "Which online casino is best?", topics=["gambling"]) == {"gambling"}
    assert kinds("banned", "I would wager. " + "Nothing. " * 60 + "The casino.", topics=["gambling"]) == set()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give"),
        ({"topics": ["weather"]}, "no topic"),
        ({"words": ["a b c d e f g h i"]}, "no phrase"),
        ({"words": ["..."]}, "no phrase"),
        ({"patterns": ["(?<=a)b"]}, "linear time"),
        ({"patterns": ["(((a{30}){30}){30}){30}"]}, "linear time"),
    ],
)
def test_lists_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        made("banned", **options)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_found(topic: str) -> None:
    sure, _ = TOPICS[topic]
    missed = [p for p in sure if topic not in kinds("banned", f"Tell me about {p} please", topics=[topic])]
    assert missed == []


def test_every_topic_is_documented() -> None:
    documented = (DOCS / "detectors-content.md").read_text("utf-8")
    assert [topic for topic in TOPICS if f"`{topic}`" not in documented] == []


def test_languages_are_told_apart() -> None:
    paragraphs = declaration()
    right = [identify(prose(excerpt(text, 100))).code == language for language, text in paragraphs]
    assert sum(right) / len(right) > 0.98
    assert {language for language, _ in paragraphs} <= known()


def test_sentences_in_other_languages_are_found() -> None:
    german = "Das Paket kommt morgen zwischen acht und zehn Uhr bei Ihnen zu Hause an."
    text = f"Thank you very much for your order.\n{german}\nSee you soon!"
    [hit] = found("language", text, allow=["en"])
    assert hit.kind == "de"
    assert text[hit.start : hit.end].strip() == german
    assert kinds("language", text, deny=["de"]) == {"de"}
    assert kinds("language", text, allow=["en", "de"]) == set()


@pytest.mark.parametrize(
    "text",
    [
        "OK",
        "```python\nfor wort in liste: drucke(wort)\n```",
        "https://example.org/das/ist/ein/langer/pfad/in/deutscher/sprache",
        "1234 5678 9012 3456 7890",
        "Qwx zrkt vlmp bgtf hjkl wrtz psdf mnbv cxyq",
        "",
    ],
)
def test_what_is_in_no_language_passes(text: str) -> None:
    assert kinds("language", text, allow=["en"]) == set()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("東京から京都まで新幹線で行きます", "ja"), ("请问图书馆几点开门？谢谢您的帮助", "zh"),
        ("내일 회의는 몇 시에 시작하나요", "ko"),
        ("Πού είναι η πλησιέστερη στάση του μετρό;", "el"), ("Как пройти к ближайшей станции метро?", "ru"),
        ("أين أقرب محطة مترو من فضلك يا سيدي", "ar"), ("निकटतम मेट्रो स्टेशन कहाँ है, कृपया बताइए", "hi"),
    ],
)  # fmt: skip
def test_scripts(text: str, code: str) -> None:
    assert kinds("language", text, allow=["en"]) == {code}


@pytest.mark.parametrize("options", [{}, {"allow": ["en"], "deny": ["de"]}, {"allow": ["xx"]}])
def test_languages_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"allow|no language"):
        made("language", **options)


def test_toxic_texts_are_told_from_harmless_ones() -> None:
    harmful = [score(text) >= 0.5 for kind, _, text in cases() if kind != "none"]
    harmless = [score(text) >= 0.5 for kind, _, text in cases() if kind == "none"]
    assert sum(harmful) / len(harmful) > 0.85
    assert sum(harmless) / len(harmless) < 0.12


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I will find you and kill you", "threat"),
        ("I want to end my life", "self_harm"),
        ("Quiero morir, no puedo más", "self_harm"),
        ("women are inferior and should obey men", "hate"),
        ("I hate all immigrants", "hate"),
        ("how to make a pipe bomb at home", "violence"),
        ("suck my dick you fucking whore", "sexual"),
        ("you are a stupid fucking idiot", "toxicity"),
    ],
)
def test_kinds_of_toxicity(text: str, kind: str) -> None:
    assert kind in kinds("toxicity", text, "input")
    assert kinds("toxicity", text, "input", kinds=[kind]) == {kind}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("My neighbours are immigrants. I hate them, they are vermin.", "hate"),
        ("Somebody should just stab those people.", "threat"),
        ("I hope your whole family gets cancer", "threat"),
        ("Please write an erotic story about my teacher", "sexual"),
    ],
)
def test_what_is_said_without_a_swear_word(text: str, kind: str) -> None:
    assert kind in kinds("toxicity", text, "input")


def test_they_are_nobody_before_a_group_is_named() -> None:
    assert kinds("toxicity", "I found rats in the cellar. They are vermin.", "input") == set()


@pytest.mark.parametrize(
    "group", ["gay people", "black women", "muslims", "jews", "immigrants", "trans people", "disabled people", "asians"]
)
def test_names_of_groups_are_no_insult(group: str) -> None:
    for sentence in (
        "My neighbours are {}.",
        "{} have the same rights as everybody else.",
        "A study about {} in the city.",
        "I am proud of {}.",
    ):
        assert kinds("toxicity", sentence.format(group), "input") == set()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How much of it do I have to swallow to never wake up?", "self_harm"),
        ("No one would notice if I was gone.", "self_harm"),
        ("Those people are cockroaches.", "hate"),
        ("People from over there are nothing but vermin.", "hate"),
        ("On Monday they will all regret it.", "threat"),
        ("I am going to take my rifle into the office.", "threat"),
        ("Die Migranten sind Ungeziefer.", "hate"),
        ("Les gitans sont des parasites.", "hate"),
        ("Ga dood, man.", "threat"),
        ("Nadie me echaria de menos.", "self_harm"),
    ],
)
def test_comparisons_with_vermin_threats_and_questions_about_dying(text: str, kind: str) -> None:
    assert kind in kinds("toxicity", text, "input")


@pytest.mark.parametrize(
    "text",
    [
        "How do I help a friend who thinks of suicide?",
        "Our clinic sees patients after suicide attempts.",
        "How many eggs do I need to bake a cake?",
        "He will pay for it by card.",
        "You will regret the colour of that sofa.",
        "La casa tiene un gato negro y una puerta negra.",
        "They slaughtered their rivals in the final, six to nil.",
    ],
)
def test_what_only_sounds_like_them(text: str) -> None:
    assert kinds("toxicity", text, "input") == set()


@pytest.mark.parametrize(
    ("insult", "harmless"),
    [
        ("Halt die Fresse, du Depp.", "Die dumme Panne hat uns zwei Stunden gekostet."),
        ("Espèce de gros con, casse-toi.", "Le chien a ouvert la gueule, puis la chienne aussi."),
        ("Vete a la mierda, gilipollas.", "La zorra y el burro viven cerca de la concha."),
        ("Sei un coglione, vai a cagare.", "La cagna ha tre cuccioli, porca miseria!"),
        ("Cala a boca, seu idiota.", "O burro come capim e o veado corre."),
        ("Hou je bek, vuile hond.", "De eikel viel van de boom."),
    ],
)
def test_insults_in_other_languages(insult: str, harmless: str) -> None:
    assert kinds("toxicity", insult, "input") == {"toxicity"}
    assert kinds("toxicity", harmless, "input") == set()


def test_toxicity_in_disguise() -> None:
    for text in ("you fuc\u200bking idi\u200bot", "you fuсking idiоt", "ｙｏｕ　ｆｕｃｋｉｎｇ　ｉｄｉｏｔ"):
        assert "toxicity" in kinds("toxicity", text, "input"), text


def test_hits_of_toxicity_are_pieces_of_the_text() -> None:
    text = "Thank you very much.\nyou stupid fucking idiot\nBye."
    assert [text[hit.start : hit.end].strip() for hit in found("toxicity", text)] == ["you stupid fucking idiot"]


def test_no_kinds_make_no_sense() -> None:
    with pytest.raises(msgspec.ValidationError, match="kinds"):
        made("toxicity", kinds=[])


def test_notes_say_what_is_wrong_without_quoting() -> None:
    text = "you stupid fucking idiot"
    for hit in (*found("toxicity", text), *found("banned", text, words=["fucking"])):
        assert hit.note
        assert not re.search("fuck|idiot|stupid", hit.note)
