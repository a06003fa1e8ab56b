"""Rules of versions: what was published, and what comes after it."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from moat.prompts.files import PromptFile, partial_path
from moat.prompts.lock import LOCK, is_edited
from moat.prompts.problems import Problem
from moat.prompts.tree import TOOLS


def edited(file: PromptFile, lock: Mapping[str, str]) -> Iterator[Problem]:
    """`edited-version`."""
    prompt = file.prompt
    if prompt.id not in lock or not is_edited(dict(lock), prompt):
        return
    others = [partial_path(name) for name in prompt.partials]
    others += [f"{TOOLS}/{reference.replace('@', '/')}.yaml" for reference in prompt.tools]
    what = f"it, or what it consists of ({', '.join(others)})," if others else "it"
    yield Problem(
        rule="edited-version",
        path=file.path,
        line=1,
        message=f"{prompt.id} is published, and {what} was edited since",
        remedy="Restore it (`git log` has it) and bump the version: put the change into a new file.",
    )


def out_of_order(versions: Sequence[PromptFile], lock: Mapping[str, str]) -> Iterator[Problem]:
    """`version-order`, for versions of one prompt, oldest first."""
    published = [index for index, file in enumerate(versions) if file.prompt.id in lock]
    if not published:
        return
    newest = versions[published[-1]].prompt.version
    for file in versions[: published[-1]]:
        if file.prompt.id not in lock:
            yield Problem(
                rule="version-order",
                severity="warning",
                path=file.path,
                line=1,
                message=f"{file.prompt.id} is not published, and older than {newest}, which is",
                remedy="Give it a higher version, or remove it: nobody would get it.",
            )


def missing(lock: Mapping[str, str], present: Collection[tuple[str, str]]) -> Iterator[Problem]:
    """`missing-version`: of `present`, as name and version."""
    for number, reference in enumerate(sorted(lock), 1):
        name, _, version = reference.rpartition("@")
        if (name, version) not in present:
            yield Problem(
                rule="missing-version",
                path=LOCK,
                line=number,
                message=f"{reference} is published, and its file is gone",
                remedy=f"Restore it (`git log` has it), or take its line out of {LOCK} to give it up for good.",
            )
