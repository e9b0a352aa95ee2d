from service.bots.port import VoiceActivity
from service.speech.cascade_turn import MAX_TURN_MS, CallerTurns, TurnBegan, TurnEnded

ACTIVITY = VoiceActivity(prefix_padding_ms=300, silence_duration_ms=500)
LOUD = b"\x20\xa0"


def quiet(ms: int) -> bytes:
    return b"\xff" * (8 * ms)


def loud(ms: int) -> bytes:
    return LOUD * (4 * ms)


def in_pieces(turns: CallerTurns, audio: bytes, ms: int = 100) -> list[TurnBegan | TurnEnded]:
    step = 8 * ms
    pieces = [audio[begin : begin + step] for begin in range(0, len(audio), step)]
    return [it for piece in pieces for it in turns.hear(piece)]


def test_a_turn_has_its_moments_and_its_sound_with_padding():
    found = in_pieces(CallerTurns(ACTIVITY), quiet(2_000) + loud(1_000) + quiet(1_000))

    assert found == [
        TurnBegan(1_700),
        TurnEnded(3_500, 1_000, quiet(300) + loud(1_000) + quiet(300)),
    ]


def test_moments_and_sound_do_not_depend_on_the_pieces():
    audio = quiet(700) + loud(400) + quiet(900) + loud(300) + quiet(700)

    assert in_pieces(CallerTurns(ACTIVITY), audio, 20) == in_pieces(
        CallerTurns(ACTIVITY), audio, 333
    )


def test_a_turn_at_the_very_start_begins_there():
    found = in_pieces(CallerTurns(ACTIVITY), loud(400) + quiet(700))

    assert found == [TurnBegan(0), TurnEnded(900, 400, loud(400) + quiet(300))]


def test_a_turn_without_an_end_is_ended():
    turns = CallerTurns(ACTIVITY)
    found = in_pieces(turns, loud(MAX_TURN_MS + 400))

    assert [type(it) for it in found] == [TurnBegan, TurnEnded, TurnBegan]
    assert isinstance(found[1], TurnEnded)
    assert len(found[1].pcmu) / 8 <= MAX_TURN_MS + 200


def test_a_forgotten_turn_leaves_no_sound_behind():
    turns = CallerTurns(ACTIVITY)
    in_pieces(turns, quiet(500) + loud(400))
    turns.forget()

    found = in_pieces(turns, loud(200) + quiet(700))

    assert found == [TurnBegan(600), TurnEnded(1_600, 200, loud(200) + quiet(300))]


def test_silence_is_not_kept():
    turns = CallerTurns(ACTIVITY)
    in_pieces(turns, quiet(60_000))

    assert len(turns._kept) < 8 * 500


def test_another_bot_may_wait_longer():
    turns = CallerTurns(ACTIVITY)
    turns.follow(VoiceActivity(prefix_padding_ms=0, silence_duration_ms=900))

    found = in_pieces(turns, quiet(500) + loud(300) + quiet(800) + loud(100) + quiet(1_000))

    assert found[:1] == [TurnBegan(500)]
    assert [(it.at_ms, it.spoken_ms) for it in found if isinstance(it, TurnEnded)] == [
        (2_600, 1_200)
    ]
