"""The resampler by its sound: pass-band, aliases, delay, chunks, and what it costs."""

import random
import time
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from service.audio.resample import DELAY_MS, Resampler  # noqa: E402 - only where numpy is

DIRECTIONS = ((8_000, 16_000), (8_000, 24_000), (16_000, 8_000), (24_000, 8_000))
AMPLITUDE = 20_000


def tone(hz: float, rate_hz: int, seconds: float = 1.0) -> Any:
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.rint(AMPLITUDE * np.sin(2 * np.pi * hz * at)).astype("<i2")


def through(sound: Any, from_hz: int, to_hz: int) -> Any:
    filter_ = Resampler(from_hz, to_hz)
    return np.frombuffer(filter_.resample(sound.tobytes()) + filter_.flush(), "<i2")


def level_db(sound: Any, hz: float, rate_hz: int) -> float:
    """How strong a frequency is, against the tone that went in, by a window without leakage."""
    middle = sound[len(sound) // 4 : -len(sound) // 4].astype(float)
    window = np.blackman(len(middle))
    wave = np.exp(-2j * np.pi * hz * np.arange(len(middle)) / rate_hz)
    amplitude = 2 * abs((middle * window * wave).sum()) / window.sum()
    return float(20 * np.log10(amplitude / AMPLITUDE + 1e-9))


@pytest.mark.parametrize(("from_hz", "to_hz"), DIRECTIONS)
def test_the_band_of_the_telephone_passes(from_hz, to_hz):
    gains = {
        hz: level_db(through(tone(hz, from_hz), from_hz, to_hz), hz, to_hz)
        for hz in (100, 300, 1_000, 2_000, 3_000, 3_300)
    }

    assert all(abs(gain) < 0.3 for gain in gains.values()), gains


@pytest.mark.parametrize("from_hz", [16_000, 24_000])
def test_what_would_fold_into_the_band_is_gone(from_hz, capsys):
    worst = -200.0
    for hz in range(4_600, from_hz // 2, 100):
        folded = abs((hz + 4_000) % 8_000 - 4_000)
        sound = through(tone(hz, from_hz), from_hz, 8_000)
        worst = max(worst, level_db(sound, folded, 8_000))
    with capsys.disabled():
        print(f"\n  resampler {from_hz} -> 8000 Hz: worst alias from 4.6 kHz {worst:.1f} dB")

    assert worst <= -80


@pytest.mark.parametrize("to_hz", [16_000, 24_000])
def test_no_image_of_the_band_is_added(to_hz, capsys):
    images = []
    for hz in range(300, 3_401, 100):
        sound = through(tone(hz, 8_000), 8_000, to_hz)
        images += [level_db(sound, image, to_hz) for image in (8_000 - hz,) if image < to_hz / 2]
    with capsys.disabled():
        print(f"\n  resampler 8000 -> {to_hz} Hz: worst image {max(images):.1f} dB")

    assert max(images) <= -75


@pytest.mark.parametrize(("from_hz", "to_hz"), DIRECTIONS)
def test_a_sweep_keeps_its_loudness_and_its_length(from_hz, to_hz):
    at = np.arange(2 * from_hz) / from_hz
    sweep = np.rint(AMPLITUDE * np.sin(2 * np.pi * (300 * at + 675 * at**2))).astype("<i2")

    out = through(sweep, from_hz, to_hz)
    loudness = [np.sqrt(np.mean(part.astype(float) ** 2)) for part in np.array_split(out, 20)[1:-1]]

    assert 0 <= len(out) - 2 * to_hz <= to_hz * 0.004 + 1
    assert min(loudness) > 0.97 * AMPLITUDE / 2**0.5
    assert max(loudness) < 1.03 * AMPLITUDE / 2**0.5


@pytest.mark.parametrize(("from_hz", "to_hz"), DIRECTIONS)
def test_the_delay_is_two_milliseconds(from_hz, to_hz, capsys):
    click = np.zeros(from_hz // 10, "<i2")
    click[from_hz // 20] = AMPLITUDE

    out = through(click, from_hz, to_hz).astype(float) ** 2
    centre_ms = (out * np.arange(len(out))).sum() / out.sum() / to_hz * 1_000
    with capsys.disabled():
        print(f"\n  resampler {from_hz} -> {to_hz} Hz: delay {centre_ms - 50:.2f} ms")

    assert centre_ms - 50 <= DELAY_MS + 0.01


@pytest.mark.parametrize(("from_hz", "to_hz"), DIRECTIONS)
def test_chunks_of_any_size_give_the_sound_of_one(from_hz, to_hz):
    chance = random.Random(7)
    sound = np.array([chance.randint(-30_000, 30_000) for _ in range(from_hz // 2)], "<i2")
    data, whole = sound.tobytes(), Resampler(from_hz, to_hz)
    expected = whole.resample(data) + whole.flush()

    filter_, pieces, begin = Resampler(from_hz, to_hz), [], 0
    while begin < len(data):
        size = chance.choice((1, 2, 3, 5, 64, 321, 960))  # odd sizes cut samples in two
        pieces.append(filter_.resample(data[begin : begin + size]))
        begin += size
    chunked = b"".join(pieces) + filter_.flush()

    assert chunked == expected


@pytest.mark.parametrize(("from_hz", "to_hz"), DIRECTIONS)
def test_after_a_flush_a_stream_begins_anew(from_hz, to_hz):
    filter_ = Resampler(from_hz, to_hz)
    sound = tone(700, from_hz, 0.1).tobytes()

    first = filter_.resample(sound + b"\x01") + filter_.flush()

    assert filter_.resample(sound) + filter_.flush() == first[: len(first)]
    assert filter_.resample(b"") == b""


def test_the_loudest_sound_does_not_wrap():
    out = through(
        np.where(np.arange(16_000) % 40 < 20, 32_767, -32_768).astype("<i2"), 16_000, 8_000
    )

    assert out.max() == 32_767
    assert out.min() == -32_768
    assert (np.abs(np.diff(out.astype(int))) < 60_000).all()


@pytest.mark.parametrize("rates", [(8_000, 8_000), (16_000, 24_000), (8_000, 44_100)])
def test_other_rates_are_refused(rates):
    with pytest.raises(ValueError, match="8000 Hz"):
        Resampler(*rates)


@pytest.mark.parametrize(("from_hz", "to_hz"), DIRECTIONS)
def test_a_second_costs_little(from_hz, to_hz, capsys):
    filter_, chunk = Resampler(from_hz, to_hz), tone(440, from_hz, 0.02).tobytes()
    started = time.process_time()
    for _ in range(250):
        filter_.resample(chunk)
    cpu_ms = (time.process_time() - started) / 5 * 1_000
    with capsys.disabled():
        print(f"\n  resampler {from_hz} -> {to_hz} Hz: {cpu_ms:.2f} ms of CPU a second")

    assert cpu_ms < 50  # ten times what was measured, on a busy machine
