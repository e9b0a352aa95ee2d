import math
import re
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.call_events import CostParts
from service.prices import (
    PricesError,
    PriceTable,
    SpeechPrice,
    TranscriptionPrice,
)
from service.usage import MAX_COUNT, SpeechUse
from tests.usage_reports import (
    ITS_WORDS,
    ONE_TURN,
    Report,
    of_model,
    of_transcription,
    response,
    responses,
)

TABLE = PriceTable.load()
FLAGSHIP = "gpt-realtime-2.1"
MINI = "gpt-realtime-2.1-mini"
TRANSCRIBER = "gpt-transcribe"


def transcription_usd(report: Report, model: str = TRANSCRIBER) -> float | None:
    cost = TABLE.cost_of(FLAGSHIP, of_transcription(report), transcription_models=[model])
    return cost.parts.transcription


# Calls whose cost was computed by hand, in millionths of a dollar.


def test_turn_of_the_flagship_costs_what_was_computed_by_hand():
    usage = of_model(ONE_TURN) | of_transcription(ITS_WORDS)

    cost = TABLE.cost_of(FLAGSHIP, usage, transcription_models=[TRANSCRIBER])

    assert cost.parts == CostParts(
        input_text=0.000_220,  # (119 - 64) x 4 = 220
        input_audio=0.000_416,  # 13 x 32 = 416
        input_cached=0.000_026,  # 64 x 0.4 = 25.6
        output_text=0.000_720,  # 30 x 24 = 720
        output_audio=0.005_824,  # 91 x 64 = 5,824
        transcription=0.000_098,  # 13 tokens / 600 a minute x 4,500 = 97.5
    )
    # 220 + 416 + 25.6 + 720 + 5,824 + 97.5 = 7,303.1
    assert cost.total == 0.007_303
    assert (cost.currency, cost.unpriced, cost.price_date) == ("USD", (), "2026-11")


def test_turn_of_the_small_model_costs_what_was_computed_by_hand():
    usage = of_model(response(text=2_000, audio=700, cached_text=1_024, cached_audio=512))

    cost = TABLE.cost_of(MINI, usage)

    # (2,000 - 1,024) x 0.6 = 585.6; (700 - 512) x 10 = 1,880; 1,024 x 0.06 + 512 x 0.3 = 215.04
    assert cost.parts.input_text == 0.000_586
    assert cost.parts.input_audio == 0.001_880
    assert cost.parts.input_cached == 0.000_215
    # 585.6 + 1,880 + 215.04 = 2,680.64
    assert cost.total == 0.002_681


def test_call_of_ten_turns_costs_its_sums():
    usage = {name: 10.0 * count for name, count in of_model(ONE_TURN).items()}
    usage["transcription.seconds"] = 90.0

    cost = TABLE.cost_of(FLAGSHIP, usage, transcription_models=["gpt-live-transcribe"])

    # 10 x 7,205.6 = 72,056; a minute and a half at 17,000 = 25,500
    assert cost.total == 0.097_556


def test_minute_of_speech_costs_what_the_specification_says():
    heard = TABLE.cost_of(FLAGSHIP, of_model(response(audio=600)))
    spoken = TABLE.cost_of(FLAGSHIP, of_model(response(out={"audio_tokens": 1_200})))

    # 600 x 32 and 1,200 x 64 (3.1: about 0.019 and 0.077 USD).
    assert (heard.total, spoken.total) == (0.019_2, 0.076_8)


def test_images_are_paid_for_where_there_were_any():
    report: Report = {
        "input_token_details": {
            "image_tokens": 100,
            "cached_tokens_details": {"image_tokens": 40},
        }
    }

    cost = TABLE.cost_of(FLAGSHIP, of_model(report))

    # 60 x 5 = 300; 40 x 0.5 = 20
    assert (cost.parts.input_image, cost.parts.input_cached) == (0.000_3, 0.000_02)
    assert cost.total == 0.000_32


def test_ordinary_call_says_nothing_of_images():
    usage = of_model(ONE_TURN)

    cost = TABLE.cost_of(FLAGSHIP, usage)

    assert "input_image" not in msgspec.to_builtins(cost.parts)
    assert "input_image" not in msgspec.to_builtins(SpeechUse.read(usage).summary())


def test_sums_are_exact_before_they_are_rounded():
    usage = of_model(response(text=1, cached_text=1))

    costs = [
        TABLE.cost_of(FLAGSHIP, {name: n * count for name, count in usage.items()}).total
        for n in (1, 2, 1_000_000)
    ]

    # A cached token is 0.4 millionths: nothing, then one (0.8), then 0.4 USD to the last digit.
    assert costs == [0.0, 0.000_001, 0.4]


# Numbers that cannot be right.


@pytest.mark.parametrize("number", [-1, -math.inf, math.nan])
def test_numbers_that_are_no_counts_cost_nothing(number: float):
    names = [*of_model(ONE_TURN), *of_transcription(ITS_WORDS), "transcription.seconds"]

    cost = TABLE.cost_of(FLAGSHIP, dict.fromkeys(names, number), transcription_models=[TRANSCRIBER])

    assert (cost.total, cost.unpriced) == (0.0, ())


@pytest.mark.parametrize("number", [1e300, math.inf])
def test_absurd_numbers_are_bounded(number: float):
    names = [*of_model(ONE_TURN), *of_transcription(ITS_WORDS), "transcription.seconds"]

    cost = TABLE.cost_of(FLAGSHIP, dict.fromkeys(names, number), transcription_models=[TRANSCRIBER])

    assert cost.total is not None
    assert 0 < cost.total < MAX_COUNT


# More tokens never cost less.


@given(
    call=st.lists(responses(), max_size=4), more=responses(), model=st.sampled_from([*TABLE.speech])
)
def test_one_more_response_never_makes_a_call_cheaper(call: list[Report], more: Report, model: str):
    before, after = summed(call), summed([*call, more])

    was, now = TABLE.cost_of(model, before), TABLE.cost_of(model, after)

    assert was.total is None or now.total is None or now.total >= was.total


def summed(reports: list[Report]) -> dict[str, float]:
    usage: dict[str, float] = {}
    for report in reports:
        for name, count in of_model(report).items():
            usage[name] = usage.get(name, 0) + count
    return usage


# Transcription.


@pytest.mark.parametrize(
    ("report", "usd"),
    [
        ({"type": "duration", "seconds": 60}, 0.004_5),
        ({"type": "duration", "seconds": 12.5}, 0.000_938),  # 4,500 x 12.5 / 60 = 937.5
        ({"input_tokens": 600, "output_tokens": 99}, 0.004_5),
        ({"input_token_details": {"text_tokens": 40, "audio_tokens": 600}}, 0.004_5),
        ({"input_tokens": 640, "input_token_details": {"text_tokens": 40}}, 0.004_5),
        ({}, 0.0),
    ],
)
def test_transcription_by_the_minute_takes_both_kinds_of_report(report: Report, usd: float):
    assert transcription_usd(report) == usd


def test_transcription_by_tokens_costs_what_was_computed_by_hand():
    price = TranscriptionPrice(
        audio_in=Decimal(6),
        text_in=Decimal("2.5"),
        text_out=Decimal(10),
        source="x",
        date="2026-11",
    )
    table = PriceTable(transcription={"other": price})
    report: Report = {
        "input_tokens": 140,
        "input_token_details": {"text_tokens": 40, "audio_tokens": 100},
        "output_tokens": 30,
    }

    cost = table.cost_of("", of_transcription(report), transcription_models=["other"])

    # 100 x 6 + 40 x 2.5 + 30 x 10 = 1,000
    assert (cost.parts.transcription, cost.total) == (0.001, 0.001)


def test_tokens_of_a_model_that_is_priced_by_the_minute_alone_have_no_price():
    cost = TABLE.cost_of(
        FLAGSHIP, of_transcription(ITS_WORDS), transcription_models=["gpt-live-transcribe"]
    )

    assert (cost.parts.transcription, cost.unpriced) == (None, ("gpt-live-transcribe",))


def test_seconds_of_a_model_that_is_priced_by_tokens_alone_have_no_price():
    one = Decimal(1)
    price = TranscriptionPrice(audio_in=one, text_in=one, text_out=one, source="x", date="2026-11")
    table = PriceTable(transcription={"other": price})

    cost = table.cost_of("", {"transcription.seconds": 3.0}, transcription_models=["other"])

    assert (cost.parts.transcription, cost.unpriced) == (None, ("other",))


# Models without a price.


def test_a_cascade_is_named_and_has_no_total():
    cost = TABLE.cost_of("cascade/mind", {"cascade.llm.input_tokens": 10.0})

    assert (cost.total, cost.unpriced) == (None, ("cascade/mind",))


def test_unknown_speech_model_is_named_and_has_no_total():
    usage = of_model(ONE_TURN) | {"transcription.seconds": 60.0}

    cost = TABLE.cost_of("our-deployment", usage, transcription_models=[TRANSCRIBER])

    assert (cost.total, cost.unpriced) == (None, ("our-deployment",))
    assert (cost.parts.input_text, cost.parts.input_cached, cost.parts.output_audio) == (None,) * 3
    assert cost.parts.transcription == 0.004_5


def test_unknown_transcription_model_is_named_and_left_out_of_the_total():
    usage = of_model(response(audio=600)) | {"transcription.seconds": 60.0}

    cost = TABLE.cost_of(FLAGSHIP, usage, transcription_models=["whisper-1"])

    assert (cost.total, cost.parts.transcription) == (0.019_2, None)
    assert cost.unpriced == ("whisper-1",)


def test_unknown_models_that_used_nothing_cost_nothing():
    cost = TABLE.cost_of("our-deployment", {}, transcription_models=["whisper-1"])

    assert (cost.total, cost.unpriced, cost.price_date) == (0.0, (), None)


def test_price_is_of_the_exact_name():
    cost = TABLE.cost_of(f"{FLAGSHIP}-2027-01-01", of_model(ONE_TURN))

    assert cost.total is None


def test_images_of_a_model_without_a_price_for_them_have_no_price():
    usage = of_model({"input_token_details": {"text_tokens": 10, "image_tokens": 1}})

    cost = TABLE.cost_of("gpt-realtime-1.5", usage)

    assert (cost.total, cost.unpriced) == (None, ("gpt-realtime-1.5",))
    assert (cost.parts.input_text, cost.parts.input_image) == (0.000_04, None)


def test_price_date_is_that_of_the_oldest_price():
    speech = msgspec.structs.replace(TABLE.speech[FLAGSHIP], date="2026-09-01")
    table = PriceTable(speech={FLAGSHIP: speech}, transcription=TABLE.transcription)

    cost = table.cost_of(FLAGSHIP, {}, transcription_models=[TRANSCRIBER])

    assert cost.price_date == "2026-09-01"


# The list itself.


@pytest.mark.parametrize("model", TABLE.speech)
def test_cached_input_costs_at_most_what_fresh_input_costs(model: str):
    price = TABLE.speech[model]

    assert 0 < price.text_cached <= price.text_in < price.text_out
    assert 0 < price.audio_cached <= price.audio_in < price.audio_out


@pytest.mark.parametrize("model", TABLE.speech)
def test_audio_is_the_dearest_reading_and_saves_the_most_when_cached(model: str):
    """The rules for what a report leaves open rest on it."""
    price = TABLE.speech[model]

    assert price.audio_in >= max(price.text_in, price.image_in or 0)
    assert price.audio_out >= price.text_out
    image_saves = (price.image_in or 0) - (price.image_cached or 0)
    assert price.audio_in - price.audio_cached >= max(
        image_saves, price.text_in - price.text_cached
    )


@pytest.mark.parametrize("entry", [*TABLE.speech.values(), *TABLE.transcription.values()])
def test_every_price_has_its_source_and_date(entry: SpeechPrice | TranscriptionPrice):
    assert len(entry.source) > 10
    assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", entry.date)


def test_default_models_have_a_price():
    assert {FLAGSHIP, MINI} <= set(TABLE.speech)
    assert TRANSCRIBER in TABLE.transcription


GOOD = """
[speech.x]
text_in = 4
text_cached = 0.4
text_out = 24.0
audio_in = 32.0
audio_cached = 0.4
audio_out = 64.0
source = "a page"
date = "2026-11"

[transcription.y]
per_minute = 0.5
source = "a page"
date = "2026-11-22"
"""


def test_list_is_read_as_it_stands(tmp_path: Path):
    path = tmp_path / "prices.toml"
    path.write_text(GOOD)

    table = PriceTable.load(path)

    # As decimals: 0.4 is four tenths, not the binary number next to it.
    assert table.speech["x"].text_cached == Decimal("0.4")
    assert table.speech["x"].text_in == Decimal(4)
    assert table.transcription["y"].per_minute == Decimal("0.5")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("text_in = 4", "text_in = -4"),
        ("text_in = 4", "text_in = 10_001"),
        ("text_in = 4", "text_in = nan"),
        ("text_in = 4", 'text_in = "four"'),
        ("text_in = 4", "text_in = 0.3"),  # less than cached
        ("text_in = 4", ""),
        ("text_in = 4", "text_in = 4\nimage_in = 5"),
        ("text_in = 4", "text_in = 4\nvideo_in = 5"),
        ("per_minute = 0.5", ""),
        ("per_minute = 0.5", "per_minute = -0.5"),
        ("per_minute = 0.5", "per_minute = 0.5\naudio_tokens_per_minute = 0"),
        ("per_minute = 0.5", "per_minute = 0.5\naudio_in = 1"),
        ('source = "a page"', ""),
        ('source = "a page"', 'source = ""'),
        ('date = "2026-11"', ""),
        ('date = "2026-11"', 'date = "last week"'),
        ('date = "2026-11"', 'date = "2026-13"'),
        ("[speech.x]", "[speech.x"),
        ("[transcription.y]", "[listening.y]"),
    ],
)
def test_list_that_cannot_be_right_is_refused(tmp_path: Path, right: str, wrong: str):
    path = tmp_path / "prices.toml"
    path.write_text(GOOD.replace(right, wrong, 1))

    with pytest.raises(PricesError, match=r"prices\.toml: expected a price list"):
        PriceTable.load(path)


def test_missing_list_is_refused(tmp_path: Path):
    with pytest.raises(PricesError):
        PriceTable.load(tmp_path / "none.toml")
