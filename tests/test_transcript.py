import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.transcript import (
    MAX_KEY_TURNS,
    MAX_TURN_CHARS,
    MAX_TURNS,
    Transcript,
    Turn,
    heard_words,
)


def agent_heard(
    transcript: Transcript,
    item_id: str,
    *,
    heard_ms: int = 1_000,
    received_ms: int = 1_000,
    start_ms: int = 0,
    cut: bool = False,
) -> None:
    transcript.agent_heard(
        item_id,
        heard_ms=heard_ms,
        received_ms=received_ms,
        start_ms=start_ms,
        end_ms=start_ms + heard_ms,
        cut=cut,
    )


def only(transcript: Transcript) -> Turn:
    (turn,) = transcript.turns
    return turn


# The caller's turns.


def test_caller_turn_is_finished_by_its_words_and_its_end():
    transcript = Transcript()

    transcript.caller_started("c", 100)
    transcript.caller_stopped("c", 900)
    without_words = transcript.take_finished()
    transcript.caller_said("c", " My card is lost. ", 1_500)

    assert without_words == []
    assert transcript.take_finished() == [
        Turn(
            1,
            "caller",
            "c",
            100,
            900,
            text="My card is lost.",
            heard="My card is lost.",
            heard_ms=800,
            has_words=True,
            has_times=True,
        )
    ]


def test_words_may_come_before_the_turn_has_ended():
    transcript = Transcript()

    transcript.caller_started("c", 100)
    transcript.caller_said("c", "Hello", 300)
    unfinished = transcript.take_finished()
    transcript.caller_stopped("c", 400)

    assert unfinished == []
    assert [turn.text for turn in transcript.take_finished()] == ["Hello"]


def test_words_of_a_turn_whose_start_was_missed_open_it():
    transcript = Transcript()

    transcript.caller_said("c", "Hello", 300)
    transcript.caller_stopped("c", 200)

    assert (only(transcript).start_ms, only(transcript).end_ms) == (300, 300)


def test_turns_keep_the_order_in_which_they_began_when_words_come_unordered():
    transcript = Transcript()
    for number, item_id in enumerate(("one", "two", "three")):
        transcript.caller_started(item_id, number * 1_000)
        transcript.caller_stopped(item_id, number * 1_000 + 500)

    for item_id in ("three", "one"):
        transcript.caller_said(item_id, item_id, 5_000)
    first = transcript.take_finished()
    transcript.caller_said("two", "two", 6_000)

    assert [(turn.number, turn.text) for turn in first] == [(1, "one"), (3, "three")]
    assert [(turn.number, turn.text) for turn in transcript.take_finished()] == [(2, "two")]
    assert [turn.text for turn in transcript.turns] == ["one", "two", "three"]


def test_words_that_could_not_be_made_out_are_told_from_no_words():
    transcript = Transcript()
    for item_id, text in (("noise", None), ("silence", "")):
        transcript.caller_stopped(item_id, 0)
        transcript.caller_said(item_id, text, 0)

    noise, silence = transcript.take_finished()

    assert (noise.text, noise.is_recognised) == ("", False)
    assert (silence.text, silence.is_recognised) == ("", True)


def test_transcript_waits_for_words_of_ended_turns_only():
    transcript = Transcript()
    nothing_said = transcript.is_waiting_for_words

    transcript.caller_started("c", 0)
    while_speaking = transcript.is_waiting_for_words
    transcript.caller_stopped("c", 500)
    after_speaking = transcript.is_waiting_for_words
    transcript.caller_said("c", "Hello", 900)

    assert (nothing_said, while_speaking, after_speaking) == (False, False, True)
    assert not transcript.is_waiting_for_words


def test_pressed_keys_are_masked_turns_of_their_own():
    transcript = Transcript()

    transcript.caller_pressed(100)
    transcript.caller_pressed(200)

    assert [
        (turn.number, turn.speaker, turn.text, turn.heard, turn.start_ms)
        for turn in transcript.take_finished()
    ] == [(1, "caller", "[keys]", "[keys]", 100), (2, "caller", "[keys]", "[keys]", 200)]


# The agent's turns.


def test_agent_turn_heard_in_full_has_its_words_and_the_times_of_the_callers_ear():
    transcript = Transcript()

    transcript.agent_says("a", "Good ", 10)
    transcript.agent_said("a", "Good morning.", 20)
    unheard = transcript.take_finished()
    agent_heard(transcript, "a", start_ms=300)

    (turn,) = transcript.take_finished()
    assert unheard == []
    assert (turn.text, turn.heard, turn.was_interrupted) == ("Good morning.",) * 2 + (False,)
    assert (turn.start_ms, turn.end_ms, turn.heard_ms) == (300, 1_300, 1_000)


def test_cut_turn_keeps_what_was_generated_beside_what_was_heard():
    transcript = Transcript()
    transcript.agent_said("a", "one two three four", 0)

    agent_heard(transcript, "a", heard_ms=500, received_ms=1_000, cut=True)

    (turn,) = transcript.take_finished()
    assert (turn.text, turn.heard) == ("one two three four", "one two")
    assert turn.was_interrupted


def test_words_that_come_after_the_cut_are_cut_as_well():
    transcript = Transcript()
    transcript.agent_says("a", "one two", 0)
    agent_heard(transcript, "a", heard_ms=500, received_ms=1_000, cut=True)

    unfinished = transcript.take_finished()
    transcript.agent_says("a", " three", 400)
    transcript.agent_said("a", "one two three four", 500)

    assert unfinished == []
    assert [turn.heard for turn in transcript.take_finished()] == ["one two"]


def test_end_of_an_agent_turn_is_never_before_its_start():
    transcript = Transcript()

    transcript.agent_heard("a", heard_ms=0, received_ms=9, start_ms=500, end_ms=400, cut=True)

    assert (only(transcript).start_ms, only(transcript).end_ms) == (500, 500)


def test_pieces_after_the_final_words_are_ignored():
    transcript = Transcript()

    transcript.agent_said("a", "Good morning.", 0)
    transcript.agent_says("a", "morning.", 0)

    assert only(transcript).text == "Good morning."


# What is final stays.


def test_finished_turn_is_handed_out_once_and_never_changes():
    transcript = Transcript()
    transcript.agent_said("a", "Hello", 0)
    agent_heard(transcript, "a")
    transcript.take_finished()

    transcript.agent_said("a", "Something else", 9)
    transcript.agent_says("a", "Something else", 9)
    agent_heard(transcript, "a", heard_ms=1, cut=True)

    assert transcript.take_finished() == []
    assert (only(transcript).text, only(transcript).heard_ms) == ("Hello", 1_000)


def test_id_of_one_speaker_is_not_taken_from_the_other():
    transcript = Transcript()
    transcript.agent_said("x", "Hello", 0)

    transcript.caller_started("x", 0)
    transcript.caller_said("x", "Goodbye", 0)
    transcript.caller_stopped("x", 0)

    assert (only(transcript).speaker, only(transcript).text) == ("agent", "Hello")


# The end of the call.


def test_end_of_the_call_ends_the_callers_open_turn():
    transcript = Transcript()
    transcript.caller_started("c", 1_000)

    transcript.finish(1_800)

    (turn,) = transcript.take_finished()
    assert (turn.start_ms, turn.end_ms, turn.heard_ms) == (1_000, 1_800, 800)
    assert not turn.is_recognised


def test_end_of_the_call_keeps_what_is_known_of_a_caller_turn():
    transcript = Transcript()
    transcript.caller_started("silent", 0)
    transcript.caller_stopped("silent", 400)
    transcript.caller_started("said", 500)
    transcript.caller_said("said", "Wait", 600)

    transcript.finish(900)

    silent, said = transcript.take_finished()
    assert (silent.end_ms, silent.is_recognised) == (400, False)
    assert (said.end_ms, said.text, said.is_recognised) == (900, "Wait", True)


def test_agent_turn_that_never_reached_the_ear_has_no_heard_words():
    transcript = Transcript()
    transcript.agent_says("a", "I can help you with that.", 0)

    transcript.finish(100)

    (turn,) = transcript.take_finished()
    assert (turn.text, turn.heard, turn.heard_ms) == ("I can help you with that.", "", 0)
    assert turn.was_interrupted


def test_end_of_the_call_does_not_touch_a_final_turn_that_was_not_handed_out_yet():
    transcript = Transcript()
    transcript.agent_said("a", "one two three four", 0)
    agent_heard(transcript, "a", heard_ms=500, received_ms=1_000, cut=True)

    transcript.finish(100)

    assert [turn.heard for turn in transcript.take_finished()] == ["one two"]


def test_heard_turn_without_its_final_words_keeps_the_pieces_that_came():
    transcript = Transcript()
    transcript.agent_says("a", "one two three four", 0)
    agent_heard(transcript, "a", heard_ms=500, received_ms=1_000, cut=True)

    transcript.finish(100)

    assert [turn.heard for turn in transcript.take_finished()] == ["one two"]


def test_nothing_is_waited_for_after_the_end():
    transcript = Transcript()
    transcript.caller_stopped("c", 0)

    transcript.finish(100)

    assert not transcript.is_waiting_for_words
    transcript.take_finished()
    transcript.finish(200)
    assert transcript.take_finished() == []


# Bounds.


def test_turns_beyond_the_bound_are_not_kept():
    transcript = Transcript()
    for number in range(MAX_TURNS):
        transcript.caller_started(f"c{number}", number)

    transcript.caller_started("one too many", 0)
    transcript.caller_stopped("one too many", 0)
    transcript.caller_said("one too many", "hello", 0)
    transcript.caller_pressed(0)
    transcript.agent_says("another", "hello", 0)
    transcript.agent_said("another", "hello", 0)
    agent_heard(transcript, "another")

    assert len(transcript.turns) == MAX_TURNS
    assert transcript.take_finished() == []


def test_words_of_a_turn_are_bounded():
    transcript = Transcript()
    long = "x" * (MAX_TURN_CHARS + 1)

    transcript.caller_said("c", long, 0)
    transcript.agent_said("whole", long, 0)
    for _ in range(3):
        transcript.agent_says("pieces", long, 0)

    assert [len(turn.text) for turn in transcript.turns] == [MAX_TURN_CHARS] * 3


# Heard words.

texts = st.text(alphabet="ab, \n\u00a0\u4f60", max_size=60)
received = st.integers(1, 5_000)


@pytest.mark.parametrize(
    ("heard_ms", "heard"),
    [
        (0, ""),
        (10, ""),
        (210, ""),
        (300, ""),
        (334, "Hello,"),
        (640, "Hello, dear"),
        (999, "Hello, dear"),
        (1_000, "Hello, dear caller"),
        (1_001, "Hello, dear caller"),
    ],
)
def test_word_is_heard_when_all_of_it_was(heard_ms: int, heard: str):
    assert heard_words("Hello, dear caller", heard_ms, 1_000) == heard


@pytest.mark.parametrize("gap", [" ", "\n", "\t", "\u00a0", "  "])
def test_any_white_space_ends_a_word(gap: str):
    assert heard_words(f"one{gap}two{gap}three", 700, 1_000) == f"one{gap}two"


def test_nothing_is_heard_of_speech_that_had_no_audio():
    assert heard_words("Hello", 0, 0) == ""


@given(text=texts, received_ms=received, heard_ms=st.integers(0, 6_000))
def test_heard_words_are_a_prefix_that_ends_with_a_word(text: str, received_ms: int, heard_ms: int):
    heard = heard_words(text, heard_ms, received_ms)

    assert text.startswith(heard)
    rest = text[len(heard) :]
    assert not heard or not rest or rest[0].isspace()


@given(text=texts, received_ms=received, earlier_ms=st.integers(0, 6_000), more_ms=received)
def test_more_time_never_means_fewer_words(
    text: str, received_ms: int, earlier_ms: int, more_ms: int
):
    earlier = heard_words(text, earlier_ms, received_ms)

    assert heard_words(text, earlier_ms + more_ms, received_ms).startswith(earlier)


@given(text=texts, received_ms=received, heard_ms=st.integers(0, 4_999))
def test_share_of_the_words_is_not_more_than_the_share_of_the_time(
    text: str, received_ms: int, heard_ms: int
):
    heard_ms = min(heard_ms, received_ms - 1)

    heard = heard_words(text, heard_ms, received_ms)

    assert len(heard) <= len(text) * heard_ms / received_ms + 0.5


def test_text_without_spaces_is_cut_between_its_characters():
    text = "电费由三部分组成" * 8

    assert heard_words(text, 500, 1_000) == text[:32]


# What was heard of speech that was still being generated: its words run ahead of its audio.


def cut_short(transcript: Transcript, item_id: str, *, heard_ms: int, received_ms: int) -> None:
    transcript.agent_heard(
        item_id,
        heard_ms=heard_ms,
        received_ms=received_ms,
        start_ms=0,
        end_ms=heard_ms,
        cut=True,
        is_complete=False,
    )


def test_words_ahead_of_the_audio_are_measured_by_the_usual_pace():
    transcript = Transcript()
    words = "one two three four five six seven eight nine ten"  # 48 letters, about 3.1 s
    transcript.agent_said("a", words, 0)

    cut_short(transcript, "a", heard_ms=1_000, received_ms=1_000)

    assert only(transcript).heard == "one two three"


def test_words_ahead_of_the_audio_are_measured_by_the_pace_of_the_call():
    transcript = Transcript()
    transcript.agent_said("slow", "0123456789", 0)
    agent_heard(transcript, "slow", heard_ms=2_000, received_ms=2_000)  # 200 ms a letter
    transcript.agent_said("a", "one two three four five six seven eight nine ten", 0)

    cut_short(transcript, "a", heard_ms=1_000, received_ms=1_000)

    assert transcript.turns[1].heard == "one"


def test_audio_that_came_counts_when_it_is_longer_than_the_pace_says():
    transcript = Transcript()
    transcript.agent_said("a", "one two", 0)

    cut_short(transcript, "a", heard_ms=1_000, received_ms=10_000)

    assert only(transcript).heard == ""


def test_speech_without_audio_is_closed_when_the_agent_is_done():
    transcript = Transcript()
    transcript.agent_said("silent", "Nobody hears this.", 100)
    transcript.agent_said("waiting", "This is still to be heard.", 100)

    transcript.close_silent(500, is_waiting=lambda item_id: item_id == "waiting")

    (turn,) = transcript.take_finished()
    assert (turn.item_id, turn.heard, turn.was_interrupted) == ("silent", "", True)


def test_a_flood_of_keys_leaves_room_for_what_is_said():
    transcript = Transcript()

    for at_ms in range(3 * MAX_KEY_TURNS):
        transcript.caller_pressed(at_ms)

    assert len(transcript.turns) == MAX_KEY_TURNS


def test_words_that_never_come_are_given_up():
    transcript = Transcript()
    transcript.caller_started("early", 0)
    transcript.caller_stopped("early", 1_000)
    transcript.caller_started("late", 2_000)
    transcript.caller_stopped("late", 3_000)

    transcript.give_up_words(2_500)

    (turn,) = transcript.take_finished()
    assert (turn.item_id, turn.is_recognised, turn.text) == ("early", False, "")
