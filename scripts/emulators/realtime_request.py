"""What a response shall be: the parameters of its `response.create` over those of the session.

Source: openai_realtime spec 5.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scripts.emulators.realtime_conversation import Item, client_item
from scripts.emulators.realtime_core import SessionCore
from scripts.emulators.realtime_output import Modality
from scripts.emulators.realtime_wire import Json, invalid_value


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """What a response shall be: its own parameters over the session's."""

    modality: Modality
    audio_format: Json
    voice: Any  # a name, or an object with an id
    instructions: str
    own_instructions: str | None
    tools: Sequence[Json]
    mcp_tools: Sequence[Json]  # those that can be called, one by one
    tool_choice: Any  # a word, or an object that names a tool
    max_output_tokens: Any  # an integer, or "inf"
    metadata: Json | None
    context: Sequence[Item]
    is_out_of_band: bool

    @classmethod
    def of(cls, params: Json, core: SessionCore) -> "ResponseRequest":
        """Reads a checked `response` of a `response.create`.

        Raises:
            ApiError: A reference in `input` to an item that does not exist.
        """
        settings = core.settings
        tools = params.get("tools", settings["tools"])
        output = {**settings.output, **params.get("audio", {}).get("output", {})}
        audio_format = output["format"]
        if audio_format["type"] == "audio/pcm":
            audio_format = {"type": "audio/pcm", "rate": 24000}
        return cls(
            modality=params.get("output_modalities", settings["output_modalities"])[0],
            audio_format=audio_format,
            voice=output["voice"],
            instructions=params.get("instructions", settings["instructions"]),
            own_instructions=params.get("instructions"),
            tools=tools,
            mcp_tools=core.mcp.offered(tools),
            tool_choice=params.get("tool_choice", settings["tool_choice"]),
            max_output_tokens=params.get("max_output_tokens", settings["max_output_tokens"]),
            metadata=params.get("metadata"),
            context=_context(params.get("input"), core),
            is_out_of_band=params.get("conversation") == "none",
        )

    @property
    def offered_tools(self) -> Sequence[Json]:
        """What the brain may call: functions, and the tools of MCP servers one by one."""
        tools = [tool for tool in self.tools if tool["type"] == "function"]
        tools += self.mcp_tools
        match self.tool_choice:
            case "none":
                return []
            case {"type": "mcp", "server_label": label} as choice:
                name = choice.get("name")
                return [
                    tool
                    for tool in tools
                    if tool.get("server_label") == label and name in (None, tool["name"])
                ]
            case {"name": name}:
                return [
                    tool for tool in tools if tool["type"] == "function" and tool["name"] == name
                ]
            case _:
                return tools

    @property
    def must_call(self) -> bool:
        """Whether the response may not end without a call."""
        return self.tool_choice == "required" or isinstance(self.tool_choice, dict)


def _context(entries: Sequence[Json] | None, core: SessionCore) -> Sequence[Item]:
    if entries is None:
        return tuple(core.conversation.items)
    return tuple(_resolve(at, entry, core) for at, entry in enumerate(entries))


def _resolve(at: int, entry: Json, core: SessionCore) -> Item:
    if entry["type"] != "item_reference":
        return client_item(entry, core.settings.input["format"]["type"])
    item = core.conversation.find(entry["id"])
    if item is None:
        message = f"Item with item_id not found: {entry['id']}"
        raise invalid_value(message, f"response.input[{at}].id")
    return item
