"""What is remembered of one response."""

from service.speech.port import AgentAudioDone, AgentTranscript
from service.speech.realtime_response import Response


def test_what_was_left_open_is_closed():
    response = Response("R1")
    response.item("A1").words = "Half a"

    assert response.finish() == [
        AgentTranscript("A1", "Half a", is_final=True),
        AgentAudioDone("A1"),
    ]


def test_a_dead_response_does_not_complete_its_audio():
    response = Response("R1", is_dead=True)
    response.item("A1").has_all_words = True

    assert response.finish() == []


def test_what_was_finished_is_not_finished_again():
    response = Response("R1")
    item = response.item("A1")
    item.has_all_words = item.has_all_audio = True

    assert response.finish() == []


def test_only_a_dead_response_deletes_what_it_withheld():
    response = Response("R1", unheard=["A0"])
    response.item("A1").was_handed_out = True
    response.item("A2")

    alive = response.to_delete
    response.is_dead = True

    assert alive == ["A0"]
    assert response.to_delete == ["A0", "A2"]


def test_a_response_has_spoken_once_something_was_handed_out():
    response = Response("R1")
    response.item("A1")

    before = response.has_spoken
    response.item("A1").was_handed_out = True

    assert (before, response.has_spoken) == (False, True)
