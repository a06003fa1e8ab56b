"""Which characters stand for which letters."""

from unicodedata import normalize

LATIN = "abcdefghijklmnopqrstuvwxyz"


def _table(groups: str) -> dict[int, str]:
    """From groups like `aɑɐ`: the first character, then those that stand for it."""
    return {ord(strange): group[0] for group in groups.split() for strange in group[1:]}


_ALWAYS: dict[int, str] = {
    # Small capitals, hooked, barred, turned and phonetic letters.
    **_table("""aᴀɑɐ bʙɓ cᴄƈɔ dᴅɗđð eᴇɛɜǝɘ fꜰƒɟ gɢɠɡƃ hʜɦħɥ iıɩɪᴉ jᴊʝɾ kᴋƙʞ lʟłɭ mᴍɱɯ nɴɳɲŋ oᴏøɵ pᴘƥ qʠꞯ rʀɽɹ sꜱʂ
    tᴛƭʈŧʇ uᴜʊ vᴠʋʌ wᴡʍ yʏƴʎ zᴢʐƶ"""),
    **_table("'‘’‚‛′´ʼ \"“”„‟″«» -‐‑‒–—―−"),
    **{base + at: letter for base in (0x1F150, 0x1F170, 0x1F1E6) for at, letter in enumerate(LATIN)},
    # Tags: invisible, one for each character of ASCII.
    **{0xE0000 + code: chr(code).lower() for code in range(0x20, 0x7F)},
    ord("æ"): "ae",
    ord("œ"): "oe",
    0x2800: " ",
    0x85: "\n",
    0x2028: "\n",
    0x2029: "\n",
}

LOOKALIKES: dict[int, str] = {
    **_table("aа bвьб cс dԁд eеєёэ fғ hһн iії jј kк lӏ mм nпил oо pр qԛ rгя sѕ tт uц vѵ wԝшщ xх yуү zз"),
    **_table("aα bβ dδ eεξ iι kκ lλ nηπ oοθσφ pρ sς tτ uυμ vν wωψ xχ yγ zζ"),
    **_table("aա bբ cց dձ eեէ fֆ gգջ hհի iւ jյ lլ mռ nո oօ pք qզ sտ uսմ wա yվ"),
    **_table("aᎪ bᏏᏴ cᏟ dᎠᏧ eᎬ gᏀ hᎻᏂ iᎥ jᎫ kᏦ lᏞ mᎷ pᏢ rᎡᏒ sᏕᏚ tᎢᏖ vᏙ wᎳᏔ yᎽ zᏃ"),
    **_table("aⲁ bⲃ cⲥ eⲉ hⲏ iⲓ kⲕ mⲙ nⲛ oⲟ pⲣⲡ rⲅ tⲧ xⲭ yⲩ"),
}
"""Letters of other alphabets (Cyrillic, Greek, Armenian, Cherokee, Coptic), by what they look like among Latin ones.
Within a word of their own alphabet they are themselves."""

_IGNORED = (
    (0xAD, 0xAD), (0x300, 0x36F), (0x483, 0x489), (0x591, 0x5BD), (0x5BF, 0x5C7), (0x610, 0x61A), (0x61C, 0x61C),
    (0x640, 0x640), (0x64B, 0x65F), (0x670, 0x670), (0x6D6, 0x6ED), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F),
    (0x20D0, 0x20FF), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF9, 0xFFFB), (0x1D173, 0x1D17A), (0xE0000, 0xE001F), (0xE007F, 0xE007F), (0xE0100, 0xE01EF),
)  # fmt: skip
"""What shows nothing, or only sits on another letter: format characters, variation selectors, accents, Hebrew points
and Arabic vowel signs. Vowel signs of Indic scripts stay: they are letters of the word."""

_KEPT = 8_192


def _ignored(code: int) -> bool:
    return any(first <= code <= last for first, last in _IGNORED)


def _folded(code: int) -> str:
    if code in _ALWAYS:
        return _ALWAYS[code]
    if _ignored(code):
        return ""
    compatible = normalize("NFKC", chr(code)).casefold()
    apart = normalize("NFD", compatible)
    if len(apart) > len(compatible) and not 0x400 <= code < 0x530:
        bare = "".join(letter for letter in apart if not _ignored(ord(letter)))
        compatible = normalize("NFC", bare)
    return "".join(_ALWAYS.get(ord(letter), letter) for letter in compatible if not _ignored(ord(letter)))


class Folding(dict[int, str]):
    """Character -> what it is in a folded text, for `str.translate`. Worked out when first met."""

    def __missing__(self, code: int) -> str:
        found = _folded(code)
        if len(self) < _KEPT:
            self[code] = found
        return found


FOLDING = Folding()
