"""What `Registry` promises."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import msgspec
import pytest

from moat.domain.errors import ConflictError, NotFound
from moat.domain.releases import MessageTemplate, PromptVersion, Registration, Release, Variable, prompt_digest
from moat.ports.registry import Registry
from moat.ports.releases import ReleaseWriter


class Stores(NamedTuple):
    """The registry, and the releases beside it."""

    registry: Registry
    releases: ReleaseWriter


OpenStores = Callable[[], AbstractContextManager[Stores]]


def _registration(version: str = "1.0.0", text: str = "{{ question }}", name: str = "support/answer") -> Registration:
    content = PromptVersion(
        name=name,
        version=version,
        messages=(MessageTemplate("user", text),),
        model="assistant",
        variables={"question": Variable(), "plan": Variable(default=None)},
        params={"temperature": 0.2, "stop": ["\n", "„Ende“ \x00 🙂"]},
        metadata={"owner": "ada"},
    )
    return Registration(
        content=content,
        digest=prompt_digest(content),
        source="git",
        commit="abc123",
        author="Ada <ada@example.org>",
        committed_ns=5,
        branches=("main", "topic"),
        registered_ns=1_700_000_000_000_000_000,
    )


def _by_api(registration: Registration) -> Registration:
    return msgspec.structs.replace(
        registration, source="api", commit="", author="bob", committed_ns=0, branches=(), registered_ns=9
    )


def _release(registration: Registration) -> Release:
    return Release(id="rel_1", content=registration.content, prompt_digest=registration.digest)


def everything_is_read_back_as_written(open_stores: OpenStores) -> None:
    """By another opener too, registered or indexed."""
    one, two = _by_api(_registration("1.0.0")), _registration("2.0.0")
    with open_stores() as (registry, _):
        assert registry.register(one) == one
        assert registry.index([two]) == 1
    with open_stores() as (registry, _):
        assert registry.get("support/answer", "1.0.0") == one
        assert registry.get("support/answer", "2.0.0") == two


def an_unknown_version_is_not_found(open_stores: OpenStores) -> None:
    """The error names the versions there are, in ascending order."""
    with open_stores() as (registry, _):
        with pytest.raises(NotFound, match="support/answer"):
            registry.get("support/answer", "1.0.0")
        registry.index([_registration("10.0.0"), _registration("9.0.0-rc.1"), _registration("9.0.0")])
        with pytest.raises(NotFound, match=r"'1\.0\.0'.*9\.0\.0-rc\.1, 9\.0\.0, 10\.0\.0"):
            registry.get("support/answer", "1.0.0")
        assert registry.versions("unknown") == []


def versions_are_listed_by_precedence(open_stores: OpenStores) -> None:
    """Names are sorted, and digests are those of the contents."""
    rows = [_registration("1.10.0"), _registration("1.9.0"), _registration("1.10.0-rc.2"), _registration(name="b/c")]
    with open_stores() as (registry, _):
        registry.index(rows)
        found = [registration.content.version for registration in registry.versions("support/answer")]
        assert found == ["1.9.0", "1.10.0-rc.2", "1.10.0"]
        assert registry.names() == ["b/c", "support/answer"]
        assert registry.digests() == {row.content.id: row.digest for row in rows}


def registering_the_same_content_again_changes_nothing(open_stores: OpenStores) -> None:
    """Whoever was first stays on record, whatever the metadata; another content is a conflict."""
    first = _by_api(_registration())
    again = msgspec.structs.replace(first, author="eve", registered_ns=99)
    with open_stores() as (registry, _):
        registry.register(first)
        assert registry.register(again) == first
        with pytest.raises(ConflictError, match=r"support/answer@1\.0\.0"):
            registry.register(_by_api(_registration(text="other")))
        assert registry.versions("support/answer") == [first]


def a_released_version_cannot_be_registered_with_another_content(open_stores: OpenStores) -> None:
    """Though the registry has never seen it."""
    with open_stores() as (registry, releases):
        releases.create(_release(_registration()))
        with pytest.raises(ConflictError, match=r"support/answer@1\.0\.0"):
            registry.register(_by_api(_registration(text="other")))
        assert registry.register(_by_api(_registration())) == _by_api(_registration())


def indexing_the_same_again_changes_nothing(open_stores: OpenStores) -> None:
    """And says so."""
    rows = [_registration("1.0.0"), _registration("1.1.0")]
    with open_stores() as (registry, _):
        assert registry.index(rows) == 2
        later = [msgspec.structs.replace(row, registered_ns=row.registered_ns + 5) for row in rows]
        assert registry.index(later) == 0
        assert registry.versions("support/answer") == rows
        assert registry.index([]) == 0


def an_unreleased_version_follows_git(open_stores: OpenStores) -> None:
    """What git no longer has stays."""
    before, after, gone = _registration(), _registration(text="edited"), _registration("0.1.0")
    with open_stores() as (registry, _):
        registry.index([before, gone])
        assert registry.index([after]) == 1
        assert registry.versions("support/answer") == [gone, after]


def a_released_version_keeps_its_content(open_stores: OpenStores) -> None:
    """Whether the registry saw it before the edit or not."""
    original, edited = _registration(), _registration(text="edited")
    with open_stores() as (registry, releases):
        registry.index([original])
        releases.create(_release(original))
        assert registry.index([edited]) == 0
        assert registry.get("support/answer", "1.0.0") == original
        other = _registration(name="other")
        releases.create(msgspec.structs.replace(_release(other), id="rel_2"))
        assert registry.index([_registration(name="other", text="edited")]) == 1
        assert registry.get("other", "1.0.0").content == other.content
        assert registry.get("other", "1.0.0").digest == other.digest
        assert registry.index([_registration(name="other", text="edited")]) == 0


def what_came_over_the_api_keeps_its_content(open_stores: OpenStores) -> None:
    """When git has the same, the row says where; who registered it stays."""
    mine = _by_api(_registration())
    with open_stores() as (registry, _):
        registry.register(mine)
        assert registry.index([_registration(text="edited")]) == 0
        assert registry.index([_registration()]) == 1
        found = registry.get("support/answer", "1.0.0")
        origin = {"commit": "abc123", "committed_ns": 5, "branches": ("main", "topic")}
        assert found == msgspec.structs.replace(mine, **origin)
        assert registry.index([_registration(text="edited")]) == 0


def a_commit_that_is_known_is_not_forgotten(open_stores: OpenStores) -> None:
    """An uncommitted copy of the same content on another branch says nothing about where it came from."""
    with open_stores() as (registry, _):
        registry.index([_registration()])
        bare = msgspec.structs.replace(_registration(), commit="", author="", committed_ns=0, branches=("other",))
        assert registry.index([bare]) == 1
        assert registry.get("support/answer", "1.0.0") == msgspec.structs.replace(_registration(), branches=("other",))


CHECKS: tuple[Callable[[OpenStores], None], ...] = (
    everything_is_read_back_as_written,
    an_unknown_version_is_not_found,
    versions_are_listed_by_precedence,
    registering_the_same_content_again_changes_nothing,
    a_released_version_cannot_be_registered_with_another_content,
    indexing_the_same_again_changes_nothing,
    an_unreleased_version_follows_git,
    a_released_version_keeps_its_content,
    what_came_over_the_api_keeps_its_content,
    a_commit_that_is_known_is_not_forgotten,
)
