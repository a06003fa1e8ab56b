"""Releasing and rolling back: files, git, evidence and the store brought together."""

import time
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode

import msgspec

from moat.bootstrap.announcement import ServerFile
from moat.bootstrap.project import Project
from moat.bootstrap.wiring import State
from moat.domain.errors import ConfigError, ConflictError, NotFound
from moat.domain.releases import Arm, Assignment, Evidence, PromptVersion, Release, prompt_digest
from moat.prompts.lock import is_edited, publish, read_lock
from moat.prompts.manifest import make_release

SERVED_WITHIN_SECONDS = 10.0


class Releasing:
    """Changes what environments serve."""

    def __init__(self, project: Project, state: State) -> None:
        self._project = project
        self._state = state

    def release(self, name: str, version: str, environment: str, reason: str) -> tuple[Release, Assignment]:
        """Make the manifest and serve it.

        Raises `ConfigError` for an unknown environment, `PromptError` for a published version whose file was
        edited, `ConflictError` when a required suite has not passed for exactly this prompt.
        """
        self._require_environment(environment)
        prompt = self._project.catalog.get(name, version)
        evidence = self._evidence(prompt)
        if not is_edited(read_lock(self._project.root), prompt):
            self._require_suites(environment, prompt, evidence)
        publish(self._project.root, [prompt])
        repository = self._project.repository
        release = self._state.releases.create(
            make_release(
                prompt,
                commit=repository.commit(),
                dirty=repository.is_dirty(self._project.catalog.file(name, version).path),
                author=self._project.author,
                now_ns=time.time_ns(),
                evidence=evidence,
            )
        )
        assignment = self._serve(name, environment, (Arm(release.id),), reason)
        return release, assignment

    def roll_back(self, name: str, environment: str, reason: str) -> tuple[tuple[Arm, ...], Assignment]:
        """Serve what the rollback pointer names. Returns what was served until now, and the new assignment."""
        self._require_environment(environment)
        history = self._state.releases.history(name, environment)
        if not history:
            raise NotFound(f"{environment!r} serves no {name!r}", remedy="`moat release list` shows what is served.")
        current = history[0]
        if not current.replaces:
            raise NotFound(
                f"{environment!r} served nothing before {', '.join(arm.release for arm in current.arms)}",
                remedy=f"Release another version: `moat release create {name}@VERSION --to {environment}`.",
            )
        # A second rollback goes one further back, not forward to what the first one fled from.
        origin = next((earlier for earlier in history[1:] if earlier.arms == current.replaces), None)
        pointer = origin.replaces if origin else ()
        assignment = self._assign(name, environment, current.replaces, reason or "rollback", current, pointer)
        return current.arms, assignment

    def _serve(self, name: str, environment: str, arms: tuple[Arm, ...], reason: str) -> Assignment:
        history = self._state.releases.history(name, environment)
        current = history[0] if history else None
        if current is None:
            return self._assign(name, environment, arms, reason, None, ())
        if current.arms == arms:
            return current
        return self._assign(name, environment, arms, reason, current, current.arms)

    def _assign(
        self,
        name: str,
        environment: str,
        arms: tuple[Arm, ...],
        reason: str,
        current: Assignment | None,
        replaces: tuple[Arm, ...],
    ) -> Assignment:
        assignment = Assignment(
            environment=environment,
            prompt=name,
            sequence=(current.sequence if current else 0) + 1,
            arms=arms,
            actor=self._project.author,
            reason=reason,
            created_ns=time.time_ns(),
            replaces=replaces,
        )
        self._state.releases.assign(assignment)
        return assignment

    def _evidence(self, prompt: PromptVersion) -> tuple[Evidence, ...]:
        """The newest finished run of each suite on exactly this prompt."""
        digest = prompt_digest(prompt)
        newest: dict[str, Evidence] = {}
        for run in self._state.runs.runs(prompt=prompt.name, limit=1000):
            if run.prompt_digest == digest and run.status == "finished" and run.suite not in newest:
                newest[run.suite] = Evidence(
                    run=run.id,
                    suite=run.suite,
                    dataset_digest=run.dataset_digest,
                    score=run.score,
                    verdict=run.verdict,
                )
        return tuple(newest[suite] for suite in sorted(newest))

    def _require_environment(self, environment: str) -> None:
        known = self._project.settings.config.environments
        if environment not in known:
            raise ConfigError(
                f"moat.yaml defines no environment {environment!r}",
                where="moat.yaml: $.environments",
                remedy=f"Environments: {', '.join(known) or 'none'}.",
            )

    def _require_suites(self, environment: str, prompt: PromptVersion, evidence: tuple[Evidence, ...]) -> None:
        verdicts = {item.suite: item.verdict for item in evidence}
        for suite in self._project.settings.config.environments[environment].require:
            if verdicts.get(suite) != "pass":
                found = verdicts.get(suite)
                state = "was never run" if found is None else f"has the verdict {found or 'none: it was not gated'}"
                raise ConflictError(
                    f"{environment!r} requires the suite {suite!r}, which {state} for {prompt.id}",
                    remedy=f"Run `moat gate {prompt.id} --suite {suite}`.",
                )


def wait_until_served(server: ServerFile, assignment: Assignment) -> bool:
    """Ask the running server until it serves one of the assignment's releases; False when it does not in time."""
    query = urlencode({"environment": assignment.environment})
    request = urllib.request.Request(
        f"{server.url}/api/v1/prompts/{quote(assignment.prompt)}?{query}",
        headers={"authorization": f"Bearer {server.token}"},
    )
    wanted = {arm.release for arm in assignment.arms}
    deadline = time.monotonic() + SERVED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request, timeout=SERVED_WITHIN_SECONDS) as response:
                if msgspec.json.decode(response.read())["release"] in wanted:
                    return True
        except (urllib.error.URLError, TimeoutError):
            return False
        time.sleep(0.01)
    return False
