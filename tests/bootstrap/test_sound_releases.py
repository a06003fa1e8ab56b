"""What may not be released, and what old evidence is worth."""

from tests.bootstrap.projects import Project


def test_a_version_with_lint_errors_is_not_released_and_not_locked(project: Project) -> None:
    good = (project.root / "prompts/support/answer/1.2.0.yaml").read_text()
    (project.root / "prompts/support/answer/1.3.0.yaml").write_text(good.replace("{{ question }}", "{{ qestion }}"))

    done = project.process("release", "create", "support/answer@1.3.0", "--to", "staging")

    assert done.code == 65, done.err
    assert "prompts/support/answer/1.3.0.yaml:" in done.err
    assert "'question'" in done.err
    assert not (project.root / "prompts.lock").exists()


def test_what_the_simulated_provider_said_proves_nothing_of_another_model(project: Project) -> None:
    assert project.process("gate", "support/answer@1.2.0").code == 0
    config = project.root / "moat.yaml"
    real = config.read_text().replace(
        "use: [simulated/support-large, simulated/support-small]", "use: [real/gpt-4o-mini]"
    )
    dark = '  real: {kind: openai, base_url: "http://127.0.0.1:9/v1"}\n\nmodels:'
    config.write_text(real.replace("\nmodels:", dark))

    again = project.process("eval", "run", "support/answer@1.2.0", "--suite", "smoke")
    release = project.process("release", "create", "support/answer@1.2.0", "--to", "production")

    assert again.code == 69, again.out + again.err
    assert release.code == 75, release.out + release.err


def test_a_verdict_and_a_release_say_who_answered(project: Project) -> None:
    gate = project.process("gate", "support/answer@1.2.0", "--suite", "smoke")
    release = project.process("release", "create", "support/answer@1.2.0", "--to", "staging")

    assert "answered by simulated" in gate.out
    assert "by simulated" in release.out
