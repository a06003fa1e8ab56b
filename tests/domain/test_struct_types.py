"""Threads that decode the same types for the first time, all at once: nobody's process ends."""

import subprocess
import sys

import pytest

RACE = """
import sys, threading
import msgspec
from moat.domain.struct_types import describe, describe_all

sys.setswitchinterval(1e-6)
WIDE = {f"f{number}": (dict[str, list[int | str]] | None, None) for number in range(60)}
for round in range(60):
    inner = msgspec.defstruct(f"Inner{round}", [(name, *kind) for name, kind in WIDE.items()])
    fields = [("a", inner | None, None), *((name, *kind) for name, kind in WIDE.items())]
    outer = msgspec.defstruct(f"Outer{round}", fields)
    start = threading.Barrier(4)
    if sys.argv[1] == "all":
        describe_all()

    def decode():
        start.wait()
        if sys.argv[1] == "each":
            describe(outer)
        value = msgspec.convert({"a": {"f1": {"x": [1, "2"]}}, "f59": {"y": [1]}}, outer)
        assert (value.a.f1, value.f59) == ({"x": [1, "2"]}, {"y": [1]})

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("done")
"""


CHECKED = """
from typing import TYPE_CHECKING
import msgspec
from moat.domain.struct_types import describe_all

if TYPE_CHECKING:
    from decimal import Decimal as Later

Word = str

class Unfinished(msgspec.Struct):
    word: "Later"

class Nowhere(msgspec.Struct):
    word: "msgspec.Nothing"

class Odd(msgspec.Struct):
    word: "int |"

class Finished(msgspec.Struct):
    word: "Word"

describe_all()
del Word
print(msgspec.json.decode(b'{"word": "done"}', type=Finished).word)
"""


def test_a_type_that_only_a_checker_understands_is_left_out() -> None:
    done = subprocess.run([sys.executable, "-c", CHECKED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.parametrize("described", ["all", "each"])
def test_types_are_worked_out_once(described: str) -> None:
    done = subprocess.run([sys.executable, "-c", RACE, described], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
