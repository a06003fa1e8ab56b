"""The copy of a call for a release on trial goes out under the same guards and data policy."""

from typing import Any

import pytest
from msgspec.structs import replace

from moat.domain.releases import PromptRef
from moat.pipeline.recipe import build
from tests.guards.test_clients import EMAIL, by_class, by_guard
from tests.pipeline.test_compose import drain
from tests.pipeline.test_shadow import ByPrompt, asking, at_once, world


@pytest.mark.anyio
@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("policy", [by_guard, by_class])
async def test_neither_a_call_nor_its_copy_is_sent_with_what_was_redacted(policy: Any) -> None:
    provider = ByPrompt(at_once)
    ports, spool, background = world(provider)
    ref = PromptRef(name="answer", environment="production", variables={"question": f"Who is {EMAIL}?"})
    await drain(build(policy(ports))(replace(asking(), prompt=ref)))
    await background.settle()
    assert sorted(call.messages[0]["content"] for call in provider.calls) == [
        "New: Who is <EMAIL_1>?",
        "Old: Who is <EMAIL_1>?",
    ]
    assert len(spool.calls) == 2
