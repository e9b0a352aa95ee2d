"""The pure parts: formats, clips, the input buffer, token counts."""

import asyncio
import base64
import struct
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.emulators import g711
from scripts.emulators.realtime_audio import InputDecoder, duration_ms, encode
from scripts.emulators.realtime_clips import ClipStore, ToneVoice
from scripts.emulators.realtime_conversation import caller_item
from scripts.emulators.realtime_input import InputBuffer, SpeechStarted, SpeechStopped
from scripts.emulators.realtime_usage import PromptCache, Tokens, item_tokens, transcription_usage
from scripts.emulators.realtime_wire import ApiError

VAD: Any = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
}
LOUD, QUIET = b"\x00", b"\xff"


class Loudness:
    """Speech is any byte that is not silence; half loud is 0.4."""

    window_bytes = 160

    def probability(self, pcmu_window: bytes) -> float:
        return {LOUD[0]: 1.0, QUIET[0]: 0.0}.get(pcmu_window[0], 0.4)


def _buffer(detection: Any = VAD) -> InputBuffer:
    buffer = InputBuffer(Loudness())
    buffer.use(detection)
    return buffer


def _turns(buffer: InputBuffer, pieces: Iterable[tuple[bytes, int]]) -> list[Any]:
    return [event for byte, ms in pieces for event in buffer.append(byte * ms * 8)]


def test_a_turn_starts_before_its_speech_and_ends_after_its_silence():
    events = _turns(_buffer(), [(QUIET, 1000), (LOUD, 1000), (QUIET, 600)])

    assert events[0] == SpeechStarted(700)
    assert events[1].audio_end_ms == 2500
    assert len(events[1].pcmu) == (2500 - 700) * 8


def test_a_click_is_no_turn():
    assert _turns(_buffer(), [(QUIET, 1000), (LOUD, 60), (QUIET, 1000)]) == []


def test_padding_does_not_reach_into_the_turn_before():
    pieces = [(QUIET, 400), (LOUD, 200), (QUIET, 500), (LOUD, 200), (QUIET, 500)]

    events = _turns(_buffer({**VAD, "prefix_padding_ms": 2000}), pieces)

    stops = [event.audio_end_ms for event in events if isinstance(event, SpeechStopped)]
    starts = [event.audio_start_ms for event in events if isinstance(event, SpeechStarted)]
    assert starts == [0, stops[0]]


def test_speech_goes_on_a_little_below_the_threshold():
    events = _turns(_buffer(), [(LOUD, 200), (b"\x80", 2000), (QUIET, 500)])

    assert events[-1].audio_end_ms == 2700


def test_old_silence_is_dropped():
    buffer = _buffer()

    _turns(buffer, [(QUIET, 60_000)])

    assert len(buffer.take()) <= 300 * 8
    assert buffer.clock_ms == 60_000


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=40))
def test_turns_do_not_depend_on_how_audio_is_cut(sizes):
    pcmu = (QUIET * 800 + LOUD * 400 + QUIET * 800) * 8
    whole = _buffer().append(pcmu)

    buffer, cut, at = _buffer(), [], 0
    for size in sizes:
        cut += buffer.append(pcmu[at : at + size])
        at += size
    cut += buffer.append(pcmu[at:])

    assert cut == whole


def test_a_refused_commit_keeps_the_buffer():
    buffer = _buffer(None)
    buffer.append(QUIET * 8 * 60)

    with pytest.raises(ApiError):
        buffer.commit()
    buffer.append(QUIET * 8 * 60)

    assert len(buffer.commit()) == 120 * 8


@pytest.mark.parametrize(
    ("eagerness", "silence_ms"), [("low", 1600), ("auto", 1000), ("high", 600)]
)
def test_an_eager_semantic_detector_waits_less(eagerness, silence_ms):
    buffer = _buffer({"type": "semantic_vad", "eagerness": eagerness})

    events = _turns(buffer, [(LOUD, 500), (QUIET, 3000)])

    assert events[-1].audio_end_ms == 500 + silence_ms


@pytest.mark.parametrize("audio_format", ["audio/pcmu", "audio/pcma", "audio/pcm"])
def test_a_tone_survives_each_format_there_and_back(audio_format):
    tone = ToneVoice().speak("a")

    back = InputDecoder(audio_format).decode(encode(tone, audio_format))

    before = struct.unpack(f"<{len(tone)}h", g711.decode(tone))
    after = struct.unpack(f"<{len(back)}h", g711.decode(back))
    power = sum(sample * sample for sample in before)
    error = sum((one - other) ** 2 for one, other in zip(before, after, strict=True))
    assert error < power / 5  # linear interpolation rounds the corners of a square wave


def test_pcm_may_be_cut_anywhere():
    wire = encode(ToneVoice().speak("abc"), "audio/pcm")
    decoder = InputDecoder("audio/pcm")

    cut = b"".join(decoder.decode(wire[at : at + 7]) for at in range(0, len(wire), 7))

    assert cut == InputDecoder("audio/pcm").decode(wire)


def test_every_a_law_code_is_its_own_nearest():
    codes = bytes(range(256))

    again = encode(InputDecoder("audio/pcma").decode(codes), "audio/pcma")

    assert sum(one == other for one, other in zip(codes, again, strict=True)) > 200
    assert encode(QUIET, "audio/pcma") in (b"\xd5", b"\x55")


def test_a_clip_is_its_text_at_65_ms_a_character():
    clip = asyncio.run(ClipStore(None).clip("Hello.", "audio/pcmu"))

    assert clip.duration_ms == 6 * 65
    whole = b"".join(base64.b64decode(chunk.delta) for chunk in clip.chunks)
    assert duration_ms(whole) == 6 * 65


def test_a_sentence_is_spoken_once():
    class Counting:
        name = "counting"

        def __init__(self) -> None:
            self.texts: list[str] = []

        def speak(self, text: str) -> bytes:
            self.texts.append(text)
            return QUIET * 8000

        def close(self) -> None:
            """Nothing to give back."""

    async def scene() -> list[str]:
        voice = Counting()
        store = ClipStore(voice)
        for text in ("Hi.", "Hi.", "Ho."):
            await store.clip(text, "audio/pcmu")
        return voice.texts

    assert asyncio.run(scene()) == ["Hi.", "Ho."]


def test_caller_audio_costs_a_token_per_begun_100_ms():
    assert item_tokens(caller_item("i", QUIET * 8 * 101, "audio/pcmu")) == Tokens(audio=2)


def test_a_truncated_item_breaks_the_cached_prefix():
    item = caller_item("i", QUIET * 8 * 10_000, "audio/pcmu")
    cache = PromptCache()
    cache.price("x" * 400, [], [item])

    _, unchanged = cache.price("x" * 400, [], [item])
    item.is_truncated = True
    _, changed = cache.price("x" * 400, [], [item])

    assert unchanged.total == 192
    assert changed.total == 0


def test_transcription_is_billed_by_tokens_or_by_begun_seconds():
    tokens = transcription_usage(1250, "hello you", is_by_duration=False)

    assert tokens["total_tokens"] == tokens["input_tokens"] + tokens["output_tokens"] == 13 + 3
    assert transcription_usage(1250, "hello you", is_by_duration=True) == {
        "type": "duration",
        "seconds": 2,
    }
