"""How many secrets `secrets` finds, and what it takes for one. Everything is made here, with a fixed seed."""

import base64
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator

from bench.guards.measuring import Row, hits, share, timed
from bench.guards.pii import ENGLISH
from moat.guards.detector import Context
from moat.guards.detectors.secrets import Secrets

SEED = 13
EACH = 40
UPPER, LOWER, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
LETTERS, HEX = UPPER + LOWER + DIGITS, DIGITS + "abcdef"
Maker = Callable[[random.Random], str]

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


def _drawn(r: random.Random, size: int, alphabet: str = LETTERS) -> str:
    return "".join(r.choice(alphabet) for _ in range(size))


def _password(r: random.Random) -> str:
    words = ("summer", "Dragon", "kitchen", "Berlin", "monkey", "Falcon", "coffee", "Sunset")
    return r.choice(
        [
            f"{r.choice(words)}{r.randrange(10, 9999)}",
            f"{r.choice(words)}{r.choice('!?#$')}{r.randrange(100)}",
            _drawn(r, r.randrange(8, 18)),
            _drawn(r, r.randrange(10, 20), LETTERS + "!#%*+-_?"),
        ]
    )


def _jwt(r: random.Random) -> str:
    head, body = b'{"alg":"HS256","typ":"JWT"}', f'{{"sub":"{_drawn(r, 10)}","iat":{r.randrange(10**9)}}}'.encode()
    parts = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (head, body))
    return ".".join((*parts, _drawn(r, 43)))


def _pem(r: random.Random) -> str:
    name = r.choice(["RSA ", "EC ", "OPENSSH ", ""])
    body = "\n".join(_drawn(r, 64, LETTERS + "+/") for _ in range(r.randrange(3, 26)))
    return f"-----BEGIN {name}PRIVATE KEY-----\n{body}\n-----END {name}PRIVATE KEY-----"


KEYS: dict[str, Maker] = {
    "AWS": lambda r: r.choice(["AKIA", "ASIA"]) + _drawn(r, 16, UPPER + "234567"),
    "Google": lambda r: "AIza" + _drawn(r, 35, LETTERS + "-_"),
    "GitHub": lambda r: r.choice(["ghp_" + _drawn(r, 36), "github_pat_" + _drawn(r, 22) + "_" + _drawn(r, 59)]),
    "GitLab": lambda r: "glpat-" + _drawn(r, 20, LETTERS + "-_"),
    "Slack": lambda r: f"xoxb-{_drawn(r, 12, DIGITS)}-{_drawn(r, 12, DIGITS)}-{_drawn(r, 24)}",
    "Stripe": lambda r: r.choice(["sk_live_", "rk_live_", "sk_test_"]) + _drawn(r, r.choice([24, 99])),
    "OpenAI": lambda r: r.choice(["sk-proj-" + _drawn(r, 120, LETTERS + "-_"), "sk-" + _drawn(r, 48)]),
    "Anthropic": lambda r: "sk-ant-api03-" + _drawn(r, 93, LETTERS + "-_") + "AA",
    "Moat": lambda r: "mk-" + _drawn(r, 43, LETTERS + "-_"),
    "Hugging Face": lambda r: "hf_" + _drawn(r, 34),
    "npm": lambda r: "npm_" + _drawn(r, 36),
    "PyPI": lambda r: "pypi-AgEIcHlwaS5vcmc" + _drawn(r, 150, LETTERS + "-_"),
    "SendGrid": lambda r: f"SG.{_drawn(r, 22)}.{_drawn(r, 43)}",
    "Twilio": lambda r: "SK" + _drawn(r, 32, HEX),
    "Telegram": lambda r: f"{r.randrange(10**8, 10**10)}:AA{_drawn(r, 33, LETTERS + '-_')}",
    "JSON web token": _jwt,
    "private key": _pem,
}
FILLINGS = ("YOUR_API_KEY", "your-key-here", "<API_KEY>", "x" * 16, "changeme", "********", "${PASSWORD}", "null")
REFERENCES = ("get_token()", "self.token", "os.getenv(0)", "config.auth.token", "process.env.TOKEN", "os.environ['T']")
HARMLESS: dict[str, tuple[Maker, ...]] = {
    "hashes": (
        lambda r: f"commit {_drawn(r, 40, HEX)}",
        lambda r: f"sha256:{_drawn(r, 64, HEX)}",
        lambda r: f"{_drawn(r, 32, HEX)}  archive.tar.gz",
        lambda r: f'"integrity": "sha512-{_drawn(r, 86, LETTERS + "+/")}=="',
        lambda r: f"ETag: {_drawn(r, 32, HEX)}",
        lambda r: f"--hash=sha256:{_drawn(r, 64, HEX)}",
    ),
    "ids": (
        lambda r: f"request {uuid.UUID(int=r.getrandbits(128), version=4)} took {r.randrange(900)} ms",
        lambda r: f'{{"id": "{_drawn(r, 24, HEX)}", "name": "anna"}}',
        lambda r: f"https://example.org/watch?v={_drawn(r, 11)}",
        lambda r: f"arn:aws:s3:::{_drawn(r, 12, LOWER)} in account {_drawn(r, 12, DIGITS)}",
        lambda r: f"order_{_drawn(r, 14)} for cus_{_drawn(r, 14)}",
        lambda r: f"trace_id={_drawn(r, 32, HEX)} span_id={_drawn(r, 16, HEX)}",
    ),
    "placeholders": (
        lambda r: f"api_key = '{r.choice(FILLINGS)}'",
        lambda r: f"{r.choice(['sk-', 'ghp_', 'hf_', 'AIza'])}{r.choice(['x', '*', 'X']) * r.randrange(16, 40)}",
        lambda r: f"password: {r.choice(FILLINGS)}",
        lambda r: f"token = {r.choice(REFERENCES)}",
        lambda r: r.choice(["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "sk-your-key-here"]),
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
        lambda r: "\n".join(_drawn(r, 76, LETTERS + "+/") for _ in range(6)),
        lambda r: f"-----BEGIN CERTIFICATE-----\n{_drawn(r, 64)}\n{_drawn(r, 64)}\n-----END CERTIFICATE-----",
        lambda r: f"!function(e,t){{{_drawn(r, 30, LOWER)}=e.{_drawn(r, 4, LOWER)}(t),n=0x{_drawn(r, 8, HEX)}}}(this);",
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
        for key in ((secret, "all"), (secret, name)):
            total[key] += 1
            found[key] += seen
    for key in sorted(total, key=lambda key: (not key[0], key[1] != "all")):
        yield share(key[1], "recall" if key[0] else "false positives", found[key], total[key])
    yield from timed(detector, ENGLISH, context)
