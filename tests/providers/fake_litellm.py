"""A module of litellm's shape, put on the path under its name: it answers as told, and keeps what it was asked.

Shapes as in litellm 1.106: exceptions named as OpenAI's, with `status_code`, `message` and headers; answers with
`model_dump`; streams with `received_finish_reason`. What the real one does with each provider is not tested here.
"""

import os
from collections.abc import AsyncIterator
from typing import Any

quiet = os.environ.get("LITELLM_LOCAL_MODEL_COST_MAP", "")
asked: list[dict[str, Any]] = []
script: list[Any] = []
"""Answers in turn: a dictionary, a list of chunks, or an exception."""
telemetry = True


class RateLimitError(Exception):
    """Any error with a status."""

    def __init__(self, message: str, status: int = 429, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = f"litellm.{type(self).__name__}: {message}"
        self.status_code = status
        self.litellm_response_headers = headers


class APIError(RateLimitError):
    pass


class Timeout(RateLimitError):
    pass


class APIConnectionError(RateLimitError):
    pass


class ContextWindowExceededError(RateLimitError):
    pass


class Answer:
    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def model_dump(self, exclude_none: bool = False) -> dict[str, Any]:
        return self.data


class Stream:
    def __init__(self, chunks: list[Any]) -> None:
        self.chunks = list(chunks)
        self.closed = False
        self.received_finish_reason: str | None = None

    def __aiter__(self) -> AsyncIterator[Answer]:
        return self

    async def __anext__(self) -> Answer:
        if not self.chunks:
            raise StopAsyncIteration
        chunk = self.chunks.pop(0)
        if isinstance(chunk, Exception):
            raise chunk
        if callable(chunk):
            await chunk()
        finish = chunk["choices"][0].get("finish_reason") if chunk.get("choices") else None
        if finish and finish != "made up":
            self.received_finish_reason = finish
        return Answer(chunk)

    async def aclose(self) -> None:
        self.closed = True


streams: list[Stream] = []


async def acompletion(**options: Any) -> Any:
    asked.append(options)
    told = script.pop(0)
    if isinstance(told, Exception):
        raise told
    if callable(told):
        told = await told()
    if isinstance(told, list):
        streams.append(Stream(told))
        return streams[-1]
    return Answer(told)


aembedding = acompletion
