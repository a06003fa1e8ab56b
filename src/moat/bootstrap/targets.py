"""What a suite's `target` says, as something that answers."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.adapters.http_target import HttpTarget
from moat.bootstrap.behind import behind, user_behind
from moat.bootstrap.connections import HostGuard, StatedHosts, remembered, service, stated
from moat.bootstrap.guarding import policy_configs
from moat.bootstrap.models import deployments
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings, references, resolve, secrets_in
from moat.bootstrap.state import State
from moat.bootstrap.versions import find_version
from moat.documents import read_yaml
from moat.domain.connections import Connection
from moat.domain.environments import EVALS
from moat.domain.errors import ConfigError, PromptError, SecretWithheld
from moat.domain.releases import PromptVersion, digest
from moat.evals.datasets import Dataset
from moat.evals.project_code import find_function
from moat.evals.runner import feature
from moat.evals.running.evaluation import Evaluation
from moat.evals.suites import Suite
from moat.evals.targets.chat import ModelTarget, PromptTarget
from moat.evals.targets.function import FunctionTarget
from moat.evals.targets.responses import load_responses
from moat.evals.targets.spec import FunctionSpec, HttpSpec, ModelSpec, PromptSpec, ReleaseSpec, ResponsesSpec
from moat.evals.targets.target import Target
from moat.prompts.rollouts import settled


class Targets:
    """Makes the targets of one project's suites."""

    def __init__(
        self, project: Project, state: State, environ: Mapping[str, str], users: Project, confined: bool = False
    ) -> None:
        """`users`: the project whose model plays the users of cases. `confined`: secrets go where the store of hosts
        says that they may go, and nowhere for a first time, as when somebody's change is judged.
        """
        self._project = project
        self._users = users
        self._state = state
        self._environ = environ
        self._confined = confined

    def of_prompt(self, suite: Suite, dataset: Dataset, prompt: PromptVersion, model: str = "") -> Evaluation:
        """A version answers; `model`: another alias than its own."""
        alias = model or prompt.model or suite.model
        target = PromptTarget(prompt=prompt, model=alias)
        return self._asked(Evaluation(suite=suite, dataset=dataset, target=target, prompt=prompt), alias)

    def of_suite(self, suite: Suite, dataset: Dataset, model: str = "") -> Evaluation:
        """What the suite names answers. Raises a `MoatError` when there is no such thing."""
        match suite.target:
            case ReleaseSpec(prompt=name, environment=environment):
                return self.of_prompt(suite, dataset, self._served(suite, name, environment), model)
            case PromptSpec(prompt=name, version=version) if version:
                return self.of_prompt(suite, dataset, find_version(self._project, self._state, name, version), model)
            case ModelSpec() as spec:
                alias = model or spec.model
                target = ModelTarget(model=alias, system=spec.system, params=spec.params)
                return self._asked(Evaluation(suite=suite, dataset=dataset, target=target), alias)
            case HttpSpec() as spec:
                service = self._service(suite, spec)
                found = Evaluation(suite=suite, dataset=dataset, target=service, settled=bool(spec.version))
                return self._asked(found, "")
            case FunctionSpec() as spec:
                function = function_target(suite, spec, self._project)
                return self._asked(Evaluation(suite=suite, dataset=dataset, target=function), "")
            case ResponsesSpec() as spec:
                responses = responses_target(suite, spec, self._project)
                return self._asked(Evaluation(suite=suite, dataset=dataset, target=responses), "")
            case _:
                raise PromptError(
                    f"which version of {suite.prompt!r} shall answer?",
                    where=f"suite {suite.name}",
                    remedy=f"Write `moat eval run {suite.prompt}@VERSION`.",
                )

    def _asked(self, evaluation: Evaluation, alias: str) -> Evaluation:
        parts = behind(alias, self._project), user_behind(self._users, evaluation.dataset.cases)
        return replace(
            evaluation,
            alias=alias,
            deployments=deployments(self._project.settings.config, alias),
            behind=digest(parts) if any(parts) else "",
            policies=self._policies(evaluation, alias),
        )

    def _policies(self, evaluation: Evaluation, alias: str) -> tuple[str, ...]:
        """Those that the evaluation's calls run under; none where no model of moat.yaml answers."""
        prompt = evaluation.prompt.name if evaluation.prompt is not None else ""
        scope = {"environment": EVALS, "tenant": "", "feature": feature(evaluation.suite.name)}
        found = policy_configs(self._project.settings) if alias else []
        return tuple(p.id for p in found if p.guards and p.when.holds(**scope, prompt=prompt, model=alias))

    def _served(self, suite: Suite, name: str, environment: str) -> PromptVersion:
        release = settled(self._state.releases.history(name, environment))
        if not release:
            raise PromptError(
                f"{environment} serves no release of {name!r}",
                where=f"suite {suite.name}",
                remedy=f"`moat release create {name}@VERSION --to {environment}` makes one.",
            )
        return self._state.releases.get(release).content

    def _service(self, suite: Suite, spec: HttpSpec) -> Target:
        """Secrets come from the environment, and stay with the host that they were first used with."""
        name = f"evals/{suite.file.name}"
        document = read_yaml(suite.file, name=name)
        here = Settings(self._project.root, self._project.settings.config, document)
        raw = document.data["target"]
        check_secrets(suite, raw, name)
        resolved = msgspec.convert(resolve(raw, here, ["target"], self._environ), HttpSpec)
        guard = HostGuard(StatedHosts(self._state.hosts, stated(self._project.settings, self._environ)))
        found = service(f"suite {suite.name}", resolved.url, raw, self._environ)
        self._check_confined(found, document.place(["target", "url"]))
        withheld = guard.judge(found, document.place(["target", "url"]))
        if withheld is not None:
            raise SecretWithheld(
                f"{', '.join(withheld.credentials)} was used with {', '.join(withheld.elsewhere)}, and is not sent to "
                f"{', '.join(found.hosts)}",
                where=document.place(["target", "url"]),
                remedy="If this is meant, give the secret another variable.",
            )
        guard.remember()
        return HttpTarget(spec, resolved, self._values(raw, found))

    def _values(self, raw: dict[str, Any], found: Connection) -> list[str]:
        """Of all variables that what is sent refers to, but for those that are the host itself."""
        sent = msgspec.json.encode([raw.get(part) for part in ("url", "headers", "body")]).decode()
        values = {self._environ.get(name, "") for name, _ in references(sent)}
        return [value for value in values if value and value.lower() not in found.hosts[0]]

    def _check_confined(self, found: Connection, where: str) -> None:
        known = remembered(self._state.hosts)
        for credential, host in found.everywhere if self._confined else ():
            if host not in known.get(credential, ()):
                raise SecretWithheld(
                    f"{credential} is not sent to {host}: nothing at the merge base sends it there",
                    where=where,
                    remedy="Merge the target first, or let somebody who may use the secret run the suite here.",
                )


def function_target(suite: Suite, spec: FunctionSpec, project: Project) -> FunctionTarget:
    """Found, not imported. Raises `ConfigError`."""
    return FunctionTarget(source=find_function(spec.path, project.root, f"evals/{suite.file.name}"))


def responses_target(suite: Suite, spec: ResponsesSpec, project: Project) -> Target:
    """Read. Raises `DatasetError`."""
    path = suite.file.parent / spec.path
    return load_responses(path, name=str(path.relative_to(project.root)) if path.is_relative_to(project.root) else "")


def check_secrets(suite: Suite, block: dict[str, object], name: str) -> None:
    """Raise `ConfigError` for a secret that stands in a suite's file."""
    for found in secrets_in(block):
        raise ConfigError(
            f"a secret stands in the file at $.target.{'.'.join(found)}",
            where=read_yaml(suite.file, name=name).place(["target", *found]),
            remedy='Write a reference such as "${BOT_TOKEN}", and set the variable where Moat runs.',
        )
