"""A silent line in virtual time: the playout clock says what is heard."""

import asyncio

import pytest

from service.conversation import Conversation
from service.recordings import OWN, Recordings, read_recordings
from service.speech.port import AgentAudio, AgentAudioDone, CallerSpeechStarted, SpeechLost
from service.turns import Turns
from service.watchdog import Watchdog
from tests.fake_speech import FakeSession
from tests.plain_bot import PLAIN_BOT

TICK_S = 0.1


class Line:
    """A call's turns, its conversation and its watchdog, looked at ten times a second."""

    def __init__(self, recordings: Recordings | None = None, *, is_greeted: bool = True) -> None:
        self.turns = Turns(PLAIN_BOT)
        self.turns.begin(0.0)
        self.turns.receipt.greeting_ms = 0 if is_greeted else None
        self.conversation = Conversation()
        self.conversation.session = self.session = FakeSession()
        self.is_working = self.is_paused = False
        self.now = 0.0
        self.watchdog = Watchdog(
            self.turns,
            self.conversation,
            read_recordings(OWN) if recordings is None else recordings,
            lambda now: not self.is_paused and self.turns.playout.remaining_s(now) <= 0,
            lambda: self.is_working,
        )
        self.watchdog.begin()

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            asyncio.run(self.watchdog.on_time(self.now, "de-DE"))
            while isinstance(self.turns.playout.pop(self.now), bytes):
                pass
            self.turns.advance(self.now)
            self.now += TICK_S

    @property
    def heard(self) -> list[str]:
        return [turn.text for turn in self.turns.transcript.turns]

    def speaks(self, item_id: str, seconds: float = 1.0) -> None:
        self.turns.take(AgentAudio(item_id, bytes(round(seconds * 8_000))), self.now)
        self.turns.take(AgentAudioDone(item_id), self.now)


MOMENT = "Einen Moment, bitte."


def test_an_answer_that_is_late_is_excused_in_the_callers_language():
    line = Line()
    line.pass_time(3.9)
    assert line.heard == []
    line.pass_time(0.3)
    assert line.heard == [MOMENT]
    assert line.turns.receipt.errors == ["silence_excuse"]
    assert line.session.deeds == []


def test_if_still_nothing_comes_the_model_is_asked_and_then_left():
    line = Line()
    line.pass_time(4.1 + 1.7 + 4.5)
    assert line.session.deeds == ["ask"]
    assert line.heard[1].startswith("Ich bin noch da.")
    line.pass_time(4.6 + 4.5)
    assert line.session.deeds == ["ask", "leave"]


def test_speech_ends_the_wait():
    line = Line()
    line.pass_time(4.1)
    line.speaks("a")
    line.pass_time(1.6 + 1.0 + 3.8)
    assert line.heard == [MOMENT, ""]
    line.pass_time(0.5)
    assert line.heard == [MOMENT, "", MOMENT]


def test_a_lost_conversation_is_excused_after_a_second_of_silence():
    line = Line()
    line.speaks("a", 3.0)
    line.pass_time(0.5)
    line.turns.take(SpeechLost("openai", "closed_1011"), line.now)
    line.pass_time(2.5 + 0.9)
    assert MOMENT not in line.heard
    line.pass_time(0.4)
    assert line.heard[-1] == MOMENT


def test_the_first_words_have_two_seconds_and_a_half():
    line = Line(is_greeted=False)
    line.pass_time(2.4)
    assert line.heard == []
    line.pass_time(0.3)
    assert line.heard == [MOMENT]


@pytest.mark.parametrize("reason", ["is_working", "is_paused"])
def test_a_function_at_work_or_a_paused_line_is_no_fault_of_the_model(reason: str):
    line = Line()
    setattr(line, reason, True)
    line.pass_time(20.0)
    assert line.heard == []
    setattr(line, reason, False)
    line.pass_time(3.9)
    assert line.heard == []


def test_a_line_on_which_nothing_is_owed_may_be_silent():
    line = Line()
    line.conversation.is_model_busy = False
    line.pass_time(60.0)
    assert line.heard == []


def test_it_does_what_it_can_without_recordings_or_a_session():
    line = Line(Recordings({}))
    line.pass_time(4.2 + 4.2)
    assert (line.heard, line.session.deeds) == ([], ["ask"])
    line = Line()
    line.conversation.session = None
    line.pass_time(20.0)
    assert len(line.heard) == 3


def test_it_says_when_it_will_look_again():
    line = Line()
    line.pass_time(TICK_S)
    assert line.watchdog.due_in_s(1.0) == pytest.approx(3.0)


def test_a_caller_who_speaks_after_a_loss_waits_as_long_as_ever():
    line = Line()
    line.turns.take(SpeechLost("openai", "closed_1011"), 0.0)
    line.turns.interrupt(CallerSpeechStarted("c", 0), 0.0)
    line.pass_time(3.9)
    assert MOMENT not in line.heard
