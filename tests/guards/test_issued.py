"""Keys of many issuers are found, however they stand in a text; what is published, or stands for a key, is not."""

import random

import pytest

from bench.guards.issued import HEX, ISSUED, LOWER, drawn
from moat.guards.detector import Context, Hit
from moat.guards.detectors.secrets import Secrets
from moat.guards.text import Text

AROUND = ("{}", "it fails with 401, my key is {} - what is wrong?", 'client = Client("{}")', "A=1\n{}\nB=2", "see `{}`")
_DOUBTED = {"Mailgun, bare": 32, "connection string": 4, ".netrc": 4, "Azure signature": 60}
"""Of those that are not a key alone: characters of each that have to be covered."""


def hits(text: str) -> list[Hit]:
    detector = Secrets()
    return [hit for hit in detector.detect(Text(text), Context(place="input")) if hit.score >= detector.threshold]


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize("issuer", ISSUED)
def test_a_key_is_found_however_it_stands_in_a_text(issuer: str) -> None:
    r = random.Random(issuer)
    for around in AROUND:
        key = ISSUED[issuer](r)
        key = key.replace("Pwd=!", "Pwd=x")  # what begins so is a reference in some languages
        found = hits(around.format(key))
        assert found, around.format(key)
        assert sum(hit.end - hit.start for hit in found) >= _DOUBTED.get(issuer, min(20, len(key) // 2))


@pytest.mark.parametrize(
    "text",
    [
        "figd_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "AGE-SECRET-KEY-1XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "cfut_<your token>",
        "https://shop.blob.core.windows.net/a.bak?sig=<signature>",
        "https://example.org/a?sig=v1",
        "jdbc:oracle:thin:user/password@//localhost:1521/shop",
        "ADMIN_PASSWORD=<password>",
        "administration: 12345678",
        f"age1{drawn(random.Random(1), 58, 'qpzry9x8gf2tvdw0s3jn54khce6mua7l')}",
        f"{drawn(random.Random(2), 32, HEX)}-{drawn(random.Random(3), 8, LOWER)}",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_what_stands_for_a_key_is_left_alone(text: str) -> None:
    assert hits(text) == []


@pytest.mark.promise("guard-2")
@pytest.mark.parametrize("name", ["ADMIN_PASSWORD", "ADMIN_KEY", "admin_secret", "adminPassword"])
def test_a_secret_of_an_administrator_is_one(name: str) -> None:
    assert [hit.kind for hit in hits(f'{name}="q9Lm2vXzT7pRw4Kc8Yb1"')] in (["password"], ["api_key"])
