from typing import get_args

import pytest

from service.call_events import BOT_STATUS, EndReason
from service.handover import NAMES, output_variables, read_arguments

OURS_TO_END: list[EndReason] = [reason for reason in get_args(EndReason) if reason in BOT_STATUS]


@pytest.mark.parametrize("reason", OURS_TO_END)
def test_set_of_output_variables_is_always_complete(reason: EndReason):
    variables = output_variables(reason, {})

    assert tuple(variables) == NAMES
    assert all(isinstance(value, str) for value in variables.values())


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("bot_completed", "completed"),
        ("transfer", "transfer"),
        ("max_duration", "max_duration"),
        ("provider_error", "failed"),
        ("protocol_error", "failed"),
        ("rate_limited", "rate_limited"),
        ("drain", "shutdown"),
    ],
)
def test_flow_sees_the_status_of_the_end(reason: EndReason, status: str):
    assert output_variables(reason, {})["BOT_STATUS"] == status


def test_words_of_the_model_are_handed_over():
    written = read_arguments('{"reason": "lost card", "summary": "Wants a new one."}')

    assert output_variables("transfer", written) == {
        "BOT_STATUS": "transfer",
        "HANDOVER_REASON": "lost card",
        "HANDOVER_SUMMARY": "Wants a new one.",
    }


def test_model_does_not_decide_the_status():
    written = read_arguments('{"status": "fine", "BOT_STATUS": "fine", "bot_status": "fine"}')

    assert written == {}
    assert output_variables("drain", {"BOT_STATUS": "fine"})["BOT_STATUS"] == "shutdown"


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "null",
        "[]",
        '"reason"',
        "{",
        '{"reason": ',
        '{"reason": 5, "summary": null}',
        '{"reason": {"a": 1}, "summary": ["b"]}',
        '{"reason": "\\ud800"}',
        "[" * 100_000,
        '{"reason":' + '{"a":' * 100_000,
        "not JSON at all",
    ],
)
def test_whatever_else_the_model_writes_is_nothing(arguments: str):
    assert read_arguments(arguments) == {}


def test_usable_words_are_taken_from_between_unusable_ones():
    assert read_arguments('{"reason": 7, "summary": "Yes", "more": true}') == {
        "HANDOVER_SUMMARY": "Yes"
    }
