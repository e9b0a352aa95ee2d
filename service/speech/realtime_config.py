"""How a session is told which bot it is: the `session.update` of a bot on a phone line.

Source: Realtime specification, 4 (fields and when they may change), 3.2 (voices), 7.5 (MCP).
"""

from dataclasses import replace
from typing import Any

from service.bots.port import Bot, McpServer
from service.speech.realtime_wire import encode
from service.tools.port import Tool

_KEYWORD_MODELS = ("gpt-transcribe", "gpt-live-transcribe")


def session_update(
    bot: Bot, event_id: str, *, reduced: bool = False, is_voice_frozen: bool = False
) -> bytes:
    """Return the frame that configures the session for a bot on a phone line.

    Both formats and the full turn detection are always in it (specification 4.1, 4.3).
    `reduced` leaves out whatever a model may refuse, since one refused key refuses all.
    `is_voice_frozen`: the agent was heard already, so that its voice cannot change any more.
    """
    session: dict[str, Any] = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": bot.instructions,
        "audio": {
            "input": {"format": {"type": "audio/pcmu"}, "turn_detection": _turn_detection(bot)},
            "output": {"format": {"type": "audio/pcmu"}},
        },
        "tools": [_function(tool) for tool in bot.tools],
    }
    if not is_voice_frozen:
        session["audio"]["output"]["voice"] = _voice(bot.voice)
    if not reduced:
        session["audio"]["input"] |= {
            "noise_reduction": {"type": bot.noise_reduction} if bot.noise_reduction else None,
            "transcription": _transcription(bot),
        }
        session["tools"] += [_mcp_server(server) for server in bot.mcp_servers]
        session["max_output_tokens"] = bot.max_output_tokens
        session["truncation"] = {"type": "retention_ratio", "retention_ratio": 0.8}
        if bot.reasoning:
            session["reasoning"] = {"effort": bot.reasoning}
    return encode({"type": "session.update", "event_id": event_id, "session": session})


def without_extras(bot: Bot) -> Bot:
    """Return the bot as a reduced update leaves it, as far as that matters later."""
    return replace(bot, mcp_servers=(), reasoning="")


def _turn_detection(bot: Bot) -> dict[str, Any]:
    always = {"type": bot.vad.kind, "create_response": True, "interrupt_response": True}
    if bot.vad.kind == "semantic_vad":
        return always | {"eagerness": bot.vad.eagerness}
    return always | {
        "threshold": bot.vad.threshold,
        "prefix_padding_ms": bot.vad.prefix_padding_ms,
        "silence_duration_ms": bot.vad.silence_duration_ms,
    }


def _voice(voice: str) -> str | dict[str, str]:
    """Return a voice as the API names it: its own by name, custom ones by id (3.2)."""
    return {"id": voice} if voice.startswith("voice_") else voice


def _function(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def _mcp_server(server: McpServer) -> dict[str, Any]:
    """Return a remote server with its allow-list and approval policy (7.5)."""
    tool: dict[str, Any] = {
        "type": "mcp",
        "server_label": server.label,
        "server_url": server.url,
        "allowed_tools": list(server.allowed_tools),
        "require_approval": _approval(server),
    }
    optional = {
        "authorization": server.authorization,
        "headers": dict(server.headers),
        "server_description": server.description,
    }
    return tool | {key: value for key, value in optional.items() if value}


def _approval(server: McpServer) -> str | dict[str, Any]:
    """Return which tools are asked for; no list is empty, it may be read as no filter at all."""
    asked = [tool for tool in server.allowed_tools if tool in server.needs_approval]
    unasked = [tool for tool in server.allowed_tools if tool not in server.needs_approval]
    if not asked:
        return "never"
    if not unasked:
        return "always"
    return {"always": {"tool_names": asked}, "never": {"tool_names": unasked}}


def _transcription(bot: Bot) -> dict[str, Any] | None:
    """Return the transcription settings; only newer models take lists (specification 4.4)."""
    if not bot.transcription_model:
        return None
    settings: dict[str, Any] = {"model": bot.transcription_model}
    # ISO 639-1 codes are taken, not whole tags.
    languages = list(dict.fromkeys(tag.split("-")[0].lower() for tag in bot.languages))
    if bot.transcription_model in _KEYWORD_MODELS:
        if languages:
            settings["languages"] = languages
        if bot.keywords:
            settings["keywords"] = list(bot.keywords)
    elif len(languages) == 1:
        settings["language"] = languages[0]
    return settings
