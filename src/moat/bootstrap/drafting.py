"""Drafts of prompts over a running server's project: their files, their findings, what they cost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from moat.bootstrap.economics import input_prices
from moat.bootstrap.models import deployment_of
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings
from moat.bootstrap.suite_files import suite_files
from moat.documents import read_yaml
from moat.domain.calls import Call, Caller, Message, new_id, new_trace
from moat.domain.errors import InputError, NotFound, PromptError
from moat.domain.releases import PromptVersion
from moat.domain.usage import Usage
from moat.gateway.serving import Live
from moat.pipeline.estimates import choices, input_tokens, stated_output
from moat.pipeline.stages.resolve import params_of
from moat.ports.drafts import Draft, DraftCost, DraftPreview, PartialText, PartialUse, PromptText
from moat.ports.prompts import Renderer
from moat.prompts.catalog import Catalog
from moat.prompts.drafts import draft_path, lint_draft, read_draft
from moat.prompts.files import partial_path, read_text
from moat.prompts.linting.tokens import Economics
from moat.prompts.lock import read_lock
from moat.prompts.problems import Problem
from moat.prompts.templates import JinjaRenderer
from moat.prompts.tree import check_name, inside


class Drafting:
    """Implements `moat.ports.drafts.Drafts`."""

    def __init__(
        self, root: Path, live: Live, settings: Callable[[], Settings], catalog: Callable[[], Catalog]
    ) -> None:
        """`settings`, `catalog`: as they are in force."""
        self._root = root
        self._live = live
        self._settings = settings
        self._catalog = catalog

    def path(self, name: str, version: str) -> str:
        """Where a version's file stands, or would. Raises `PromptError`."""
        return draft_path(self._root, name, version)

    def file(self, name: str, version: str) -> PromptText:
        """A version's file, sound or broken, as it is on the disk. Raises `NotFound`."""
        path = draft_path(self._root, name, version)
        if not (self._root / path).is_file():
            versions = ", ".join(self._catalog().versions(name))
            raise NotFound(f"there is no file of {name}@{version}", where=path, remedy=f"There are: {versions}.")
        text = read_text(inside(self._root, path), path)
        commit, edited = self._history(path)
        published = f"{name}@{version}" in read_lock(self._root)
        return PromptText(
            name=name, version=version, path=path, text=text, commit=commit, edited=edited, published=published
        )

    def partial(self, name: str) -> PartialText:
        """A partial's file, as it is on the disk, and the versions in force that include it. Raises `NotFound`."""
        path = partial_path(check_name(name))
        if not (self._root / path).is_file():
            raise NotFound(f"there is no partial {name!r}", where=path)
        text, lock = read_text(inside(self._root, path), path), read_lock(self._root)
        commit, edited = self._history(path)
        uses = tuple(
            PartialUse(name=prompt.name, version=prompt.version, published=prompt.id in lock)
            for prompt in self._catalog().all()
            if name in prompt.partials
        )
        return PartialText(name=name, path=path, text=text, commit=commit, edited=edited, used_by=uses)

    def _history(self, path: str) -> tuple[str, bool]:
        """The commit that changed a file last, and whether the file differs from it."""
        repository = Project(self._root).repository
        changes = repository.log(path, limit=1)
        return changes[0].id if changes else "", not changes or repository.is_dirty(path)

    def read(self, draft: Draft) -> PromptVersion:
        """The version that a draft is, with the project's partials and tools. Raises with file and line."""
        return read_draft(self._root, draft).prompt

    def lint(self, draft: Draft) -> list[Problem]:
        """What `moat lint` would find in its files, but for the traffic it may know of; and what the partials that it
        changes break elsewhere.
        """
        return lint_draft(
            self._root,
            draft,
            models=set(self._settings().config.models),
            covered=_covered(self._root),
            economics=Economics(prices=input_prices(Project(self._root))),
            versions=self._catalog().files(),
        )

    def preview(self, prompt: PromptVersion, variables: dict[str, Any], served: PromptVersion | None) -> DraftPreview:
        """With its variables filled in, and what that costs, beside the served version."""
        missing = _missing(prompt, variables)
        texts = {
            name for name in missing if prompt.variables[name].type == "string" and not prompt.variables[name].enum
        }
        given = {**variables, **{name: f"{{{{ {name} }}}}" for name in texts}}
        # A renderer of its own: what is typed now is not asked for again, and would push out what is served.
        renderer = JinjaRenderer(cache=1)
        try:
            messages = renderer.render(prompt, given)
        except PromptError as error:
            return DraftPreview(
                messages=(),
                variables=prompt.variables,
                missing=missing,
                problem=error.what,
                where=error.where,
                cost=None,
                served=None,
            )
        return DraftPreview(
            messages=tuple(messages),
            variables=prompt.variables,
            missing=missing,
            problem="",
            where="",
            cost=self._cost(prompt, messages),
            served=self._served_cost(served, given, renderer),
        )

    def _served_cost(self, served: PromptVersion | None, given: dict[str, Any], renderer: Renderer) -> DraftCost | None:
        if served is None:
            return None
        known = {name: value for name, value in given.items() if name in served.variables}
        try:
            return self._cost(served, renderer.render(served, known))
        except PromptError:
            return None

    def _cost(self, prompt: PromptVersion, messages: list[Message]) -> DraftCost:
        asked = Call(
            id=new_id("req"),
            caller=Caller(),
            trace=new_trace(),
            model=prompt.model,
            messages=messages,
            params=params_of(prompt),
        )
        tokens, model = input_tokens(asked), self._settings().config.models.get(prompt.model)
        ports = self._live.serving.ports
        longest = stated_output(asked)
        if model is None or ports is None:
            return _costs(prompt, tokens, longest)
        first = deployment_of(model.use[0])
        longest = longest or ports.models.capacity(first).output or None
        output = longest * choices(asked) if longest else None

        def price(usage: Usage) -> int | None:
            return ports.prices.cost(first, prompt.model, usage)

        most = None if output is None else price(Usage(input=tokens, output=output))
        return _costs(prompt, tokens, output, price(Usage(input=tokens)), most)


def _costs(
    prompt: PromptVersion, tokens: int, longest: int | None, asked: int | None = None, most: int | None = None
) -> DraftCost:
    return DraftCost(
        version=prompt.version,
        model=prompt.model,
        input_tokens=tokens,
        max_output_tokens=longest,
        input_cost=asked,
        max_cost=most,
    )


def _missing(prompt: PromptVersion, given: dict[str, Any]) -> tuple[str, ...]:
    declared = prompt.variables.items()
    return tuple(name for name, one in declared if name not in given and one.default is msgspec.UNSET)


def _covered(root: Path) -> set[str]:
    """Names of the prompts that suites name, sound or not: reading a whole suite takes longer than typing a letter."""
    found = set()
    for path in suite_files(root).values():
        try:
            suite = read_yaml(path).data
        except InputError:
            continue
        target = suite.get("target") if isinstance(suite, dict) else None
        places = (suite, target) if isinstance(target, dict) else (suite,)
        found |= {name for place in places if isinstance(place, dict) and isinstance(name := place.get("prompt"), str)}
    return found
