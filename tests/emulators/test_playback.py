from scripts.emulators.playback import Playback

TONE = b"\x20"


def test_the_first_byte_starts_playback_and_the_last_completes_it() -> None:
    playback = Playback()

    started = playback.push(TONE * 800, 10.0)
    before = playback.advance(10.099)
    after = playback.advance(10.1)

    assert (started, before, after) == (["playback_started"], [], ["playback_completed"])


def test_audio_sent_faster_than_real_time_plays_at_8000_bytes_a_second() -> None:
    playback = Playback()

    playback.push(TONE * 8000, 0.0)
    again = playback.push(TONE * 8000, 0.1)

    assert again == []
    assert len(playback.runs) == 1
    assert playback.end_s() == 2.0
    assert playback.is_audible(1.999)
    assert not playback.is_audible(2.0)
    assert playback.max_queued_s == 1.9


def test_audio_after_an_underrun_completes_and_starts_again() -> None:
    playback = Playback()

    playback.push(TONE * 800, 0.0)
    events = playback.push(TONE * 800, 0.3)

    assert events == ["playback_completed", "playback_started"]
    assert [run.start_s for run in playback.runs] == [0.0, 0.3]


def test_a_hangover_bridges_a_short_underrun() -> None:
    playback = Playback(hangover_s=0.2)

    playback.push(TONE * 800, 0.0)
    events = playback.push(TONE * 800, 0.25)

    assert events == []
    assert playback.next_event_s() is not None
    assert playback.advance(0.54) == []
    assert playback.advance(0.56) == ["playback_completed"]


def test_clear_keeps_only_what_was_heard() -> None:
    playback = Playback()
    playback.push(TONE * 8000, 5.0)

    events = playback.clear(5.25)

    assert events == ["playback_completed"]
    assert len(playback.runs[0].pcmu) == 2000
    assert playback.runs[0].was_cut
    assert not playback.is_audible(5.25)
    assert playback.unplayed_s == 0.0


def test_clear_of_an_empty_queue_says_nothing() -> None:
    playback = Playback()
    playback.push(TONE * 80, 0.0)
    playback.advance(1.0)

    assert playback.clear(2.0) == []
    assert not playback.runs[0].was_cut


def test_stop_counts_what_the_end_of_the_call_swallowed() -> None:
    playback = Playback()
    playback.push(TONE * 8000, 0.0)

    playback.stop(0.75)

    assert playback.unplayed_s == 0.25
    assert len(playback.runs[0].pcmu) == 6000


def test_an_episode_survives_a_gap_that_nobody_hears() -> None:
    playback = Playback()
    playback.push(TONE * 800, 0.0)

    playback.push(TONE * 800, 0.15)
    short = playback.episode_start_s
    playback.push(TONE * 800, 0.5)

    assert short == 0.0
    assert playback.episode_start_s == 0.5


def test_leading_digital_silence_is_not_sound() -> None:
    playback = Playback()
    playback.push(b"\xff\x7f" * 400 + TONE * 80, 1.0)
    playback.push(b"\xff" * 80, 9.0)

    assert playback.runs[0].first_sound_s == 1.1
    assert playback.runs[1].first_sound_s is None
