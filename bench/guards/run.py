"""Measures guards: what the default policy costs a call, then what each detector finds.

    python -m bench.guards.run [NAME ...] [--json | --summary]

`policy` is the cost; every other name is a module here with `rows()`: shares, printed with their 95 % intervals
(Wilson), and times. Times are of the processor, so that other work on the machine counts little; the delay of the event
loop is not.
"""

import argparse
import sys
from collections.abc import Iterable
from importlib import import_module

import msgspec

from bench.guards import policy
from bench.guards.measuring import Row, show
from bench.guards.summary import summary

MEASURED = ("pii", "secrets", "injection", "toxicity", "language", "groundedness", "leak")


def main() -> int:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.guards.run")
    parser.add_argument("names", nargs="*", help=f"some of policy, {', '.join(MEASURED)}; default: all")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one document, for programs")
    shape.add_argument("--summary", action="store_true", help="the tables of docs/guards.md")
    arguments = parser.parse_args()
    names = arguments.names or ["policy", *MEASURED]
    if unknown := sorted({*names} - {"policy", *MEASURED}):
        parser.error(f"there is no {', '.join(unknown)}")
    if arguments.json:
        measured = {name: _rows(name) for name in names if name != "policy"}
        found = {"policy": policy.measured() if "policy" in names else None, "detectors": measured}
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    elif arguments.summary:
        print(
            summary(policy.measured() if "policy" in names else None, _all(name for name in names if name != "policy"))
        )
    else:
        for name in names:
            print(
                f"\n## {name}\n\n{policy.show(policy.measured()) if name == 'policy' else show(_rows(name))}",
                flush=True,
            )
    return 0


def _all(names: Iterable[str]) -> dict[str, list[Row]]:
    return {name: _rows(name) for name in names}


def _rows(name: str) -> list[Row]:
    return list(import_module(f"bench.guards.{name}").rows())


if __name__ == "__main__":
    raise SystemExit(main())
