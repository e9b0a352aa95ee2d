import math
import sys

import pytest

from scripts.emulators import g711, resample


def tone(frequency_hz: int, rate_hz: int) -> list[float]:
    """A fifth of a second at half of full scale."""
    return [16384 * math.sin(2 * math.pi * frequency_hz * n / rate_hz) for n in range(rate_hz // 5)]


def gain_db(frequency_hz: int, rate_hz: int) -> float:
    """What is left of a tone, off the edges."""
    middle = resample.to_8k(tone(frequency_hz, rate_hz), rate_hz)[100:-100]
    rms = math.sqrt(sum(sample * sample for sample in middle) / len(middle))
    return 20 * math.log10(rms * math.sqrt(2) / 16384 + 1e-9)


@pytest.fixture(params=["with numpy", "without numpy"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "without numpy":
        monkeypatch.setitem(sys.modules, "numpy", None)
    else:
        pytest.importorskip("numpy")
    return str(request.param)


@pytest.mark.usefixtures("arithmetic")
@pytest.mark.parametrize("rate_hz", [11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_the_telephone_band_passes_and_aliases_do_not(rate_hz: int) -> None:
    assert gain_db(1000, rate_hz) == pytest.approx(0, abs=0.05)
    assert gain_db(3000, rate_hz) == pytest.approx(0, abs=0.05)
    assert gain_db(3400, rate_hz) == pytest.approx(0, abs=1)
    assert gain_db(5000, rate_hz) < -70


@pytest.mark.usefixtures("arithmetic")
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_a_resampled_tone_is_the_same_tone_in_place(rate_hz: int) -> None:
    resampled = resample.to_8k(tone(1000, rate_hz), rate_hz)

    expected = tone(1000, 8000)
    assert len(resampled) == len(expected)
    differences = [a - b for a, b in zip(resampled[50:-50], expected[50:-50], strict=True)]
    assert max(map(abs, differences)) < 16


def test_numpy_only_makes_it_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    lengths = [0, 1, 2, 3, 100, 101]
    fast = [list(resample.to_8k(tone(700, 16_000)[:n], 16_000)) for n in lengths]

    monkeypatch.setitem(sys.modules, "numpy", None)
    plain = [list(resample.to_8k(tone(700, 16_000)[:n], 16_000)) for n in lengths]

    assert [len(samples) for samples in fast] == [len(samples) for samples in plain]
    for faster, slower in zip(fast, plain, strict=True):
        assert faster == pytest.approx(slower, abs=1e-6)


def test_8_khz_passes_untouched() -> None:
    samples = [1.0, -2.0, 3.0]

    assert list(resample.to_8k(samples, 8000)) == samples


@pytest.mark.parametrize("rate_hz", [7999, 48_001])
def test_other_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(ValueError, match=r"8000\.\.48000 Hz"):
        resample.to_8k([0.0], rate_hz)


def test_what_is_too_loud_clips() -> None:
    pcmu = resample.to_pcmu([20_000.0, -20_000.0, 0.0], 8000, gain=2)

    assert pcmu == b"\x80\x00\xff"


def test_nothing_stays_nothing() -> None:
    assert resample.to_pcmu([], 16_000) == b""


def test_gain_scales() -> None:
    assert g711.to_floats(resample.to_pcmu([8031.0 * 2], 8000, gain=0.5)) == [
        g711.to_floats(g711.encode((8031).to_bytes(2, "little")))[0]
    ]
