"""Usage that is missing, repeated, or late in a stream, at the endpoints that are no chat, and at other providers."""

from typing import Any

import pytest

from moat.domain.calls import Call, Finished
from moat.domain.usage import Usage
from tests.providers.test_openai_operations import call_of, feed, line

SAID = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
COUNTED = {"input_tokens": 2, "output_tokens": 9}
END = b"data: [DONE]\n\n"


def text(why: str | None = None, **more: Any) -> bytes:
    return line({"model": "m", "choices": [{"index": 0, "text": "a", "finish_reason": why}], **more})


def usage_of(call: Call, *chunks: bytes) -> Usage | None:
    finished = feed(call, *chunks)[-1]
    assert isinstance(finished, Finished)
    return finished.usage


@pytest.mark.promise("money-6")
@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        ([text(), text("stop")], None),
        ([text(), text("stop", usage=SAID)], Usage(input=5, output=7)),
        ([text(), text("stop"), line({"choices": [], "usage": SAID})], Usage(input=5, output=7)),
        ([text(usage=SAID), text("stop", usage=SAID), line({"choices": [], "usage": SAID})], Usage(input=5, output=7)),
        ([text(usage={**SAID, "completion_tokens": 1}), text("stop", usage=SAID)], Usage(input=5, output=7)),
        ([text(usage=None), text("stop", usage=None), line({"choices": [], "usage": SAID})], Usage(input=5, output=7)),
        ([text("stop", usage={"prompt_tokens": 0, "completion_tokens": 0})], Usage()),
    ],
    ids=["missing", "with the end", "late", "repeated", "growing", "null until the end", "zero"],
)
def test_a_streamed_completion_is_counted_once(chunks: list[bytes], usage: Usage | None) -> None:
    call = call_of("completions", stream=True, prompt="a")
    assert usage_of(call, *chunks, END) == usage
    assert usage_of(call, b"".join(chunks) + END) == usage


@pytest.mark.promise("money-6")
def test_pictures_and_transcripts_are_counted_at_their_end() -> None:
    partial = line({"type": "image_generation.partial_image", "b64_json": ""})
    picture = line({"type": "image_generation.completed", "b64_json": "", "usage": COUNTED})
    assert usage_of(call_of("images", stream=True), partial, partial, picture) == Usage(
        input=2, output=9, image_output=9
    )
    words = line({"type": "transcript.text.delta", "delta": "Good"})
    said = {"type": "transcript.text.done", "text": "Good", "usage": {"type": "tokens", **COUNTED}}
    assert usage_of(call_of("transcription", stream=True), words, line(said)) == Usage(input=2, output=9)
    assert usage_of(call_of("transcription", stream=True), words, line({**said, "usage": None})) is None
