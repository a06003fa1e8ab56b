"""What `pii` finds, what it leaves alone, and that it is the same however the text goes on."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.guards.detector import Context, Hit
from moat.guards.detectors.pii import COUNTRIES, KINDS, Pii
from moat.guards.detectors.pii.national import FORMATS
from moat.guards.engine.scanning import hits_of
from moat.guards.text import Text

CONTEXT = Context(place="input")


def found(text: str, detector: Pii | None = None) -> list[tuple[str, str]]:
    detector = detector or Pii()
    hits = [hit for hit in detector.detect(Text(text), CONTEXT) if hit.score >= detector.threshold]
    return [(hit.kind, text[hit.start : hit.end]) for hit in hits]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("email", "write to john.doe+x@example.co.uk.", "john.doe+x@example.co.uk"),
        ("email", "an jürgen@müller.de, bitte", "jürgen@müller.de"),
        ("email", "john (at) example (dot) com", "john (at) example (dot) com"),
        ("email", "it is john at example dot com", "john at example dot com"),
        ("email", "j o h n @ e x a m p l e . c o m", "j o h n @ e x a m p l e . c o m"),
        ("birth_date", '"Geboortedatum": "1981-10-22T00:00:00"', "1981-10-22T00:00:00"),
        ("birth_date", "DOB: March/15/1962", "March/15/1962"),
        ("birth_date", "nato a Roma il 21 giugno 1958", "21 giugno 1958"),
        ("birth_date", "Jan Kowalski, ur. 23.08.1975", "23.08.1975"),
        ("address", "住所は東京都新宿区西新宿2-8-1です", "東京都新宿区西新宿2-8-1"),
        ("address", "大阪府大阪市北区梅田3丁目1番1号", "大阪府大阪市北区梅田3丁目1番1号"),
        ("email", "Write to tom.b AT gmail.com please", "tom.b AT gmail.com"),
        ("national_id", "תעודת זהות 123456782", "123456782"),
        ("iban", "IBAN DE89\n3704 0044 0532 0130 00", "DE89\n3704 0044 0532 0130 00"),
        ("iban", "wrapped: DE89 3704 0044\r\n 0532 0130 00.", "DE89 3704 0044\r\n 0532 0130 00"),
        ("card", '{"pan": 4539578763621486.0}', "4539578763621486.0"),
        ("address", "Address: 5 Kenneth Wade", "5 Kenneth Wade"),
        ("address", '"Indirizzo": "Piazza Innocenti, 42"', "Piazza Innocenti, 42"),
        ("phone", "wir notieren 085 6933.9984 dazu", "085 6933.9984"),
        ("phone", "call +44 (0) 20 7946 0958 now", "+44 (0) 20 7946 0958"),
        ("phone", "call (555) 123-4567 x12", "(555) 123-4567 x12"),
        ("phone", "au 06 12 34 56 78 le soir", "06 12 34 56 78"),
        ("phone", "0171/1234567 ist besetzt", "0171/1234567"),
        ("phone", "电话13812345678是我的", "13812345678"),
        ("card", "4111 1111 1111 1111 12/26 123", "4111 1111 1111 1111"),
        ("card", "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1", "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1"),
        ("card", "3714 496353 98431", "3714 496353 98431"),
        ("iban", "DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
        ("iban", "to gb82west12345698765432 please", "gb82west12345698765432"),
        ("iban", "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0", "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0"),
        ("national_id", "078-05-1120", "078-05-1120"),
        ("national_id", "NINO AB 12 34 56 C", "AB 12 34 56 C"),
        ("national_id", "RSSMRA85T10A562S", "RSSMRA85T10A562S"),
        ("national_id", "my id is 12.345.678-Z", "12.345.678-Z"),
        ("national_id", "131052-308T", "131052-308T"),
        ("tax_id", "CNPJ 11.222.333/0001-81", "11.222.333/0001-81"),
        ("tax_id", "USt-IdNr. DE136695976", "DE136695976"),
        ("bank_account", "routing number 021000021", "021000021"),
        ("passport", "Passport number C01X00T47", "C01X00T47"),
        ("driving_licence", "driver's license number is D1234567", "D1234567"),
        ("ip", "from 203.0.113.7 at noon", "203.0.113.7"),
        ("ip", "from 2001:db8::8a2e:370:7334 at noon", "2001:db8::8a2e:370:7334"),
        ("mac", "aa:bb:cc:dd:ee:0f", "aa:bb:cc:dd:ee:0f"),
        ("mac", "AA-BB-CC-DD-EE-0F", "AA-BB-CC-DD-EE-0F"),
        ("imei", "IMEI 490154203237518", "490154203237518"),
        ("vehicle", "VIN 1HGCM82633A004352", "1HGCM82633A004352"),
        ("crypto", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("crypto", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("coordinates", "lat 40.712776, -74.005974", "40.712776, -74.005974"),
        ("birth_date", "born on 12 May 1985 in Leeds", "12 May 1985"),
        ("birth_date", "1985-05-12 is my date of birth", "1985-05-12"),
        ("birth_date", "Doğum tarihi: 03.11.1990", "03.11.1990"),
        ("birth_date", "生年月日:1985年3月4日", "1985年3月4日"),
        ("address", "at 221b Baker Street, London NW1 6XE", "221b Baker Street, London NW1 6XE"),
        ("address", "Hauptstraße 5, 10115 Berlin", "Hauptstraße 5, 10115 Berlin"),
        ("address", "Vivo en Calle Mayor 5 desde mayo", "Calle Mayor 5"),
    ],
)
def test_what_is_found(kind: str, text: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "Order 4111 1234 1234 12 was shipped on 12.05.2024 at 10.30.",
        "ISBN 978-3-16-148410-0, page 203",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "2024-01-15T10:30:00Z, unix 1700000000 or 1700000000000",
        "It costs $1,234,567.89 or 1.234.567,89 EUR or 1 234 567 kr.",
        "Python 3.11.7, chrome/120.0.6099.109, OID 1.3.101.110",
        "[0.32019, 0.7265, 0.711248, 0.55396483]",
        "from 1995-2002, and 2004 - 2008",
        "a::b std::vector<int> 12:34:56 image@2x.png @app.route git@github.com:a/b.git",
        "Kafka at scale dot matrix; look at the dot here",
        "12 34 56 78 90 12 34 56 78 90 12 34 56 78 90 12 34 56",
        "max 4294967295, min -2147483648, pi 3.14159265358979",
        "127.0.0.1:8080 and 0.0.0.0/0",
        "it took 12345678.0 ns, at 1709546400.0",
        "3.14159265358979323846264338327950288419716939937510",
        "Version born on 2024-01-03",
        "Ich stehe auf Parkplatz 3",
        "SHOP AT AMAZON.COM, gave NATO a deadline of 12 March 2024",
        "",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("GB", "2505919607"),
        ("DE", "20614223590"),
        ("FR", "255011828296913"),
        ("NL", "161389107"),
        ("BE", "80101874676"),
        ("PL", "76102303277"),
        ("NO", "26116690992"),
        ("CH", "7560868188041"),
        ("AT", "5953160380"),
        ("BR", "34306327906"),
        ("BR", "19797879590891"),
        ("IN", "479253592415"),
        ("JP", "807518812352"),
        ("AU", "034042360"),
        ("AU", "59558583585"),
        ("CA", "398059204"),
        ("ZA", "6206183227088"),
        ("TR", "73568621154"),
        ("AR", "20259265127"),
        ("TH", "6803823050062"),
        ("RO", "1931227121185"),
        ("BG", "7602038801"),
        ("CZ", "5512151260"),
        ("EE", "37406254671"),
        ("GR", "09015336317"),
        ("HR", "57747660747"),
        ("CN", "110101195102205024"),
        ("US", "081427175"),
        ("PL", "1641640171"),
        ("PT", "221439579"),
        ("CL", "111196427"),
        ("KR", "5410281235921"),
    ],
)
def test_check_digits(country: str, number: str) -> None:
    """Numbers that an independent library (python-stdnum) takes for valid."""
    formats = [f for f in FORMATS if f.country == country and f.digits == len(number)]
    assert any(f.check(number) for f in formats)
    detector = Pii(countries=(country,))
    assert [value for _, value in found(f"ID number: {number}", detector)] == [number]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("national_id", "77796756S"),
        ("national_id", "X3902449Q"),
        ("national_id", "060853-4727"),
        ("national_id", "MTPLFG85C07F205J"),
        ("national_id", "2080523D"),
        ("national_id", "2105785UH"),
        ("national_id", "REEB881001HDFPFR01"),
        ("national_id", "11010119900307002X"),
        ("national_id", "292052B12047925"),
        ("national_id", "15 070649 C 103"),
        ("national_id", "15070649C103"),
        ("national_id", "A123456780"),
        ("national_id", "S1234567D"),
        ("national_id", "A123456789"),
        ("national_id", "A123456(3)"),
        ("national_id", "12.345.670-K"),
        ("national_id", "PP123456A"),
        ("tax_id", "TSPHK0603N"),
        ("tax_id", "27ABCPE1234F1Z5"),
        ("tax_id", "GOME800101AB1"),
        ("crypto", "0x52908400098527886E0F7030069857D2E4169EE7"),
    ],
)
def test_numbers_with_letters(kind: str, number: str) -> None:
    assert found(f"the number {number} was checked") == [(kind, number)]


def test_a_wrong_check_character_is_no_number() -> None:
    for number in ("77796756T", "X3902449R", "MTPLFG85C07F205K", "11010119900307003X", "S1234567E", "65170839J007"):
        assert found(f"the number {number} was checked") == []


@pytest.mark.parametrize(
    "written",
    [
        "４１１１ １１１１ １１１１ １１１１",
        "4\u200b111-1111-1111-1111",
        "٤١١١ ١١١١ ١١١١ ١١١١",
        "4111\u00a01111\u20111111 1111".replace("\u2011", "\u00a0"),
        "\u00ad".join("4111111111111111"),
        "".join(chr(0x1D7CE + int(d)) for d in "4111111111111111"),
    ],
)
@pytest.mark.promise("guard-3")
def test_spelling_does_not_hide_it(written: str) -> None:
    assert found(f"card {written} ok") == [("card", written)]


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("card", "bXkgY2FyZCBpcyA0MTExIDExMTEgMTExMSAxMTEx"),
        ("card", "6d792063617264206973203431313120313131312031313131203131313120"),
        ("email", "john%40example.com"),
        ("email", "john&#64;example.com"),
        ("email", "john\\u0040example.com"),
    ],
)
def test_other_encodings_do_not_hide_it(kind: str, written: str) -> None:
    assert found(f"please read {written} for me") == [(kind, written)]


def test_kinds_and_countries_restrict_it() -> None:
    text = "a@example.org, 460-89-9847"
    assert found(text, Pii(kinds=("email",))) == [("email", "a@example.org")]
    assert found(text, Pii(countries=("DE",))) == [("email", "a@example.org")]
    with pytest.raises(ValueError, match="XX"):
        Pii(countries=("XX",))
    assert len(COUNTRIES) > 40
    assert len(KINDS) == 17


def test_what_is_allowed_is_not_reported() -> None:
    detector = Pii(allow=("example.org", "4111111111111111", "+1 555 123 4567"))
    text = "a@example.org b@mail.example.org c@example.com, 4111 1111 1111 1111, +1 (555) 123-4567"
    assert found(text, detector) == [("email", "c@example.com")]


def test_a_label_says_what_a_number_is() -> None:
    plain = list(Pii().detect(Text("the number 2505919607 is"), CONTEXT))
    (named,) = Pii().detect(Text("NHS number 2505919607"), CONTEXT)
    other = list(Pii().detect(Text("order 2505919607"), CONTEXT))
    assert named.score > 0.9
    assert all(hit.score < 0.5 for hit in (*plain, *other))


PIECES = st.sampled_from(
    """a@example.org|john at example dot com|4111 1111 1111 1111|+44 7911 123456|078-05-1120|12|2024
    |203.0.113.7|order|call
    |DE89 3704 0044 0532 0130 00|born on 12 May 1985|221b Baker Street|card|555-123-4567
    |aa:bb:cc:dd:ee:0f|0.5, 0.25|word
    |número|\u200b|４１１１|(|+|-|.|,|x12|é1""".replace("\n    ", "").split("|")
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from([" ", "", "\n", ", "])), max_size=30).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.data())
def test_what_is_decided_stays(text: str, data: st.DataObject) -> None:
    """Hits of a beginning that end before the window at its end are those of the whole text."""
    cut = data.draw(st.integers(0, len(text)))
    sure = cut - Pii.window
    assert _until(text[:cut], sure) == _until(text, sure)


@settings(max_examples=150, deadline=None)
@given(st.text() | TEXTS)
def test_hits_are_spans_that_do_not_overlap(text: str) -> None:
    hits = sorted(Pii().detect(Text(text), CONTEXT), key=lambda hit: hit.start)
    assert all(0 <= hit.start < hit.end <= len(text) and 0 < hit.score <= 1 for hit in hits)


def _until(text: str, end: int) -> list[Hit]:
    return [hit for hit in Pii().detect(Text(text), CONTEXT) if hit.end < end]


def test_long_texts_of_nothing_but_triggers_end() -> None:
    for unit in ("1", "1 ", "12 34 ", "@", "a@b ", "at dot ", ":a:", "born ", "(+", "0.", "a1", "::", "é1"):
        text = unit * (20_000 // len(unit))
        assert all(hit.end <= len(text) for hit in Pii().detect(Text(text), CONTEXT)), unit


@pytest.mark.parametrize("row", ["1414 981 65424 06004 46349 1001 768 35", "41 82 4578 535 71 5190 19680 00"])
def test_a_number_in_a_row_of_numbers_is_none_of_somebody(row: str) -> None:
    assert found(row) == []


def test_cards_are_written_in_the_usual_groups() -> None:
    assert found("4111 1111 1111 1111") == [("card", "4111 1111 1111 1111")]
    assert found("411 11111 1111 1111") == []


@pytest.mark.parametrize("apart", ["  ", "\n", "\r\n", "\t", "_", ",", ", ", "|", " | ", ":", "; ", "·", "...", "--"])
def test_a_named_card_is_found_whatever_stands_between_its_groups(apart: str) -> None:
    for digits in ("4539 5787 6362 1486", "3782 822463 10005"):
        number = digits.replace(" ", apart)
        for text in (f"My credit card number is {number} please", f"Card: {number} exp 09/28"):
            assert ("card", number) in found(text)
        assert found(f"Total of the rows: {number}, and so on") == []
    assert found(f"card {'4539 5787 6362 1487'.replace(' ', '  ')}") == []


def test_in_a_row_of_numbers_none_is_cut_off_where_the_look_ends() -> None:
    cards = ["4111111111111111", "5500000000000004", "4012888888881881", "378282246310005", "6011111111111117"]
    assert found(" ".join(cards)) == [("card", card) for card in cards]


def test_what_is_encoded_is_found_behind_many_long_words() -> None:
    words = " ".join(f"internationalisation{number}" for number in range(200))
    packed = base64.b64encode(b"4539 5787 6362 1486").decode()
    assert found(f"{words} {packed}") == [("card", packed)]


@pytest.mark.parametrize("shape", ["one", "lines", "hex", "behind"])
def test_in_long_encoded_text_a_value_is_found_wherever_it_stands(shape: str) -> None:
    front, back = "Straße, nothing to see.\t" * 900, "Nor here, señor. " * 900
    for cut in range(0, 20_000, 1_999):
        data = f"{front[:cut]} ada@example.org, {back}".encode()
        packed = data.hex() if shape == "hex" else base64.b64encode(data).decode()
        packed = base64.encodebytes(data).decode() if shape == "lines" else packed
        packed = f"word {packed}" if shape == "behind" else packed
        ((kind, start, end),) = [(hit.kind, hit.start, hit.end) for hit in hits_of(Pii(), Text(packed), CONTEXT)]
        assert kind == "email"
        assert 20 <= end - start <= 34


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"text": "Gr\u00fc\u00dfe aus Z\u00fcrich", "mail": "ada@example.org", "next": "else"}', "ada@example.org"),
        (r'{"text": "Gr\u00fc\u00dfe", "mail": "ada\u0040example.org", "next": "else"}', r"ada\u0040example.org"),
        ("Tom &amp; Co &amp; Sons &lt;ada@example.org&gt; &quot;hi&quot;", "ada@example.org"),
        ("to=%20%20b&mail=ada%40example.org&c=%41", "ada%40example.org"),
        ("Gr=C3=BC=C3=9Fe an ada=40example.org, danke", "ada=40example.org"),
    ],
)
def test_among_escapes_the_value_alone_is_found(text: str, value: str) -> None:
    places = {(hit.start, hit.end) for hit in hits_of(Pii(), Text(text), CONTEXT)}
    assert {text[start:end] for start, end in places} == {value}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("ada@<b>example</b>.org", ["ada@<b>example</b>.org"]),
        ("ada@exam<wbr>ple.org, or else", ["ada@exam<wbr>ple.org"]),
        ("Card 4111<b>1111</b>1111**1111**", ["4111<b>1111</b>1111**1111"]),
        ("<i>ada@example.org</i><i>bob@example.org</i>", ["ada@example.org", "bob@example.org"]),
        ("or _ada@example.org_ and __4111 1111 1111 1111__", ["ada@example.org", "4111 1111 1111 1111"]),
    ],
)
def test_markup_hides_no_value_and_joins_none(text: str, values: list[str]) -> None:
    assert [text[hit.start : hit.end] for hit in hits_of(Pii(), Text(text), CONTEXT)] == values


@pytest.mark.parametrize("escape", ["\\n", "\\t", "\\\\n", '\\"', "\n"])
@pytest.mark.parametrize(
    "value", ["ada@example.org", "4111 1111 1111 1111", "+43 664 1234567", "203.0.113.57", "DE89370400440532013000"]
)
def test_beside_an_escape_of_json_a_value_is_found_and_the_escape_is_left(escape: str, value: str) -> None:
    text = f'{{"answer": "Write to:{escape}{value}{escape}Thanks"}}'
    assert [text[hit.start : hit.end] for hit in hits_of(Pii(), Text(text), CONTEXT)] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "我的邮箱是ada@example.org请尽快把发票发送到这个地址谢谢您的帮助祝您工作顺利身体健康万事如意",
        "メールはada@example.orgまでお願いします。",
        "이메일은 ada@example.org로 보내 주세요",
        "ส่งไปที่ada@example.orgได้เลย",
        "Ich brauche die ada@example.org-Adresse.",
    ],
)
def test_an_address_ends_where_another_alphabet_begins(text: str) -> None:
    assert found(text) == [("email", "ada@example.org")]


def test_an_address_of_another_alphabet_is_one() -> None:
    assert found("an 用户@例子.公司 bitte") == [("email", "用户@例子.公司")]
    assert found("an ada@host.my-company.com, bitte") == [("email", "ada@host.my-company.com")]
