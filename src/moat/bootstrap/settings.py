"""Reads moat.yaml and the environment. The only file that looks at environment variables."""

import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from moat.bootstrap.alert_rules import rules_of
from moat.bootstrap.model_checks import check_models
from moat.documents import Document, decode, read_yaml
from moat.domain.config import Config, FreezeWindow
from moat.domain.errors import ConfigError, DocumentError, NotFound
from moat.domain.windows import zone
from moat.spend.limits import compiled, dollars

CONFIG_FILE = "moat.yaml"
_SECRET = re.compile(r"(?i)(^|[-_])(auth|authorization|cookie|credentials?|key|apikey|password|secret|token)$")
"""Names of options, headers and URL parameters whose values must be `${VAR}` references: a secret has no place in
a file that is committed."""

_BESIDE = re.compile(r"(?i)([-_]file|key_id)$")
"""Names of options that say where a credential lies, or which one it is; a bare `file` is what a provider answers from.
"""

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
    try:
        document = read_yaml(root / CONFIG_FILE, name=CONFIG_FILE)
    except DocumentError as error:
        raise ConfigError(error.what, where=error.where, remedy=error.remedy) from None
    return checked_settings(root, document)


def checked_settings(root: Path, document: Document) -> Settings:
    """What a moat.yaml says that need not be in its place. Raises as `load_settings`."""
    if document.data is None:
        raise ConfigError("the file is empty", where=CONFIG_FILE, remedy="`moat init` writes a complete one.")
    config = decode(document, Config, error=ConfigError)
    settings = Settings(root, config, document)
    _check(settings)
    return settings


def require_environment(settings: Settings, name: str) -> None:
    """Raise `ConfigError` for an environment that moat.yaml does not define."""
    known = settings.config.environments
    if name not in known:
        raise ConfigError(
            f"{CONFIG_FILE} defines no environment {name!r}",
            where=f"{CONFIG_FILE}: $.environments",
            remedy=f"Environments: {', '.join(known) or 'none'}.",
        )


def _check(settings: Settings) -> None:
    """What types cannot say: references between sections, and secrets in the file."""
    config, document = settings.config, settings.document
    compiled(config.limits)
    if config.spikes is not None:
        dollars(config.spikes.floor, f"{CONFIG_FILE}: $.spikes.floor")
    dollars(config.console.playground.per_day, f"{CONFIG_FILE}: $.console.playground.per_day")
    for name, options in config.providers.items():
        path = ["providers", name]
        if not isinstance(options.get("kind"), str):
            raise ConfigError(
                f"`kind` is missing at $.providers.{name}",
                where=document.place(path),
                remedy="It picks the adapter: openai, simulated, replay, ...",
            )
        for found in secrets_in(options):
            raise ConfigError(
                f"a secret stands in the file at $.providers.{'.'.join([name, *found])}",
                where=document.place([*path, *found]),
                remedy='Write a reference such as "${OPENAI_API_KEY}", and set the variable where Moat runs.',
            )
    if (secret := config.git.webhook_secret) and _in_plain(secret):
        raise ConfigError(
            "a secret stands in the file at $.git.webhook_secret",
            where=document.place(["git", "webhook_secret"]),
            remedy='Write a reference such as "${MOAT_WEBHOOK_SECRET}", and set the variable where Moat runs.',
        )
    if _opens(config.git.remote):
        raise ConfigError(
            "a password or token stands in the file at $.git.remote",
            where=document.place(["git", "remote"]),
            remedy="Leave it out: git finds it with a credential helper, or a key for ssh.",
        )
    _check_console(settings)
    rules_of(config)
    for name, channel in config.alerts.channels.items():
        hidden = channel.kind != "apprise" or references(channel.url)  # its addresses are made of tokens
        if (channel.secret and _in_plain(channel.secret)) or _in_url(channel.url) or not hidden:
            raise ConfigError(
                f"a secret stands in the file at $.alerts.channels.{name}",
                where=document.place(["alerts", "channels", name]),
                remedy='Write a reference such as "${ALERTS_URL}", and set the variable where Moat runs.',
            )
    for name, rules in config.environments.items():
        if rules.auto == "verdict" and not rules.require:
            raise ConfigError(
                f"`auto: verdict` at $.environments.{name} waits for suites, and `require` names none",
                where=document.place(["environments", name, "auto"]),
                remedy="Name them in `require`, or write `auto: merge`.",
            )
        if rules.approvers and len({name.lower() for name in rules.approvers}) < rules.approvals:
            raise ConfigError(
                f"$.environments.{name} requires {rules.approvals} approvals, and `approvers` names fewer people",
                where=document.place(["environments", name, "approvers"]),
                remedy="Name more of them; whoever wrote or releases a version cannot approve it.",
            )
        for index, window in enumerate(rules.freeze):
            _check_window(settings, window, ["environments", name, "freeze", index])
    check_models(config, document)


def _check_console(settings: Settings) -> None:
    """Addresses that are addresses, and a secret that is a reference."""
    console, place = settings.config.console, settings.document.place
    url = urlsplit(console.public_url)
    if console.public_url and not (url.scheme in ("http", "https") and url.netloc and url.path in ("", "/")):
        raise ConfigError(
            f"{console.public_url!r} at $.console.public_url is not where browsers can find a server",
            where=place(["console", "public_url"]),
            remedy="Write it with its scheme and without a path: https://moat.example.org.",
        )
    for index, proxy in enumerate(console.trusted_proxies):
        try:
            ip_network(proxy, strict=False)
        except ValueError:
            raise ConfigError(
                f"{proxy!r} at $.console.trusted_proxies is no address and no network",
                where=place(["console", "trusted_proxies", index]),
                remedy="Write 127.0.0.1, or 10.0.0.0/8.",
            ) from None
    if console.oidc is not None and console.oidc.client_secret and _in_plain(console.oidc.client_secret):
        raise ConfigError(
            "a secret stands in the file at $.console.oidc.client_secret",
            where=place(["console", "oidc", "client_secret"]),
            remedy='Write a reference such as "${OIDC_SECRET}", and set the variable where Moat runs.',
        )


def _check_window(settings: Settings, window: FreezeWindow, path: list[str | int]) -> None:
    try:
        zone(window.timezone)
    except ConfigError as error:
        where = settings.document.place([*path, "timezone"])
        raise ConfigError(error.what, where=where, remedy=error.remedy) from None
    if window.first is not None and window.last is not None and window.last < window.first:
        raise ConfigError(
            f"the window ends on {window.last}, before it begins",
            where=settings.document.place([*path, "last"]),
            remedy="`first` and `last` are its first and its last day.",
        )


def secrets_in(options: dict[str, Any]) -> Iterator[list[str]]:
    """Paths of the options that hold a secret, or the default of one, in plain text."""
    for name, value in options.items():
        if isinstance(value, dict):
            yield from ([name, *inner] for inner in secrets_in(value))
        elif isinstance(value, str) and (_in_plain(value) if _SECRET.search(name) else _in_url(value)):
            yield [name]


def _in_plain(value: str) -> bool:
    """Does a secret's value lack a reference, or give it a default?"""
    defaults = [match[2] for match in _REFERENCE.finditer(value)]
    return any(defaults) or (not defaults and bool(value.strip()))


def _in_url(value: str) -> bool:
    """Does an address hold a password, or a parameter that is a secret?"""
    try:
        url = urlsplit(_REFERENCE.sub(lambda match: match[2] or "", value))
    except ValueError:
        return False  # no address; the provider's kind says what it expects
    return bool(url.username or url.password) or any(_SECRET.search(name) for name, _ in parse_qsl(url.query))


def _opens(remote: str) -> bool:
    """Does the address of a repository hold a password? By http a name alone is one, as forges make tokens."""
    try:
        url = urlsplit(remote)
    except ValueError:
        return False
    return bool(url.password) or bool(url.username and url.scheme in ("http", "https"))


def references(text: str) -> list[tuple[str, str]]:
    """The variables that a value refers to, each with its default or nothing."""
    return _REFERENCE.findall(text)


def without_secrets(value: Any, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, with a word for each variable that a value refers to without default and that is not set.

    For questions that need no credential, such as what a provider's models cost.
    """
    names = _REFERENCE.findall(msgspec.json.encode(value).decode())
    return {**environ, **{name: "unset" for name, default in names if not default and not environ.get(name)}}


def holds_credential(option: str) -> bool:
    """Is an option's value a secret, its name, or a file with one?"""
    return bool(_SECRET.search(option) or _BESIDE.search(option))


def without_credentials(value: Any, environ: Mapping[str, str], option: str = "") -> Any:
    """A configuration value as it acts here, for digests: references are replaced, but for those to what may be a
    secret by the option's name, by the variable's, or as a header. One to a variable that is not set stays.
    """
    if isinstance(value, dict):
        return {
            name: item if "header" in name else without_credentials(item, environ, name) for name, item in value.items()
        }
    if isinstance(value, list):
        return [without_credentials(item, environ, option) for item in value]
    if not isinstance(value, str) or holds_credential(option):
        return value

    def replacement(match: re.Match[str]) -> str:
        return match[0] if holds_credential(match[1]) else environ.get(match[1]) or match[2] or match[0]

    filled = _REFERENCE.sub(replacement, value)
    return _address(filled) if filled != value else value


def _address(text: str) -> str:
    """Without a password or a parameter that is a secret, where it is an address with one."""
    if not _in_url(text):
        return text
    parts = urlsplit(text)
    query = [(name, value) for name, value in parse_qsl(parts.query) if not _SECRET.search(name)]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(query)).geturl()


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
