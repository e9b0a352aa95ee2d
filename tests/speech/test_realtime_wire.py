"""The Realtime wire (specification 4 to 6): tolerant in, exact out."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.speech import realtime_wire as wire
from tests.openai_schema import assert_client_event

PCMU = {"format": {"type": "audio/pcmu"}}
PCM = {"format": {"type": "audio/pcm", "rate": 24000}}


def decode(kind: str, **fields: Any) -> Any:
    return wire.decode(json.dumps({"type": kind, "event_id": "event_1", **fields}).encode())


# In.


@pytest.mark.parametrize(
    "kind",
    [
        "rate_limits.updated",
        "conversation.created",
        "conversation.item.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.mcp_call_arguments.done",
        "mcp_list_tools.completed",
        "input_audio_buffer.timeout_triggered",
        "response.audio.delta",
        "news.of.tomorrow",
        "",
    ],
)
def test_an_event_of_no_concern_is_nothing(kind):
    assert decode(kind, item_id="A1", response_id="R1", delta="x") is None


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"17",
        b'"response.created"',
        b'{"type":null}',
        b'{"type":7}',
        b'{"type":["response.created"]}',
        b'{"type":"response.created"',
        b'{"type":"response.created","response":{"id":"R',
        b'{"type":"response.created","response":{"id":"\xff"}}',
        b'{"type":"response.created","response":{"id":"\\ud800"}}',
        b"\xff\xfe",
        b"\x00" * 9,
    ],
)
def test_a_frame_that_cannot_be_read_is_nothing(frame):
    assert wire.decode(frame) is None


@pytest.mark.parametrize("depth", [500, 980, 1_000, 100_000])
@pytest.mark.parametrize("shape", ['{"x":%s,"type":"response.done"}', '{"type":"e","x":%s}', "%s"])
def test_a_nesting_bomb_is_nothing(depth, shape):
    assert wire.decode((shape % ("[" * depth + "]" * depth)).encode()) is None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("response.created", {"response": None}),
        ("response.created", {"response": {"id": None}}),
        ("response.done", {"response": {"id": 7}}),
        ("response.output_audio.delta", {"response_id": "R1", "item_id": "A1", "delta": "%%%"}),
        ("response.output_audio.delta", {"response_id": "R1", "item_id": "A1", "delta": None}),
        ("response.output_audio.delta", {"response_id": "R1", "delta": "//7+"}),
        ("input_audio_buffer.speech_started", {"audio_start_ms": 5}),
        ("response.mcp_call.in_progress", {}),
        ("response.mcp_call.completed", {"item_id": None}),
        ("response.mcp_call.failed", {"item_id": 7}),
        ("mcp_list_tools.failed", {}),
    ],
)
def test_an_event_without_what_it_is_about_is_nothing(kind, fields):
    assert decode(kind, **fields) is None


def test_audio_is_decoded_and_its_extras_are_ignored():
    event = decode(
        "response.output_audio.delta",
        response_id="R1",
        item_id="A1",
        output_index=0,
        content_index=0,
        obfuscation="aLxx0",
        delta=base64.b64encode(b"\xff\x7f\x00\xfe").decode(),
    )

    assert event == wire.AudioDelta("R1", "A1", b"\xff\x7f\x00\xfe")


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (
            "response.done",
            {
                "response": {
                    "id": "R1",
                    "status": None,
                    "status_details": None,
                    "usage": None,
                    "output": [],
                    "audio": {"output": {"voice": {"id": "voice_1"}}},
                }
            },
            wire.ResponseDone(wire.ResponseTail("R1")),
        ),
        ("response.done", {"response": {"id": "R1"}}, wire.ResponseDone(wire.ResponseTail("R1"))),
        (
            "response.created",
            {"response": {"id": "R1", "metadata": None, "conversation_id": None}},
            wire.ResponseCreated(wire.ResponseHead("R1")),
        ),
        (
            "input_audio_buffer.speech_started",
            {"item_id": "U1", "audio_start_ms": None},
            wire.SpeechStarted("U1"),
        ),
        ("input_audio_buffer.speech_stopped", {"item_id": "U1"}, wire.SpeechStopped("U1")),
        ("conversation.item.added", {"item": None}, wire.ItemAdded()),
        ("conversation.item.done", {"previous_item_id": None}, wire.ItemDone()),
        ("response.mcp_call.in_progress", {"item_id": "M1"}, wire.RemoteCallBegun("M1")),
        ("response.mcp_call.completed", {"item_id": "M1"}, wire.RemoteCallCompleted("M1")),
        ("response.mcp_call.failed", {"item_id": "M1"}, wire.RemoteCallFailed("M1")),
        ("mcp_list_tools.failed", {"item_id": "L1"}, wire.ListingFailed("L1")),
    ],
)
def test_nulls_extras_and_gaps_are_no_errors(kind, fields, expected):
    assert decode(kind, **fields) == expected


@pytest.mark.parametrize(
    ("audio", "speaks_pcmu"),
    [
        ({"input": PCMU, "output": PCMU}, True),
        ({"input": PCM, "output": PCMU}, False),
        ({"input": PCMU, "output": PCM}, False),
        ({"input": PCMU, "output": {"format": {"type": "audio/pcma"}}}, False),
        ({"input": PCMU}, False),
        ({"input": PCMU, "output": None}, False),
        ({"input": PCMU, "output": {}}, False),
        ({"input": PCMU, "output": {"format": None}}, False),
        ({"input": PCMU, "output": {"format": {}}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_session_speaks_pcmu_only_when_both_directions_say_so(audio, speaks_pcmu):
    event = decode("session.updated", session={"type": "realtime", "audio": audio})

    assert event.session.speaks_pcmu is speaks_pcmu


@pytest.mark.parametrize(
    ("message", "wait_s"),
    [
        ("Please try again in 6.1s. Visit the page.", 6.1),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 1m12s.", 60.0),
        ("Please try again in 2h0m5s.", 7_200.0),
        ("Please try again in a while.", None),
        (None, None),
    ],
)
def test_the_wait_of_a_rate_limit_is_in_its_message(message, wait_s):
    assert wire.ErrorDetail(message=message).wait_s == (wait_s and pytest.approx(wait_s))


def test_a_report_is_flattened_to_its_numbers():
    report = {"a": 1, "b": None, "c": {"d": 2.5, "e": {"f": 3}, "g": {}}, "h": "x", "i": [4]}

    assert wire.flatten("u", report) == {"u.a": 1, "u.c.d": 2.5, "u.c.e.f": 3}


# Out.


@given(st.binary(max_size=2_000))
def test_caller_audio_is_one_append_event_with_all_its_bytes(pcmu):
    event = json.loads(wire.append_audio(pcmu))

    assert event.keys() == {"type", "audio"}
    assert event["type"] == "input_audio_buffer.append"
    assert base64.b64decode(event["audio"], validate=True) == pcmu


def test_an_append_event_is_valid():
    assert_client_event(json.loads(wire.append_audio(b"\xff" * 160)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        7,
        [],
        {},
        {"type": None, "code": None, "message": None, "event_id": None},
        {"code": {"deep": 1}, "message": ["list"]},
    ],
)
def test_an_error_that_cannot_be_read_says_nothing(value):
    assert wire.read_error(value) == wire.ErrorDetail()
    assert wire.read_failure({"error": value}) == wire.ErrorDetail()
    assert wire.read_failure(value) == wire.ErrorDetail()


def test_an_error_is_read_piece_by_piece():
    error = {"type": "t", "code": 429, "message": None, "event_id": "e", "param": [1]}

    assert wire.read_error(error) == wire.ErrorDetail(type="t", code="429", event_id="e")


def test_an_item_is_read_piece_by_piece():
    assert wire.read_item({"id": "A1", "phase": "commentary"}) == wire.OutputItem(id="A1")
    assert wire.read_item(None) == wire.OutputItem()
    assert wire.read_item({"type": "function_call", "call_id": "c", "status": []}) == (
        wire.OutputItem(type="function_call", call_id="c")
    )


def test_an_item_of_a_remote_server_is_read_without_what_it_says():
    item = {
        "id": "mcp_1",
        "type": "mcp_call",
        "server_label": "crm",
        "name": "read",
        "arguments": "{}",
        "output": "secret words",
        "error": None,
    }

    assert wire.read_item(item) == wire.OutputItem(
        type="mcp_call", id="mcp_1", server_label="crm", name="read", arguments="{}"
    )


@pytest.mark.parametrize(
    ("item", "has_error"),
    [
        ({"error": {"type": "http_error", "code": 500, "message": "secret words"}}, True),
        ({"error": {}}, True),
        ({"error": "secret words"}, True),
        ({"error": None}, False),
        ({"has_error": "yes"}, False),
        ({}, False),
        ([], False),
    ],
)
def test_of_an_error_only_its_being_there_is_read(item, has_error):
    read = wire.read_item(item)

    assert read.has_error is has_error
    assert "secret" not in repr(read)


@pytest.mark.parametrize("metadata", [None, "text", [], {}, {"ask": 1}])
def test_a_response_without_our_mark_is_not_ours(metadata):
    assert wire.ask_of(wire.ResponseHead("R1", metadata)) is None


@pytest.mark.parametrize("value", ["text", [], None, 7])
@pytest.mark.parametrize("field", ["status", "status_details", "usage"])
def test_an_odd_field_does_not_hide_the_end_of_a_response(field, value):
    event = wire.decode(
        json.dumps({"type": "response.done", "response": {"id": "R1", field: value}}).encode()
    )

    assert isinstance(event, wire.ResponseDone)
    assert event.response.id == "R1"


def test_what_utf8_cannot_say_becomes_a_question_mark():
    frame = wire.encode({"type": "x", "text": "a\ud800b"})

    assert json.loads(frame)["text"] == "a?b"
