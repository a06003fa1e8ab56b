"""How many secrets `secrets` finds, and what it takes for one. Everything is made here, with a fixed seed."""

import base64
import random
import uuid
from collections import Counter
from collections.abc import Iterator

from bench.guards.issued import DIGITS, HEX, ISSUED, LETTERS, LOWER, URL, Maker, drawn, key
from bench.guards.measuring import Row, hits, share, timed
from bench.guards.pii import ENGLISH
from moat.guards.detector import Context
from moat.guards.detectors.secrets import Secrets

SEED = 13
EACH = 40

AROUND = (
    "{}",
    "Use {} to call it.",
    "export API={}",
    'client = Client("{}")',
    "key: {}\nregion: eu-west-1",
    "it fails with 401, my key is {} - what is wrong?",
    "curl https://api.example.org/v1/items?key={}",
    '{{"auth": "{}", "retries": 3}}',
)
PROSE = (
    "My password is {}, please reset it.",
    "password: {}",
    "DB_PASSWORD={}",
    'password = "{}"',
    "user: anna\npass: {}",
    '{{"username": "anna", "password": "{}"}}',
    "postgres://anna:{}@db.example.org:5432/shop",
    "Mein Passwort lautet {}.",
    "mot de passe : {}",
    "La contraseña es {}",
    "the wifi password for the office is {}",
    "wachtwoord: {}",
    "A senha é {}",
    "пароль: {}",
    "密码是{}",
    "パスワード: {}",
)


def _password(r: random.Random) -> str:
    words = ("summer", "Dragon", "kitchen", "Berlin", "monkey", "Falcon", "coffee", "Sunset")
    return r.choice(
        [
            f"{r.choice(words)}{r.randrange(10, 9999)}",
            f"{r.choice(words)}{r.choice('!?#$')}{r.randrange(100)}",
            drawn(r, r.randrange(8, 18)),
            drawn(r, r.randrange(10, 20), LETTERS + "!#%*+-_?"),
        ]
    )


KEYS: dict[str, Maker] = {**ISSUED, "Moat": key("mk-", 43, URL)}
FILLINGS = ("YOUR_API_KEY", "your-key-here", "<API_KEY>", "x" * 16, "changeme", "********", "${PASSWORD}", "null")
REFERENCES = ("get_token()", "self.token", "os.getenv(0)", "config.auth.token", "process.env.TOKEN", "os.environ['T']")
HARMLESS: dict[str, tuple[Maker, ...]] = {
    "hashes": (
        lambda r: f"commit {drawn(r, 40, HEX)}",
        lambda r: f"sha256:{drawn(r, 64, HEX)}",
        lambda r: f"{drawn(r, 32, HEX)}  archive.tar.gz",
        lambda r: f'"integrity": "sha512-{drawn(r, 86, LETTERS + "+/")}=="',
        lambda r: f"ETag: {drawn(r, 32, HEX)}",
        lambda r: f"--hash=sha256:{drawn(r, 64, HEX)}",
    ),
    "ids": (
        lambda r: f"request {uuid.UUID(int=r.getrandbits(128), version=4)} took {r.randrange(900)} ms",
        lambda r: f'{{"id": "{drawn(r, 24, HEX)}", "name": "anna"}}',
        lambda r: f"https://example.org/watch?v={drawn(r, 11)}",
        lambda r: f"arn:aws:s3:::{drawn(r, 12, LOWER)} in account {drawn(r, 12, DIGITS)}",
        lambda r: f"order_{drawn(r, 14)} for cus_{drawn(r, 14)}",
        lambda r: f"trace_id={drawn(r, 32, HEX)} span_id={drawn(r, 16, HEX)}",
    ),
    "placeholders": (
        lambda r: f"api_key = '{r.choice(FILLINGS)}'",
        lambda r: f"{r.choice(['sk-', 'ghp_', 'hf_', 'AIza'])}{r.choice(['x', '*', 'X']) * r.randrange(16, 40)}",
        lambda r: f"password: {r.choice(FILLINGS)}",
        lambda r: f"token = {r.choice(REFERENCES)}",
        lambda r: r.choice(["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "sk-your-key-here"]),
    ),
    "examples": (
        lambda r: r.choice(["ghp_", "npm_", "glpat-", "sk_live_", "figd_", "dop_v1_"]) + "x" * r.randrange(20, 40),
        lambda r: f"export {r.choice(['DATADOG', 'TWILIO', 'ALGOLIA'])}_API_KEY=<your {drawn(r, 5, LOWER)} key>",
        lambda r: (
            f"postgres://user:{r.choice(['password', 'secret', '$PGPASSWORD', '***'])}@localhost:{r.randrange(9999)}"
        ),
        lambda r: f"Authorization: Bearer {r.choice(['<token>', '$TOKEN', 'YOUR_ACCESS_TOKEN', '{{token}}'])}",
        lambda r: f"machine example.org login anna password {r.choice(['...', '<password>', '$PASS'])}",
        lambda r: f"AccountKey={r.choice(['<key>', '...', '${KEY}'])};EndpointSuffix=core{drawn(r, 3, LOWER)}",
    ),
    "what is public": (
        lambda r: f"pk_live_{drawn(r, 99)}",
        lambda r: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{drawn(r, 43, LETTERS + '+/')} anna@laptop",
        lambda r: f"age1{drawn(r, 58, 'qpzry9x8gf2tvdw0s3jn54khce6mua7l')}",
        lambda r: f"-----BEGIN PUBLIC KEY-----\n{drawn(r, 64)}\n{drawn(r, 64)}\n-----END PUBLIC KEY-----",
        lambda r: f"pi_{drawn(r, 24)} of evt_{drawn(r, 24)}, price_{drawn(r, 24)}",
        lambda r: f"client_id={drawn(r, 12, DIGITS)}-{drawn(r, 32, LOWER + DIGITS)}.apps.googleusercontent.com",
        lambda r: f"client_id: {uuid.UUID(int=r.getrandbits(128), version=4)}, twilio sid AC{drawn(r, 32, HEX)}",
        lambda r: f"image@sha256:{drawn(r, 64, HEX)} in build 01{drawn(r, 24, '0123456789ABCDEFGHJKMNPQRSTVWXYZ')}",
    ),
    "talk about secrets": (
        lambda r: f"I forgot my password {r.randrange(9)} times this week, how do I reset it?",
        lambda r: f"The password must be at least {r.randrange(8, 20)} characters long and contain a digit.",
        lambda r: f"max_tokens={r.randrange(1, 9999)}, the tokenizer counts {r.randrange(9999)} tokens",
        lambda r: f"Your secret santa is number {r.randrange(20)}. The key result is {r.randrange(90)} % growth.",
        lambda r: f"The token ring had {r.randrange(90)} stations; the password is case-sensitive.",
        lambda r: f"def login(user: str, password: str, token: str | None = None, n: int = {r.randrange(9)}) -> bool:",
    ),
    "binary data": (
        lambda r: f"data:image/png;base64,{base64.b64encode(r.randbytes(300)).decode()}",
        lambda r: "\n".join(drawn(r, 76, LETTERS + "+/") for _ in range(6)),
        lambda r: f"-----BEGIN CERTIFICATE-----\n{drawn(r, 64)}\n{drawn(r, 64)}\n-----END CERTIFICATE-----",
        lambda r: f"!function(e,t){{{drawn(r, 30, LOWER)}=e.{drawn(r, 4, LOWER)}(t),n=0x{drawn(r, 8, HEX)}}}(this);",
    ),
}


def texts() -> Iterator[tuple[str, str, bool]]:
    """Slice, text, and whether there is a secret in it."""
    r = random.Random(SEED)
    for name, maker in KEYS.items():
        for _ in range(EACH):
            yield name, r.choice(AROUND).format(maker(r)), True
    for template in PROSE:
        for _ in range(EACH // 2):
            yield "passwords", template.format(_password(r)), True
    for name, makers in HARMLESS.items():
        for maker in makers:
            for _ in range(EACH):
                yield name, maker(r), False


def rows() -> Iterator[Row]:
    """Recall by issuer, false positives by what the text is."""
    detector, context = Secrets(), Context(place="input")
    found, total = Counter[tuple[bool, str]](), Counter[tuple[bool, str]]()
    for name, text, secret in texts():
        seen = any(hit.score >= detector.threshold for hit in hits(detector, text, context))
        for row in ((secret, "all"), (secret, name)):
            total[row] += 1
            found[row] += seen
    for row in sorted(total, key=lambda row: (not row[0], row[1] != "all")):
        yield share(row[1], "recall" if row[0] else "false positives", found[row], total[row])
    yield from timed(detector, ENGLISH, context)
