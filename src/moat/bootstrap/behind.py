"""What stands behind a model alias, as a digest: an answer of one setting says nothing of another."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from moat.bootstrap.models import all_targets, deployment_of
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings, environment, holds_credential, without_credentials
from moat.domain.errors import InputError, NotFound
from moat.domain.releases import digest, prompt_digest
from moat.domain.scores import Case
from moat.evals.judges.user import PROMPT, VERSION

PIECE = 2**20
MAX_FILE = 64 * PIECE
"""Bytes of a file that are looked at."""
LOCAL = frozenset({"simulated", "replay"})
"""Kinds of providers that answer from files of the project: quicker than a cache, and never stale."""
ANSWERING = ("use", "strategy", "weights", "quality", "rules", "overflow")
"""What of an alias decides who answers; prices, retries and caches do not change what is said."""


def behind(alias: str, project: Project) -> str:
    """Over an alias's routes, its providers' blocks as they act here, and the files that those name; empty for an
    alias that moat.yaml has not.

    A key that is exchanged changes nothing; another address, region, kind or rules file does, also where a variable
    says it.
    """
    settings = project.settings
    return digest(_meaning(alias, settings, ())) if alias in settings.config.models else ""


def invented(alias: str, project: Project) -> tuple[str, ...]:
    """Of each provider that an alias may lead to and that is no model (`LOCAL`), over what it answers from."""
    settings = project.settings
    config, waiting, names = settings.config, [alias], set[str]()
    seen: set[str] = set()
    while waiting:
        found = waiting.pop()
        if found in seen or found not in config.models:
            continue
        seen.add(found)
        model = config.models[found]
        names |= {deployment_of(target).provider for target in all_targets(model)}
        waiting.append(model.longer)
    local = [name for name in sorted(names) if config.providers.get(name, {}).get("kind") in LOCAL]
    return tuple(digest(_provider(name, settings)) for name in local)


def user_behind(project: Project, cases: Iterable[Case]) -> str:
    """Who plays the users of cases that have one: the prompt's content, and what stands behind its model. Empty when
    nobody is played, or nobody can play.
    """
    if not any(case.user is not None for case in cases):
        return ""
    try:
        prompt = project.catalog.get(PROMPT, VERSION)
    except (InputError, NotFound):
        return ""
    return digest((prompt_digest(prompt), behind(prompt.model, project)))


def content(path: Path) -> str:
    """Digest of a file; empty for what is none, cannot be read, or is over `MAX_FILE`."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE:
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def _meaning(alias: str, settings: Settings, above: tuple[str, ...]) -> object:
    models = settings.config.models
    model = models[alias]
    names = sorted({deployment_of(target).provider for target in all_targets(model)})
    found: list[object] = [
        {field: getattr(model, field) for field in ANSWERING},
        [(name, *_provider(name, settings)) for name in names],
    ]
    if model.longer in models and model.longer not in above:
        found.append(_meaning(model.longer, settings, (*above, alias)))
    return found


def _provider(name: str, settings: Settings) -> tuple[object, list[str]]:
    """Its block without what only lets in, and digests of the files that it names, below where moat.yaml stands."""
    block = settings.config.providers.get(name)
    if block is None:
        return None, []
    options = without_credentials(block, environment())
    named = (value for key, value in options.items() if isinstance(value, str) and not holds_credential(key))
    return options, [content(settings.root / value) for value in named if "://" not in value]
