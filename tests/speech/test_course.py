from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from service.audio.playout import HeardItem
from service.speech.course import GO_ON, Course, Owed
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    BotChanged,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    SpeechEvent,
    ToolCall,
)
from tests.plain_bot import PLAIN_BOT


def course(*events: SpeechEvent) -> Course:
    made = Course(PLAIN_BOT)
    made.resume()
    for event in events:
        made.take(event)
    return made


def again(course: Course) -> Owed | None:
    course.lose()
    return course.resume().then


def test_it_is_idle_while_nobody_speaks_and_nothing_is_owed():
    assert course().is_idle
    assert not course(CallerSpeechStarted("c", 0)).is_idle
    turn = (CallerSpeechStarted("c", 0), CallerSpeechStopped("c", 500))
    assert not course(*turn).is_idle
    assert not course(*turn, AgentAudio("a", b"x")).is_idle
    assert not course(*turn, AgentAudio("a", b"x"), ToolCall("t", "f", "{}")).is_idle
    assert course(*turn, AgentAudio("a", b"x"), AgentAudioDone("a"), AgentTurnDone()).is_idle


def test_what_is_owed_is_paid_by_speech_or_by_silence():
    greeted = course()
    greeted.owe(Owed("Greet."))
    assert not greeted.is_idle
    greeted.take(AgentAudio("a", b"x"))
    greeted.take(AgentAudioDone("a"))
    assert not greeted.is_idle
    greeted.take(AgentTurnDone())
    assert greeted.is_idle
    silent = course()
    silent.owe(Owed("Greet."))
    silent.take(AgentTurnDone())
    assert again(silent) is None


def test_a_caller_who_speaks_takes_back_what_was_owed():
    interrupted = course()
    interrupted.owe(Owed("Greet."))
    interrupted.take(CallerSpeechStarted("c", 0))
    assert again(interrupted) is None
    assert interrupted.resuming == "c"


def test_an_answer_that_was_stopped_is_not_gone_on_with():
    spoken = course(AgentAudio("a", b"x"))
    assert again(spoken) == Owed(GO_ON)
    spoken = course(AgentAudio("a", b"x"))
    spoken.cut([HeardItem("a", 0, 0, False, None, None)])
    assert again(spoken) is None


def test_what_follows_a_function_is_said_once_all_have_answered():
    called = course(ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}"))
    called.answer("1", "{}", "")
    assert not called.is_idle
    assert called.is_open("2") and not called.is_open("1")
    called.answer("2", "{}", "Say so.")
    assert again(called) == Owed("Say so.", may_use_tools=False)


def test_functions_that_are_abandoned_are_waited_for_no_more():
    called = course(ToolCall("1", "f", "{}"))
    called.abandon_calls("")
    assert called.is_idle


def test_a_refused_bot_leaves_the_old_one():
    other = replace(PLAIN_BOT, bot_id="other")
    changed = course()
    changed.change_bot(other)
    changed.take(BotChanged("default", was_refused=True))
    assert changed.bot is PLAIN_BOT
    changed.change_bot(other)
    changed.take(BotChanged("other"))
    assert changed.bot is other


IDS = st.sampled_from(["a", "b", "c"])
EVENTS = st.one_of(
    st.builds(CallerSpeechStarted, IDS, st.integers(0, 5_000)),
    st.builds(CallerSpeechStopped, IDS, st.integers(0, 5_000)),
    st.builds(CallerTranscript, IDS, st.sampled_from(["words", "", None])),
    st.builds(AgentAudio, IDS, st.just(bytes(80))),
    st.builds(AgentAudioDone, IDS),
    st.builds(AgentTranscript, IDS, st.just("words"), st.booleans()),
    st.builds(ToolCall, IDS, st.just("f"), st.just("{}")),
    st.just(AgentTurnDone()),
)


@given(st.lists(st.one_of(EVENTS, st.just("lose"), st.binary(min_size=1, max_size=900))))
def test_whatever_comes_ids_are_the_calls_own_and_a_turn_ends_once(steps):
    """No later conversation speaks under an id of an earlier one, and turns do not end twice."""
    made, stops = course(), []
    spoken_in: dict[str, int] = {}
    generation = 1
    for step in steps:
        if step == "lose":
            events = made.lose()
            made.resume()
            generation += 1
        elif isinstance(step, bytes):
            made.ring.add(step)
            continue
        else:
            taken = made.take(step)
            events = [] if taken is None else [taken]
        for event in events:
            if isinstance(event, AgentAudio):
                assert spoken_in.setdefault(event.item_id, generation) == generation
            if isinstance(event, CallerSpeechStopped):
                stops.append(event)
    if made.resuming:
        stops += [it for it in made.give_up_turn() if isinstance(it, CallerSpeechStopped)]
    assert all(stop.at_ms >= 0 for stop in stops)
    assert not made.resuming
