"""The caller's side of a session: appended audio, turns, transcripts and the idle timer.

Words come from the ears, or, without ears, from the scenario; never from the client.
Source: openai_realtime spec 6.2, 7.6, 7.10, 17.5 and 17.8.
"""

import asyncio
from collections.abc import Callable

from scripts.emulators import realtime_usage
from scripts.emulators.realtime_audio import InputDecoder, duration_ms
from scripts.emulators.realtime_conversation import Item, caller_item
from scripts.emulators.realtime_core import SessionCore
from scripts.emulators.realtime_input import (
    InputBuffer,
    SpeechStarted,
    SpeechStopped,
)
from scripts.emulators.realtime_intake import MAX_APPEND_BYTES
from scripts.emulators.realtime_output import obfuscation
from scripts.emulators.realtime_replies import Replies
from scripts.emulators.realtime_rules import decode_audio
from scripts.emulators.realtime_settings import STREAMING_TRANSCRIBERS
from scripts.emulators.realtime_wire import Json, new_id
from scripts.emulators.vad import VoiceDetector

DetectorFactory = Callable[[], VoiceDetector]
_BY_DURATION = (*STREAMING_TRANSCRIBERS, "whisper-1")
_SPEECH_THRESHOLD = 0.5
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class CallerTurns:
    """Makes user items out of caller audio, and asks for responses to them."""

    def __init__(
        self, core: SessionCore, replies: Replies, detector_factory: DetectorFactory
    ) -> None:
        self._core = core
        self._replies = replies
        self._detector_factory = detector_factory
        self._buffer = InputBuffer(detector_factory())
        self._decoder = InputDecoder(self._format)
        self._next_item_id = new_id("item_")
        self._words_left = iter(core.scenario.caller_words)
        self._idle: asyncio.TimerHandle | None = None
        self.audio_in = bytearray()
        self.keeps_audio = True
        replies.on_started = self._disarm_idle
        replies.on_spoken = self._arm_idle
        self.follow_settings()

    @property
    def _format(self) -> str:
        found: str = self._core.settings.input["format"]["type"]
        return found

    @property
    def _detection(self) -> Json:
        return self._core.settings.turn_detection or {}

    @property
    def _is_mute(self) -> bool:
        """Azure's quirk: semantic_vad ends turns, but never tells that one began."""
        return self._core.scenario.is_azure and self._detection.get("type") == "semantic_vad"

    def follow_settings(self) -> None:
        """Applies the session's input format and turn detection after an update."""
        self._buffer.use(self._core.settings.turn_detection)
        if self._decoder.audio_format != self._format:
            self._buffer.take()
            self._decoder = InputDecoder(self._format)

    def append(self, audio_base64: str) -> None:
        """Takes caller audio in the input format.

        Raises:
            ApiError: No base64, or too much of it.
        """
        audio = decode_audio(audio_base64, "audio", MAX_APPEND_BYTES)
        pcmu = self._decoder.decode(audio)
        if self.keeps_audio:
            self.audio_in += pcmu
        for event in self._buffer.append(pcmu):
            match event:
                case SpeechStarted(audio_start_ms=start_ms):
                    self._begin_turn(start_ms)
                case SpeechStopped(audio_end_ms=end_ms, pcmu=turn):
                    self._end_turn(end_ms, turn)

    def _begin_turn(self, audio_start_ms: int) -> None:
        self._disarm_idle()
        if self._is_mute:
            return
        self._core.emit(
            "input_audio_buffer.speech_started",
            audio_start_ms=audio_start_ms,
            item_id=self._next_item_id,
        )
        if self._detection["interrupt_response"]:
            self._replies.interrupt()

    def _end_turn(self, audio_end_ms: int, pcmu: bytes) -> None:
        self._replies.settle()
        self._core.emit(
            "input_audio_buffer.speech_stopped",
            audio_end_ms=audio_end_ms,
            item_id=self._next_item_id,
        )
        self._add_item(pcmu, has_speech=True)
        if self._detection["create_response"]:
            self._replies.answer_turn()

    def commit(self) -> None:
        """Makes an item of the buffer for the client; no response follows by itself.

        Raises:
            ApiError: Less than 100 ms in the buffer.
        """
        was_speaking = self._buffer.is_speaking
        pcmu = self._buffer.commit()
        self._add_item(pcmu, has_speech=was_speaking or self._has_speech(pcmu))

    def clear(self) -> None:
        """Drops the buffer and a begun turn."""
        self._buffer.take()
        self._next_item_id = new_id("item_")
        self._core.emit("input_audio_buffer.cleared")

    def _has_speech(self, pcmu: bytes) -> bool:
        """Whether the script has words for this audio; ears find out for themselves."""
        detector = self._detector_factory()
        size = detector.window_bytes
        windows = (pcmu[at : at + size] for at in range(0, len(pcmu) - size + 1, size))
        return any(detector.probability(window) >= _SPEECH_THRESHOLD for window in windows)

    def _add_item(self, pcmu: bytes, *, has_speech: bool) -> None:
        core = self._core
        item = caller_item(self._next_item_id, pcmu, self._format)
        self._next_item_id = new_id("item_")
        previous_id = core.conversation.append(item)
        core.emit("input_audio_buffer.committed", item_id=item.id, previous_item_id=previous_id)
        for stage in ("added", "done"):
            kind = f"conversation.item.{stage}"
            core.emit(kind, previous_item_id=previous_id, item=item.view())
        item.words = asyncio.get_running_loop().create_future()
        core.spawn(self._hear(item, core.settings.input["transcription"], has_speech))

    async def _hear(self, item: Item, transcription: Json | None, has_speech: bool) -> None:
        """Finds the words of an item; then transcribes it, if that was on at its commit."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._core.scenario.transcript_delay_ms / 1000
        words = await self._words_of(item, has_speech)
        if item.words is not None:
            item.words.set_result(words)
        if transcription is None:
            return
        await asyncio.sleep(max(0.0, due - loop.time()))
        self._transcribe(item, words, transcription)

    async def _words_of(self, item: Item, has_speech: bool) -> str:
        ears = self._core.persona.ears
        if ears is not None:
            return (await asyncio.to_thread(ears.transcribe, bytes(item.pcmu))).strip()
        return next(self._words_left, self._core.scenario.caller_default) if has_speech else ""

    def _transcribe(self, item: Item, words: str, transcription: Json) -> None:
        core = self._core
        place = {"item_id": item.id, "content_index": 0}
        failure = core.faults.failure_of_transcription()
        if failure is not None:
            core.emit(f"{_TRANSCRIPTION}.failed", **place, error=failure)
            return
        model = transcription["model"]
        # whisper-1 sends everything in one delta, the others word by word (spec 7.6).
        deltas = [words] if model == "whisper-1" and words else words.split()
        for at, delta in enumerate(deltas):
            text = f" {delta}" if at else delta
            kind = f"{_TRANSCRIPTION}.delta"
            core.emit(kind, **place, delta=text, obfuscation=obfuscation())
        item.body["content"][0]["transcript"] = words
        usage = realtime_usage.transcription_usage(
            duration_ms(item.pcmu), words, is_by_duration=model in _BY_DURATION
        )
        extra: Json = {}
        if model == "gpt-transcribe":
            languages = transcription["languages"] or [transcription["language"] or "en"]
            extra["languages"] = [{"code": code} for code in languages[:1]]
        kind = f"{_TRANSCRIPTION}.completed"
        core.emit(kind, **place, transcript=words, usage=usage, **extra)

    def _arm_idle(self, audio_ms: float) -> None:
        """Starts the idle timer where the server believes that playback ends."""
        self._disarm_idle()
        timeout_ms = self._detection.get("idle_timeout_ms")
        if timeout_ms is None or self._buffer.is_speaking:
            return
        start_ms = self._buffer.clock_ms + int(audio_ms)
        delay_s = (audio_ms + timeout_ms) / 1000
        self._idle = self._core.later(delay_s, self._time_out, start_ms)

    def _disarm_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _time_out(self, audio_start_ms: int) -> None:
        self._idle = None
        end_ms = self._buffer.clock_ms
        self._core.emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=min(audio_start_ms, end_ms),
            audio_end_ms=end_ms,
            item_id=self._next_item_id,
        )
        self._add_item(self._buffer.take(), has_speech=False)
        self._replies.answer_turn()
