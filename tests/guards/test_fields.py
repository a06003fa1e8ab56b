"""Which words speak of a number: those of its own field, not of the one before, nor of another number."""

import pytest

from moat.guards.detector import Context
from moat.guards.detectors.pii import Pii
from moat.guards.text import Text


def found(text: str) -> list[tuple[str, str]]:
    detector = Pii()
    hits = [hit for hit in detector.detect(Text(text), Context(place="input")) if hit.score >= detector.threshold]
    return [(hit.kind, text[hit.start : hit.end]) for hit in hits]


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"ts": 1732319800123, "tel": "5551234567"}', "5551234567"),
        ('{"tel": ["5551234567", "5559876543"]}', "5559876543"),
        ('{"phone": {"number": "5551234567", "type": "home"}}', "5551234567"),
        ('{"homePhone":"5551234567"}', "5551234567"),
        ("level=info ts=1732319800 phone=5551234567", "5551234567"),
        ("<person><phone>5551234567</phone></person>", "5551234567"),
        ("<td>Phone</td><td>5551234567</td>", "5551234567"),
        ("id,created,tel\n8749518795,1732319800,0664 1234567", "0664 1234567"),
        ("8749518795,+43 664 1234567,1732319800", "+43 664 1234567"),
        ("Call 5551234567 or 5559876543.", "5559876543"),
        ("My phone number\nis 5551234567.", "5551234567"),
        ("Phone (since 2019-05-01): 5551234567", "5551234567"),
        ("5551234567 is my phone number", "5551234567"),
    ],
)
def test_the_words_of_its_own_field_speak_of_a_number(text: str, value: str) -> None:
    assert ("phone", value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"tel": "", "ts": 1732319800123}',
        '{"phone": null, "created": 1732319800, "updated": 1732319801}',
        '{"phone_id": 8749518795, "cell_id": 73448657, "contact_id": 838171289854}',
        '{"phone_call_started_at": 1732319800123, "phone_calls": {"counter": 84559864}}',
        '{"id": 1718305890599, "telemetry": {"id": 1718305890599, "phone_home": false}}',
        "level=warn caller=phone.go:42 ts=1732319800 id=8749518795",
        "<call><started>1732319800</started></call>",
        "order,phone,ean\n8749518795,,4006381333931",
        "| id | tel |\n|---|---|\n| 8749518795 | |",
        "INSERT INTO calls (id, phone, agent) VALUES (8749518795, NULL, 7)",
        "The phone shop: total calls 79863806, customer number 87495187",
        "Tel. -, Kundennummer: 233508499221, Vertragsnummer 445966814",
        "[1736533833.9338] new phone",
        "see http://example.org/phone/94841 1.1 200 with meter 5320385779",
        '{"fw": "15.18.17.22", "firmware_version": "10.20.30.40"}',
        "Installed moat 31.4.22.13, was app/23.15.11.9",
        "Message-ID: <1710673992978.314714@mail.example.net>\nReferences: <a1@b.example.net> <a2@b.example.net>",
    ],
)
def test_those_of_another_field_do_not(text: str) -> None:
    assert found(text) == []


GREEK = "\u0391\u03a6\u039c"  # looks like Latin letters, and is not


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("tax_id", "My PAN is ABCPE1234F.", "ABCPE1234F"),
        ("tax_id", "RFC GODE561231GR8", "GODE561231GR8"),
        ("national_id", "Aadhaar 2345.6789.0124", "2345.6789.0124"),
        ("national_id", "Aadhaar: 2345-6789-0124", "2345-6789-0124"),
        ("national_id", "आधार संख्या: 996963618793", "996963618793"),
        ("national_id", "เลขบัตรประชาชน: 1443322440081", "1443322440081"),
        ("national_id", "我的身份证号码是11010519491231002X。", "11010519491231002X"),
        ("national_id", "64941541 ist nichts, 1443322440081 คือเลขบัตรประชาชนของฉัน", "1443322440081"),
        ("national_id", "nombor IC saya 890412880194", "890412880194"),
        ("national_id", "417839630083が私のマイナンバーです。", "417839630083"),
        ("iban", "IBANはDE89370400440532013000です", "DE89370400440532013000"),
        ("birth_date", "nasci em 3 de maio de 1978", "3 de maio de 1978"),
        ("birth_date", "昭和53年5月3日生まれ", "昭和53年5月3日"),
        ("birth_date", "誕生日は1978年5月3日です", "1978年5月3日"),
        ("address", "東京都千代田区丸の内1-9-1", "東京都千代田区丸の内1-9-1"),
        ("address", "mieszkam przy ulicy Długiej 4", "ulicy Długiej 4"),
    ],
)
def test_labels_of_many_languages(kind: str, text: str, value: str) -> None:
    assert (kind, value) in found(text)


def test_a_greek_tax_number_is_found_beside_its_label() -> None:
    for text in (f"Νέος {GREEK} 094014201", f"Ο {GREEK} μου είναι 094014201.", '{"afm": "094014201"}'):
        assert [value for _, value in found(text)] == ["094014201"]


CARD = "4111{0}1111{0}1111{0}1111"


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize("gap", [".", "/", "_", "  ", "   ", "\n", "\r\n", "-", " - ", " "])
@pytest.mark.parametrize("around", ["{}", "Take {}.", '"{}"', "({})", "x{}", "paid\n{}\nthanks"])
def test_a_card_is_found_however_its_groups_are_apart(gap: str, around: str) -> None:
    value = CARD.format(gap)
    assert ("card", value) in found(around.format(value))


@pytest.mark.parametrize(
    "text",
    [
        "4111-1111-1111 1111", "4111\n1111 1111 1111", "3782.822463.10005", "x4111111111111111", "visa4111111111111111",
        "CC4111111111111111", "5555/5555/5555/4444",
    ],
)  # fmt: skip
def test_and_mixed_or_right_behind_a_word(text: str) -> None:
    assert [kind for kind, _ in found(text)] == ["card"]


@pytest.mark.parametrize(
    "text",
    [
        "4111.1111 1111.1111", "4111-1111 1111-1111", "no4111111111111111",
         "4111.1111.1111.1111.1111", "1.4111.1111.1111.1111", "/data/4111/1111/1111/1111/part",
        "version 4111.1111.1111.1111", "b4111111111111111", "ab4111-1111-1111-1111-aabbccddeeff", "4111,1111,1111,1111",
        "4111\n1111\n1111\n1111\n1111", "order 4111_1111_1111_1111", "id_4111111111111111",
    ],
)  # fmt: skip
def test_rows_versions_paths_and_ids_are_no_cards(text: str) -> None:
    assert "card" not in dict(found(text))


def test_of_rows_of_numbers_a_few_look_like_cards() -> None:
    rows = [f"{4000 + n}  {5000 + 7 * n}  {6000 + 3 * n}  {7000 + 11 * n}" for n in range(400)]
    assert "card" not in dict(found("\n\nnext:\n\n".join(rows)))
    cards = "\n\n".join(CARD.format("  ") for _ in range(3))
    assert len(found(cards)) == 3
