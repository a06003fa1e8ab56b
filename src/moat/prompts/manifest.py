"""Making a release."""

from collections.abc import Iterable

from moat.domain.releases import Evidence, PromptVersion, Release, digest, prompt_digest


def make_release(
    prompt: PromptVersion,
    *,
    commit: str,
    dirty: bool,
    author: str,
    now_ns: int,
    evidence: Iterable[Evidence] = (),
) -> Release:
    """The manifest of a version. Its id depends on what ships alone: not on who, when, or the evidence."""
    identity = {
        "prompt": prompt.name,
        "version": prompt.version,
        "prompt_digest": prompt_digest(prompt),
        "model": prompt.model,
        "params": prompt.params,
        "tools": prompt.tools,
    }
    return Release(
        id="rel_" + digest(identity).removeprefix("sha256:")[:16],
        prompt=prompt.name,
        version=prompt.version,
        prompt_digest=prompt_digest(prompt),
        model=prompt.model,
        params=prompt.params,
        tools=prompt.tools,
        commit=commit,
        dirty=dirty,
        author=author,
        created_ns=now_ns,
        evidence=tuple(evidence),
    )
