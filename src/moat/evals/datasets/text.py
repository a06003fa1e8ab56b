"""Files as UTF-8 text in bounded memory; what is none is refused with the byte, the line, and what it looks like."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from moat.domain.errors import DatasetError

MAX_LINE = 16 * 2**20
"""Bytes of one line, and of one case."""
CHUNK = 2**16

_BOM = codecs.BOM_UTF8
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32 (little endian)", "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32 (big endian)", "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16 (little endian)", "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16 (big endian)", "UTF-16"),
)
_PACKED = (
    (b"\x1f\x8b", "gzip", "Unpack it: `gunzip`."),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV (UTF-8)."),
    (b"\x28\xb5\x2f\xfd", "zstd", "Unpack it: `unzstd`."),
    (b"BZh", "bzip2", "Unpack it: `bunzip2`."),
    (b"\xfd7zXZ\0", "xz", "Unpack it: `unxz`."),
    (b"PAR1", "Parquet", "Name it *.parquet."),
    (b"SQLite format 3\0", "a SQLite database", "Export its table as CSV."),
)


class Line(NamedTuple):
    """A line with its end, and its number from 1."""

    number: int
    text: str


@contextmanager
def opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The file, checked at its beginning and placed behind a byte order mark.

    Raises `DatasetError` for one that cannot be opened or read, is packed, or is in another encoding of Unicode.
    """
    try:
        with path.open("rb") as file:
            head = file.read(CHUNK)
            _check_head(head, name)
            file.seek(len(_BOM) if head.startswith(_BOM) else 0)
            yield file
    except FileNotFoundError:
        raise DatasetError("no such file", where=name) from None
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", where=name) from error


def lines(path: Path, name: str) -> Iterator[Line]:
    """The lines of a file. Raises `DatasetError` also for one that is too long, not UTF-8, or holds NUL bytes."""
    with opened(path, name) as file:
        number, before = 0, file.tell()
        while raw := file.readline(MAX_LINE + 1):
            number += 1
            if len(raw) > MAX_LINE:
                raise too_long(f"{name}:{number}", "the line")
            yield Line(number, _decoded(raw, name, number, before))
            before += len(raw)


def chunks(path: Path, name: str) -> Iterator[str]:
    """The text of a file, piece by piece. Raises like `lines`, but knows no lines that are too long."""
    with opened(path, name) as file:
        decoder = codecs.getincrementaldecoder("utf-8")()
        line, before = 1, file.tell()
        while raw := file.read(CHUNK):
            pending = decoder.getstate()[0]
            whole = pending + raw
            try:
                text = decoder.decode(raw)
            except UnicodeDecodeError as error:
                raise _broken(whole, error.start, name, line, before - len(pending)) from None
            if "\0" in text:
                raise _nul(whole, name, line, before - len(pending))
            line += text.count("\n")
            before += len(raw)
            yield text
        if rest := decoder.getstate()[0]:
            raise _broken(rest, 0, name, line, before - len(rest))


def whole(path: Path, name: str, most: int) -> str:
    """All text of a file. Raises like `chunks`, and for more than so many characters."""
    pieces, size = [], 0
    for piece in chunks(path, name):
        size += len(piece)
        if size > most:
            raise DatasetError(
                f"larger than {most >> 20} MiB", where=name, remedy="Use JSON Lines for a dataset of this size."
            )
        pieces.append(piece)
    return "".join(pieces)


def too_long(where: str, what: str) -> DatasetError:
    """The refusal of a line or a case that nobody meant to be one."""
    return DatasetError(
        f"{what} is longer than {MAX_LINE >> 20} MiB", where=where, remedy="Is a line break or a quote missing before?"
    )


def _check_head(head: bytes, name: str) -> None:
    for mark, kind, remedy in _PACKED:
        if head.startswith(mark):
            raise DatasetError(f"not text: it is {kind}", where=f"{name}:1", remedy=remedy)
    for mark, kind, program in _MARKS:
        if head.startswith(mark):
            raise _encoded(kind, program, f"{name}:1", "byte 0")
    if b"\0" in head:
        raise _nul(head, name, 1, 0)


def _decoded(raw: bytes, name: str, number: int, before: int) -> str:
    if b"\0" in raw:
        raise _nul(raw, name, number, before)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _broken(raw, error.start, name, number, before) from None


def _nul(raw: bytes, name: str, line: int, before: int) -> DatasetError:
    at = raw.index(b"\0")
    line += raw.count(b"\n", 0, at)
    where, place = f"{name}:{line}", f"byte {before + at:,}"
    even, odd = raw[::2].count(0), raw[1::2].count(0)
    if max(even, odd) > len(raw) // 8 and min(even, odd) < max(even, odd) // 8:
        little = (odd > even) == (before % 2 == 0)
        kind = "UTF-16LE" if little else "UTF-16BE"
        return _encoded(f"UTF-16 ({'little' if little else 'big'} endian) without its mark", kind, where, place)
    return DatasetError(f"holds a NUL byte ({place})", where=where, remedy="Is it text at all, or was it cut off?")


def _broken(raw: bytes, at: int, name: str, line: int, before: int) -> DatasetError:
    """Why `raw`, which begins so many bytes into the file on this line, is not UTF-8 from its byte `at` on."""
    line += raw.count(b"\n", 0, at)
    where = f"{name}:{line}"
    place = f"byte {before + at:,} is 0x{raw[at]:02x}"
    text = raw.decode("utf-8", "replace")
    good = sum(ord(character) > 127 for character in text) - text.count("\ufffd")
    if good > text.count("\ufffd"):
        return DatasetError(
            f"not UTF-8 text: a broken character ({place})", where=where, remedy="Was the text cut or pasted there?"
        )
    windows = any(0x80 <= byte < 0xA0 for byte in raw)
    kind, program = ("Windows-1252", "WINDOWS-1252") if windows else ("Latin-1", "ISO-8859-1")
    return _encoded(kind, program, where, place)


def _encoded(kind: str, program: str, where: str, place: str) -> DatasetError:
    return DatasetError(
        f"not UTF-8 text: it looks like {kind} ({place})",
        where=where,
        remedy=f"Save it as UTF-8, or convert it: `iconv -f {program} -t UTF-8`.",
    )
