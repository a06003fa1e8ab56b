"""Embeddings by hash: the same for the same words, near for shared ones, and refused where asked for wrongly."""

import base64
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.calls import Delta, Finished
from moat.domain.errors import ProviderRefused, Unsupported
from moat.pipeline.recipe import build
from moat.testing.fakes import FixedModels, fake_ports, new_call
from moat.testing.loopback import on_loopback
from moat.testing.replay import Recording, ReplayProvider
from moat.testing.server import ProviderServer
from moat.testing.simulated import SimulatedProvider
from moat.testing.simulated_embeddings import embed, embeddings_body
from moat.testing.simulation import read_simulation


@given(st.text(), st.integers(1, 64))
def test_every_text_has_a_vector_of_length_one(text: str, dimensions: int) -> None:
    vector = embed(text, dimensions)

    assert len(vector) == dimensions
    assert math.isclose(sum(value * value for value in vector), 1.0)
    assert embed(text, dimensions) == vector


def test_texts_that_share_words_are_nearer() -> None:
    def similarity(one: str, other: str) -> float:
        return sum(a * b for a, b in zip(embed(one), embed(other), strict=True))

    assert similarity("How do I return a parcel?", "how do i return my parcel") > 0.6
    assert abs(similarity("How do I return a parcel?", "Bern is sunny today")) < 0.3


@pytest.mark.parametrize(
    ("asked", "texts"),
    [("a b", ["a b"]), (["a", "b"], ["a", "b"]), ([1, 2], ["1 2"]), ([[1, 2], [3]], ["1 2", "3"])],
)
def test_input_has_the_shapes_that_openai_takes(asked: Any, texts: list[str]) -> None:
    body = embeddings_body({"input": asked, "dimensions": 8}, "m", characters_per_token=1, where="")

    assert [entry["embedding"] for entry in body["data"]] == [embed(text, 8) for text in texts]
    assert body["usage"]["total_tokens"] == sum(len(text) for text in texts)


def test_the_packed_form_holds_the_same_numbers() -> None:
    params = {"input": "a", "dimensions": 4, "encoding_format": "base64"}
    body = embeddings_body(params, "m", characters_per_token=4, where="")

    assert struct.unpack("<4f", base64.b64decode(body["data"][0]["embedding"])) == pytest.approx(embed("a", 4))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"input": []},
        {"input": 7},
        {"input": [None]},
        {"input": "a", "dimensions": "3"},
        {"input": "a", "dimensions": -1},
    ],
)
def test_what_cannot_be_embedded_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ProviderRefused):
        embeddings_body(params, "m", characters_per_token=4, where="")


def provider(tmp_path: Path) -> SimulatedProvider:
    (tmp_path / "rules.yaml").write_text('rules: [{user: "", answers: [{text: Hello to you.}]}]')
    return SimulatedProvider(read_simulation(tmp_path / "rules.yaml"))


@pytest.mark.anyio
async def test_the_simulated_provider_embeds_and_does_nothing_else(tmp_path: Path) -> None:
    simulated = provider(tmp_path)
    call = msgspec.structs.replace(new_call(input="twelve chars"), operation="embeddings", messages=[])

    delta, finished = [event async for event in simulated.answer(call)]

    assert isinstance(delta, Delta)
    assert isinstance(finished, Finished)
    assert msgspec.json.decode(delta.raw or b"")["model"] == finished.model == "simulated/large"
    assert finished.usage is not None
    assert finished.usage.input == 3
    for other in (simulated, ReplayProvider(Recording(tmp_path / "none.jsonl"))):
        with pytest.raises(Unsupported):
            [event async for event in other.answer(msgspec.structs.replace(call, operation="speech"))]


def test_the_official_sdk_reaches_it_over_the_server(tmp_path: Path) -> None:
    with on_loopback(ProviderServer(provider(tmp_path), simulated=True)) as url:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            vectors = client.embeddings.create(model="large", input=["a", "b"])
            answer = client.responses.create(model="large", input="Hi")
            streamed = list(client.responses.create(model="large", input="Hi", stream=True))
            with pytest.raises(openai.BadRequestError, match="simulates no moderations"):
                client.moderations.create(model="large", input="a")

    assert (vectors.model, len(vectors.data), len(vectors.data[0].embedding)) == ("simulated/large", 2, 256)
    assert (answer.output_text, answer.model) == ("Hello to you.", "simulated/large")
    assert streamed[-1].type == "response.completed"


@pytest.mark.anyio
async def test_the_next_deployment_answers_what_the_first_does_not_offer(tmp_path: Path) -> None:
    recording = ReplayProvider(Recording(tmp_path / "none.jsonl"))
    models = FixedModels({"assistant": ["old/a", "new/b"]}, {"old": recording, "new": provider(tmp_path)})
    ports = replace(fake_ports(recording), models=models)
    call = msgspec.structs.replace(new_call(input="twelve chars"), operation="embeddings", messages=[])

    finished = [event async for event in build(ports)(call)][-1]

    assert isinstance(finished, Finished)
    assert finished.model == "simulated/b"
    assert [attempt.error for attempt in call.journal.attempts] == ["unsupported_operation", ""]
