from dataclasses import replace

import pytest

from service.audio.playout import HeardItem
from service.audiohook.messages import Ping, PlaybackCompleted, PlaybackStarted
from service.bots.port import Greeting, VoiceActivity
from service.call_events import BargeIn
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    Usage,
)
from service.transcript import Turn
from service.turns import GREETING, Turns
from tests.plain_bot import PLAIN_BOT

OPENED_AT = 500.0
VAD = VoiceActivity(prefix_padding_ms=300, silence_duration_ms=500)
BOT = replace(PLAIN_BOT, vad=VAD)


class Call:
    """A call's conversation in virtual time: ms since `open`."""

    def __init__(self) -> None:
        self.turns = Turns(BOT)
        self.turns.begin(OPENED_AT)
        self.turns.caller_audio.start_flowing(0)
        self.packets: list[bytes] = []

    def at(self, ms: int) -> float:
        return OPENED_AT + ms / 1_000

    def hear(self, until_ms: int) -> None:
        """Caller audio at real time, so that the provider's clock is the call's."""
        for ms in range(20, until_ms + 20, 20):
            self.turns.hear_caller(bytes(160), self.at(ms))

    def say(self, item_id: str, words: str, audio_ms: int, at_ms: int) -> None:
        """A whole answer of the model at once."""
        for event in (
            AgentTranscript(item_id, words, is_final=False),
            AgentAudio(item_id, bytes(audio_ms * 8)),
            AgentAudioDone(item_id),
            AgentTranscript(item_id, words, is_final=True),
        ):
            self.turns.take(event, self.at(at_ms))
        self.play(at_ms)

    def play(self, at_ms: int) -> None:
        while isinstance(packet := self.turns.playout.pop(self.at(at_ms)), bytes):
            self.packets.append(packet)

    def greet(self, words: str, audio_ms: int) -> None:
        self.turns.play_greeting(Greeting(clip=bytes(audio_ms * 8), words=words), self.at(0))
        self.play(0)

    def interrupt(
        self, item_id: str, spoke_ms: int, noticed_ms: int
    ) -> tuple[bool, list[HeardItem]]:
        started = CallerSpeechStarted(item_id, spoke_ms - VAD.prefix_padding_ms)
        return self.turns.interrupt(started, self.at(noticed_ms))

    def finished(self) -> list[Turn]:
        return self.turns.transcript.take_finished()


# The call's clock.


def test_clock_of_the_call_begins_with_open():
    turns = Turns(BOT)
    before = turns.ms(OPENED_AT)

    turns.begin(OPENED_AT)

    assert before == 0
    assert turns.ms(OPENED_AT + 1.234) == 1_234
    assert turns.ms(OPENED_AT - 1) == 0


def test_callers_audio_is_passed_to_the_provider():
    call = Call()

    assert call.turns.hear_caller(bytes(160), call.at(20)) == bytes(160)
    assert call.turns.hear_caller(b"tiny", call.at(40)) == b""


def test_reports_of_the_callers_player_set_the_playout_clock():
    call = Call()
    call.turns.hear_player(Ping(1, 0.2), call.at(0))
    call.turns.hear_player(Ping(2, None), call.at(0))
    call.say("a", "one two three four", 1_000, at_ms=0)

    call.turns.hear_player(PlaybackStarted(), call.at(500))
    in_part = call.turns.playout.remaining_s(call.at(500))
    call.turns.hear_player(PlaybackCompleted(), call.at(1_100))

    assert call.turns.playout.rtt_s == 0.2
    assert in_part == pytest.approx(0.8)  # it began a round trip before we heard of it
    assert call.turns.playout.remaining_s(call.at(1_100)) == 0


def test_report_that_no_player_makes_is_a_bug_of_ours():
    with pytest.raises(AssertionError):
        Call().turns.hear_player(object(), OPENED_AT)  # type: ignore[arg-type]  # what is tested


# Turns.


def test_agent_turn_is_finished_when_it_was_heard():
    call = Call()
    call.say("a", "Good morning.", 1_000, at_ms=200)

    call.turns.advance(call.at(1_100))
    too_early = call.finished()
    call.turns.advance(call.at(1_250))

    (turn,) = call.finished()
    assert too_early == []
    assert (turn.start_ms, turn.end_ms, turn.heard_ms) == (200, 1_200, 1_000)
    assert (turn.heard, turn.was_interrupted) == ("Good morning.", False)


def test_caller_turn_has_the_times_of_the_speech_itself():
    """Without the padding before it and without the silence that ended it."""
    call = Call()
    call.hear(3_000)

    call.interrupt("c", spoke_ms=1_000, noticed_ms=1_200)
    call.turns.take(CallerSpeechStopped("c", 2_500), call.at(2_600))
    call.turns.take(CallerTranscript("c", "My card is lost."), call.at(2_900))

    (turn,) = call.finished()
    assert (turn.start_ms, turn.end_ms, turn.text) == (1_000, 2_000, "My card is lost.")


def test_conversation_is_in_order_though_words_come_late():
    call = Call()
    call.hear(1_000)
    call.say("greeting", "Hello.", 500, at_ms=0)
    call.interrupt("question", spoke_ms=700, noticed_ms=800)
    call.turns.take(CallerSpeechStopped("question", 1_500), call.at(1_500))
    call.say("answer", "Yes.", 400, at_ms=1_800)
    call.turns.take(CallerTranscript("question", "Is it open?"), call.at(2_500))

    call.turns.advance(call.at(4_000))

    assert [(turn.number, turn.item_id) for turn in call.finished()] == [
        (1, "greeting"),
        (2, "question"),
        (3, "answer"),
    ]


# Interruptions.


def test_interrupted_turn_keeps_the_words_that_were_heard():
    call = Call()
    call.hear(700)
    call.say("a", "one two three four", 1_000, at_ms=0)

    was_audible, heard = call.interrupt("c", spoke_ms=400, noticed_ms=600)

    (turn,) = call.finished()
    assert was_audible
    assert [(item.item_id, item.heard_ms) for item in heard] == [("a", 600)]
    assert (turn.heard, turn.text) == ("one two", "one two three four")
    assert (turn.was_interrupted, turn.end_ms) == (True, 600)


def test_agent_stands_before_the_caller_who_interrupts():
    call = Call()
    call.hear(700)
    call.turns.take(AgentAudio("a", bytes(8_000)), call.at(0))
    call.play(0)

    call.interrupt("c", spoke_ms=400, noticed_ms=600)

    assert [turn.speaker for turn in call.turns.transcript.turns] == ["agent", "caller"]


def test_items_after_the_interrupted_one_were_not_heard_at_all():
    call = Call()
    call.hear(700)
    call.say("a", "one two", 1_000, at_ms=0)
    call.say("b", "three four", 1_000, at_ms=0)

    _, heard = call.interrupt("c", spoke_ms=400, noticed_ms=600)

    assert [(item.item_id, item.heard_ms) for item in heard] == [("a", 600), ("b", 0)]
    assert [(turn.item_id, turn.heard, turn.start_ms) for turn in call.finished()] == [
        ("a", "one", 0),
        ("b", "", 600),
    ]


def test_interruption_is_timed_from_the_speech_to_the_stop():
    call = Call()
    call.hear(700)
    call.say("a", "one two three four", 1_000, at_ms=0)

    call.interrupt("c", spoke_ms=400, noticed_ms=600)

    assert call.turns.receipt.barge_ins == [BargeIn(at_ms=400, stop_ms=200, silent_ms=200)]


def test_caller_who_speaks_into_silence_interrupts_nobody():
    call = Call()
    call.hear(2_000)
    call.say("a", "Hello.", 500, at_ms=0)

    was_audible, heard = call.interrupt("c", spoke_ms=1_800, noticed_ms=1_900)

    assert (was_audible, heard) == (False, [])
    assert call.turns.receipt.barge_ins == []
    assert [turn.was_interrupted for turn in call.finished()] == [False]


def test_speech_that_had_not_left_yet_is_forgotten_without_an_interruption():
    call = Call()
    call.turns.take(AgentAudio("a", bytes(400)), call.at(0))

    was_audible, heard = call.interrupt("c", spoke_ms=300, noticed_ms=400)

    assert not was_audible
    assert [(item.item_id, item.heard_ms) for item in heard] == [("a", 0)]


def test_words_of_a_cut_turn_may_come_after_the_cut():
    call = Call()
    call.turns.take(AgentAudio("a", bytes(8_000)), call.at(0))
    call.play(0)

    call.turns.cut(call.at(500))
    unfinished = call.finished()
    call.turns.take(AgentTranscript("a", "one two three four", is_final=True), call.at(700))

    assert unfinished == []
    assert [turn.heard for turn in call.finished()] == ["one two"]


# Whose turn it is, and the receipt.


def test_answer_is_timed_from_the_end_of_the_callers_speech():
    call = Call()
    call.hear(2_000)
    call.turns.take(CallerSpeechStopped("c", 1_900), call.at(1_950))

    call.turns.take(AgentAudio("a", bytes(800)), call.at(2_050))
    call.turns.packet_left(800, call.at(2_100))

    (answer,) = call.turns.receipt.answers.all
    assert (answer.at_ms, answer.leaving_ms) == (1_400, 700)


def test_usage_is_summed():
    call = Call()

    for counts in ({"response.total": 5.0}, {"response.total": 2.0, "transcription.s": 1.5}):
        call.turns.take(Usage(counts), call.at(0))

    assert call.turns.receipt.usage == {"response.total": 7.0, "transcription.s": 1.5}


def test_event_that_is_no_turns_business_is_a_bug_of_ours():
    with pytest.raises(AssertionError):
        Call().turns.take(object(), OPENED_AT)  # type: ignore[arg-type]  # what is tested


# The end.


def test_end_finishes_every_turn():
    call = Call()
    call.hear(1_000)
    call.say("a", "one two three four", 1_000, at_ms=0)
    call.interrupt("c", spoke_ms=400, noticed_ms=600)
    call.turns.take(AgentTranscript("never spoken", "Well, ", is_final=False), call.at(700))

    call.turns.finish(call.at(900))

    assert [(turn.item_id, turn.heard, turn.end_ms) for turn in call.finished()] == [
        ("a", "one two", 600),
        ("c", "", 900),
        ("never spoken", "", 700),
    ]


def test_hang_up_cuts_what_was_being_said():
    call = Call()
    call.say("a", "one two three four", 1_000, at_ms=0)

    call.turns.finish(call.at(600))

    (turn,) = call.finished()
    assert (turn.heard, turn.was_interrupted) == ("one two", True)
    assert call.turns.receipt.barge_ins == []


def test_end_writes_the_counts_of_the_buffers_into_the_receipt():
    call = Call()
    call.turns.take(AgentAudio("a", bytes(800)), call.at(0))
    call.play(0)
    call.turns.advance(call.at(500))
    call.turns.hear_caller(bytes(100_000), call.at(500))

    call.turns.finish(call.at(600))

    assert call.turns.receipt.underruns == 1
    assert call.turns.receipt.dropped_in_bytes == 100_000


@pytest.mark.parametrize("at_ms", [0, 100])
def test_end_of_a_call_in_which_nothing_was_said(at_ms: int):
    call = Call()

    call.turns.finish(call.at(at_ms))

    assert call.finished() == []


# What has words and no sound, or sound and no words.


def test_speech_without_audio_is_published_when_the_agent_is_done():
    call = Call()
    call.say("spoken", "one two", 1_000, at_ms=0)
    call.turns.take(AgentTranscript("silent", "Nobody hears this.", is_final=True), call.at(100))

    call.turns.agent_done(call.at(200))

    assert [(turn.item_id, turn.heard) for turn in call.finished()] == [("silent", "")]


def test_caller_turns_do_not_wait_for_words_when_nothing_is_transcribed():
    turns = Turns(replace(BOT, transcription_model=""))
    turns.begin(OPENED_AT)

    turns.take(CallerSpeechStopped("c", 900), OPENED_AT + 1)

    (turn,) = turns.transcript.take_finished()
    assert not turn.is_recognised
    assert not turns.transcript.is_waiting_for_words


# Another bot.


def test_the_turn_detection_of_the_bot_that_took_over_counts():
    call = Call()
    call.hear(3_000)
    patient = replace(VAD, prefix_padding_ms=100, silence_duration_ms=900)

    call.turns.follow(replace(BOT, vad=patient))
    call.turns.interrupt(CallerSpeechStarted("c", 900), call.at(1_200))
    call.turns.take(CallerSpeechStopped("c", 2_900), call.at(3_000))
    call.turns.take(CallerTranscript("c", "Hello"), call.at(3_000))

    (turn,) = call.finished()
    assert (turn.start_ms, turn.end_ms) == (1_000, 2_000)


def test_a_bot_that_took_over_may_transcribe_nothing():
    call = Call()

    call.turns.follow(replace(BOT, transcription_model=""))
    call.turns.take(CallerSpeechStopped("c", 900), call.at(1_000))

    assert [turn.is_recognised for turn in call.finished()] == [False]


# Recordings.


def test_a_recording_is_a_turn_of_the_agents():
    call = Call()
    call.greet("Welcome to the bank.", 1_000)

    call.turns.advance(call.at(1_100))

    (turn,) = call.finished()
    assert (turn.speaker, turn.heard, turn.end_ms) == ("agent", "Welcome to the bank.", 1_000)
    assert call.turns.is_greeting(turn)


def test_what_the_model_says_is_no_recording():
    call = Call()
    call.say("a", "Hello.", 500, at_ms=0)

    call.turns.advance(call.at(1_000))

    assert [call.turns.is_greeting(turn) for turn in call.finished()] == [False]


def test_a_recording_that_is_interrupted_is_nothing_to_truncate():
    call = Call()
    call.hear(700)
    call.greet("one two three four", 1_000)
    call.say("a", "five six", 500, at_ms=0)

    was_audible, heard = call.interrupt("c", spoke_ms=400, noticed_ms=600)

    assert was_audible
    assert [(item.item_id, item.heard_ms) for item in heard] == [("a", 0)]
    assert [(turn.item_id, turn.heard) for turn in call.finished()] == [
        (GREETING, "one two"),
        ("a", ""),
    ]
