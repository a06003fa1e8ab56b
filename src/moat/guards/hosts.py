"""Names of hosts: plain forms, subdomains, and names that only look like others."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from moat.guards.text import Text

HOST_END = re.compile(r"[/\\?#]")
NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\d{8,10}|0x[0-9a-f]{8}|\[?[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}\]?")
DOTS = str.maketrans({"。": ".", "．": ".", "｡": "."})
LOOKALIKE_SCRIPTS = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "GEORGIAN")


def host_of(rest: str) -> str:
    """The host of what stands behind a scheme and its slashes, without user and port, in plain form."""
    authority = HOST_END.split(rest.lstrip("/\\"), maxsplit=1)[0]
    name = authority.rpartition("@")[2]
    return plain_host(re.sub(r":\d{0,5}$", "", name))


@lru_cache(maxsize=4096)
def plain_host(name: str) -> str:
    """Lower case, no dot at the end, other scripts as they read (`xn--` undone), compatible forms as their letters."""
    name = unicodedata.normalize("NFKC", unquote(name)).translate(DOTS).lower().strip(".").removeprefix("*.")
    return ".".join(map(_read, name.split(".")))


def _read(label: str) -> str:
    if label.startswith("xn--"):
        try:
            return label[4:].encode("ascii").decode("punycode")
        except UnicodeError:
            return label
    return label


def is_below(host: str, hosts: Iterable[str]) -> bool:
    """Is it one of them, or a subdomain of one?"""
    return any(host == one or host.endswith(f".{one}") for one in hosts)


def is_number(host: str) -> bool:
    """Is it an IP address, in any of the ways that browsers read?"""
    return NUMBER.fullmatch(host) is not None


@lru_cache(maxsize=4096)
def is_disguised(host: str) -> bool:
    """Does a label look Latin by letters that are not: mixed with Latin ones, or all of them lookalikes?"""
    return not host.isascii() and any(map(_is_disguised, host.split(".")))


def _is_disguised(label: str) -> bool:
    letters = [letter for letter in label if letter.isalpha()]
    strange = [letter for letter in letters if unicodedata.name(letter, "").startswith(LOOKALIKE_SCRIPTS)]
    if not strange:
        return False
    if any("LATIN" in unicodedata.name(letter, "") for letter in letters):
        return True
    return Text(label).folded.isascii()
