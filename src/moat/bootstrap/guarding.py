"""The policies of a project: those of moat.yaml and of the files in `policies/`."""

from pathlib import Path
from typing import NamedTuple

from moat.bootstrap.policy_files import policy_files
from moat.bootstrap.settings import Settings
from moat.documents import Document, decode, read_yaml
from moat.domain.config import Config
from moat.domain.errors import ConfigError
from moat.domain.policies import PolicyConfig
from moat.guards.engine.policing import PolicyGuards
from moat.guards.engine.rules import PlacedPolicy, Policy, compiled
from moat.guards.remote import RemoteDetector


class _Written(NamedTuple):
    """A policy, and where it stands."""

    config: PolicyConfig
    document: Document
    at: list[str | int]


def policies(root: Path, config: Config, document: Document) -> list[Policy]:
    """All of them, compiled; those of moat.yaml first. `document`: moat.yaml. Raises `ConfigError` with the place."""
    return [_compiled(each, config) for each in _written(root, config, document)]


def policy_configs(settings: Settings) -> list[PolicyConfig]:
    """All of them as they are written; no detector is loaded for it. Raises `ConfigError` as `policies`, but for what
    only detectors know.
    """
    return [each.config for each in _written(settings.root, settings.config, settings.document)]


def _written(root: Path, config: Config, document: Document) -> list[_Written]:
    found = [_Written(each, document, ["policies", index]) for index, each in enumerate(config.policies)]
    for path in policy_files(root):
        own = read_yaml(path, name=path.relative_to(root).as_posix())
        found.append(_Written(decode(own, PolicyConfig, error=ConfigError), own, []))
    names: dict[str, str] = {}
    for each in found:
        name = each.config.name
        if name in names:
            raise ConfigError(
                f"there is a policy {name!r} in {names[name]} too", where=each.document.place([*each.at, "name"])
            )
        names[name] = each.document.name
    return found


def placed(settings: Settings) -> list[PlacedPolicy]:
    """All of them as the files have them now, compiled, with their places. Raises `ConfigError` as `policies`."""
    return [
        PlacedPolicy(
            _compiled(each, settings.config),
            each.document.place(each.at),
            tuple(each.document.place([*each.at, "guards", index]) for index in range(len(each.config.guards))),
        )
        for each in _written(settings.root, settings.config, settings.document)
    ]


def place_of(settings: Settings, policy: Policy, path: list[str | int]) -> str:
    """`file:line` of something in a policy."""
    for each in _written(settings.root, settings.config, settings.document):
        if each.config.name == policy.config.name:
            return each.document.place([*each.at, *path])
    return policy.file


def guards(found: list[Policy], secret: bytes = b"") -> PolicyGuards | None:
    """For a pipeline; None when there are none. `secret`: see `PolicyGuards`."""
    return PolicyGuards(found, secret) if any(policy.rules for policy in found) else None


def _compiled(written: _Written, whole: Config) -> Policy:
    config, document, at = written
    try:
        policy = compiled(config, document.name)
    except ConfigError as error:
        raise ConfigError(error.what, where=document.place([*at, *_steps(error.where)]), remedy=error.remedy) from None
    for index, rule in enumerate(policy.rules):
        asked = getattr(rule.detector, "model", "") if isinstance(rule.detector, RemoteDetector) else ""
        if asked and rule.config.use != "presidio" and asked not in whole.models:
            raise ConfigError(
                f"moat.yaml has no model {asked!r}",
                where=document.place([*at, "guards", index, "with", "model"]),
                remedy=f"Models: {', '.join(sorted(whole.models))}.",
            )
        fallback = rule.config.fallback
        if fallback is not None and fallback.model and fallback.model not in whole.models:
            raise ConfigError(
                f"moat.yaml has no model {fallback.model!r}",
                where=document.place([*at, "guards", index, "fallback", "model"]),
                remedy=f"Models: {', '.join(sorted(whole.models))}.",
            )
    return policy


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdecimal() else step for step in path.split(".") if step]
