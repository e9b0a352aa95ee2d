"""Strict intake: one error per bad event, the server's texts, and good events untouched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.emulators import realtime_intake
from scripts.emulators.realtime_wire import ApiError


def _refusal(event: Any) -> ApiError:
    with pytest.raises(ApiError) as refused:
        realtime_intake.check(event)
    return refused.value


def _update(**session: Any) -> Any:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def _input(**audio_input: Any) -> Any:
    return _update(audio={"input": audio_input})


def _create(**item: Any) -> Any:
    return {"type": "conversation.item.create", "item": item}


def _respond(**response: Any) -> Any:
    return {"type": "response.create", "response": response}


def _message(role: str, *parts: Any) -> Any:
    return _create(type="message", role=role, content=list(parts))


FUNCTION = {
    "type": "function",
    "name": "transfer_to_agent",
    "description": "Hand over.",
    "parameters": {"type": "object", "properties": {}},
}
TEXTS = [
    ({}, "invalid_event", None, "The 'type' field is missing."),
    (
        {"type": "session.update", "session": {}},
        "missing_required_parameter",
        "session.type",
        "Missing required parameter: 'session.type'.",
    ),
    (
        _update(voice="alloy"),
        "unknown_parameter",
        "session.voice",
        "Unknown parameter: 'session.voice'.",
    ),
    (
        _input(format={"type": "pcm16"}),
        "invalid_value",
        "session.audio.input.format.type",
        "Invalid value: 'pcm16'. Supported values are: 'audio/pcm', 'audio/pcmu', "
        "and 'audio/pcma'.",
    ),
    (
        _create(type="message", id="x" * 39, role="user", content=[]),
        "string_above_max_length",
        "item.id",
        "Invalid 'item.id': string too long. Expected a string with maximum length 32, "
        "but got a string with length 39 instead.",
    ),
    (
        _update(instructions=5),
        "invalid_type",
        "session.instructions",
        "Invalid type for 'session.instructions': expected a string, "
        "but got an integer instead.",
    ),
    (
        {"type": "session.update", "session": {"type": "transcription"}},
        "invalid_value",
        "session.type",
        "Passing a transcription session update event to a realtime session is not allowed.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("event", "code", "param", "message"), TEXTS)
def test_refusals_have_the_servers_code_param_and_text(event, code, param, message):
    error = _refusal(event)

    assert (error.code, error.param, error.message) == (code, param, message)


REFUSED = [
    ({"type": "scooby.dooby.doo"}, "type"),
    ({"type": 5}, "type"),
    ({"type": "input_audio_buffer.clear", "event_id": "x" * 513}, "event_id"),
    ({"type": "input_audio_buffer.append"}, "audio"),
    ({"type": "input_audio_buffer.append", "audio": 5}, "audio"),
    ({"type": "input_audio_buffer.commit", "item_id": "x"}, "item_id"),
    (_update(output_modalities=["audio", "text"]), "session.output_modalities"),
    (_update(output_modalities=[]), "session.output_modalities"),
    (_update(modalities=["audio"]), "session.modalities"),
    (_update(temperature=0.8), "session.temperature"),
    (_update(instructions=None), "session.instructions"),
    (_update(max_output_tokens=0), "session.max_output_tokens"),
    (_update(max_output_tokens=4097), "session.max_output_tokens"),
    (_update(max_output_tokens="all"), "session.max_output_tokens"),
    (_update(max_output_tokens=True), "session.max_output_tokens"),
    (_update(tools=[{"type": "function"}]), "session.tools[0].name"),
    (_update(tools=[{**FUNCTION, "strict": True}]), "session.tools[0].strict"),
    (_update(tools=[{"type": "mcp", "server_url": "x"}]), "session.tools[0].server_label"),
    (_update(tool_choice="any"), "session.tool_choice"),
    (_update(tool_choice={"type": "function"}), "session.tool_choice.name"),
    (_update(reasoning={"effort": "huge"}), "session.reasoning.effort"),
    (_update(truncation="always"), "session.truncation"),
    (
        _update(truncation={"type": "retention_ratio", "retention_ratio": 1.5}),
        "session.truncation.retention_ratio",
    ),
    (_update(audio={"output": {"voice": "nova"}}), "session.audio.output.voice"),
    (_update(audio={"output": {"speed": 1.6}}), "session.audio.output.speed"),
    (_update(audio={"output": {"speed": 0.2}}), "session.audio.output.speed"),
    (_input(format={"type": "audio/pcmu", "rate": 8000}), "session.audio.input.format.rate"),
    (_input(format={"type": "audio/pcm", "rate": 16000}), "session.audio.input.format.rate"),
    (_input(turn_detection={"type": "none"}), "session.audio.input.turn_detection.type"),
    (
        _input(turn_detection={"type": "server_vad", "threshold": 1.1}),
        "session.audio.input.turn_detection.threshold",
    ),
    (
        _input(turn_detection={"type": "server_vad", "silence_duration_ms": -1}),
        "session.audio.input.turn_detection.silence_duration_ms",
    ),
    (
        _input(turn_detection={"type": "server_vad", "idle_timeout_ms": 4999}),
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    (
        _input(turn_detection={"type": "server_vad", "idle_timeout_ms": 30001}),
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    (
        _input(turn_detection={"type": "semantic_vad", "threshold": 0.5}),
        "session.audio.input.turn_detection.threshold",
    ),
    (_input(transcription={"model": "whisper-2"}), "session.audio.input.transcription.model"),
    (_input(noise_reduction={"type": "loud"}), "session.audio.input.noise_reduction.type"),
    (_create(type="message", role="user"), "item.content"),
    (_create(role="user", content=[]), "item.type"),
    (_message("developer", {"type": "input_text", "text": "x"}), "item.role"),
    (_message("assistant", {"type": "input_text", "text": "x"}), "item.content[0].type"),
    (_message("assistant", {"type": "output_audio", "audio": ""}), "item.content[0].type"),
    (_message("system", {"type": "input_audio", "audio": ""}), "item.content[0].type"),
    (_message("user", {"type": "input_text"}), "item.content[0].text"),
    (_message("user", {"type": "input_audio", "audio": "###"}), "item.content[0].audio"),
    (_create(type="function_call_output", call_id="c"), "item.output"),
    (_create(type="function_call_output", call_id="c" * 33, output=""), "item.call_id"),
    (
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0},
        "audio_end_ms",
    ),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "x",
            "content_index": 0,
            "audio_end_ms": -1,
        },
        "audio_end_ms",
    ),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "x",
            "content_index": 0,
            "audio_end_ms": 1.5,
        },
        "audio_end_ms",
    ),
    (_respond(conversation="both"), "response.conversation"),
    (_respond(temperature=1), "response.temperature"),
    (_respond(audio={"output": {"speed": 1.0}}), "response.audio.output.speed"),
    (_respond(metadata={"k" * 65: "v"}), "response.metadata"),
    (_respond(metadata={"k": "v" * 513}), "response.metadata.k"),
    (_respond(metadata={str(at): "" for at in range(17)}), "response.metadata"),
    (_respond(input=[{"type": "item_reference"}]), "response.input[0].id"),
]


@pytest.mark.parametrize(("event", "param"), REFUSED)
def test_what_does_not_fit_is_refused_at_its_path(event, param):
    assert _refusal(event).param == param


ACCEPTED = [
    _update(
        output_modalities=["text"],
        instructions="",
        tools=[FUNCTION, {"type": "mcp", "server_label": "crm", "require_approval": "never"}],
        tool_choice={"type": "function", "name": "transfer_to_agent"},
        max_output_tokens="inf",
        reasoning={"effort": "low"},
        tracing=None,
        truncation={
            "type": "retention_ratio",
            "retention_ratio": 0.8,
            "token_limits": {"post_instructions": 16000},
        },
        audio={
            "input": {
                "format": {"type": "audio/pcma"},
                "noise_reduction": {"type": "far_field", "strength": 0.5},
                "transcription": {"model": "gpt-transcribe", "languages": ["en"]},
                "turn_detection": None,
            },
            "output": {"voice": {"id": "voice_1"}, "speed": 1},
        },
    ),
    _message("user", {"type": "input_audio", "audio": "//7+", "transcript": "hi"}),
    _message("user", {"type": "input_image", "image_url": "data:", "detail": "low"}),
    _message("assistant", {"type": "output_text", "text": "x"}),
    _create(type="function_call", name="f", arguments="{}", id="i", status="completed"),
    {"type": "response.create"},
    _respond(),
    _respond(
        conversation="none",
        metadata={"k" * 64: "v" * 512},
        input=[{"type": "item_reference", "id": "x"}],
    ),
    {"type": "response.cancel", "response_id": "resp_1"},
]


@pytest.mark.parametrize("event", ACCEPTED)
def test_what_fits_is_accepted_as_it_is(event):
    before = json.dumps(event)

    realtime_intake.check(event)

    assert json.dumps(event) == before


def test_the_first_fault_in_document_order_is_told():
    event = _update(instructions=5, voice="alloy", temperature=1)

    assert _refusal(event).param == "session.instructions"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"{}", "invalid_event"),
        ("{", "invalid_json"),
        ("[]", "invalid_event"),
        ("", "invalid_json"),
    ],
)
def test_frames_that_are_no_event_are_refused(frame, code):
    with pytest.raises(ApiError) as refused:
        realtime_intake.decode(frame)

    assert refused.value.code == code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "audio", "input", "format", "id"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["session", "item", "response", "audio"]), JSON)
def test_no_json_breaks_the_intake(key, value):
    for kind in ("session.update", "conversation.item.create", "response.create"):
        try:
            realtime_intake.check({"type": kind, key: value})
        except ApiError as error:
            assert error.message
