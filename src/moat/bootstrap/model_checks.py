"""What the types of `moat.yaml` cannot say about `models` and `deployments`: the names in them must lead somewhere."""

from collections.abc import Iterable, Iterator, Sequence

from moat.documents import Document
from moat.domain.config import LEXICAL, Config, ModelConfig
from moat.domain.errors import ConfigError

Path = Sequence[str | int]


def check_models(config: Config, document: Document) -> None:
    """Raise `ConfigError` with file:line for the first mistake."""
    for error in (*_targets(config, document), *_aliases(config, document), *_deployments(config, document)):
        raise error


def _targets(config: Config, document: Document) -> Iterator[ConfigError]:
    for alias, model in config.models.items():
        lists: list[tuple[Path, list[str]]] = [(["models", alias, "use"], model.use)]
        lists += [(["models", alias, "rules", at, "use"], rule.use) for at, rule in enumerate(model.rules)]
        for path, targets in lists:
            for index, target in enumerate(targets):
                if error := _unknown(target, [*path, index], config, document):
                    yield error


def _aliases(config: Config, document: Document) -> Iterator[ConfigError]:
    for alias, model in config.models.items():
        path = ["models", alias]
        yield from _strategy(model, path, document)
        yield from _rules(model, path, document)
        for field, other in (("longer", model.longer), ("cheaper", model.cheaper)):
            if other and (other not in config.models or other == alias):
                yield ConfigError(
                    f"{other!r} at {_shown([*path, field])} is no other model",
                    where=document.place([*path, field]),
                    remedy=f"Models: {', '.join(name for name in sorted(config.models) if name != alias) or 'none'}.",
                )
        yield from _embedder(alias, config, document)
        if alias in (chain := _longer(config, alias)):
            yield ConfigError(
                f"`longer` leads from {alias!r} back to it: {' -> '.join([alias, *chain])}",
                where=document.place([*path, "longer"]),
                remedy="The last model of the chain has no `longer`.",
            )


def _embedder(alias: str, config: Config, document: Document) -> Iterator[ConfigError]:
    cache, path = config.models[alias].cache, ["models", alias, "cache", "semantic", "embedder"]
    name = LEXICAL if cache is None or cache.semantic is None else cache.semantic.embedder
    if name != LEXICAL and (name not in config.models or name == alias):
        others = sorted(config.models.keys() - {alias})
        yield ConfigError(
            f"{name!r} at {_shown(path)} is no other model",
            where=document.place(path),
            remedy=f"Write `lexical`, or the alias of an embeddings model. Models: {', '.join(others) or 'none'}.",
        )


def _longer(config: Config, alias: str) -> list[str]:
    """The chain of `longer` from an alias on, until it ends or comes round."""
    chain: list[str] = []
    model = config.models[alias]
    while model.longer in config.models and model.longer not in chain:
        chain.append(model.longer)
        model = config.models[model.longer]
    return chain


def _strategy(model: ModelConfig, path: Path, document: Document) -> Iterator[ConfigError]:
    lists = [(model.strategy, model.use), *((rule.strategy, rule.use) for rule in model.rules)]
    used = [name for strategy, names in lists if strategy == "weighted" for name in names]
    for name in model.weights:
        if name not in used:
            yield ConfigError(
                f"{_shown([*path, 'weights'])} gives {name!r} a weight, and no `strategy: weighted` chooses it",
                where=document.place([*path, "weights", name]),
                remedy=f"Weights are for: {', '.join(used)}." if used else "Write `strategy: weighted` beside them.",
            )
    for strategy, names in lists:
        if strategy == "weighted" and not any(model.weights.get(name, 1.0) for name in names):
            yield ConfigError(
                f"all weights at {_shown([*path, 'weights'])} are 0",
                where=document.place([*path, "weights"]),
                remedy="Give at least one a weight above 0; those with 0 are fallbacks.",
            )
    if model.quality is not None and all(strategy != "cheapest" for strategy, _ in lists):
        yield ConfigError(
            f"{_shown([*path, 'quality'])} has no effect without `strategy: cheapest`",
            where=document.place([*path, "quality"]),
            remedy="Write `strategy: cheapest` beside it, or leave it out.",
        )


def _rules(model: ModelConfig, path: Path, document: Document) -> Iterator[ConfigError]:
    for index, rule in enumerate(model.rules):
        when, place = rule.when, [*path, "rules", index, "when"]
        if 0 < when.max_tokens < when.min_tokens:
            yield ConfigError(
                f"no call has at least {when.min_tokens} and at most {when.max_tokens} tokens, as {_shown(place)} asks",
                where=document.place([*place, "max_tokens"]),
                remedy="`max_tokens` is the larger one; 0 is no bound.",
            )


def _deployments(config: Config, document: Document) -> Iterator[ConfigError]:
    for name in config.deployments:
        path = ["deployments", name]
        if error := _unknown(name, path, config, document):
            yield error


def _unknown(target: str, path: Path, config: Config, document: Document) -> ConfigError | None:
    provider, _, rest = target.partition("/")
    if provider in config.providers and rest:
        return None
    return ConfigError(
        f"{target!r} at {_shown(path)} names no configured provider",
        where=document.place(path),
        remedy=f"Write provider/model; providers: {', '.join(sorted(config.providers)) or 'none'}.",
    )


def unknown_quality(config: Config, document: Document, suites: Iterable[str]) -> Iterator[ConfigError]:
    """A `quality` whose suite there is not."""
    known = sorted(suites)
    for alias, model in config.models.items():
        if model.quality is not None and model.quality.suite not in known:
            yield ConfigError(
                f"there is no suite {model.quality.suite!r}, which $.models.{alias}.quality names",
                where=document.place(["models", alias, "quality", "suite"]),
                remedy=f"Suites: {', '.join(known) or 'none'}.",
            )


def _shown(path: Path) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
