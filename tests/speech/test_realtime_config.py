"""The session that a bot asks for (specification 4): complete, valid, and no word too much."""

import json
from dataclasses import replace
from typing import Any

import pytest

from service.bots.port import Bot, McpServer, VoiceActivity
from service.speech.realtime_config import session_update, without_extras
from tests.openai_schema import assert_client_event
from tests.plain_bot import PLAIN_BOT

CRM = McpServer(
    label="crm",
    url="https://crm.example.com/mcp",
    authorization="very-secret-token",
    headers={"X-Tenant": "acme"},
    description="Contracts of the caller.",
    allowed_tools=("read", "change", "delete"),
    needs_approval=("change", "delete"),
    approved=("change",),
)


def update(bot: Bot, *, reduced: bool = False, is_voice_frozen: bool = False) -> dict[str, Any]:
    """The session that the bot's `session.update` asks for; fails when a server would refuse it."""
    event = json.loads(
        session_update(bot, "cfg_1", reduced=reduced, is_voice_frozen=is_voice_frozen)
    )
    assert_client_event(event)
    assert event["type"] == "session.update"
    assert event["event_id"] == "cfg_1"
    session: dict[str, Any] = event["session"]
    return session


def remote(server: McpServer) -> dict[str, Any]:
    """The server as the session names it, after the bot's own functions."""
    tools = update(replace(PLAIN_BOT, mcp_servers=(server,)))["tools"]
    assert [tool["type"] for tool in tools] == ["function", "function", "mcp"]
    tool: dict[str, Any] = tools[-1]
    return tool


def transcription(**changes: Any) -> Any:
    return update(replace(PLAIN_BOT, **changes))["audio"]["input"]["transcription"]


@pytest.mark.parametrize("reduced", [False, True])
def test_every_update_has_both_formats_and_the_full_turn_detection(reduced):
    """A missing format means static on the phone, a partial detection the server's 200 ms (4)."""
    bot = replace(PLAIN_BOT, vad=VoiceActivity(0.6, 250, 700), voice="cedar")

    session = update(bot, reduced=reduced)

    assert session["type"] == "realtime"
    assert session["output_modalities"] == ["audio"]
    assert session["instructions"] == bot.instructions
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["output"] == {"format": {"type": "audio/pcmu"}, "voice": "cedar"}
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.6,
        "prefix_padding_ms": 250,
        "silence_duration_ms": 700,
        "create_response": True,
        "interrupt_response": True,
    }
    assert [tool["name"] for tool in session["tools"]] == ["end_call", "transfer_to_agent"]


@pytest.mark.parametrize("key", ["model", "prompt", "tracing", "include", "reasoning", "strict"])
@pytest.mark.parametrize("reduced", [False, True])
def test_an_update_leaves_out_what_gets_updates_refused(key, reduced):
    assert f'"{key}":' not in json.dumps(
        update(replace(PLAIN_BOT, transcription_model=""), reduced=reduced)
    )


def test_the_full_update_has_everything_the_bot_asks_for():
    session = update(replace(PLAIN_BOT, max_output_tokens=512))

    assert session["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    assert session["max_output_tokens"] == 512
    assert session["truncation"] == {"type": "retention_ratio", "retention_ratio": 0.8}


def test_the_reduced_update_leaves_out_what_a_model_may_refuse():
    session = update(PLAIN_BOT, reduced=True)

    assert session["audio"]["input"].keys() == {"format", "turn_detection"}
    assert not {"max_output_tokens", "truncation"} & session.keys()


def test_a_bot_without_its_extras_has_no_remote_servers_and_no_effort():
    bare = without_extras(replace(PLAIN_BOT, mcp_servers=(CRM,), reasoning="high"))

    assert bare == PLAIN_BOT


def test_no_noise_reduction_is_said_with_null():
    session = update(replace(PLAIN_BOT, noise_reduction=None))

    assert session["audio"]["input"]["noise_reduction"] is None


def test_a_bot_without_tools_clears_them():
    assert update(replace(PLAIN_BOT, tools=()))["tools"] == []


def test_a_bot_without_a_transcription_model_turns_transcripts_off():
    assert transcription(transcription_model="") is None


@pytest.mark.parametrize("model", ["gpt-transcribe", "gpt-live-transcribe"])
def test_newer_transcription_models_take_lists(model):
    settings = transcription(
        transcription_model=model, languages=("en", "de"), keywords=("Acme", "IBAN")
    )

    assert settings == {"model": model, "languages": ["en", "de"], "keywords": ["Acme", "IBAN"]}


def test_empty_lists_are_left_out():
    assert transcription(languages=(), keywords=()) == {"model": "gpt-transcribe"}


@pytest.mark.parametrize(
    ("languages", "expected"), [(("en",), {"language": "en"}), ((), {}), (("en", "de"), {})]
)
def test_older_transcription_models_take_one_language_and_no_keywords(languages, expected):
    settings = transcription(
        transcription_model="gpt-4o-mini-transcribe", languages=languages, keywords=("Acme",)
    )

    assert settings == {"model": "gpt-4o-mini-transcribe", **expected}


@pytest.mark.parametrize("model", ["gpt-transcribe", "gpt-live-transcribe"])
def test_of_a_language_tag_only_the_language_is_told_and_once(model):
    """The list takes ISO 639-1 codes (4.4)."""
    settings = transcription(transcription_model=model, languages=("en-US", "DE-at", "en-GB"))

    assert settings["languages"] == ["en", "de"]


def test_older_transcription_models_take_tags_of_one_language_as_one():
    settings = transcription(
        transcription_model="gpt-4o-mini-transcribe", languages=("en-US", "en-GB")
    )

    assert settings == {"model": "gpt-4o-mini-transcribe", "language": "en"}


@pytest.mark.parametrize("eagerness", ["low", "medium", "high", "auto"])
@pytest.mark.parametrize("reduced", [False, True])
def test_a_semantic_detection_has_eagerness_and_nothing_of_the_other(eagerness, reduced):
    vad = VoiceActivity(kind="semantic_vad", eagerness=eagerness)

    session = update(replace(PLAIN_BOT, vad=vad), reduced=reduced)

    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": eagerness,
        "create_response": True,
        "interrupt_response": True,
    }


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh"])
def test_effort_is_told_where_the_bot_names_one_and_not_in_the_reduced_update(effort):
    bot = replace(PLAIN_BOT, reasoning=effort)

    assert update(bot)["reasoning"] == {"effort": effort}
    assert "reasoning" not in update(bot, reduced=True)


@pytest.mark.parametrize(
    ("voice", "expected"),
    [("marin", "marin"), ("voice_abc123", {"id": "voice_abc123"}), ("voices", "voices")],
)
def test_a_voice_of_ones_own_is_named_by_its_id(voice, expected):
    assert update(replace(PLAIN_BOT, voice=voice))["audio"]["output"]["voice"] == expected


@pytest.mark.parametrize("reduced", [False, True])
def test_a_frozen_voice_is_left_out_and_the_format_is_not(reduced):
    session = update(PLAIN_BOT, reduced=reduced, is_voice_frozen=True)

    assert session["audio"]["output"] == {"format": {"type": "audio/pcmu"}}


def test_a_function_is_its_name_description_and_parameters():
    (tool,) = update(replace(PLAIN_BOT, tools=PLAIN_BOT.tools[:1]))["tools"]

    assert tool == {
        "type": "function",
        "name": "end_call",
        "description": PLAIN_BOT.tools[0].description,
        "parameters": PLAIN_BOT.tools[0].parameters,
    }


def test_a_remote_server_comes_with_its_allow_list_and_its_policy():
    assert remote(CRM) == {
        "type": "mcp",
        "server_label": "crm",
        "server_url": "https://crm.example.com/mcp",
        "server_description": "Contracts of the caller.",
        "authorization": "very-secret-token",
        "headers": {"X-Tenant": "acme"},
        "allowed_tools": ["read", "change", "delete"],
        "require_approval": {
            "always": {"tool_names": ["change", "delete"]},
            "never": {"tool_names": ["read"]},
        },
    }


@pytest.mark.parametrize(
    ("needs_approval", "policy"), [((), "never"), (("read", "change", "delete"), "always")]
)
def test_a_policy_for_all_tools_is_one_word(needs_approval, policy):
    """An empty list of names might be read as no filter, and so as all names."""
    server = replace(CRM, needs_approval=needs_approval)

    assert remote(server)["require_approval"] == policy


def test_a_remote_server_without_extras_has_none():
    bare = McpServer(label="crm", url="https://crm.example.com/mcp", allowed_tools=("read",))

    assert remote(bare).keys() == {
        "type",
        "server_label",
        "server_url",
        "allowed_tools",
        "require_approval",
    }


def test_remote_servers_are_left_out_of_the_reduced_update():
    """A server that cannot be reached may be why the full one was refused."""
    tools = update(replace(PLAIN_BOT, mcp_servers=(CRM,)), reduced=True)["tools"]

    assert {tool["type"] for tool in tools} == {"function"}


def test_the_secrets_of_a_remote_server_do_not_show():
    shown = repr(replace(PLAIN_BOT, mcp_servers=(CRM,)))

    assert "very-secret-token" not in shown
    assert "acme" not in shown
