import math
import warnings
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.emulators import g711

CODES = bytes(range(256))
NEGATIVE_ZERO = 0x7F


def samples_of(pcm16: bytes) -> list[int]:
    return [
        int.from_bytes(pcm16[i : i + 2], "little", signed=True) for i in range(0, len(pcm16), 2)
    ]


def pcm16_of(samples: list[int]) -> bytes:
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def test_silence_is_the_code_of_positive_zero() -> None:
    assert g711.encode(b"\0\0") == g711.SILENCE == b"\xff"
    assert g711.decode(b"\xff\x7f") == b"\0\0\0\0"


def test_the_loudest_codes_are_32124_either_way() -> None:
    assert samples_of(g711.decode(b"\x80\x00")) == [32124, -32124]
    assert g711.encode(pcm16_of([32767, -32768])) == b"\x80\x00"


def test_output_values_of_the_first_two_segments_follow_the_table() -> None:
    # G.711 table 2a, y1..y18 on the 14-bit scale; codes count downwards from 0xFF.
    expected = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 33, 37]

    heard = samples_of(g711.decode(bytes(0xFF - n for n in range(18))))

    assert heard == [4 * value for value in expected]


def test_the_digital_milliwatt_is_a_sine_3_17_db_below_full_scale() -> None:
    # G.711 table 6: one period of 1 kHz at 0 dBm0; a full-scale sine is +3.17 dBm0.
    milliwatt = bytes.fromhex("1e0b0b1e9e8b8b9e")

    samples = samples_of(g711.decode(milliwatt))

    rms = math.sqrt(sum(s * s for s in samples) / len(samples))
    level_db = 20 * math.log10(rms * math.sqrt(2) / (4 * 8159))
    assert level_db == pytest.approx(-3.17, abs=0.02)
    assert [-s for s in samples[:4]] == samples[4:]


def test_every_code_but_negative_zero_survives_decoding_and_encoding() -> None:
    expected = bytes(0xFF if code == NEGATIVE_ZERO else code for code in CODES)

    assert g711.encode(g711.decode(CODES)) == expected


def test_louder_samples_never_decode_to_quieter_ones() -> None:
    ladder = samples_of(g711.decode(g711.encode(pcm16_of(list(range(-32768, 32768))))))

    assert ladder == sorted(ladder)
    assert len(set(ladder)) == 255


@given(st.lists(st.integers(-32635, 32635)))
def test_a_sample_returns_within_half_a_step_of_its_segment(samples: list[int]) -> None:
    returned = samples_of(g711.decode(g711.encode(pcm16_of(samples))))

    assert len(returned) == len(samples)
    for before, after in zip(samples, returned, strict=True):
        # On the 16-bit scale the first segment begins at 132 with the bias; its step is 8.
        segment = (abs(before) + 132).bit_length() - 8
        assert abs(before - after) <= 4 << segment


@given(st.integers(0, 32767))
def test_a_sample_and_its_mirror_have_mirrored_codes(sample: int) -> None:
    positive, negative = g711.encode(pcm16_of([sample, -1 - sample]))

    assert positive ^ negative == 0x80


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        g711.encode(b"\0\0\0")


def test_floats_are_the_samples_over_full_scale() -> None:
    assert g711.to_floats(CODES) == [s / 32768 for s in samples_of(g711.decode(CODES))]


def test_nothing_encodes_and_decodes_to_nothing() -> None:
    assert g711.encode(b"") == g711.decode(b"") == b""


def test_duration_counts_whole_milliseconds() -> None:
    assert g711.duration_ms(g711.SILENCE * 160) == 20
    assert g711.duration_ms(g711.SILENCE * 167) == 20


def test_the_old_standard_library_codec_differs_on_decision_values_only() -> None:
    """`audioop` rounds negative samples to 14 bits downwards, ITU's library towards zero."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop", reason="audioop left Python with 3.13")
    every_sample = array("h", range(-32768, 32768)).tobytes()

    ours, theirs = g711.encode(every_sample), audioop.lin2ulaw(every_sample, 2)

    assert g711.decode(CODES) == audioop.ulaw2lin(CODES, 2)
    differing = [n - 32768 for n in range(65536) if ours[n] != theirs[n]]
    assert len(differing) == 508
    assert all(s < 0 and ours[s + 32768] - theirs[s + 32768] == 1 for s in differing)
