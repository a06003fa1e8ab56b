"""Which price holds, as moat.yaml says it, and how the table is known again."""

from pathlib import Path

import pytest

from moat.bootstrap.models import price_table
from moat.bootstrap.settings import Settings, load_settings
from moat.domain.calls import Deployment
from moat.domain.config import ModelPrice
from moat.domain.errors import ConfigError
from moat.domain.usage import Usage
from moat.spend.prices import Period, PriceTable, Tariff, configured
from moat.spend.published import published, published_version

FILE = """
providers:
  openai: {kind: openai}
  groq: {kind: openai, preset: groq, base_url: "http://127.0.0.1:9/v1"}
models:
  own: {use: [openai/gpt-4o], price: {input: "1", output: "1"}}
  shared: {use: [openai/gpt-4o], rules: [{when: {tenant: [a]}, use: [openai/gpt-4.1-mini]}]}
  plain: {use: [openai/gpt-4o-mini, groq/llama-3.3-70b-versatile]}
deployments:
  openai/gpt-4o: {price: {input: "2", output: "2", unit: "0.25", request: "0.01"}}
"""
LARGE, MINI = Deployment("openai", "gpt-4o"), Deployment("openai", "gpt-4o-mini")
USAGE = Usage(input=1_000_000)


def settings(folder: Path, text: str = FILE) -> Settings:
    (folder / "moat.yaml").write_text(text)
    return load_settings(folder)


def test_an_alias_comes_before_a_deployment_and_that_before_what_is_published(tmp_path: Path) -> None:
    table = price_table(settings(tmp_path), {})
    assert table.cost(LARGE, "own", USAGE) == 10**12
    assert table.cost(LARGE, "shared", USAGE) == 2 * 10**12 + 10**10
    assert table.cost(MINI, "plain", USAGE) == 15 * 10**10
    assert table.cost(Deployment("openai", "gpt-4.1-mini"), "shared", USAGE) == 4 * 10**11, "a rule leads there"
    assert table.cost(Deployment("groq", "llama-3.3-70b-versatile"), "plain", USAGE) == 59 * 10**10
    assert table.cost(LARGE, "own", Usage()) == 0, "what never reached a model"


def test_history_may_know_more_than_the_file(tmp_path: Path) -> None:
    gone, left = Deployment("removed", "m"), Deployment("openai", "gpt-4.1")
    table = price_table(settings(tmp_path), {}, [("old", gone), ("old", left), ("own", left)])
    assert table.cost(gone, "old", USAGE) is None
    assert table.cost(left, "old", USAGE) == 2 * 10**12
    assert table.cost(left, "own", USAGE) == 10**12, "the alias still says what it costs"


def test_the_version_names_data_and_overrides(tmp_path: Path) -> None:
    first = price_table(settings(tmp_path), {}).version
    assert first.startswith(f"{published_version()}-")
    assert price_table(settings(tmp_path, FILE + "project: other\n"), {}).version == first
    assert price_table(settings(tmp_path, FILE.replace('"1"', '"1.5"', 1)), {}).version != first
    assert price_table(settings(tmp_path, FILE.replace('"0.25"', '"0.26"')), {}).version != first


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"0.25"', '"-1"', "$.deployments.openai/gpt-4o.price.unit"),
        ('"0.01"', '"1001"', "$.deployments.openai/gpt-4o.price.request"),
        ('input: "1"', 'audio_input: "many"', "$.models.own.price.audio_input"),
    ],
)
def test_a_wrong_amount_is_refused_wherever_it_stands(tmp_path: Path, old: str, new: str, place: str) -> None:
    with pytest.raises(ConfigError) as raised:
        price_table(settings(tmp_path, FILE.replace(old, new, 1)), {})
    assert raised.value.where == f"moat.yaml: {place}"


def test_each_kind_of_token_has_its_price() -> None:
    price = ModelPrice(
        input="1", output="2", cached="3", cache_write="4", cache_write_long="5", audio_input="6", audio_output="7",
        cached_audio="8", image_input="11", image_output="12", cached_image="13", video_input="14", video_output="15",
        unit="9", request="10",
    )  # fmt: skip
    rates = configured(price, "here")
    # 150 = 10 plain + 20 cached text + 5 cached audio + 3 cached pictures + 15 written + 5 written for long + 45 audio
    # + 27 pictures + 20 film; 60 = 10 + 20 spoken + 16 drawn + 14 filmed
    usage = Usage(
        input=150, cached=28, cached_audio=5, cached_image=3, cache_write=20, cache_write_long=5, audio_input=50,
        image_input=30, video_input=20, output=60, audio_output=20, image_output=16, video_output=14, units=2,
    )  # fmt: skip
    tokens = 10 * 1 + 20 * 3 + 5 * 8 + 3 * 13 + 15 * 4 + 5 * 5 + 45 * 6 + 27 * 11 + 20 * 14
    tokens += 10 * 2 + 20 * 7 + 16 * 12 + 14 * 15
    assert rates.cost(usage) == tokens * 10**6 + (2 * 9 + 10) * 10**12
    assert rates.total(usage, 1) == rates.cost(usage)
    assert rates.total(usage + usage, 2) == 2 * rates.cost(usage)


def test_impossible_counts_cost_no_more_than_their_whole() -> None:
    rates = configured(ModelPrice(input="1", output="1", audio_output="5", cached="0"), "here")
    assert rates.cost(Usage(output=10, audio_output=99)) == 50 * 10**6
    assert rates.cost(Usage(output=10, reasoning=99)) == 10 * 10**6
    assert rates.cost(Usage(input=10, audio_input=99)) == 99 * 10**6
    assert rates.cost(Usage(cached_audio=5, input=1)) == 10**6
    assert rates.cost(Usage(output=10, audio_output=4, image_output=99, video_output=99)) == (4 * 5 + 6) * 10**6


def test_pictures_and_films_cost_what_text_costs_where_nothing_else_is_said() -> None:
    plain = configured(ModelPrice(input="1", output="2", cached="0.5"), "here")
    usage = Usage(input=90, cached=30, cached_image=30, image_input=50, video_input=20, output=40, image_output=30)
    assert plain.cost(usage) == plain.cost(Usage(input=90, cached=30, output=40))
    drawing = configured(ModelPrice(input="1", output="2", image_input="3", image_output="9"), "here")
    assert drawing.cost(Usage(input=1, video_input=1, output=1, video_output=1)) == (3 + 9) * 10**6


def test_a_price_of_pieces_and_of_tokens_covers_both() -> None:
    rates = configured(ModelPrice(input="1", output="2", unit="0.01"), "here")
    assert rates.cover(Usage(units=3))
    assert rates.cover(Usage(input=3))
    assert rates.cost(Usage(units=3)) == 3 * 10**10
    assert not configured(ModelPrice(input="1"), "here").cover(Usage(units=3))
    assert not configured(ModelPrice(unit="1"), "here").cover(Usage(input=3))


@pytest.mark.parametrize(("second", "cost"), [(3 * 3600 - 1, 1), (3 * 3600, 5), (23 * 3600, 5), (3600, 1)])
def test_a_price_may_hold_for_a_part_of_the_day(second: int, cost: int) -> None:
    day, night = (configured(ModelPrice(input=usd), "here") for usd in ("0.000005", "0.000001"))
    tariff = Tariff((Period(rates=day), Period(rates=night, from_s=82_800 + 1, until_s=3 * 3600)))
    deployment = Deployment("p", "m")
    table = PriceTable({("a", deployment): tariff})
    at_ns = (20_000 * 86_400 + second) * 10**9
    assert table.cost(deployment, "a", Usage(input=1), at_ns) == cost
    assert table.cost(deployment, "a", Usage(input=1)) in (1, 5), "now"


@pytest.mark.parametrize(
    ("model", "same"),
    [
        ("anthropic/claude-sonnet-4-5", ("claude-sonnet-4-5", "anthropic")),
        ("gemini/gemini-2.5-flash", ("gemini-2.5-flash", "gemini")),
        ("bedrock/amazon.nova-lite-v1:0", ("amazon.nova-lite-v1:0", "bedrock")),
        ("xai/grok-4.20", ("grok-4.20", "xai")),
    ],
)
def test_litellm_names_say_where_a_model_is(model: str, same: tuple[str, str]) -> None:
    found = published(model, "", "litellm")
    assert found is not None
    assert found == published(same[0], "", same[1])
    assert published("nowhere/gpt-4o", "", "litellm") is None
    assert published("gpt-4o", "", "litellm") == published("gpt-4o", "https://api.openai.com/v1")
