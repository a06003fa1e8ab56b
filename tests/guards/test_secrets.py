"""What `secrets` finds, and what only looks like one. All keys are made up."""

import random
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.guards.detector import Context, Hit
from moat.guards.detectors.pii import Pii
from moat.guards.detectors.secrets import Secrets
from moat.guards.detectors.secrets.issuers import FORMATS
from moat.guards.text import Text

CONTEXT = Context(place="input")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def found(text: str, detector: Secrets | None = None) -> list[tuple[str, str]]:
    detector = detector or Secrets()
    hits = [hit for hit in detector.detect(Text(text), CONTEXT) if hit.score >= detector.threshold]
    return [(hit.kind, text[hit.start : hit.end]) for hit in hits]


def drawn(size: int, alphabet: str = ALPHABET, seed: int = 3) -> str:
    picker = random.Random(seed)
    return "".join(picker.choice(alphabet) for _ in range(size))


def pem(lines: int, name: str = "RSA PRIVATE KEY") -> str:
    body = "\n".join(drawn(64, seed=n) for n in range(lines))
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----"


KEYS = [
    "AKIA" + drawn(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "AIza" + drawn(35),
    "ghp_" + drawn(36),
    "github_pat_" + drawn(22) + "_" + drawn(59),
    "glpat-" + drawn(20),
    "xoxb-" + drawn(12, "0123456789") + "-" + drawn(12, "0123456789") + "-" + drawn(24),
    "sk_live_" + drawn(24),
    "sk-proj-" + drawn(48),
    "sk-" + drawn(20) + "T3BlbkFJ" + drawn(20),
    "sk-ant-api03-" + drawn(93),
    "mk-" + drawn(43),
    "hf_" + drawn(34),
    "npm_" + drawn(36),
    "pypi-AgEIcHlwaS5vcmc" + drawn(70),
    "SG." + drawn(22) + "." + drawn(43),
    "SK" + drawn(32, "0123456789abcdef"),
    "dop_v1_" + drawn(64, "0123456789abcdef"),
    "hvs." + drawn(90),
    drawn(9, "123456789") + ":AA" + drawn(33),
]


HEX, SMALL, DIGITS = "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz0123456789", "0123456789"
UUID = f"{drawn(8, HEX)}-{drawn(4, HEX)}-4{drawn(3, HEX)}-a{drawn(3, HEX)}-{drawn(12, HEX)}"
DRAWN = {
    "alcht_{}": (30, ALPHABET),
    "apify_api_{}": (36, ALPHABET),
    "BSA{}": (28, ALPHABET),
    "CCIPRJ_aB3dE5fG7hJ9kL1mN3pQ5r_{}": (40, HEX),
    "v1.0-0f1e2d3c4b5a69788796a5b4-{}": (146, HEX),
    "CCDB1_aB3dE5fG7hJ9kL1mN3pQ5r_{}": (40, ALPHABET),
    "crsr_{}": (64, HEX),
    "ddp_{}": (36, ALPHABET),
    "da2-{}": (26, SMALL),
    "e2b_{}": (40, HEX),
    "sk_{}": (48, HEX),
    "endr+{}": (16, ALPHABET),
    "fc-{}": (32, HEX),
    "AQ.Ab8{}": (46, ALPHABET),
    "eyJrIjoi{}": (80, ALPHABET),
    "glrtr-{}": (20, ALPHABET),
    "hcaik_{}": (58, SMALL),
    "jina_0f1e2d3c4b5a69788796a5b4c3d2e1f0{}": (28, ALPHABET),
    "jca_{}": (36, ALPHABET),
    "pk_{}": (34, HEX),
    "sdk-{}": (0, UUID),
    "waka_{}": (0, UUID),
    "llx-{}": (48, ALPHABET),
    "test_{}": (35, HEX),
    "live_{}": (30, ALPHABET),
    "mlsn.{}": (64, HEX),
    "md-{}": (22, ALPHABET),
    "ak-{}": (22, ALPHABET),
    "nfo_{}": (40, ALPHABET),
    "nyk_v0_{}": (64, ALPHABET),
    "pdl_live_apikey_01h2x3y4z5a6b7c8d9e0f1g2h3_{}_aB3": (22, ALPHABET),
    "polar_oat_{}": (43, ALPHABET),
    "ptr_{}=": (43, ALPHABET),
    "phx_{}": (43, ALPHABET),
    "sec-c-{}": (48, ALPHABET),
    "o.{}": (32, ALPHABET),
    "ramp_sec_{}": (48, ALPHABET),
    "retool_01{}": (30, ALPHABET),
    "rpa_{}": (42, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
    "salad_cloud_aB3d_{}": (64, ALPHABET),
    "00D5f000001aB3d!{}": (96, ALPHABET),
    "sgp_{}": (64, ALPHABET),
    "slk_{}": (64, HEX),
    "spu-{}": (32, SMALL),
    "secret-live-{}": (36, ALPHABET),
    "BBFF-{}": (30, ALPHABET),
    "vcp_{}": (56, ALPHABET),
    "VF.DM.0f1e2d3c4b5a69788796a5b4.{}": (16, ALPHABET),
    "pa-{}": (43, ALPHABET),
    "ck_{}": (40, HEX),
    "y0_{}": (55, ALPHABET),
    "hooks.zapier.com/hooks/catch/1234987/{}": (7, SMALL),
    "1000.0f1e2d3c4b5a69788796a5b4c3d2e1f0.{}": (32, HEX),
    "1/1204987654321098:{}": (32, HEX),
    "123498765432109|{}": (27, ALPHABET),
    "{}+AStaB3dE9==": (76, ALPHABET),
    "{}+AEhaB3dE9=": (33, ALPHABET),
    "{}AzFuaB3dEg==": (44, ALPHABET),
    "{}AzSeCaB3dE": (42, ALPHABET),
    "{}AZDO4kL1": (76, ALPHABET),
    "{}JQQJ99ALACYeBjFXJ3w3AAABACOG4kL1": (52, ALPHABET),
}
"""How keys of more issuers are written, and what is drawn at random: so many of these characters, or this."""


@pytest.mark.parametrize("written", DRAWN)
def test_keys_of_more_issuers(written: str) -> None:
    size, alphabet = DRAWN[written]
    key = written.format(drawn(size, alphabet) if size else alphabet)
    assert found(f"use {key} for it") == [("api_key", key)]
    assert found(f'TOKEN = "{key}"')[0][1] == key


@pytest.mark.parametrize("written", DRAWN)
def test_placeholders_of_more_issuers(written: str) -> None:
    if written.count("{}") == 1 and not any(map(str.isdigit, written.replace("v1.0", ""))):
        size = DRAWN[written][0] or 36
        assert found(f"use {written.format('x' * size)} for it") == []
        assert found(f"use {written.format('your_key_here')} for it") == []


def test_names_that_begin_like_keys() -> None:
    text = """md-outlined-text-field-x pa-system ptr_to_member_function_of_the_base_class as-is ak-47 1000.50
    api-gateway-timeouts-and-retries sk_buff web_socket_frame_handler_context_window 00D o.k. test_everything_at_once
    and 12/2024: 1/3, 0/1; live_preview_of_the_page_in_the_editor server_side_rendering_of_components_by_name"""
    assert found(text) == []


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_known_by_how_they_begin(key: str) -> None:
    assert [value for _, value in found(f"use {key} for it")] == [key]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("password: Sup3rS3cret!", "password", "Sup3rS3cret!"),
        ("my password is hunter2, ok", "password", "hunter2"),
        ("DB_PASSWORD=letmein", "password", "letmein"),
        ('{"password": "Tr0ub4dor&3"}', "password", "Tr0ub4dor&3"),
        ("<password>Tr0ub4dor</password>", "password", "Tr0ub4dor"),
        ("Mein Passwort lautet Winter2024", "password", "Winter2024"),
        ("la contraseña es Gato123", "password", "Gato123"),
        ("Le mot de passe est Chat!2024", "password", "Chat!2024"),
        ("пароль: Zima2024", "password", "Zima2024"),
        ("密码是Abc12345!", "password", "Abc12345!"),
        ("mysql --password s3cretPw9 -u x", "password", "s3cretPw9"),
        ("curl -u bob:s3cretPw9 https://x.org", "password", "s3cretPw9"),
        ("postgres://bob:s3cr3tpw@db.example.org/x", "password", "s3cr3tpw"),
        ("log in with the password Tr0ub4dor3 please", "password", "Tr0ub4dor3"),
        ("PIN: 4821", "password", "4821"),
        ("Authorization: Basic dXNlcjpwYXNzMTIz", "password", "dXNlcjpwYXNzMTIz"),
        (f"Authorization: Bearer {drawn(40)}", "token", drawn(40)),
        (f"aws_secret_access_key = {drawn(40)}", "api_key", drawn(40)),
        (f"the api key is {drawn(32)}.", "api_key", drawn(32)),
        (f'DATADOG_STAGING = "{drawn(32)}"', "api_key", drawn(32)),
    ],
)
def test_names_give_secrets_away(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "sk-your-api-key-here and sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "api_key = '<YOUR_API_KEY>'; token = os.environ['TOKEN']; key = config.api_key",
        "password: ******** or password = getpass() or $PASSWORD or {{ password }}",
        "The password is incorrect. Your password has expired; choose a long password.",
        "max_tokens=4096, tokenizer: cl100k_base, next_page_token=abcdefabcdef1234567890",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "id 550e8400-e29b-41d4-a716-446655440000",
        '"integrity": "sha512-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08Zz=="',
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4",
        "postgres://user:password@localhost/db and https://user:${PASS}@host",
        "a basic understanding of bearer instruments",
        '"-----BEGIN PRIVATE KEY-----" is how the file begins',
        "the password SHA256 hash, a password Base64-encoded, password v2",
        "pin the version; PIN the map; token ring; key result",
        "",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_private_key_is_one_hit() -> None:
    key = pem(5)
    assert found(f"here:\n{key}\nthanks") == [("private_key", key)]
    assert found('{"private_key": "' + key.replace("\n", "\\n") + '\\n"}')[0][0] == "private_key"


def test_a_long_private_key_is_found_in_pieces_wherever_it_is_cut() -> None:
    """An answer is seen in stretches: what is seen may begin or end anywhere in a key."""
    key = pem(50)
    for begin in range(0, len(key) - 700, 97):
        seen = key[begin : begin + 1_100]
        covered = sum(len(value) for _, value in found(seen))
        assert covered > 0.85 * len(seen.replace("\n", "")), begin


def test_a_certificate_is_no_secret() -> None:
    assert found(pem(20, "CERTIFICATE")) == []
    assert found(pem(6, "CERTIFICATE")[300:]) == []


def test_spelling_and_encoding_do_not_hide_it() -> None:
    key = "ghp_" + drawn(36)
    split = "\u200b".join((key[:9], key[9:]))
    assert found(f"use {split} now") == [("api_key", split)]
    assert found("x " + b"password: Sup3rS3cret!".hex() + " y")[0][0] == "password"


def test_what_is_allowed_is_not_reported() -> None:
    assert found(f"{KEYS[0]} {KEYS[2]}", Secrets(allow=(KEYS[0],))) == [("api_key", KEYS[2])]
    assert found(f"{KEYS[0]} password=Tr0ub4dor", Secrets(kinds=("password",))) == [("password", "Tr0ub4dor")]


def test_notes_name_the_issuer_and_never_the_key() -> None:
    (hit,) = Secrets().detect(Text(KEYS[2]), CONTEXT)
    assert hit.note == "GitHub"
    assert len({f.issuer for f in FORMATS}) > 60


PIECES = st.sampled_from(
    [
        *KEYS[:6],
        "password is ",
        "token=",
        "hunter2",
        "Authorization: Bearer ",
        "://a:b1@c",
        pem(3),
        "-",
        ".",
        '"',
        "\u200b",
    ]
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from([" ", "", "\n"])), max_size=25).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)


@settings(max_examples=120, deadline=None)
@given(TEXTS, st.data())
def test_what_is_decided_stays(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    sure = cut - Secrets.window
    assert _until(text[:cut], sure) == _until(text, sure)


@settings(max_examples=120, deadline=None)
@given(st.text() | TEXTS)
def test_hits_are_spans_with_a_score(text: str) -> None:
    hits = list(Secrets().detect(Text(text), CONTEXT))
    assert all(0 <= hit.start < hit.end <= len(text) and 0 < hit.score <= 1 for hit in hits)


def _until(text: str, end: int) -> list[Hit]:
    return [hit for hit in Secrets().detect(Text(text), CONTEXT) if hit.end < end]


@pytest.mark.parametrize(
    "text",
    [
        'demio_key: "{}"',
        'headers.Set("X-Api-Key", "{}")',
        "twilio token - '{}'",
        'SHODAN = "{}"',
        "etherscan_prod: {}",
        "duffel_live_{}",
    ],
)
def test_values_beside_other_names(text: str) -> None:
    [(kind, value)] = found(text.format(drawn(32)))
    assert kind == "api_key"
    assert drawn(32) in value


@pytest.mark.parametrize(
    "text",
    [
        "stop_test_class_outside_fixtures",
        '"kadmin/passwd", "kadmin/server"',
        "monkey = 'banana'",
        "trello = board-of-the-team and zoho: https://example.org/a",
        "pk_live_" + drawn(32),
    ],
)
def test_names_of_other_things(text: str) -> None:
    assert found(text) == []


def checked(body: str, beside: int = 0) -> str:
    """As GitHub and npm write their keys: behind what was drawn its CRC32, in base 62. `beside`: wrong bits."""
    digits, left = "", crc32(body.encode()) ^ beside
    for _ in range(6):
        left, digit = divmod(left, 62)
        digits = (ALPHABET[52:] + ALPHABET[:52])[digit] + digits
    return body + digits


@pytest.mark.parametrize("begins", ["ghp_", "gho_", "ghs_", "npm_"])
@pytest.mark.parametrize("beside", [0, 1, 0xFFFF])
def test_a_key_whose_checksum_is_wrong_is_found_like_a_right_one(begins: str, beside: int) -> None:
    key = begins + checked(drawn(30, seed=9), beside)
    assert found(f"Deploy with {key} today") == [("api_key", key)]


def test_a_placeholder_with_a_right_checksum_is_none() -> None:
    assert found("Deploy with ghp_" + checked("x" * 30)) == []
    assert found("Deploy with npm_" + checked("your_npm_token_here_0123456789")) == []


@pytest.mark.parametrize("looks", [Secrets(), Pii()])
def test_a_digest_that_stands_for_a_value_is_none(looks: Secrets | Pii) -> None:
    for value in ("token <API_KEY:b676438dc995>", "password: <PASSWORD:b676438dc995>", "card <CARD:453957876362>"):
        assert not list(looks.detect(Text(f"my {value}"), CONTEXT))


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASS={}", 'SMTP_PASS="{}"', "MYSQL_PASS: {}", 'db_pass = "{}"', 'dbPass: "{}"', "user_pw={}",
        'userPw = "{}"', "pass={}",
    ],
)  # fmt: skip
def test_short_names_for_passwords_are_parts_of_names(line: str) -> None:
    assert found(line.format("h7Gq29xLm!")) == [("password", "h7Gq29xLm!")]


@pytest.mark.parametrize(
    "line",
    [
        "first_pass = results_v2", 'render_pass = "gbuffer0"', 'renderPass: "shadow0"', "num_pass: 1234",
        "bypass=x1y2z3", "compass: N42W7", "proxy_pass = http://up1.local", "tests_pass=14of15", "forwardPass = net2",
        "pass: 12 of 14", "DB_PASS=${DB_PASS}", "boarding pass: ABC123",
    ],
)  # fmt: skip
def test_other_passes_are_no_passwords(line: str) -> None:
    assert found(line) == []
