"""Strict intake of client events: what does not fit the table is refused whole.

The tables say which keys, types, words and ranges each of the client events may have;
what depends on the state of the session is decided elsewhere (`realtime_settings`).
Source: openai_realtime spec 4, 5 and 17.3.
"""

from collections.abc import Mapping

import msgspec

from scripts.emulators.realtime_rules import (
    AnyObject,
    Base64Audio,
    ByType,
    Choice,
    Fields,
    Flag,
    ListOf,
    Nullable,
    Number,
    Pairs,
    Rule,
    Tagged,
    Text,
    unsupported,
    wrong_type,
)
from scripts.emulators.realtime_wire import ApiError, Json, invalid_value

MAX_APPEND_BYTES = 15 * 1024 * 1024  # spec section 5
VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar",
)  # fmt: skip
TRANSCRIPTION_MODELS = (
    "gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper", "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-diarize",
    "whisper-1",
)  # fmt: skip

_TEXT = Text()
_ID = Text(32)
_EVENT_ID = Text(512)
_TOKENS = ByType({int: Number(1, 4096, whole=True), str: Choice(("inf",))})
_EFFORT = Fields({"effort": Choice(("minimal", "low", "medium", "high", "xhigh"))})
_PROMPT = Fields(
    {"id": _TEXT, "version": Nullable(_TEXT), "variables": Nullable(AnyObject())}, ("id",)
)
_MODALITIES = ListOf(Choice(("text", "audio")), length=1)
_VOICE = ByType({str: Choice(VOICES), dict: Fields({"id": _TEXT}, ("id",))})
_FORMAT = Tagged(
    "type",
    {
        "audio/pcm": Fields({"type": _TEXT, "rate": Number(24000, 24000, whole=True)}),
        "audio/pcmu": Fields({"type": _TEXT}),
        "audio/pcma": Fields({"type": _TEXT}),
    },
)
_TURN_DETECTION = Tagged(
    "type",
    {
        "server_vad": Fields(
            {
                "type": _TEXT,
                "threshold": Number(0, 1),
                "prefix_padding_ms": Number(0, whole=True),
                "silence_duration_ms": Number(0, whole=True),
                "idle_timeout_ms": Nullable(Number(5000, 30000, whole=True)),
                "create_response": Flag(),
                "interrupt_response": Flag(),
            }
        ),
        "semantic_vad": Fields(
            {
                "type": _TEXT,
                "eagerness": Choice(("low", "medium", "high", "auto")),
                "create_response": Flag(),
                "interrupt_response": Flag(),
            }
        ),
    },
)
_TRANSCRIPTION = Fields(
    {
        "model": Choice(TRANSCRIPTION_MODELS),
        "language": Nullable(_TEXT),
        "languages": Nullable(ListOf(_TEXT)),
        "keywords": Nullable(ListOf(_TEXT)),
        "prompt": Nullable(_TEXT),
        "delay": Choice(("minimal", "low", "medium", "high", "xhigh")),
    }
)
_MCP_FILTER = Fields({"read_only": Flag(), "tool_names": ListOf(_TEXT)})
_TOOLS = ListOf(
    Tagged(
        "type",
        {
            "function": Fields(
                {
                    "type": _TEXT,
                    "name": Text(64),
                    "description": Nullable(_TEXT),
                    "parameters": Nullable(AnyObject()),
                },
                ("name",),
            ),
            "mcp": Fields(
                {
                    "type": _TEXT,
                    "server_label": _TEXT,
                    "server_url": _TEXT,
                    "tunnel_id": _TEXT,
                    "connector_id": _TEXT,
                    "server_description": _TEXT,
                    "authorization": _TEXT,
                    "headers": Nullable(AnyObject()),
                    "allowed_callers": ListOf(Choice(("direct", "programmatic"))),
                    "allowed_tools": Nullable(ByType({list: ListOf(_TEXT), dict: _MCP_FILTER})),
                    "defer_loading": Flag(),
                    "require_approval": Nullable(
                        ByType(
                            {
                                str: Choice(("always", "never")),
                                dict: Fields({"always": _MCP_FILTER, "never": _MCP_FILTER}),
                            }
                        )
                    ),
                },
                ("server_label",),
            ),
        },
    )
)
_TOOL_CHOICE = ByType(
    {
        str: Choice(("auto", "none", "required")),
        dict: Tagged(
            "type",
            {
                "function": Fields({"type": _TEXT, "name": _TEXT}, ("name",)),
                "mcp": Fields(
                    {"type": _TEXT, "server_label": _TEXT, "name": Nullable(_TEXT)},
                    ("server_label",),
                ),
            },
        ),
    }
)
_TRUNCATION = ByType(
    {
        str: Choice(("auto", "disabled")),
        dict: Tagged(
            "type",
            {
                "retention_ratio": Fields(
                    {
                        "type": _TEXT,
                        "retention_ratio": Number(0, 1),
                        "token_limits": Nullable(
                            Fields({"post_instructions": Number(0, whole=True)})
                        ),
                    },
                    ("retention_ratio",),
                )
            },
        ),
    }
)
_REALTIME_SESSION = Fields(
    {
        "type": _TEXT,
        "model": _TEXT,
        "output_modalities": _MODALITIES,
        "instructions": _TEXT,
        "prompt": Nullable(_PROMPT),
        "audio": Fields(
            {
                "input": Fields(
                    {
                        "format": _FORMAT,
                        "noise_reduction": Nullable(
                            Fields(
                                {
                                    "type": Choice(("near_field", "far_field")),
                                    "strength": Number(0),
                                },
                                ("type",),
                            )
                        ),
                        "transcription": Nullable(_TRANSCRIPTION),
                        "turn_detection": Nullable(_TURN_DETECTION),
                    }
                ),
                "output": Fields({"format": _FORMAT, "voice": _VOICE, "speed": Number(0.25, 1.5)}),
            }
        ),
        "include": Nullable(ListOf(Choice(("item.input_audio_transcription.logprobs",)))),
        "tools": _TOOLS,
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": Flag(),
        "reasoning": Nullable(_EFFORT),
        "max_output_tokens": _TOKENS,
        "truncation": _TRUNCATION,
        "tracing": Nullable(
            ByType(
                {
                    str: Choice(("auto",)),
                    dict: Fields(
                        {"workflow_name": _TEXT, "group_id": _TEXT, "metadata": AnyObject()}
                    ),
                }
            )
        ),
    }
)


def _content(**parts: Fields) -> ListOf:
    return ListOf(Tagged("type", parts))


def _part(*required: str, **known: Rule) -> Fields:
    return Fields({"type": _TEXT, **known}, required)


def _item(*required: str, **known: Rule) -> Fields:
    base: dict[str, Rule] = {
        "id": _ID,
        "type": _TEXT,
        "object": Choice(("realtime.item",)),
        "status": Choice(("completed", "incomplete", "in_progress")),
    }
    return Fields({**base, **known}, required)


def _message(content: ListOf) -> Fields:
    return _item("content", role=_TEXT, content=content)


_INPUT_TEXT = _part("text", text=_TEXT)
_MESSAGE = Tagged(
    "role",
    {
        "system": _message(_content(input_text=_INPUT_TEXT)),
        "user": _message(
            _content(
                input_text=_INPUT_TEXT,
                input_audio=_part(
                    "audio", audio=Base64Audio(MAX_APPEND_BYTES), transcript=Nullable(_TEXT)
                ),
                input_image=_part(
                    "image_url", image_url=_TEXT, detail=Choice(("auto", "low", "high"))
                ),
            )
        ),
        # Assistant audio cannot be injected and `input_text` is refused here (spec 5.1).
        "assistant": _message(_content(output_text=_part("text", text=_TEXT))),
    },
)
_ITEMS: Mapping[str, Rule] = {
    "message": _MESSAGE,
    "function_call": _item("name", "arguments", name=_TEXT, arguments=_TEXT, call_id=_ID),
    "function_call_output": _item("call_id", "output", call_id=_ID, output=_TEXT),
    "mcp_approval_response": _item(
        "id",
        "approval_request_id",
        "approve",
        approval_request_id=_TEXT,
        approve=Flag(),
        reason=Nullable(_TEXT),
    ),
}
_REFERENCE = Fields({"type": _TEXT, "id": _TEXT}, ("id",))
_RESPONSE = Fields(
    {
        "output_modalities": _MODALITIES,
        "instructions": _TEXT,
        "audio": Fields({"output": Fields({"format": _FORMAT, "voice": _VOICE})}),
        "tools": _TOOLS,
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": Flag(),
        "reasoning": Nullable(_EFFORT),
        "max_output_tokens": _TOKENS,
        "conversation": Choice(("auto", "none")),
        "metadata": Nullable(Pairs(16, 64, 512)),
        "input": ListOf(Tagged("type", {**_ITEMS, "item_reference": _REFERENCE})),
        "prompt": Nullable(_PROMPT),
    }
)


def _event(*required: str, **known: Rule) -> Fields:
    return Fields({"type": _TEXT, "event_id": _EVENT_ID, **known}, required)


_SESSION = Tagged("type", {"realtime": _REALTIME_SESSION, "transcription": AnyObject()})
_EVENTS: Mapping[str, Fields] = {
    "session.update": _event("session", session=_SESSION),
    "input_audio_buffer.append": _event("audio", audio=_TEXT),  # decoded once, by the session
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "conversation.item.create": _event(
        "item", item=Tagged("type", _ITEMS), previous_item_id=Nullable(_TEXT)
    ),
    "conversation.item.retrieve": _event("item_id", item_id=_TEXT),
    "conversation.item.truncate": _event(
        "item_id",
        "content_index",
        "audio_end_ms",
        item_id=_TEXT,
        content_index=Number(0, whole=True),
        audio_end_ms=Number(0, whole=True),
    ),
    "conversation.item.delete": _event("item_id", item_id=_TEXT),
    "response.create": _event(response=Nullable(_RESPONSE)),
    "response.cancel": _event(response_id=_TEXT),
    "output_audio_buffer.clear": _event(),
}


def decode(frame: str | bytes) -> Json:
    """Parses one frame into an event that has at least an object's shape.

    Raises:
        ApiError: A binary frame, no JSON, or no JSON object.
    """
    if isinstance(frame, bytes):
        raise ApiError("Expected a text frame with a JSON event.", code="invalid_event")
    try:
        event = msgspec.json.decode(frame)
    except msgspec.DecodeError:
        raise ApiError("The event is not valid JSON.", code="invalid_json") from None
    if not isinstance(event, dict):
        raise ApiError("The event must be a JSON object.", code="invalid_event")
    return event


def event_id_of(event: Json) -> str | None:
    """The client's own `event_id`, for the error that answers it."""
    event_id = event.get("event_id")
    return event_id if isinstance(event_id, str) else None


def check(event: Json) -> None:
    """Returns when the event fits its table.

    Raises:
        ApiError: The first thing that does not fit, in document order; of an object's missing
            keys the first is told after the keys that are there.
    """
    if "type" not in event:
        raise ApiError("The 'type' field is missing.", code="invalid_event")
    kind = event["type"]
    if not isinstance(kind, str):
        raise wrong_type(kind, "type", "a string")
    table = _EVENTS.get(kind)
    if table is None:
        raise unsupported(kind, "type", _EVENTS)
    table.check(event, "")
    session = event.get("session")
    if isinstance(session, dict) and session["type"] == "transcription":
        message = (
            "Passing a transcription session update event to a realtime session is not allowed."
        )
        raise invalid_value(message, "session.type")
