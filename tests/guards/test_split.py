"""Values that are split over several messages, and those in names of files."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from moat.domain.calls import Call
from moat.domain.errors import GuardBlocked
from moat.testing.fakes import new_call
from moat.testing.scripted import says
from tests.guards.test_engine import World, guards

pytestmark = pytest.mark.anyio

PII: dict[str, Any] = {"use": "pii", "action": "redact", "on": ["input", "documents", "tool_results"]}
SECRETS: dict[str, Any] = {"use": "secrets", "action": "block", "on": ["input"]}
INJECTION: dict[str, Any] = {"use": "injection", "action": "block", "on": ["input"]}


def told(*messages: tuple[str, Any]) -> Call:
    return replace(new_call(), messages=[{"role": role, "content": content} for role, content in messages])


async def asked(call: Call) -> list[Any]:
    """What the messages are when they reach the model."""
    world = World(guards(PII, SECRETS, INJECTION), says("Yes."))
    await world.events(call)
    assert "4111 1111" not in world.kept
    return [message["content"] for message in world.provider.calls[0].messages]


async def test_a_card_number_in_two_messages_is_redacted_in_both() -> None:
    messages = await asked(told(("user", "It is 4111 1111"), ("assistant", "Go on."), ("user", "1111 1111, thanks")))
    assert messages == ["It is <CARD_1>", "Go on.", ", thanks"]


async def test_a_number_may_come_in_more_messages_and_parts_than_two() -> None:
    assert await asked(told(*(("user", part) for part in ("Mine: 4111", "1111", "1111 ", " 1111 ok")))) == [
        "Mine: <CARD_1>",
        "",
        " ",
        "  ok",
    ]
    parts = [{"type": "text", "text": "First this."}, {"type": "text", "text": "Then 4111 1111"}]
    first, second = await asked(told(("user", parts), ("user", "1111 1111.")))
    assert [part["text"] for part in first] == ["First this.", "Then <CARD_1>"]
    assert second == "."


async def test_what_nobody_sees_at_a_border_hides_nothing() -> None:
    assert await asked(told(("user", "It is 4111 1111"), ("user", " \n"), ("user", "1111 1111, ok"))) == [
        "It is <CARD_1>",
        " \n",
        ", ok",
    ]
    invisible = await asked(told(("user", "It is 4111 1111\u200b"), ("user", "\ufeff1111 1111")))
    assert invisible == ["It is <CARD_1>\u200b", "\ufeff"]


async def test_an_address_in_two_messages_is_redacted() -> None:
    assert await asked(told(("user", "Write to ada@exam"), ("user", "ple.org now"))) == ["Write to <EMAIL_1>", " now"]


async def test_a_key_in_two_messages_is_found() -> None:
    picker = random.Random(5)
    key = "ghp_" + "".join(picker.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=36))
    with pytest.raises(GuardBlocked, match="secrets"):
        await asked(told(("user", f"Here: {key[:17]}"), ("user", key[17:])))


async def test_what_ends_one_message_and_begins_another_is_left_alone() -> None:
    texts = ["How much is 12 + 5?", "And 13 + 5", "Room 4111", "Floor 3 at 4", "1. Open it", "on 12.05.2024", "16:30"]
    messages = told(*(("user", text) for text in texts))
    assert await asked(messages) == texts


WHOLE = (
    "my mail is ada@example.org", "Mail ada@example.org.", "call me at +49 30 1234567", "(212) 555-0187",
    "phone: 07911 123456", "my IBAN is DE89 3704 0044 0532 0130 00", "it is 4539 5787 6362 1486", "4539578763621486",
    "server 10.1.2.3", "ssn 219-09-9999", "IMEI 490154203237518", "tax id 12 345 678 903", "My DOB is 1990-01-02",
    "we live at Lindenstraße 14",
)  # fmt: skip
WORDS = (
    "no", "Thanks a lot", "not that one, the other", "And what about it?", "5 tents please", "12 tents please",
    "1 tent", "10 people come", "again, please", "Why is it refused?", "3", "a", "Ok.", "100 EUR", "2024 was better",
    "com is what I forgot", "org chart please", "1. Open it", "16:30 is fine", "2nd try", "Ada", "room 12",
)  # fmt: skip


@pytest.mark.parametrize("data", WHOLE)
async def test_words_beside_a_whole_value_are_no_part_of_it(data: str) -> None:
    (hidden,) = await asked(told(("user", data)))
    assert hidden != data
    for words in WORDS:
        behind = told(("user", data), ("assistant", "Noted."), ("user", words))
        assert await asked(behind) == [hidden, "Noted.", words]
        assert await asked(told(("user", words), ("user", data))) == [words, hidden]
        parts = [{"type": "text", "text": text} for text in (data, words)]
        (content,) = await asked(told(("user", parts)))
        assert [part["text"] for part in content] == [hidden, words]


async def test_a_value_of_which_a_part_looks_like_another_is_redacted_as_a_whole() -> None:
    assert await asked(told(("user", "it is 4539 57"), ("user", "87 6362 1486 ok"))) == [
        "it is <CARD_1>",
        "<PHONE_1> ok",
    ]


async def test_words_behind_a_whole_key_are_no_part_of_it() -> None:
    redact = {**SECRETS, "action": "redact"}
    for data in (
        "the password is Tr0ub4dor&3x",
        "my key is ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "my PIN is 4471",
    ):
        for words in ("again, please", "Why is it refused?", "no", "3", "5 tents please"):
            world = World(guards(redact), says("Yes."))
            await world.events(told(("user", data), ("user", words)))
            assert world.provider.calls[0].messages[1]["content"] == words
            assert data.split()[-1] not in world.provider.calls[0].messages[0]["content"]


async def test_what_somebody_else_says_is_not_put_together_with_it() -> None:
    texts = [("user", "It begins 4111 0000"), ("tool", "1111 1112"), ("user", "ok?")]
    assert await asked(told(*texts)) == [text for _, text in texts]


def form(filename: str) -> bytes:
    head = (
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: audio/wav\r\n\r\n'
    )
    field = b'\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nassistant\r\n--b--\r\n'
    return head.encode() + b"RIFF\x00\xff" + field


def upload(filename: str) -> Call:
    call = replace(new_call(), operation="transcription", messages=[], params={"model": "assistant"})
    return replace(call, upload=form(filename), upload_type="multipart/form-data; boundary=b")


async def sent(call: Call) -> Call:
    watch = guards(PII, SECRETS).watch(call)
    assert watch is not None
    return (await watch.ask(call)).call


async def test_data_in_the_name_of_a_file_does_not_go_on() -> None:
    call = upload("ada@example.org 4111 1111 1111 1111.wav")
    assert (await sent(call)).upload == form("<EMAIL_1> <CARD_1>.wav")
    assert call.journal.hide is not None
    assert "ada@example.org" not in call.journal.hide("the file 'ada@example.org 4111 1111 1111 1111.wav' is broken")


async def test_a_key_in_the_name_of_a_file_is_stopped_and_other_names_stay() -> None:
    assert (await sent(upload("Meeting of Monday.wav"))).upload == form("Meeting of Monday.wav")
    with pytest.raises(GuardBlocked, match="secrets"):
        await sent(upload("password=Tr0ub4dor3.wav"))


async def test_data_in_the_name_of_an_attachment_does_not_go_on() -> None:
    part = {
        "type": "file",
        "file": {"filename": "4111 1111 1111 1111.pdf", "file_data": "data:application/pdf;base64,AAAA"},
    }
    (content,) = await asked(told(("user", [part])))
    assert content[0]["file"]["filename"] == "<CARD_1>.pdf"
