from typing import get_args

import pytest

from service.call_events import BOT_STATUS, EndReason
from service.outputs import MASK, STANDARD_NAMES, OutputVariables

DECLARED = {"TICKET": "", "QUEUE": "sales"}


@pytest.mark.parametrize("reason", get_args(EndReason))
def test_set_of_output_variables_is_always_complete(reason: EndReason):
    outputs = OutputVariables(DECLARED)

    for variables in (outputs.for_flow(reason), outputs.for_events(reason)):
        assert tuple(variables) == (*STANDARD_NAMES, "TICKET", "QUEUE")
        assert all(isinstance(value, str) for value in variables.values())


@pytest.mark.parametrize("reason", get_args(EndReason))
def test_flow_sees_the_status_and_the_reason_of_the_end(reason: EndReason):
    variables = OutputVariables({}).for_flow(reason)

    assert variables["BOT_STATUS"] == BOT_STATUS.get(reason, "")
    assert variables["END_REASON"] == reason


def test_declared_variables_begin_with_their_defaults():
    variables = OutputVariables(DECLARED).for_flow("transfer")

    assert (variables["TICKET"], variables["QUEUE"]) == ("", "sales")


def test_a_declared_variable_can_be_set():
    outputs = OutputVariables(DECLARED)

    was_set = outputs.set("TICKET", "T-17")

    assert was_set
    assert outputs.for_flow("transfer")["TICKET"] == "T-17"
    assert outputs.for_events("transfer")["TICKET"] == "T-17"


@pytest.mark.parametrize("name", ["OTHER", "", "ticket", *STANDARD_NAMES])
def test_no_other_variable_can_be_set(name: str):
    outputs = OutputVariables(DECLARED)

    was_set = outputs.set(name, "fine")

    assert not was_set
    assert "fine" not in outputs.for_flow("drain").values()


def test_a_bot_cannot_declare_the_status():
    outputs = OutputVariables({"BOT_STATUS": "fine", "END_REASON": "none"})

    assert outputs.for_flow("drain")["BOT_STATUS"] == "shutdown"
    assert outputs.for_flow("drain")["END_REASON"] == "drain"


def test_what_was_keyed_in_secret_reaches_the_flow_alone():
    outputs = OutputVariables(DECLARED)

    outputs.set("TICKET", "4711", is_sensitive=True)

    assert outputs.for_flow("transfer")["TICKET"] == "4711"
    assert outputs.for_events("transfer")["TICKET"] == MASK


def test_a_variable_that_once_held_a_secret_stays_masked():
    outputs = OutputVariables(DECLARED)
    outputs.set("TICKET", "4711", is_sensitive=True)

    outputs.set("TICKET", "0815")

    assert outputs.for_events("transfer")["TICKET"] == MASK


def test_a_secret_that_was_never_keyed_in_is_empty_and_not_masked():
    outputs = OutputVariables(DECLARED)

    outputs.set("TICKET", "", is_sensitive=True)

    assert outputs.for_events("transfer")["TICKET"] == ""


def test_flow_learns_why_and_to_whom_the_call_goes():
    outputs = OutputVariables({})

    outputs.note_transfer(reason="lost card", summary="Wants a new one.", target="cards")

    assert outputs.for_flow("transfer") == {
        "BOT_STATUS": "transfer",
        "END_REASON": "transfer",
        "TRANSFER_REASON": "lost card",
        "TRANSFER_TARGET": "cards",
        "SUMMARY": "Wants a new one.",
    }


def test_a_later_transfer_leaves_nothing_of_an_earlier_one():
    outputs = OutputVariables({})
    outputs.note_transfer(reason="lost card", summary="Wants a new one.", target="cards")

    outputs.note_transfer(reason="no_input")

    variables = outputs.for_flow("no_input")
    assert variables["TRANSFER_REASON"] == "no_input"
    assert (variables["SUMMARY"], variables["TRANSFER_TARGET"]) == ("", "")
