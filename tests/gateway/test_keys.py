"""Keys in front of a call: who it is from, what the headers may add, and what ends it on its way."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import replace as with_fields
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from msgspec.structs import replace

from moat.domain.calls import CacheUse, Call, Delta, Event, Finished
from moat.domain.errors import AccessError, RequestError
from moat.domain.keys import Key, hash_secret, rotated
from moat.domain.usage import Usage
from moat.gateway.admission import (
    SLACK,
    KeyRing,
    authenticate,
    cache_use_of,
    caller_of,
    client_request_of,
    patience_of,
    read_headers,
)
from moat.testing.fakes import FakeClock
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Running, Start

HELLO: Any = [{"role": "user", "content": "Hello"}]
NOW = FakeClock().now_ns()
DEADLINE = 30.0


def key(secret: str = SECRET, **fields: Any) -> Key:
    return Key(id="key_1", hash=hash_secret(secret), **fields)


def headers(**given: str | bytes) -> dict[str, str]:
    pairs = ((name.replace("_", "-").encode(), value) for name, value in given.items())
    return read_headers({"headers": [(n, v.encode() if isinstance(v, str) else v) for n, v in pairs]})


# --- secrets ---


@pytest.mark.promise("gate-4")
def test_both_secrets_open_while_a_rotation_overlaps_and_then_the_new_one_alone() -> None:
    clock = FakeClock()
    after = rotated(key("mk-old"), hash=hash_secret("mk-new"), now_ns=clock.now_ns(), overlap_ns=60 * 10**9)
    ring = KeyRing([after], clock)
    assert ring.find("mk-old").id == ring.find("mk-new").id == "key_1"
    clock.advance(59)
    ring.find("mk-old")
    clock.advance(1)
    with pytest.raises(AccessError, match="replaced by another") as raised:
        ring.find("mk-old")
    assert raised.value.status == 401
    ring.find("mk-new")
    twice = rotated(after, hash=hash_secret("mk-newer"), now_ns=clock.now_ns(), overlap_ns=60 * 10**9)
    ring = KeyRing([twice], clock)
    ring.find("mk-new")
    with pytest.raises(AccessError, match="unknown"):
        ring.find("mk-old")


@pytest.mark.promise("gate-4")
def test_revoking_or_expiring_closes_to_both_secrets() -> None:
    clock = FakeClock()
    both = rotated(key("mk-old"), hash=hash_secret("mk-new"), now_ns=NOW, overlap_ns=10**15)
    for closed in (replace(both, revoked_ns=1), replace(both, expires_ns=NOW)):
        for secret in ("mk-old", "mk-new"):
            with pytest.raises(AccessError, match="revoked or expired"):
                KeyRing([closed], clock).find(secret)


def test_a_hash_is_no_secret() -> None:
    ring = KeyRing([key()], FakeClock())
    for secret in (hash_secret(SECRET), "", SECRET[:-1], SECRET.upper(), "mk-"):
        with pytest.raises(AccessError):
            authenticate({"authorization": f"Bearer {secret}"}, ring)


# --- what headers say ---


def test_what_the_key_fixes_comes_first() -> None:
    said = headers(
        x_moat_feature="search", x_moat_user="ada", x_moat_session="s1", x_moat_environment="staging",
        x_moat_tags="a, b,a,, c ", x_moat_data_class="public",
    )  # fmt: skip
    free = caller_of(key(tenant="acme"), said, "")
    assert (free.tenant, free.feature, free.user, free.session) == ("acme", "search", "ada", "s1")
    assert (free.environment, free.tags, free.data_class) == ("staging", ("a", "b", "c"), "public")
    fixed = key(feature="chat", user="grace", tags=("batch",), data_class="personal", environment="staging")
    bound = caller_of(fixed, said, "mallory")
    assert (bound.feature, bound.user, bound.tags, bound.data_class) == ("chat", "grace", ("batch",), "personal")
    assert caller_of(key(), headers(), "x" * 999).user == "x" * 256


@pytest.mark.promise("inj-5")
@pytest.mark.parametrize("name", ["feature", "user", "session", "environment", "tags", "data-class"])
@pytest.mark.parametrize("value", ["a\x00b", "a\tb", "\x7f", "a\x1b[31mb", "x" * 257, b"\x80\x81", "a\u2028b"])
def test_a_value_that_has_no_place_in_a_record_is_refused(name: str, value: str | bytes) -> None:
    with pytest.raises(RequestError) as raised:
        caller_of(key(), headers(**{f"x_moat_{name}": value}), "")
    assert raised.value.where == f"x-moat-{name}"


def test_names_may_be_in_any_script() -> None:
    assert caller_of(key(), headers(x_moat_user="Zoë Ångström 李"), "").user == "Zoë Ångström 李"
    assert caller_of(key(), headers(x_moat_user=b"Zo\xeb"), "").user == "Zoë"


def test_there_are_not_too_many_tags() -> None:
    with pytest.raises(RequestError, match="16 tags"):
        caller_of(key(), headers(x_moat_tags=",".join(map(str, range(17)))), "")


def test_the_clients_own_name_for_a_request_is_bounded_and_clean() -> None:
    assert client_request_of(headers(x_request_id="abc-1")) == "abc-1"
    assert client_request_of(headers()) == ""
    for value in ("x" * 257, "a\x01"):
        with pytest.raises(RequestError) as raised:
            client_request_of(headers(x_request_id=value))
        assert raised.value.where == "x-request-id"


@pytest.mark.parametrize(
    ("said", "stream", "seconds"),
    [
        ({}, False, 0),
        ({"x_moat_timeout": "2.5"}, True, 2.5),
        ({"x_moat_timeout": "2", "x_stainless_read_timeout": "1", "x_server_timeout": "1"}, False, 2),
        ({"x_stainless_read_timeout": "600"}, False, 600 + SLACK),
        ({"x_stainless_timeout": "600.0"}, False, 600 + SLACK),
        ({"x_stainless_timeout": "600"}, True, 0),
        ({"x_stainless_timeout": "None"}, False, 0),
        ({"x_server_timeout": "7"}, True, 7),
        ({"x_server_timeout": "nan"}, True, 0),
    ],
)
def test_how_long_the_caller_waits(said: dict[str, str], stream: bool, seconds: float) -> None:
    assert patience_of(headers(**said), stream=stream) == round(seconds * 1e9)


@pytest.mark.parametrize("said", ["", "0", "-1", "1e-10", "nan", "inf", "1e9", "soon", "1s"])
def test_a_time_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(RequestError) as raised:
        patience_of(headers(x_moat_timeout=said), stream=False)
    assert raised.value.where == "x-moat-timeout"


@pytest.mark.parametrize(
    ("said", "use"),
    [
        ({}, "use"),
        ({"cache_control": "max-age=60"}, "use"),
        ({"cache_control": "no-cache"}, "refresh"),
        ({"cache_control": "Max-Age=0"}, "refresh"),
        ({"cache_control": "no-cache, no-store"}, "off"),
        ({"x_moat_cache": "off"}, "off"),
        ({"x_moat_cache": "Refresh"}, "refresh"),
        ({"x_moat_cache": "use", "cache_control": "no-store"}, "use"),
    ],
)
def test_what_the_caller_wants_of_the_cache(said: dict[str, str], use: CacheUse) -> None:
    assert cache_use_of(headers(**said)) == use


def test_a_wish_of_the_cache_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(RequestError, match="use, refresh, off"):
        cache_use_of(headers(x_moat_cache="never"))


def test_headers_reach_the_call(start: Start) -> None:
    running = start(ScriptedProvider("hi"))
    running.client().chat.completions.create(
        model="assistant",
        messages=HELLO,
        timeout=12,
        extra_headers={"x-moat-tags": "a,b", "x-moat-data-class": "public", "x-request-id": "mine-1"},
    )
    (call,) = running.provider.calls
    assert (call.caller.tags, call.caller.data_class, call.client_request) == (("a", "b"), "public", "mine-1")
    assert (call.cache, call.patience_ns) == ("use", round((12 + SLACK) * 1e9))
    with pytest.raises(openai.BadRequestError, match="x-moat-timeout"):
        running.client().chat.completions.create(
            model="assistant", messages=HELLO, extra_headers={"x-moat-timeout": "soon"}
        )


# --- calls under way ---


class Endless:
    """Says a word, and then nothing for a long time."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.closed = threading.Event()

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        try:
            if call.stream:
                yield Delta(text="So, ")
            self.begun.set()
            await asyncio.sleep(DEADLINE)
            yield Finished(reason="stop", usage=Usage(input=1, output=1))
        finally:
            self.closed.set()

    async def aclose(self) -> None:
        pass


def serve(running: Running, *keys: Key) -> None:
    """What a reload does when keys change."""
    running.live.serving = with_fields(running.live.serving, keys=KeyRing(keys, FakeClock()))


CHANGES = {
    "revoked": ((key(revoked_ns=1),), 401),
    "expired": ((key(expires_ns=1),), 401),
    "rotated": ((replace(key("mk-new"), former_hash=hash_secret(SECRET), former_until_ns=NOW),), 401),
    "gone": ((), 401),
    "demoted": ((key(role="viewer", tenant="acme"),), 403),
    "narrowed": ((key(models=("spare",), tenant="acme"),), 403),
    "moved": ((key(tenant="globex"),), 403),
}


@pytest.mark.promise("gate-4")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("stream", [True, False])
def test_a_call_under_way_ends_with_its_key(start: Start, change: str, stream: bool) -> None:
    keys, status = CHANGES[change]
    provider = Endless()
    running = start(provider)  # type: ignore[arg-type]
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=DEADLINE)
    body = json.dumps({"model": "assistant", "messages": HELLO, "stream": stream})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {SECRET}"})
    assert provider.begun.wait(DEADLINE)
    began = time.monotonic()
    serve(running, *keys)
    response = connection.getresponse()
    answer = response.read()
    took = time.monotonic() - began
    connection.close()
    assert response.status == (200 if stream else status)
    assert b'"code":"access_denied"' in answer
    assert b"[DONE]" not in answer
    assert provider.closed.is_set()
    assert took < DEADLINE / 2, "long before the model would have ended"
    (call,) = running.spool.calls
    assert call.error == "access_denied"


def test_a_key_that_lost_a_model_gets_no_earlier_answer_of_it_again(start: Start) -> None:
    running = start(ScriptedProvider("first answer", "second answer"))
    asked = {"model": "assistant", "messages": HELLO, "extra_headers": {"idempotency-key": "order-1"}}
    with running.client() as client:
        assert client.chat.completions.create(**asked).choices[0].message.content == "first answer"
        serve(running, key(models=("spare",)))
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(**asked)
    assert len(running.provider.calls) == 1


def test_a_change_that_takes_nothing_from_a_call_does_not_end_it(start: Start) -> None:
    provider = Endless()
    running = start(provider)  # type: ignore[arg-type]
    with running.client().chat.completions.create(model="assistant", messages=HELLO, stream=True) as stream:
        next(iter(stream))
        serve(running, key(tenant="acme", name="another name", role="admin"))
        assert not provider.closed.wait(0.6)


def test_a_call_takes_no_longer_than_its_caller_waits(start: Start) -> None:
    provider = Endless()
    running = start(provider)  # type: ignore[arg-type]
    with pytest.raises(openai.APIStatusError) as raised:
        running.client().chat.completions.create(
            model="assistant", messages=HELLO, extra_headers={"x-moat-timeout": "1"}
        )
    assert (raised.value.status_code, raised.value.code) == (504, "deadline_passed")
    assert provider.closed.is_set()
    (call,) = running.spool.calls
    assert call.error == "deadline_passed"
