"""Drafts of moat.yaml in which a limit is another one, is new, or is gone."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from moat.adapters.git.proposing import ProposingRepository
from moat.bootstrap.limits import OF_ENVIRONMENT, PLAYGROUND_LIMIT, all_limits
from moat.bootstrap.settings import CONFIG_FILE, Settings, checked_settings
from moat.documents import parse_yaml, rewritten
from moat.domain.config import LimitConfig
from moat.domain.errors import ConflictError, NotFound, RequestError
from moat.domain.usage import from_usd
from moat.ports.limit_drafts import ConfigDraft, LimitWish


class LimitDrafting:
    """Writes what people wish of limits into the moat.yaml of the commit that proposals grow from."""

    def __init__(self, root: Path, settings: Callable[[], Settings], environ: Mapping[str, str]) -> None:
        """`settings`: as they are in force."""
        self._root = root
        self._settings = settings
        self._environ = environ

    def draft(self, wish: LimitWish) -> ConfigDraft:
        """moat.yaml with a wish in it, checked as a whole; nothing is written.

        Raises `RequestError` for a wish that says nothing or too much, `NotFound` for a limit that there is not,
        `ConfigError` for what could not be in force, `DocumentError` where the file has to be changed by hand, and
        `ConflictError` without a commit.
        """
        repository = ProposingRepository(self._root, self._environ)
        base = repository.head()
        if not base:
            raise ConflictError(
                "the project is in no git repository with a commit",
                where=str(self._root),
                remedy="A change is proposed as a branch: `git init`, and commit the project.",
            )
        before = repository.text(base, CONFIG_FILE)
        document = parse_yaml(before, name=CONFIG_FILE)
        checked_settings(self._root, document)  # a mistake that is in the commit is told as one
        text = rewritten(document, _wished(document.data, wish, self._environ))
        after = checked_settings(self._root, parse_yaml(text, name=CONFIG_FILE))
        all_limits(after.config, self._environ)
        in_force = self._settings().document.source
        return ConfigDraft(path=CONFIG_FILE, base=base, before=before, text=text, edited=in_force != before)


def _wished(data: Any, wish: LimitWish, environ: Mapping[str, str]) -> Any:
    """The file's data as it should be."""
    if wish.per_day:
        if wish.limit not in ("", PLAYGROUND_LIMIT) or wish.rule is not None:
            raise RequestError("`per_day` stands by itself", where="per_day", remedy="Ask for one change at a time.")
        return _with_per_day(data, wish.per_day)
    if wish.limit == PLAYGROUND_LIMIT:
        raise RequestError(
            "of this limit only the amount can be another", where="rule", remedy="Give `per_day`, in US dollars."
        )
    if not wish.limit and wish.rule is None:
        raise RequestError("nothing is asked for", where="rule", remedy="Give `rule`, or the name of a `limit`.")
    limits = [*(data.get("limits") or [])]
    if not wish.limit:
        return {**data, "limits": [*limits, _stated({}, wish.rule)]}
    index = next((at for at, limit in enumerate(limits) if limit["name"] == wish.limit), None)
    if index is None:
        raise _unknown(wish.limit, [limit["name"] for limit in limits], environ)
    instead = [_stated(limits[index], wish.rule)] if wish.rule is not None else []
    return {**data, "limits": [*limits[:index], *instead, *limits[index + 1 :]]}


def _with_per_day(data: Any, per_day: str) -> Any:
    console = data.get("console") or {}
    playground = console.get("playground") or {}
    if _same_money(playground.get("per_day"), per_day):
        return data
    return {**data, "console": {**console, "playground": {**playground, "per_day": per_day}}}


def _stated(before: dict[str, Any], rule: LimitConfig | None) -> dict[str, Any]:
    """A rule as a file states it: without what goes without saying, unless it was said before."""
    fresh = msgspec.to_builtins(rule)
    usual = msgspec.to_builtins(LimitConfig(name="usual"))
    found: dict[str, Any] = {}
    for key in (*before, *(key for key in fresh if key not in before)):
        value = fresh[key]
        if value is None or (value == usual[key] and (key not in before or value in ([], {}))):
            continue
        found[key] = before[key] if key in before and _means_the_same(key, before[key], value) else value
    return found


def _means_the_same(key: str, before: Any, value: Any) -> bool:
    """May what is written stay? Another order of names says nothing else, and `"5"` as much as `"5.00"`."""
    if key == "money":
        return _same_money(before, value)
    if key == "match":
        return before.keys() == value.keys() and all(sorted(before[name]) == sorted(value[name]) for name in value)
    return sorted(before) == sorted(value) if key in ("per", "warn_at") else bool(before == value)


def _same_money(before: object, value: str) -> bool:
    try:
        return isinstance(before, str) and from_usd(before) == from_usd(value)
    except (ArithmeticError, ValueError):
        return False


def _unknown(name: str, known: list[str], environ: Mapping[str, str]) -> RequestError | NotFound:
    variable = OF_ENVIRONMENT.get(name, "")
    if environ.get(variable, "").strip():
        return RequestError(
            f"the limit {name!r} is stated by the environment variable {variable}",
            where="limit",
            remedy="It is changed where the server is started.",
        )
    return NotFound(
        f"the moat.yaml of the commit that is checked out has no limit {name!r}",
        where=CONFIG_FILE,
        remedy=f"It has: {', '.join(known) or 'none'}. A limit that was written since has to be committed first.",
    )
