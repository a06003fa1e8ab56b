"""Making a release."""

from collections.abc import Iterable

from moat.domain.releases import Evidence, PromptVersion, Release, digest, prompt_digest


def make_release(
    prompt: PromptVersion,
    *,
    deployments: tuple[str, ...] = (),
    commit: str,
    dirty: bool,
    author: str,
    now_ns: int,
    evidence: Iterable[Evidence] = (),
) -> Release:
    """The manifest of a version. Its id depends on what ships alone: the content, and the deployments behind its model
    alias; not on who, when, or the evidence.
    """
    content_digest = prompt_digest(prompt)
    identity = {
        "prompt": prompt.name,
        "version": prompt.version,
        "content": content_digest,
        "deployments": deployments,
    }
    return Release(
        id="rel_" + digest(identity).removeprefix("sha256:")[:16],
        content=prompt,
        prompt_digest=content_digest,
        deployments=deployments,
        commit=commit,
        dirty=dirty,
        author=author,
        created_ns=now_ns,
        evidence=tuple(evidence),
    )
