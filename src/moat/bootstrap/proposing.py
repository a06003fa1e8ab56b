"""Proposals of a project: checked as they would be merged, committed to branches, pushed where that is wanted."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from moat.adapters.git.forges import compare_url
from moat.adapters.git.proposing import MAX_PROPOSALS, ProposedBranch, ProposingRepository
from moat.bootstrap.gating_base import Base, checked_out
from moat.bootstrap.project import Project
from moat.bootstrap.settings import CONFIG_FILE, Settings, environment
from moat.domain.audit import Act
from moat.domain.errors import ConflictError, NotFound, PromptError, RequestError, Unavailable
from moat.domain.recent import Recent
from moat.ports.audit import AuditWriter
from moat.ports.drafts import Person, Proposal, ProposalFile, Proposed, ProposedFile
from moat.prompts.problems import Problem

MAX_PATH = 300
MAX_TRIES = 10
"""Names of branches that are tried, while others take them."""
MAX_SHOWN = 20
"""Findings that a refusal names."""

_PLACES = (
    r"prompts/.+\.(?:yaml|txt|md|j2)",
    r"tools/.+\.yaml",
    r"evals/[^/]+\.yaml",
    r"evals/.+\.(?:jsonl|csv)",
    re.escape(CONFIG_FILE),
)
_PLACE = re.compile("|".join(_PLACES))
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. +-]*")


class _Change(NamedTuple):
    """What a commit of a proposal is to the current one."""

    base: str
    """The commit in which its branch left the current one's; empty when they have none in common."""
    files: tuple[str, ...]
    merged: bool


class Proposing:
    """Implements `moat.ports.drafts.Proposals`."""

    def __init__(self, root: Path, settings: Callable[[], Settings], audit: AuditWriter) -> None:
        """`settings`: as they are in force."""
        self._root = root
        self._settings = settings
        self._audit = audit
        self._changes = Recent(2 * MAX_PROPOSALS)
        """By the current commit and the branch's: what two commits are to each other does not change."""
        self._left = Recent(2 * MAX_PROPOSALS)
        """By the current commit and an earlier one: the newest that both have grown from."""
        self._merged: dict[str, tuple[str, _Change]] = {}
        """By the branch's commit, when it was merged: the current commit then, and what it was to that one."""

    def make(self, files: Sequence[ProposedFile], subject: str, message: str, person: Person) -> Proposed:
        """Commit files to a new branch; no other branch, no file and no index changes.

        Raises `RequestError` for a file that has no place in a proposal, `PromptError` with what lint finds wrong,
        `ConfigError` for a moat.yaml that could not be in force, `ConflictError` without a repository, when git
        refuses, or when a file has changed since its `base`.
        """
        texts = _checked(files)
        repository = self._repository()
        base = repository.head()
        if not base:
            raise ConflictError(
                "the project is in no git repository with a commit",
                where=str(self._root),
                remedy="Proposals are branches: `git init`, and commit the project.",
            )
        _check_bases(repository, base, files)
        commit = repository.commit_files(base, texts, message, (person.name, person.email))
        self._check(base, commit, texts)
        branch = _branched(repository, subject or _subject(texts), commit)
        detail = {"commit": commit, "base": base, "files": list(texts)}
        act = Act(person.email or person.name, "prompt.propose", branch, reason=message, detail=detail)
        try:
            self._audit.record(act)
        except BaseException:  # what is written down nowhere must not be there either
            repository.remove_branch(branch, commit)
            raise
        problem = self._push(repository, branch)
        return Proposed(
            branch=branch,
            commit=commit,
            base=base,
            files=tuple(texts),
            pushed=self._settings().config.console.propose.push and not problem,
            push_problem=problem,
            compare_url=self._url(repository)(branch),
        )

    def list(self) -> list[Proposal]:
        """All proposal branches, newest first; none outside of a repository.

        Raises `ConflictError` when git refuses, `Unavailable` when it does not answer.
        """
        repository = self._repository()
        head = repository.head()
        if not head:
            return []
        branches, url = repository.proposed(), self._url(repository)
        shown = [_shown(each, self._change(repository, head, each.commit), url(each.name)) for each in branches]
        there = {each.commit for each in branches}
        self._merged = {commit: known for commit, known in self._merged.copy().items() if commit in there}
        return shown

    def file(self, branch: str, path: str) -> ProposalFile:
        """One of the files that a proposal changes, as its branch has it now. Raises `NotFound`, `ConflictError` when
        the branch has no commit in common with the current one, and as `list` does.
        """
        repository = self._repository()
        head = repository.head()
        commit = repository.proposed_commit(branch) if head else ""
        if not commit:
            raise NotFound(f"there is no proposal {branch[:200]!r}", remedy="`GET /api/v1/proposals` lists them.")
        change = self._change(repository, head, commit)
        if not change.base:
            raise ConflictError(
                f"the proposal {branch} has no commit in common with the one that is checked out",
                where="branch",
                remedy="Fetch the whole history where the clone is shallow, or propose it anew.",
            )
        if path not in change.files:
            raise NotFound(
                f"the proposal {branch} does not change the file {path[:MAX_PATH]!r}",
                where="path",
                remedy="`GET /api/v1/proposals` lists its files.",
            )
        text, base = repository.text(commit, path), repository.last_change(change.base, path) or change.base
        return ProposalFile(branch=branch, commit=commit, path=path, text=text, base=base)

    def _change(self, repository: ProposingRepository, head: str, commit: str) -> _Change:
        """Git is asked once, whoever else asks meanwhile; what it could not answer is asked again.

        What was merged stays so while the project goes on from there: with each commit, only open proposals are looked
        at anew.
        """
        then, change = self._merged.get(commit, ("", None))
        if change is None or not self._grown(repository, then, head):
            change = self._changes.get((head, commit), math.inf, lambda: _changed(repository, head, commit))
        if change.merged:
            self._merged[commit] = (head, change)
        return change

    def _grown(self, repository: ProposingRepository, then: str, head: str) -> bool:
        """Has the current commit grown from what was the current one?"""
        if then == head:
            return True
        try:
            return self._left.get((head, then), math.inf, lambda: repository.left(head, then)) == then
        except ConflictError:  # git has it no more: all is read anew
            return False

    def _push(self, repository: ProposingRepository, branch: str) -> str:
        """Where that is wanted; why it did not work. The branch is there all the same."""
        wish = self._settings().config.console.propose
        if not wish.push:
            return ""
        try:
            repository.push_branch(wish.remote, branch)
        except Unavailable as error:
            return str(error)
        return ""

    def _check(self, base: str, commit: str, texts: dict[str, str]) -> None:
        """Raise for what `moat lint`, and of moat.yaml `moat config check`, find wrong in these files, as the branch
        would hold them, and for what they break in prompts that consist of them: `PromptError`, `ConfigError`.
        """
        # A server carries suites and their scorers from the first proposal on only: they are half of its code.
        from moat.bootstrap.proposed_config import check_proposed
        from moat.bootstrap.suites import check_suites
        from moat.prompts.lint import lint

        with checked_out(Project(self._root), Base("", commit)) as project:
            if project is None:
                raise ConflictError(
                    "the repository does not hold the project's moat.yaml",
                    where=str(self._root),
                    remedy="Commit the project first.",
                )
            if CONFIG_FILE in texts:
                check_proposed(project, self._settings(), environment())
            suites = check_suites(project)
            models = set(project.settings.config.models)
            linted = lint(project.root, models=models, covered=suites.covered, catalog=project.catalog)
            touched = {file.path for file in project.catalog.files() if not texts.keys().isdisjoint(file.paths)}
        found = [problem for problem in (*suites.problems, *linted) if problem.severity == "error"]
        wrong = [problem for problem in found if problem.path in texts]
        # A partial or a tool is a part of versions whose own files are as they were.
        broken = [problem for problem in found if problem.path in touched - texts.keys()]
        wrong += self._new(base, broken, models) if broken else []
        if wrong:
            shown = "; ".join(str(problem) for problem in wrong[:MAX_SHOWN])
            more = f"; and {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else ""
            raise PromptError(f"lint finds errors: {shown}{more}", where=wrong[0].path, remedy="Mend them first.")

    def _new(self, base: str, problems: Sequence[Problem], models: set[str]) -> Sequence[Problem]:
        """Those that the commit `base` does not have."""
        from moat.prompts.lint import lint

        with checked_out(Project(self._root), Base("", base)) as project:
            before = [] if project is None else lint(project.root, models=models, covered=set())
        return [problem for problem in problems if problem not in before]

    def _url(self, repository: ProposingRepository) -> Callable[[str], str]:
        """Where the forge shows the change that a branch of this name makes."""
        config = self._settings().config
        remote = repository.remote_url(config.console.propose.remote)
        return lambda branch: compare_url(remote, config.git.branch, branch)

    def _repository(self) -> ProposingRepository:
        return ProposingRepository(self._root, environment())


def _changed(repository: ProposingRepository, head: str, commit: str) -> _Change:
    base = repository.left(head, commit)
    if not base:
        return _Change("", (), merged=False)
    files = repository.differences(base, commit)
    return _Change(base, tuple(files), merged=not files or repository.took(head, commit, files))


def _shown(branch: ProposedBranch, change: _Change, url: str) -> Proposal:
    return Proposal(
        branch=branch.name,
        commit=branch.commit,
        author=branch.author,
        created_ns=branch.time_ns,
        message=branch.message,
        files=change.files,
        merged=change.merged,
        compare_url=url,
    )


def _branched(repository: ProposingRepository, subject: str, commit: str) -> str:
    """The name of a new branch with this commit. Raises `ConflictError` when none can be made."""
    for _ in range(MAX_TRIES):
        branch = repository.free_branch(subject)
        try:
            repository.create_branch(branch, commit)
        except ConflictError as error:  # somebody else has just taken the name
            refused = error
        else:
            return branch
    raise refused


def _check_bases(repository: ProposingRepository, head: str, files: Sequence[ProposedFile]) -> None:
    """A file that others have changed since it was read would take back what they did: raise `ConflictError`."""
    for index, file in enumerate(files):
        if not file.base:
            continue
        where = f"files[{index}].base"
        try:
            changed = repository.differences(repository.resolve(file.base), head, file.path)
        except NotFound as error:
            raise RequestError(error.what, where=where, remedy="Read the file again.") from None
        if changed:
            raise ConflictError(
                f"{file.path} has changed since the commit {file.base[:12]}, which this was written for",
                where=where,
                remedy="Read the file again, and make the change there.",
            )


def _checked(files: Sequence[ProposedFile]) -> dict[str, str]:
    """Texts by path. Raises `RequestError` naming one that has no place in a proposal."""
    texts: dict[str, str] = {}
    for index, file in enumerate(files):
        where, parts = f"files[{index}].path", file.path.split("/")
        sound = all(_PART.fullmatch(part) and not part.endswith((".", " ", ".lock")) for part in parts)
        if not sound or len(file.path) > MAX_PATH or _PLACE.fullmatch(file.path) is None:
            raise RequestError(
                f"{file.path[:MAX_PATH]!r} cannot be proposed",
                where=where,
                remedy="Prompts, their partials, tools, suites and datasets can: files of prompts/, tools/ and evals/; "
                "and moat.yaml.",
            )
        if file.path in texts:
            raise RequestError(f"{file.path!r} is there twice", where=where)
        if "\0" in file.text or any("\ud800" <= letter <= "\udfff" for letter in file.text):
            raise RequestError("is no text that a file can hold", where=f"files[{index}].text")
        texts[file.path] = file.text
    return texts


def _subject(texts: dict[str, str]) -> str:
    """By the first file: `support-answer-1.3.0`."""
    first = next(iter(texts))
    return "-".join(first.rpartition(".")[0].split("/")[1:]) or first.partition(".")[0]
