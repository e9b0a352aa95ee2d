from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeResponseUsage

from service.call_events import Tokens
from service.usage import MAX_COUNT, SpeechUse, TranscriptionUse
from tests.usage_reports import ITS_WORDS, ONE_TURN, Report, of_model, of_transcription, responses


def used(report: Report) -> Tokens:
    return SpeechUse.read(of_model(report)).summary()


def test_names_of_the_usage_are_the_vendors():
    report = RealtimeResponseUsage.model_validate(ONE_TURN)

    assert used(report.model_dump()) == Tokens(
        input_text=55, input_audio=13, input_cached=64, output_text=30, output_audio=91
    )


# What a report leaves open is counted the dearest way.


@pytest.mark.parametrize(
    ("details", "tokens"),
    [
        pytest.param(
            {"cached_tokens": 64, "cached_tokens_details": {"audio_tokens": 64}},
            (100, 36, 64),
            id="named",
        ),
        pytest.param({"cached_tokens": 64}, (36, 100, 64), id="text first"),
        pytest.param({"cached_tokens": 128}, (0, 72, 128), id="the rest of audio"),
        pytest.param({"cached_tokens": 500}, (0, 0, 200), id="never more than there were"),
        pytest.param(
            {"cached_tokens": 64, "cached_tokens_details": {"audio_tokens": 40}},
            (76, 60, 64),
            id="half named",
        ),
        pytest.param(
            {"cached_tokens_details": {"text_tokens": 10, "audio_tokens": 900}},
            (90, 0, 110),
            id="named without a sum, and absurd",
        ),
    ],
)
def test_cached_tokens_are_a_part_of_the_input(details: Report, tokens: tuple[int, int, int]):
    report: Report = {"input_token_details": {"text_tokens": 100, "audio_tokens": 100, **details}}

    counted = used(report)

    assert (counted.input_text, counted.input_audio, counted.input_cached) == tokens


@pytest.mark.parametrize(
    ("report", "tokens"),
    [
        ({"input_tokens": 50}, (0, 50, 0, 0)),
        ({"input_tokens": 50, "input_token_details": {"text_tokens": 20}}, (20, 30, 0, 0)),
        ({"input_tokens": 5, "input_token_details": {"text_tokens": 20}}, (20, 0, 0, 0)),
        ({"output_tokens": 50}, (0, 0, 0, 50)),
        ({"output_tokens": 50, "output_token_details": {"text_tokens": 20}}, (0, 0, 20, 30)),
        ({"total_tokens": 70, "input_tokens": 50}, (0, 50, 0, 20)),
        ({"total_tokens": 70}, (0, 0, 0, 70)),
        ({}, (0, 0, 0, 0)),
        ({"input_tokens": None, "input_token_details": None}, (0, 0, 0, 0)),
    ],
)
def test_tokens_of_no_named_modality_are_audio(report: Report, tokens: tuple[int, ...]):
    counted = used(report)

    assert tokens == (
        counted.input_text,
        counted.input_audio,
        counted.output_text,
        counted.output_audio,
    )


@given(report=responses())
def test_tokens_are_counted_once_each(report: Report):
    counted = used(report)

    assert sum(msgspec.to_builtins(counted).values()) == report["total_tokens"]


@pytest.mark.parametrize(
    ("report", "heard"),
    [
        ({"type": "duration", "seconds": 2.5}, (Decimal("2.5"), 0, 0, 0)),
        (ITS_WORDS, (0, 13, 0, 9)),
        ({"input_tokens": 13}, (0, 13, 0, 0)),
        ({"input_tokens": 13, "input_token_details": {"text_tokens": 3}}, (0, 10, 3, 0)),
        ({"input_tokens": 1, "input_token_details": {"text_tokens": 3}}, (0, 0, 3, 0)),
        ({}, (0, 0, 0, 0)),
    ],
)
def test_transcription_is_reported_in_seconds_or_in_tokens(
    report: Report, heard: tuple[Decimal, int, int, int]
):
    use = TranscriptionUse.read(of_transcription(report))

    assert (use.seconds, use.audio, use.text, use.text_out) == heard
    assert use.has_tokens is any(heard[1:])


# Whatever a server sends.


@given(
    usage=st.dictionaries(
        st.sampled_from(
            [*of_model(ONE_TURN), *of_transcription(ITS_WORDS), "transcription.seconds"]
        ),
        st.floats() | st.integers(),
    )
)
def test_no_report_can_count_less_than_nothing_or_without_end(usage: dict[str, float]):
    counted, heard = SpeechUse.read(usage).summary(), TranscriptionUse.read(usage)

    assert all(0 <= count <= 3 * MAX_COUNT for count in msgspec.to_builtins(counted).values())
    assert all(
        0 <= count <= MAX_COUNT
        for count in (heard.seconds, heard.audio, heard.text, heard.text_out)
    )
