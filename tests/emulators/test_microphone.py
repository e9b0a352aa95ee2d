from scripts.emulators.microphone import Microphone, Utterance, interleave

SILENT = b"\xff"
TONE = b"\x20"


def test_without_speech_the_line_is_mu_law_silence() -> None:
    microphone = Microphone(3.0)

    assert microphone.cut(1600) == SILENT * 1600
    assert microphone.samples_cut == 1600


def test_speech_begins_inside_the_frame_where_it_really_began() -> None:
    microphone = Microphone(3.0)
    microphone.cut(1600)

    utterance = microphone.speak(TONE * 400, 3.25)  # 50 ms into the second frame

    assert utterance == Utterance(2000, 2400)
    assert microphone.cut(1600) == SILENT * 400 + TONE * 400 + SILENT * 800


def test_speech_continues_over_frames() -> None:
    microphone = Microphone(0.0)
    microphone.speak(TONE * 2000, 0.1)

    frames = [microphone.cut(1600), microphone.cut(1600)]

    assert frames == [SILENT * 800 + TONE * 800, TONE * 1200 + SILENT * 400]


def test_speech_queues_behind_speech() -> None:
    microphone = Microphone(0.0)

    first = microphone.speak(b"\x01" * 100, 0.0)
    second = microphone.speak(b"\x02" * 100, 0.0)

    assert (first.end, second.start) == (100, 100)
    assert microphone.cut(300) == b"\x01" * 100 + b"\x02" * 100 + SILENT * 100


def test_speech_cannot_begin_in_a_frame_already_sent() -> None:
    microphone = Microphone(0.0)
    microphone.cut(1600)

    assert microphone.speak(TONE, 0.1).start == 1600


def test_interleaving_puts_the_caller_on_the_external_channel() -> None:
    assert interleave(b"abc", ("external",)) == b"abc"
    assert interleave(b"abc", ("internal", "external")) == b"\xffa\xffb\xffc"
    assert interleave(b"abc", ("internal",)) == SILENT * 3
