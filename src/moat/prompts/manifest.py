"""Making a release."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from moat.domain.releases import Evidence, PromptVersion, Release, digest, prompt_digest

RELEASE = "rel_"
"""What ids of releases begin with; no version does."""


class Setting(NamedTuple):
    """What a version ships with, as in `Release`."""

    deployments: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()


def make_release(
    prompt: PromptVersion,
    setting: Setting,
    *,
    commit: str,
    dirty: bool,
    author: str,
    now_ns: int,
    evidence: Iterable[Evidence] = (),
) -> Release:
    """The manifest of a version. Its id depends on what ships alone: the content, the deployments behind its model
    alias, and the guard policies; not on who, when, or the evidence.
    """
    content_digest = prompt_digest(prompt)
    identity: dict[str, Any] = {
        "prompt": prompt.name,
        "version": prompt.version,
        "content": content_digest,
        "deployments": setting.deployments,
    }
    if setting.policies:  # releases from before there were any keep their ids
        identity["policies"] = setting.policies
    return Release(
        id=RELEASE + digest(identity).removeprefix("sha256:")[:16],
        content=prompt,
        prompt_digest=content_digest,
        deployments=setting.deployments,
        policies=setting.policies,
        commit=commit,
        dirty=dirty,
        author=author,
        created_ns=now_ns,
        evidence=tuple(evidence),
    )
