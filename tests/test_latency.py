from service.call_events import AnswerLatency, BargeIn
from service.latency import AnswerClock, barge_in


def spoken(ended_ms: int = 1_000, told_ms: int = 1_500) -> AnswerClock:
    answers = AnswerClock()
    answers.caller_stopped(ended_ms, told_ms)
    return answers


def test_wait_is_split_into_its_parts():
    answers = spoken(ended_ms=1_000, told_ms=1_500)

    answers.audio_came("a", 1_800, is_news=True)
    answers.audio_came("a", 1_830, is_news=True)
    answers.audio_came("a", 1_835, is_news=False)
    answers.audio_left(1_837, held_until_ms=0)
    answers.heard("a", 1_900, rtt_ms=40)

    assert answers.all == (
        AnswerLatency(
            at_ms=1_000, leaving_ms=837, audible_ms=940,
            endpointing_ms=500, model_ms=300, tools_ms=0, pacing_ms=30, own_ms=7,
        ),
    )  # fmt: skip


def test_time_of_functions_is_not_the_models():
    answers = spoken(told_ms=1_500)

    answers.tool_began(1_700)
    answers.tool_began(1_800)  # beside the first
    answers.tool_ended(2_000)
    answers.tool_ended(2_200)
    answers.tool_began(2_300)
    answers.tool_ended(2_400)
    answers.audio_came("a", 3_000, is_news=True)
    answers.audio_left(3_000, 0)

    (answer,) = answers.all
    assert (answer.tools_ms, answer.model_ms) == (600, 900)


def test_announcement_while_a_function_works_is_the_first_sound():
    answers = spoken(told_ms=1_500)

    answers.tool_began(1_700)
    answers.audio_came("wait", 2_700, is_news=True)
    answers.audio_left(2_710, 0)
    answers.tool_ended(9_000)
    answers.audio_came("a", 9_500, is_news=True)

    (answer,) = answers.all
    assert (answer.leaving_ms, answer.tools_ms, answer.model_ms) == (1_710, 1_000, 200)


def test_function_of_an_earlier_turn_counts_from_the_new_one():
    answers = spoken(told_ms=1_500)
    answers.tool_began(1_600)
    answers.caller_stopped(5_000, 5_500)
    answers.tool_ended(5_600)

    answers.audio_came("a", 6_000, is_news=True)
    answers.audio_left(6_000, 0)

    assert [answer.tools_ms for answer in answers.all] == [100]


def test_packet_held_back_by_the_rate_limit_is_pacing():
    answers = spoken()
    answers.audio_came("a", 1_600, is_news=True)
    answers.audio_left(2_603, held_until_ms=2_600)

    (answer,) = answers.all
    assert (answer.pacing_ms, answer.own_ms) == (1_000, 3)


def test_end_of_a_short_answer_lets_it_leave():
    answers = spoken()
    answers.audio_came("a", 1_600, is_news=True)
    answers.audio_ended(1_650)
    answers.audio_left(1_651, 0)

    assert [(it.pacing_ms, it.own_ms) for it in answers.all] == [(50, 1)]


def test_caller_who_goes_on_speaking_is_answered_from_the_last_word():
    answers = spoken(ended_ms=1_000, told_ms=1_500)
    answers.audio_came("never heard", 1_800, is_news=True)
    answers.caller_started()
    answers.caller_stopped(3_000, 3_500)
    answers.audio_came("a", 3_900, is_news=True)
    answers.audio_left(3_900, 0)

    assert [(it.at_ms, it.leaving_ms) for it in answers.all] == [(3_000, 900)]
    assert answers.of("never heard") is None


def test_answer_of_several_items_is_timed_by_the_first():
    answers = spoken()
    answers.audio_came("a", 1_600, is_news=True)
    answers.audio_left(1_600, 0)
    answers.heard("a", 1_650, 0)
    answers.audio_came("b", 2_600, is_news=True)
    answers.heard("b", 3_000, 0)

    assert [(it.leaving_ms, it.audible_ms) for it in answers.all] == [(600, 650)]
    assert answers.of("b") is None


def test_answer_that_was_cut_before_its_first_sound_was_not_audible():
    answers = spoken()
    answers.audio_came("a", 1_600, is_news=True)
    answers.audio_left(1_600, 0)

    assert [answer.audible_ms for answer in answers.all] == [None]


def test_packet_of_older_speech_is_no_answer():
    answers = spoken()
    answers.audio_left(1_600, 0)

    assert answers.all == ()


def test_nothing_is_negative_where_the_clocks_differ():
    """The provider's clock is mapped to ours, within a frame."""
    answers = spoken(ended_ms=2_000, told_ms=1_990)
    answers.audio_came("a", 1_995, is_news=True)
    answers.audio_left(1_996, held_until_ms=1_998)

    (answer,) = answers.all
    assert (answer.leaving_ms, answer.endpointing_ms) == (6, 0)
    assert answer.own_ms == 0
    assert barge_in(3_000, 2_950, 20) == BargeIn(at_ms=3_000, stop_ms=0, silent_ms=20)
