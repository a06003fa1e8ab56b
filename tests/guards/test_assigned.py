"""Secrets that stand beside a name, however the program, the query or the sentence puts them there."""

import random
import string

import pytest

from moat.guards.detector import Context
from moat.guards.detectors.secrets import Secrets
from moat.guards.text import Text

CONTEXT = Context(place="input")
_DRAWN = random.Random(5)
KEY = "k" + "".join(_DRAWN.choices(string.ascii_lowercase + string.digits, k=31))
UPPER = "K" + "".join(_DRAWN.choices(string.ascii_uppercase + string.digits, k=27))


def found(text: str) -> list[str]:
    detector = Secrets()
    return [text[hit.start : hit.end] for hit in detector.detect(Text(text), CONTEXT) if hit.score >= 0.5]


@pytest.mark.parametrize(
    "line",
    [
        'var acmeToken string = "{}"',
        'let token: string = "{}"',
        'token: str = "{}"',
        '$acmeToken .= "{}";',
        'API_TOKEN += "{}"',
        'ACME_TOKEN ?= "{}"',
        'ACME_TOKEN ::= "{}"',
        'if (apiKey === "{}") {{',
        "<acmeToken>\n      {}\n</acmeToken>",
        'plaidToken = "{}"',
        'countrylayer_secret: "{}"',
        'courier_api_key: "{}"',
        'mapbox_token = "pk.{}.x1"',
        "twilio '{}'",
        'new Twilio("{}")',
    ],
)
def test_programs_assign_in_many_ways(line: str) -> None:
    assert any(KEY in value for value in found(line.format(KEY)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("CREATE USER 'anna'@'localhost' IDENTIFIED BY 'Z7bhslgJK';", "Z7bhslgJK"),
        ("ALTER ROLE anna WITH PASSWORD 'Abc12345xY!';", "Abc12345xY!"),
        ('DB_PASS = "##n33gFLYL!OnZ#"', "##n33gFLYL!OnZ#"),
        ('password: "@ZEWzZZd99Y"', "@ZEWzZZd99Y"),
        ("Reset password O(0yl55k(gT for anna", "O(0yl55k(gT"),
        ("log in as anna with password d3*jos(y+DC; the docs are here", "d3*jos(y+DC"),
        ("his password !Open4Dayz.", "!Open4Dayz"),
        (f"The API token {UPPER} was issued to anna", UPPER),
    ],
)
def test_queries_and_sentences_name_them(text: str, value: str) -> None:
    assert found(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "password: $DB_PASSWORD1",
        'password = "%SqlPass1word%"',
        'password: "@{dbPassword1}"',
        "Password: !Ref DbPassword1",
        "CREATE USER anna IDENTIFIED BY 'your_password';",
        'alt="password-icon.svg" title="1Password"',
        "key = rfc4357.Gost28147_89_EncryptedKey",
        f'token_user_id = "{KEY}"',
        f'tokenCount = "{KEY}"',
        f'secretFileName = "{KEY}"',
        'credentials_username = "Admin2024"',
        'token_hostname = "db12.example.org"',
        "the password (see RFC2617bis) is hashed",
        "password getPassword2()",
    ],
)
def test_references_and_names_of_other_things_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_webhook_of_a_tenant_is_found_behind_its_subdomain() -> None:
    parts = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "5edk0xh9a6fhmqpz4a3d3w0ii1qlvrdl"
    address = f"acme.webhook.office.com/webhookb2/{parts[0]}@{parts[0]}/IncomingWebhook/{parts[1]}/{parts[0]}"
    assert found(f"post it to https://{address}") == [address.removeprefix("acme.")]
