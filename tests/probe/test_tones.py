"""Dual tones are told from single ones, from silence and from speech."""

import math
from array import array
from pathlib import Path

from scripts.emulators.g711 import encode
from scripts.probe.tones import has_dual_tone

CLIPS = Path(__file__).parents[2] / "scripts" / "clips"


def tones(*hz: int) -> bytes:
    wave = (
        round(sum(6000 * math.sin(2 * math.pi * f * n / 8000) for f in hz)) for n in range(1600)
    )
    return encode(array("h", wave).tobytes())


def test_a_key_is_heard():
    assert has_dual_tone(tones(770, 1336))


def test_one_tone_and_silence_are_no_key():
    assert not has_dual_tone(tones(440))
    assert not has_dual_tone(tones(770))
    assert not has_dual_tone(b"\xff" * 1600)


def test_a_sentence_is_no_key():
    assert not has_dual_tone((CLIPS / "slt_balance.ulaw").read_bytes())
