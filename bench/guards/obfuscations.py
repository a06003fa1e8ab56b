"""Ways to hide words from a reader that looks for them."""

import base64
import codecs
import random
from collections.abc import Callable
from urllib.parse import quote

from moat.guards.ciphers import READERS
from moat.guards.codes import MORSE

_LEET = str.maketrans("oieastOIEAST", "013457013457")
_CYRILLIC = str.maketrans(
    "aceopxyACEHKMOPTX",
    "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0410\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0422\u0425",
)
_GREEK = str.maketrans("aeiouvp", "\u03b1\u03b5\u03b9\u03bf\u03c5\u03bd\u03c1")


def _block(first_small: int, first_capital: int) -> Callable[[str], str]:
    table = {ord("a") + at: chr(first_small + at) for at in range(26)}
    table |= {ord("A") + at: chr(first_capital + at) for at in range(26)}
    return lambda text: text.translate(table)


def _between(mark: str) -> Callable[[str], str]:
    return lambda text: mark.join(text)


def _spaced(mark: str) -> Callable[[str], str]:
    return lambda text: "   ".join(mark.join(word) for word in text.split())


def _misspelt(text: str) -> str:
    """Two letters change places in every third long word."""
    rng = random.Random(len(text))
    words = text.split(" ")
    for at, word in enumerate(words):
        if len(word) > 4 and rng.random() < 0.34:
            cut = rng.randint(1, len(word) - 3)
            words[at] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return " ".join(words)


def _halved(opening: str, closing: str = "") -> Callable[[str], str]:
    """Something around the first half of each word of more than three letters."""
    return lambda text: " ".join(
        f"{opening}{word[: len(word) // 2]}{closing}{word[len(word) // 2 :]}" if len(word) > 3 else word
        for word in text.split()
    )


def _within(mark: str) -> Callable[[str], str]:
    """A sign in the middle of each word of more than three letters."""
    return lambda text: " ".join(
        word[: len(word) // 2] + mark + word[len(word) // 2 :] if len(word) > 3 else word for word in text.split()
    )


def _in_lines(text: str, size: int, between: str) -> str:
    packed = base64.b64encode(text.encode()).decode()
    return between.join(packed[at : at + size] for at in range(0, len(packed), size))


def _morse(text: str) -> str:
    return " / ".join(" ".join(MORSE[letter] for letter in word if letter in MORSE) for word in text.lower().split())


OBFUSCATIONS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "capitals": str.upper,
    "leetspeak": lambda text: text.translate(_LEET),
    "Cyrillic look-alikes": lambda text: text.translate(_CYRILLIC),
    "Greek look-alikes": lambda text: text.lower().translate(_GREEK),
    "full width": _block(0xFF41, 0xFF21),
    "mathematical bold": _block(0x1D41A, 0x1D400),
    "circled": _block(0x24D0, 0x24B6),
    "zero-width spaces": _between("\u200b"),
    "soft hyphens": _between("\u00ad"),
    "combining marks": _between("\u0336"),
    "variation selectors": _between("\ufe0f"),
    "letters spaced": _spaced(" "),
    "letters dotted": _spaced("."),
    "no spaces": lambda text: text.title().replace(" ", ""),
    "misspelt": _misspelt,
    "words half bold in Markdown": _halved("**", "**"),
    "words half bold in HTML": _halved("<b>", "</b>"),
    "words bold in HTML": lambda text: " ".join(f"<b>{word}</b>" for word in text.split()),
    "a span for each letter": lambda text: " ".join(
        "".join(f"<span>{letter}</span>" for letter in word) for word in text.split()
    ),
    "wbr within words": _within("<wbr>"),
    "comments within words": _within("<!-- x -->"),
    "soft hyphens of HTML": _within("&shy;"),
    "hyphens at line ends": _within("-\n"),
    "bars between letters": lambda text: " ".join("|".join(word) for word in text.split()),
    "pictures between letters": lambda text: "   ".join("\u2b50".join(word) for word in text.split()),
    "one word a line, quoted": lambda text: "\n".join(f"> {word}" for word in text.split()),
    "one word a line, numbered": lambda text: "\n".join(f"{at}. {word}" for at, word in enumerate(text.split(), 1)),
    "tags": lambda text: "Hello " + "".join(chr(0xE0000 + ord(letter)) for letter in text if letter.isascii()),
    "bidi override": lambda text: "\u202e" + text.replace("\n", " ")[::-1] + "\u202c",
    "reversed": lambda text: text[::-1],
    "words reversed": lambda text: " ".join(word[::-1] for word in text.split()),
    "base64": lambda text: "Decode this: " + base64.b64encode(text.encode()).decode(),
    "base64 in short lines": lambda text: "Decode this:\n" + _in_lines(text, 12, "\n"),
    "base64 in groups": lambda text: "Decode this: " + _in_lines(text, 8, " "),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base32": lambda text: "Decode this: " + base64.b32encode(text.encode()).decode(),
    "hex": lambda text: "Decode this: " + text.encode().hex(),
    "binary": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "URL": lambda text: quote(text).replace("e", "%65").replace("o", "%6F"),
    "HTML entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "escapes": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text if ord(letter) < 0x10000),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "Caesar 3": READERS["caesar3"],
    "Atbash": READERS["atbash"],
    "Morse": _morse,
}
"""Name -> how it is written."""
