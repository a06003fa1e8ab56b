"""Personal data as forms, logs, signatures, scanned and wrapped texts write it, among words of other things."""

import pytest

from moat.guards.detector import Context
from moat.guards.detectors.pii import Pii
from moat.guards.text import Text

CONTEXT = Context(place="input")


def found(text: str) -> list[tuple[str, str]]:
    detector = Pii()
    hits = [hit for hit in detector.detect(Text(text), CONTEXT) if hit.score >= detector.threshold]
    return [(hit.kind, text[hit.start : hit.end]) for hit in hits]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("phone", "Ask for Ms. Berg (+1 (415) 555-0142).", "+1 (415) 555-0142"),
        ("phone", "my order is late, and nobody rang me back on my second 415-555-0142", "415-555-0142"),
        ("phone", "The revision is done. Write to 415-555-0142 for more", "415-555-0142"),
        ("phone", "B. Berg\n555 0142 office\n", "555 0142"),
        ("phone", "B. Berg, 4155550142-Fax", "4155550142"),
        ("phone", "so I was told (415).5550142 by mail", "(415).5550142"),
        ("phone", "Tele: 4155550142", "4155550142"),
        ("ip", "Contact: Anna\nGRANT ALL TO 'anna'@'203.0.113.217'", "203.0.113.217"),
        ("ip", "Contact Anna: the machine is 91.123.45.67", "91.123.45.67"),
        ("national_id", "INSERT INTO people (name, ssn, phone) VALUES ('Anna', '219-09-9999', '')", "219-09-9999"),
        ("national_id", "give us 219-09-9999 so that we can look into the tracking", "219-09-9999"),
        ("national_id", "her social security number, as she said: 912-24-5163", "912-24-5163"),
        ("national_id", "SSN 2l9-O9-9999", "2l9-O9-9999"),
        ("national_id", "PESEL: 4405\n1401359", "4405\n1401359"),
        ("national_id", "seen by Dr. Berg, NPI 1234567893", "1234567893"),
        ("tax_id", "NIP: 123\n4563218", "123\n4563218"),
        ("iban", "Konto: DE8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0", "DE8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0"),
        ("iban", "Konto: DE8937O4OO44O532O13OOO", "DE8937O4OO44O532O13OOO"),
        ("iban", "to IBAN GB95QXYZ60164285.", "GB95QXYZ60164285"),
        ("passport", "Passport number: AB 1234567.", "AB 1234567"),
        ("passport", "numer paszportu: AB1-234567", "AB1-234567"),
        ("address", "they live at 17 Baker Street\nApt. 4", "17 Baker Street\nApt. 4"),
        ("address", "the office is at 2852 Miller Mountains.", "2852 Miller Mountains"),
        ("address", "5 Oak Street, Salem, New Jersey 08079", "5 Oak Street, Salem, New Jersey 08079"),
        ("address", "5 Oak Street\nSalem\nCanada 28079", "5 Oak Street\nSalem\nCanada 28079"),
        ("address", "send it to PSC 1083, Box 3672\nAPO AP 10176", "PSC 1083, Box 3672\nAPO AP 10176"),
        ("address", "osoite on Laukaantie 80", "Laukaantie 80"),
        ("address", "lakcím: Kossuth utca 12", "Kossuth utca 12"),
        ("address", "Atatürk Caddesi No: 5", "Atatürk Caddesi No: 5"),
    ],
)
def test_what_is_found(kind: str, text: str, value: str) -> None:
    assert (kind, value) in found(text)


def test_every_field_of_a_record_is_found_by_itself() -> None:
    record = "Anna Berg|219-09-9999|anna@example.org|+1 415 555 0142|4111-1111-1111-1111"
    assert [kind for kind, _ in found(record)] == ["national_id", "email", "phone", "card"]


@pytest.mark.parametrize(
    "text",
    [
        "INSURANCE CLAIM\nClaim #: CLM-2025-443995",
        "order 415-555-0142 was shipped",
        "the order for 415-555-0142 is late",
        "the groups (1 1 0)(0 1 1) are alike",
        "see ABO-12-3456 and 2l9-O9-9999",
        "Los Angeles, CA 90012-3456",
        "IBANs are long",
        "Katie 25 and Auntie 30 came",
        "The Necktie 5 and Scottie 9 are sold out",
        "rows: 123\n4563218\n9920118",
        "it is at 3 Points of 5",
        "address ::ffff:256.0.0.1",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert found(text) == []
