"""The registry as programs use it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moat.adapters.sqlite import SqliteRegistry, SqliteState
from moat.adapters.system import SystemClock
from moat.domain.errors import ConflictError, NotFound, PromptError
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.prompts.registry import PromptRegistry
from moat.prompts.templates import JinjaRenderer


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[PromptRegistry]:
    """An empty one."""
    state = SqliteState.open(tmp_path / "state.db")
    yield PromptRegistry(SqliteRegistry(state), JinjaRenderer(), SystemClock())
    state.close()


def version(number: str, text: str = "Hello {{ name }}", name: str = "a/b") -> PromptVersion:
    """With one variable."""
    return PromptVersion(
        name=name,
        version=number,
        messages=(MessageTemplate("user", text),),
        model="m",
        variables={"name": Variable()},
    )


def test_register_get_list_render(registry: PromptRegistry) -> None:
    registered = registry.register(version("1.10.0"), "ada")
    assert registered.is_new
    assert (registered.registration.source, registered.registration.author) == ("api", "ada")
    again = registry.register(version("1.10.0"), "bob")
    assert (again.is_new, again.registration) == (False, registered.registration)
    registry.register(version("1.9.0"), "ada")
    assert registry.get("a/b", "1.10.0") == registered.registration
    assert [found.content.version for found in registry.list("a/b")] == ["1.9.0", "1.10.0"]
    assert registry.names() == ["a/b"]
    assert registry.render("a/b", "1.9.0", {"name": "{{ 7 * 7 }}"}) == [
        {"role": "user", "content": "Hello {{ 7 * 7 }}"}
    ]


@pytest.mark.parametrize("asked", ["", "latest", "2.0.0"])
def test_what_is_not_there_is_answered_with_what_is(registry: PromptRegistry, asked: str) -> None:
    registry.register(version("1.0.0"), "ada")
    with pytest.raises(NotFound, match=r"1\.0\.0"):
        registry.get("a/b", asked)
    with pytest.raises(NotFound, match="no prompt 'unknown'"):
        registry.get("unknown", asked)
    with pytest.raises(NotFound, match="no prompt 'unknown'"):
        registry.list("unknown")


def test_another_content_is_a_conflict(registry: PromptRegistry) -> None:
    registry.register(version("1.0.0"), "ada")
    with pytest.raises(ConflictError, match="higher"):
        registry.register(version("1.0.0", "Goodbye {{ name }}"), "ada")


@pytest.mark.promise("inj-8")
@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a\0b", "", "a//b", "_partials/x"])
def test_a_name_that_no_file_could_have_is_refused(registry: PromptRegistry, name: str) -> None:
    with pytest.raises(PromptError):
        registry.register(version("1.0.0", name=name), "ada")
    assert registry.names() == []


@pytest.mark.parametrize("number", ["latest", "1.0", "v1.0.0", "", "1.0.0\n"])
def test_a_version_that_is_none_is_refused(registry: PromptRegistry, number: str) -> None:
    with pytest.raises(PromptError, match="not a semantic version"):
        registry.register(version(number), "ada")


@pytest.mark.parametrize("text", ["{% if %}", "{% include 'nothing' %}", "{% macro m() %}{% endmacro %}"])
def test_a_template_that_could_not_be_rendered_is_refused(registry: PromptRegistry, text: str) -> None:
    with pytest.raises(PromptError) as refused:
        registry.register(version("1.0.0", text), "ada")
    assert "a/b@1.0.0 messages[0] line 1" in refused.value.where
    assert registry.names() == []
