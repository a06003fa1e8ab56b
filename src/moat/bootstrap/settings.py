"""Reads moat.yaml and the environment. The only file that looks at environment variables."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from moat.documents import Document, decode, read_yaml
from moat.domain.config import Config
from moat.domain.errors import ConfigError, DocumentError, NotFound

CONFIG_FILE = "moat.yaml"
SECRET_FIELDS = frozenset({"api_key", "secret", "token", "password"})
"""Provider fields that must be `${VAR}` references: a secret has no place in a file that is committed."""

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class Settings(msgspec.Struct, frozen=True):
    """A project's configuration, decoded, with its references still in place."""

    root: Path
    config: Config
    document: Document


def environment() -> Mapping[str, str]:
    """The process's environment variables, as everything but this file must get them: passed in."""
    return os.environ


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds a moat.yaml. Raises `NotFound`."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder
    raise NotFound(
        f"no {CONFIG_FILE} in {start} or above it",
        remedy="Go to a Moat project, name one with `--project DIR`, or make one with `moat init DIR`.",
    )


def load_settings(root: Path) -> Settings:
    """Read and check moat.yaml. Raises `ConfigError` with file:line, JSON path and a suggestion.

    `${VAR}` references are checked for form here and resolved by `resolve`, when a provider is built: linting
    a project needs no secrets.
    """
    path = root / CONFIG_FILE
    try:
        document = read_yaml(path, name=CONFIG_FILE)
    except DocumentError as error:
        raise ConfigError(error.what, where=error.where, remedy=error.remedy) from None
    if document.data is None:
        raise ConfigError("the file is empty", where=CONFIG_FILE, remedy="`moat init` writes a complete one.")
    config = decode(document, Config, error=ConfigError)
    settings = Settings(root, config, document)
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """What types cannot say: references between sections, and secrets in the file."""
    config, document = settings.config, settings.document
    for name, options in config.providers.items():
        path = ["providers", name]
        if not isinstance(options.get("kind"), str):
            raise ConfigError(
                f"`kind` is missing at $.providers.{name}",
                where=document.place(path),
                remedy="It picks the adapter: openai, simulated, replay, ...",
            )
        for field in options.keys() & SECRET_FIELDS:
            value = options[field]
            if isinstance(value, str) and not _REFERENCE.fullmatch(value):
                raise ConfigError(
                    f"a secret stands in the file at $.providers.{name}.{field}",
                    where=document.place([*path, field]),
                    remedy='Write a reference such as "${OPENAI_API_KEY}", and set the variable where Moat runs.',
                )
    for alias, model in config.models.items():
        for index, target in enumerate(model.use):
            provider, _, rest = target.partition("/")
            if provider not in config.providers or not rest:
                known = ", ".join(sorted(config.providers)) or "none"
                raise ConfigError(
                    f"{target!r} at $.models.{alias}.use[{index}] names no configured provider",
                    where=document.place(["models", alias, "use", index]),
                    remedy=f"Write provider/model; providers: {known}.",
                )


def resolve(value: Any, settings: Settings, path: list[str | int], environ: Mapping[str, str]) -> Any:
    """A configuration value with `${VAR}` and `${VAR:-default}` replaced.

    Raises `ConfigError` with the place when a variable without default is unset or empty.
    """
    if isinstance(value, dict):
        return {key: resolve(item, settings, [*path, key], environ) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, settings, [*path, index], environ) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        found = environ.get(name) or default
        if found is None:
            shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
            raise ConfigError(
                f"the environment variable {name} is not set, which ${shown} refers to",
                where=settings.document.place(path),
                remedy=f"Set it (export {name}=...), or give a default: ${{{name}:-...}}.",
            )
        return found

    return _REFERENCE.sub(replacement, value)
