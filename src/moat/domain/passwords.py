"""Passwords as they are stored: scrypt (RFC 7914) with OWASP's parameters, which stand beside each hash.

https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata

from moat.domain.errors import RequestError

COST, BLOCK, LANES = 2**17, 8, 1
"""n, r and p: 128 MiB and some tenths of a second."""
MIN_LENGTH = 12
MAX_LENGTH = 256
SALT_BYTES = 16
HASH_BYTES = 32

_STORED = re.compile(r"scrypt\$(\d+)\$(\d+)\$(\d+)\$([\w+/=]+)\$([\w+/=]+)\Z", re.ASCII)


def check_password(password: str, email: str) -> None:
    """Raise `RequestError` for one that is not taken. Length is what counts (NIST SP 800-63B): no rules of characters.

    Measured as it is hashed, so that no two ways of writing the same letters differ.
    """
    folded = _folded(password)
    if len(folded) < MIN_LENGTH:
        raise RequestError(f"has fewer than {MIN_LENGTH} characters", where="password", remedy="Use a few words.")
    if len(password) > MAX_LENGTH:
        raise RequestError(f"has more than {MAX_LENGTH} characters", where="password")
    if len(set(folded)) < 4 or folded.lower() == email.lower():
        raise RequestError("is too easily guessed", where="password", remedy="Use a few words that do not go together.")


def hash_password(password: str) -> str:
    """`scrypt$n$r$p$salt$hash`, the last two in base64. Takes 128 MiB for some tenths of a second."""
    salt = secrets.token_bytes(SALT_BYTES)
    found = _scrypt(password, salt, COST, BLOCK, LANES)
    return f"scrypt${COST}${BLOCK}${LANES}${_text(salt)}${_text(found)}"


def is_password(password: str, stored: str) -> bool:
    """Is it the one behind a stored hash? With none stored it is not, after the same work: how long it takes tells
    nobody which accounts there are.
    """
    match = _STORED.match(stored) or _STORED.match(_NOBODYS)
    assert match is not None
    cost, block, lanes = (int(match[index]) for index in (1, 2, 3))
    found = _scrypt(password, base64.b64decode(match[4]), cost, block, lanes)
    return hmac.compare_digest(found, base64.b64decode(match[5])) and bool(stored)


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    # OpenSSL wants room for a little more than the 128 * n * r bytes of the algorithm.
    room = 128 * cost * block + 2**20
    data = _folded(password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=cost, r=block, p=lanes, maxmem=room, dklen=HASH_BYTES)


def _folded(password: str) -> str:
    """Keyboards write the same letter in different ways."""
    return unicodedata.normalize("NFKC", password)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


_NOBODYS = f"scrypt${COST}${BLOCK}${LANES}${_text(bytes(SALT_BYTES))}${_text(bytes(HASH_BYTES))}"
