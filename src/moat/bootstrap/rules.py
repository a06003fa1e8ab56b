"""What an environment demands of a release, looked up in files and store."""

from collections.abc import Collection, Iterator

from msgspec.structs import replace

from moat.bootstrap.evaluating import Evaluating, baseline_digest
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.domain.errors import NotFound
from moat.domain.releases import Evidence, PromptVersion, Release, prompt_digest
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.ports.releases import Vote
from moat.prompts.promotion import Missing, counts, frozen, missing_approvals, missing_verdict


class Rules:
    """The rules of one environment."""

    def __init__(self, project: Project, state: State, evaluating: Evaluating, environment: str) -> None:
        """`environment` is one that moat.yaml defines."""
        self._state = state
        self._evaluating = evaluating
        self._environment = environment
        self._rules = project.settings.config.environments[environment]

    def evidence(self, prompt: PromptVersion) -> tuple[Evidence, ...]:
        """What each suite that covers the prompt says about exactly this content, as its files are now."""
        baseline = self._evaluating.baseline(prompt, self._environment)
        found = []
        for name, suite in self._evaluating.suites.items():
            known = suite.prompt == prompt.name and self._evaluating.judged(
                self._evaluating.target(suite, prompt), baseline
            )
            if not known:
                continue
            run, judgement = known
            proof = Evidence(
                run=run.id,
                suite=name,
                suite_digest=run.suite_digest,
                dataset_digest=run.dataset_digest,
                score=run.score,
            )
            if judgement is not None:
                proof = replace(
                    proof,
                    verdict=judgement.verdict,
                    gates_digest=judgement.gates_digest,
                    baseline=judgement.baseline,
                    judged_ns=judgement.created_ns,
                )
            found.append(proof)
        return tuple(found)

    def missing(
        self, release: Release, evidence: tuple[Evidence, ...], own: Collection[str], now_ns: int
    ) -> list[Missing]:
        """Everything that keeps a release out. `own` are who wrote what is new in it, and who wants it in."""
        found = list(self._missing_suites(release.content, evidence))
        approvals = self._state.releases.approvals(release.id, self._environment)
        if lack := missing_approvals(self._rules, approvals, self._concerned(release, own)):
            command = f"moat release approve {release.content.id} --to {self._environment}"
            found.append(Missing(lack, f"They run `{command}`, or approve over the API with keys of their own."))
        if (window := self.frozen(now_ns)) is not None:
            found.append(window)
        return found

    def votes(self, release: Release, own: Collection[str]) -> tuple[Vote, ...]:
        """Who said yes, and whether it counts. `own` as for `missing`."""
        concerned = self._concerned(release, own)
        return tuple(
            Vote(
                actor=given.actor,
                created_ns=given.created_ns,
                comment=given.comment,
                counts=counts(self._rules, given, concerned),
            )
            for given in self._state.releases.approvals(release.id, self._environment)
        )

    @property
    def approvals(self) -> int:
        """How many people must have said yes."""
        return self._rules.approvals

    def _concerned(self, release: Release, own: Collection[str]) -> set[str]:
        """Whose yes does not count."""
        return {release.author, self._first_author(release), *own} - {""}

    def _first_author(self, release: Release) -> str:
        """Who wrote this content when it was released first: later commits to the same file need not change it."""
        try:
            return self._state.releases.get(release.id).author
        except NotFound:
            return ""

    def frozen(self, now_ns: int) -> Missing | None:
        """The freeze window that is open."""
        return frozen(self._rules, now_ns)

    def _missing_suites(self, prompt: PromptVersion, evidence: tuple[Evidence, ...]) -> Iterator[Missing]:
        served = self._evaluating.served(prompt.name, self._environment)
        if not self._rules.require or (served is not None and prompt_digest(served) == prompt_digest(prompt)):
            return
        suites = self._evaluating.required(prompt.name, self._environment)
        if not suites:
            yield Missing(
                f"requires {', '.join(self._rules.require)}, none of which covers {prompt.name!r}",
                f"Write a suite with `prompt: {prompt.name}`, and add it to `require` in moat.yaml.",
            )
        baseline = self._evaluating.baseline(prompt, self._environment)
        proofs = {proof.suite: proof for proof in evidence}
        for suite in suites:
            if flaw := missing_verdict(proofs.get(suite.name), baseline_digest(baseline)):
                served_there = f", which {self._environment} serves" if served is not None else ""
                against = f" against {baseline.version}{served_there}" if baseline is not None else ""
                where = "" if self._environment == DEFAULT_ENVIRONMENT else f" --env {self._environment}"
                yield Missing(
                    f"requires the suite {suite.name!r}, which {flaw} for {prompt.id}{against}",
                    f"Run `moat gate {prompt.id} --suite {suite.name}{where}`.",
                )
