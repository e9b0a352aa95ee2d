"""Messages and their JSON, both ways: the examples of the specification, sections 4.3 to 4.5."""

import json
from typing import Any

import msgspec
import pytest

from service.audiohook.decoding import decode_envelope, decode_message, decode_open
from service.audiohook.encoding import encode_message, encode_parameters
from service.audiohook.messages import (
    BargeIn,
    BotTurnResponse,
    ClientMessage,
    Close,
    Closed,
    Discarded,
    Disconnect,
    Dtmf,
    Error,
    Opened,
    Pause,
    Paused,
    Ping,
    PlaybackCompleted,
    PlaybackStarted,
    Pong,
    Resume,
    Resumed,
    ServerMessage,
    Update,
    Updated,
)
from tests.audiohook.peer import (
    CONVERSATION_ID,
    MONO,
    ORGANIZATION_ID,
    PARTICIPANT_ID,
    SESSION_ID,
)

CLIENT: list[tuple[str, str, ClientMessage]] = [
    ("ping", "{}", Ping(7)),
    ("ping", '{"rtt":"PT0.005183183S"}', Ping(7, 0.005183183)),
    ("playback_started", "{}", PlaybackStarted(1.6)),
    ("playback_completed", "{}", PlaybackCompleted(1.6)),
    ("dtmf", '{"digit":"5"}', Dtmf("5")),
    ("update", '{"language":"de-DE"}', Update("de-DE")),
    ("paused", "{}", Paused()),
    ("resumed", '{"start":"PT7S","discarded":"PT2.2S"}', Resumed(7.0, 2.2)),
    ("discarded", '{"start":"PT9.2S","discarded":"PT0.4S"}', Discarded(9.2, 0.4)),
    (
        "error",
        '{"code":429,"message":"Rate limit exceeded","retryAfter":"PT3S"}',
        Error(429, "Rate limit exceeded", 3.0),
    ),
    ("close", '{"reason":"end"}', Close("end")),
    ("close", '{"reason":"reconnect"}', Close("reconnect")),
]

SERVER: list[tuple[ServerMessage, str, Any]] = [
    (
        Opened(media=(msgspec.Raw(json.dumps(MONO).encode()),)),
        "opened",
        {"startPaused": False, "media": [MONO]},
    ),
    (
        Opened(supported_languages=("en-US",)),
        "opened",
        {"startPaused": False, "media": [], "supportedLanguages": ["en-US"]},
    ),
    (Pong(), "pong", {}),
    (Closed(), "closed", {}),
    (Updated(), "updated", {}),
    (Pause(), "pause", {}),
    (Resume(), "resume", {}),
    (BargeIn(), "event", {"entities": [{"type": "barge_in", "data": {}}]}),
    (
        BotTurnResponse("match", "Goodbye.", 0.9),
        "event",
        {
            "entities": [
                {
                    "type": "bot_turn_response",
                    "data": {"disposition": "match", "text": "Goodbye.", "confidence": 0.9},
                }
            ]
        },
    ),
    (
        BotTurnResponse("no_input"),
        "event",
        {"entities": [{"type": "bot_turn_response", "data": {"disposition": "no_input"}}]},
    ),
    (Disconnect("unauthorized"), "disconnect", {"reason": "unauthorized"}),
    (
        Disconnect("completed", "caller satisfied", {"INTENT": "billing"}),
        "disconnect",
        {
            "reason": "completed",
            "info": "caller satisfied",
            "outputVariables": {"INTENT": "billing"},
        },
    ),
]


@pytest.mark.parametrize(("message_type", "parameters", "expected"), CLIENT)
def test_client_messages_are_read(
    message_type: str, parameters: str, expected: ClientMessage
) -> None:
    warnings: list[str] = []
    envelope = decode_envelope(
        f'{{"seq":7,"position":"PT1.6S","parameters":{parameters},"type":"{message_type}"}}'
    )

    assert decode_message(envelope, warnings.append) == expected

    assert warnings == []


def test_the_open_of_the_specification_is_read() -> None:
    warnings: list[str] = []
    envelope = decode_envelope(
        '{"type":"open","parameters":{'
        f'"organizationId":"{ORGANIZATION_ID}","conversationId":"{CONVERSATION_ID}",'
        f'"participant":{{"id":"{PARTICIPANT_ID}","ani":"tel:+15555551234",'
        '"aniName":"John Doe","dnis":"tel:+18005556789"},'
        '"media":[{"type":"audio","format":"PCMU","channels":["external"],"rate":8000}],'
        '"language":"en-US","inputVariables":{"AI_VOICE":"sage","CUSTOMER_TIER":"gold"}}}'
    )

    opening = decode_open(envelope, organization_id=ORGANIZATION_ID, warn=warnings.append)

    assert opening.organization_id == ORGANIZATION_ID
    assert opening.conversation_id == CONVERSATION_ID
    assert opening.participant_id == PARTICIPANT_ID
    assert opening.ani == "tel:+15555551234"
    assert opening.ani_name == "John Doe"
    assert opening.dnis == "tel:+18005556789"
    assert opening.language == "en-US"
    assert opening.input_variables == {"AI_VOICE": "sage", "CUSTOMER_TIER": "gold"}
    assert opening.media is not None
    assert opening.media.channels == ("external",)
    assert not opening.is_probe
    assert warnings == []


@pytest.mark.parametrize(("message", "message_type", "parameters"), SERVER)
def test_server_messages_are_written(
    message: ServerMessage, message_type: str, parameters: Any
) -> None:
    assert message_type == message.TYPE
    assert json.loads(bytes(encode_parameters(message))) == parameters


def test_a_server_message_is_the_envelope_of_the_specification() -> None:
    text = encode_message(
        session_id=SESSION_ID,
        message_type="pong",
        seq=2,
        clientseq=3,
        parameters=msgspec.Raw(b"{}"),
    )

    assert text == (
        f'{{"version":"2","id":"{SESSION_ID}","type":"pong","seq":2,"clientseq":3,"parameters":{{}}}}'
    )


def test_a_long_answer_of_the_agent_is_cut() -> None:
    parameters = json.loads(bytes(encode_parameters(BotTurnResponse("match", "x" * 70_000))))

    assert parameters["entities"][0]["data"]["text"] == "x" * 4_000


def test_parameters_that_cannot_be_read_are_nothing() -> None:
    warnings: list[str] = []
    envelope = decode_envelope('{"type":"ping","seq":7,"parameters":{"rtt":1e999}}')

    assert decode_message(envelope, warnings.append) == Ping(7)

    assert warnings == ["parameters"]
