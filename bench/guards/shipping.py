"""Puts models into the package, or compares those that are there with what is made anew."""

import gzip
from collections.abc import Mapping
from pathlib import Path

MODELS = Path(__file__).parents[2] / "src/moat/guards/models"


def ship(made: Mapping[str, bytes], *, check: bool) -> int:
    """Write each file, packed; or only say which ones differ. Returns the exit code: 1 when one does.

    What is compared is what is in the files: another zlib may pack the same otherwise.
    """
    differ = 0
    for name, content in made.items():
        path = MODELS / name
        same = path.exists() and gzip.decompress(path.read_bytes()) == content
        if not check and not same:
            path.write_bytes(gzip.compress(content, mtime=0))
        print(f"{name}: {len(content):,} bytes unpacked, {'the same' if same else 'differs' if check else 'written'}")
        differ += not same
    return int(check and differ > 0)
