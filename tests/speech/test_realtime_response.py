"""What is remembered of one response."""

import pytest

from service.speech.port import AgentAudioDone, AgentTranscript, Usage
from service.speech.realtime_response import Response, usage_of


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


@pytest.mark.parametrize("is_dead", [True, False])
@pytest.mark.parametrize(
    ("owes_words", "awaits_approval"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_a_live_response_goes_on_when_a_remote_tool_needs_it(owes_words, awaits_approval, is_dead):
    response = Response(
        "R1", owes_words=owes_words, awaits_approval=awaits_approval, is_dead=is_dead
    )

    assert response.goes_on is ((owes_words or awaits_approval) and not is_dead)


def test_usage_is_reported_only_where_there_are_numbers():
    assert usage_of("response", {"total_tokens": 7}) == [Usage({"response.total_tokens": 7})]
    assert usage_of("response", None) == []
    assert usage_of("response", {"total_tokens": None}) == []
