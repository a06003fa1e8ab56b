"""Releasing and rolling back: files, git, evidence and the store brought together."""

import time
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from moat.bootstrap.announcement import ServerFile
from moat.bootstrap.evaluating import Evaluating, baseline_digest
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment as process_environment
from moat.bootstrap.settings import require_environment
from moat.bootstrap.wiring import State
from moat.domain.errors import ConflictError, NotFound, PromptError
from moat.domain.releases import Arm, Assignment, Evidence, PromptVersion, Release, prompt_digest
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.prompts.lint import lint
from moat.prompts.lock import is_edited, publish, read_lock
from moat.prompts.manifest import make_release

SERVED_WITHIN_SECONDS = 10.0


class Releasing:
    """Changes what environments serve."""

    def __init__(self, project: Project, state: State) -> None:
        self._project = project
        self._state = state
        self._evaluating = Evaluating(project, state, process_environment())

    def release(self, name: str, version: str, environment: str, reason: str) -> tuple[Release, Assignment]:
        """Make the manifest and serve it.

        The version is published before it is served: a conflict at the end, or a crash, leaves a release that
        nobody serves, and the same command again completes it. Raises `ConfigError` for an unknown environment,
        `PromptError` for a published version whose file was edited, `ConflictError` when a required suite has
        not passed for exactly this prompt, or somebody else assigned since.
        """
        require_environment(self._project.settings, environment)
        prompt = self._project.catalog.get(name, version)
        self._require_sound(name, version)
        current = next(iter(self._state.releases.history(name, environment)), None)
        evidence = self._evidence(prompt, environment)
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
        arms = (Arm(release.id),)
        if current is not None and current.arms == arms:
            return release, current
        assignment = self._assignment(
            name,
            environment,
            sequence=current.sequence + 1 if current else 1,
            arms=arms,
            reason=reason,
            replaces=current.arms if current else (),
        )
        self._state.releases.assign(assignment)
        return release, assignment

    def roll_back(self, name: str, environment: str, reason: str) -> tuple[tuple[Arm, ...], Assignment]:
        """Serve what was served before. Returns what was served until now, and the new assignment.

        Releases pile up and rollbacks take from the top: a second one goes one further back, not forward to
        what the first fled from. Raises `NotFound` when nothing was served before.
        """
        history = self._state.releases.history(name, environment)
        if not history:
            require_environment(self._project.settings, environment)
            raise NotFound(f"{environment!r} serves no {name!r}", remedy="`moat release list` shows what is served.")
        current = history[0]
        target = _before(current, history)
        if target is None:
            raise NotFound(
                f"{environment!r} served nothing before {', '.join(arm.release for arm in current.arms)}",
                remedy=f"Release another version: `moat release create {name}@VERSION --to {environment}`.",
            )
        pointer = _before(target, history)
        assignment = self._assignment(
            name,
            environment,
            sequence=current.sequence + 1,
            arms=target.arms,
            reason=reason or "rollback",
            replaces=pointer.arms if pointer else (),
            returns_to=target.sequence,
        )
        self._state.releases.assign(assignment)
        return current.arms, assignment

    def _assignment(self, name: str, environment: str, **fields: Any) -> Assignment:
        return Assignment(
            environment=environment, prompt=name, actor=self._project.author, created_ns=time.time_ns(), **fields
        )

    def _evidence(self, prompt: PromptVersion, environment: str) -> tuple[Evidence, ...]:
        """What each suite that covers the prompt says about exactly this content, as its files are now."""
        baseline = self._evaluating.baseline(prompt, environment)
        found = []
        for name, suite in self._evaluating.suites.items():
            known = suite.prompt == prompt.name and self._evaluating.judged(
                self._evaluating.target(suite, prompt), baseline
            )
            if known:
                run, judgement = known
                proof = Evidence(run=run.id, suite=name, dataset_digest=run.dataset_digest, score=run.score)
                if judgement is not None:
                    proof = msgspec.structs.replace(
                        proof,
                        verdict=judgement.verdict,
                        gates_digest=judgement.gates_digest,
                        baseline=judgement.baseline,
                        judged_ns=judgement.created_ns,
                    )
                found.append(proof)
        return tuple(found)

    def _require_sound(self, name: str, version: str) -> None:
        """A version that lint finds errors in would fail on each call, and could not be mended once published."""
        path = self._project.catalog.file(name, version).path
        models = set(self._project.settings.config.models)
        for problem in lint(self._project.root, models=models, covered=set()):
            if problem.severity == "error" and problem.path == path and problem.rule != "edited-version":
                place = f"{path}:{problem.line}" if problem.line else path
                raise PromptError(problem.message, where=place, remedy=problem.remedy or "`moat lint` says more.")

    def _require_suites(self, environment: str, prompt: PromptVersion, evidence: tuple[Evidence, ...]) -> None:
        required = self._project.settings.config.environments[environment].require
        served = self._evaluating.served(prompt.name, environment)
        if not required or (served is not None and prompt_digest(served) == prompt_digest(prompt)):
            return
        suites = self._evaluating.required(prompt.name, environment)
        if not suites:
            raise ConflictError(
                f"{environment!r} requires {', '.join(required)}, none of which covers {prompt.name!r}",
                remedy=f"Write a suite with `prompt: {prompt.name}`, and add it to `require` in moat.yaml.",
            )
        baseline = self._evaluating.baseline(prompt, environment)
        proofs = {proof.suite: proof for proof in evidence}
        for suite in suites:
            if flaw := _flaw(proofs.get(suite.name), baseline):
                served_there = f", which {environment} serves" if served is not None else ""
                against = f" against {baseline.version}{served_there}" if baseline is not None else ""
                where = "" if environment == DEFAULT_ENVIRONMENT else f" --env {environment}"
                raise ConflictError(
                    f"{environment!r} requires the suite {suite.name!r}, which {flaw} for {prompt.id}{against}",
                    remedy=f"Run `moat gate {prompt.id} --suite {suite.name}{where}`.",
                )


def _flaw(proof: Evidence | None, baseline: PromptVersion | None) -> str:
    """Why an environment cannot rest on this evidence; empty when it can."""
    if proof is None:
        return "was never run as it is now"
    if not proof.verdict:
        return "was not gated as it is now"
    if proof.baseline != baseline_digest(baseline):
        return f"has a verdict ({proof.verdict}) against another baseline, but none"
    return "" if proof.verdict == "pass" else f"has the verdict {proof.verdict}"


def _before(assignment: Assignment, history: list[Assignment]) -> Assignment | None:
    """The release that was served before the one an assignment stands for."""
    by_sequence = {item.sequence: item for item in history}
    released = by_sequence.get(assignment.returns_to, assignment)
    earlier = by_sequence.get(released.sequence - 1)
    return by_sequence.get(earlier.returns_to, earlier) if earlier else None


def wait_until_served(server: ServerFile, assignment: Assignment) -> bool:
    """Ask the running server until it serves one of the assignment's releases; False when it does not in time."""
    query = urlencode({"environment": assignment.environment})
    wanted = {arm.release for arm in assignment.arms}
    deadline = time.monotonic() + SERVED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        served = ask(server, f"/api/v1/prompts/{quote(assignment.prompt)}?{query}")
        if served is None:
            return False
        if served.get("release") in wanted:
            return True
        time.sleep(0.01)
    return False


def ask(server: ServerFile, path: str) -> dict[str, Any] | None:
    """What the management API answers; None when the server cannot be reached, refuses, or answers with nonsense."""
    request = urllib.request.Request(f"{server.url}{path}", headers={"authorization": f"Bearer {server.token}"})
    try:
        with urllib.request.urlopen(request, timeout=SERVED_WITHIN_SECONDS) as response:
            return msgspec.json.decode(response.read(), type=dict[str, Any])
    except (OSError, HTTPException, msgspec.DecodeError):
        return None
