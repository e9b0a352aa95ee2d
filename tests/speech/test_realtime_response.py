"""What is remembered of responses, each and all of them."""

import pytest

from service.speech.port import AgentAudioDone, AgentTranscript, CallerTranscript, Usage
from service.speech.realtime_response import Response, Responses, usage_of, words_of_caller
from service.speech.realtime_wire import TranscriptionCompleted, TranscriptionFailed


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


@pytest.mark.parametrize("asked", [None, {}, {"tool_choice": "none"}])
def test_what_we_asked_for_and_nobody_heard_may_be_asked_for_again(asked):
    response = Response("R1", asked=asked)

    assert response.to_repeat == asked


@pytest.mark.parametrize("change", ["is_dead", "has_spoken"])
def test_what_was_heard_or_cut_before_is_not_asked_for_again(change):
    response = Response("R1", asked={}, is_dead=change == "is_dead")
    response.item("A1").was_handed_out = change == "has_spoken"

    assert response.to_repeat is None


def test_the_first_of_the_known_responses_is_active():
    responses = Responses()
    before = responses.active

    first, second = responses.of("R1"), responses.of("R2")

    assert before is None
    assert responses.active is first
    assert responses.of("R2") is second


def test_what_comes_of_a_response_after_its_end_is_dead_and_makes_nothing_active():
    responses = Responses()
    ended = responses.end("R1")
    responses.active = None

    late = responses.of("R1")

    assert (ended.is_dead, late.is_dead) == (False, True)
    assert responses.active is None


def test_a_response_is_found_by_its_items_until_it_is_over():
    responses = Responses()
    responses.of("R1").item("A1")
    second = responses.of("R2")
    second.item("A2")

    found = responses.with_item("A2"), responses.with_item("A3")
    responses.end("R2")

    assert found == (second, None)
    assert responses.with_item("A2") is None


def test_words_of_a_caller_come_with_what_they_cost_or_not_at_all():
    heard = TranscriptionCompleted("U1", "Hello.", {"seconds": 3})

    assert words_of_caller(heard) == [
        CallerTranscript("U1", "Hello."),
        Usage({"transcription.seconds": 3}),
    ]
    assert words_of_caller(TranscriptionCompleted("U1")) == [CallerTranscript("U1", "")]
    assert words_of_caller(TranscriptionFailed("U1")) == [CallerTranscript("U1", None)]


def test_usage_is_reported_only_where_there_are_numbers():
    assert usage_of("response", {"total_tokens": 7}) == [Usage({"response.total_tokens": 7})]
    assert usage_of("response", None) == []
    assert usage_of("response", {"total_tokens": None}) == []
