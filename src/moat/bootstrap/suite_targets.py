"""What is wrong with what a suite says shall answer, without asking or running it."""

from collections.abc import Collection, Iterator

from moat.bootstrap.project import Project
from moat.bootstrap.targets import check_secrets, function_target, responses_target
from moat.documents import read_yaml
from moat.domain.errors import InputError
from moat.evals.suites import Suite
from moat.evals.targets.spec import FunctionSpec, HttpSpec, ModelSpec, PromptSpec, ReleaseSpec, ResponsesSpec
from moat.prompts.problems import Problem, from_error
from moat.prompts.variables import nearest


def check_target(suite: Suite, name: str, project: Project, prompts: Collection[str]) -> Iterator[Problem]:
    """Problems of `prompt`, `target` and `model`; `prompts`: names of those there are, broken ones included."""
    config, spec = project.settings.config, suite.target

    def problem(rule: str, path: list[str], message: str, remedy: str = "") -> Problem:
        line = read_yaml(suite.file, name=name).line(path)
        return Problem(rule=rule, path=name, line=line, message=message, remedy=remedy)

    if suite.model and suite.model not in config.models:
        message = f"there is no model {suite.model!r}"
        yield problem("unknown-model", ["model"], message, nearest(suite.model, config.models))
    if not suite.model and _newest_names_no_model(spec, project):
        message = "its prompt's newest version names no model, and the suite names none"
        yield problem("unknown-model", [], message, "Write `model: ALIAS`, or run it with `--model`.")
    if isinstance(spec, PromptSpec | ReleaseSpec) and spec.prompt not in prompts:
        path = ["prompt"] if "prompt" in read_yaml(suite.file, name=name).data else ["target", "prompt"]
        yield problem("unknown-prompt", path, f"there is no prompt {spec.prompt!r}", nearest(spec.prompt, prompts))
    elif isinstance(spec, PromptSpec) and spec.version:
        known = project.catalog.versions(spec.prompt) if spec.prompt in project.catalog.names() else []
        if spec.version not in (*known, *config.environments):
            message = f"{spec.prompt!r} has no version {spec.version}"
            yield problem("unknown-prompt", ["target", "version"], message, nearest(spec.version, known))
    if isinstance(spec, ReleaseSpec) and spec.environment not in config.environments:
        message = f"there is no environment {spec.environment!r}"
        yield problem("suite", ["target", "environment"], message, nearest(spec.environment, config.environments))
    if isinstance(spec, ModelSpec) and spec.model not in config.models:
        message = f"there is no model {spec.model!r}"
        yield problem("unknown-model", ["target", "model"], message, nearest(spec.model, config.models))
    try:
        if isinstance(spec, HttpSpec):
            check_secrets(suite, read_yaml(suite.file, name=name).data["target"], name)
        elif isinstance(spec, FunctionSpec):
            function_target(suite, spec, project)
        elif isinstance(spec, ResponsesSpec):
            responses_target(suite, spec, project)
    except InputError as error:
        yield from_error("suite", name, error)


def _newest_names_no_model(spec: object, project: Project) -> bool:
    if not isinstance(spec, PromptSpec | ReleaseSpec) or spec.prompt not in project.catalog.names():
        return False
    return not project.catalog.get(spec.prompt, project.catalog.versions(spec.prompt)[-1]).model
