"""Parts of a dataset by what its cases say: by tag, by label, by any plain value.

A slice is named as it is written where one is meant: `tags=vip`, `labels.intent=refund`, `golden`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from moat.domain.errors import ConfigError
from moat.domain.scores import Case
from moat.evals.answer import ABSENT, dig

GROUPS = ("tags", "labels", "variables", "expected", "cluster", "split", "source", "golden")
"""What a path may start with; `labels`, `variables` and `expected` go on with a dot."""
TAGS = ("tags",)
"""Paths that say something of most suites: for those that name none."""
MAX_VALUE = 80
"""Characters of a value: longer ones are texts, which make no slices."""


def check_path(path: str) -> None:
    """Raise `ConfigError` for a path that leads nowhere in any case."""
    group, _, rest = path.partition(".")
    if group not in GROUPS or (rest and group not in ("labels", "variables", "expected")):
        raise ConfigError(
            f"{path!r} is no path to slice by",
            where="slices",
            remedy="Write `tags` (one of them: `tags=<tag>`), `labels.<name>`, `variables.<name>`, `expected`, "
            "`cluster`, `split`, `source`, or `golden`.",
        )


def slices(cases: Iterable[Case], paths: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the cases in each slice, in the order of paths, then by size and name. Raises `ConfigError`."""
    found: dict[str, list[str]] = {}
    cases = list(cases)
    for path in dict.fromkeys(paths):
        check_path(path)
        members: dict[str, list[str]] = defaultdict(list)
        for case in cases:
            for name in names(case, path):
                members[name].append(case.id)
        found |= dict(sorted(members.items(), key=lambda item: (-len(item[1]), item[0])))
    return found


def names(case: Case, path: str) -> list[str]:
    """Names of the slices along one path that a case belongs to; a list puts it into several."""
    group, _, rest = path.partition(".")
    value: Any = getattr(case, group)
    if rest:
        value = dig(value, rest)
    if group == "golden":
        return ["golden"] if value else []
    return list(dict.fromkeys(f"{path}={text}" for text in _texts(value)))


def belongs(case: Case, where: str) -> bool:
    """Is a case in the slice of this name? `tags.vip` is `tags=vip`. Raises `ConfigError` for no name of a slice."""
    if where.startswith("tags."):
        where = where.replace(".", "=", 1)
    path = where.partition("=")[0]
    check_path(path)
    return where in names(case, path)


def _texts(value: Any) -> Iterator[str]:
    if value is ABSENT or value is None or value == "":
        return
    for item in value if isinstance(value, list | tuple) else (value,):
        if isinstance(item, str | bool | int | float):
            text = item if isinstance(item, str) else msgspec.json.encode(item).decode()
            if 0 < len(text) <= MAX_VALUE:
                yield text
