"""Which function calls of a Realtime conversation are still to be answered, and what follows.

Our own functions (`function_call`) wait for their output; those of remote MCP servers are run by
the provider, which may ask for approval first. Source: Realtime specification, 7.4 and 7.5.
"""

from collections.abc import Iterable
from typing import Literal

from service.bots.port import McpServer
from service.speech.port import LISTING, RemoteToolUsed, SpeechEvent, ToolCall
from service.speech.realtime_outgoing import Outgoing
from service.speech.realtime_response import Response
from service.speech.realtime_wire import (
    ItemAdded,
    ListingFailed,
    OutputItem,
    RemoteCallBegun,
    RemoteCallEnded,
    read_item,
)

_ABANDONED = '{"error":{"code":"ending","message":"the call ends now"}}'


class FunctionCalls:
    """The calls of all responses: begun once each, answered once each.

    Attributes:
        approved: pairs of server label and tool name whose use is granted when asked for.
    """

    def __init__(self, out: Outgoing, servers: Iterable[McpServer] = ()) -> None:
        self.approved = approved_by(servers)
        self._out = out
        self._begun: set[str] = set()
        self._open: dict[str, str] = {}
        self._then_say: dict[str, str] = {}
        self._listings: dict[str, str] = {}
        self._working: set[str] = set()

    @property
    def are_open(self) -> bool:
        """True while a function of ours has not answered yet."""
        return bool(self._open)

    @property
    def are_remote(self) -> bool:
        """True while a remote server works on a call."""
        return bool(self._working)

    def take(self, item: OutputItem, response: Response) -> list[SpeechEvent]:
        """Take a finished item of a response, at the first time; return what the call is told."""
        match item.type:
            case "function_call" if item.call_id and item.status != "incomplete":
                return self._begin(item, item.call_id, response)
            case "mcp_call" if self._is_new(item.id):
                self._working.discard(item.id or "")
                response.owes_words = True
                return [_remote_use(item, "failed" if item.has_error else "ok")]
            case "mcp_approval_request" if item.id and self._is_new(item.id):
                return self._decide(item, item.id, response)
            case _:  # a message; or a call that was cut short, which must not run
                return []

    def follow(
        self, event: ItemAdded | ListingFailed | RemoteCallBegun | RemoteCallEnded
    ) -> list[SpeechEvent]:
        """Follow what the provider does at remote servers; return what the call is told of it."""
        match event:
            case RemoteCallBegun():
                self._working.add(event.item_id)
            case ItemAdded():
                item = read_item(event.item)
                if item.type == "mcp_list_tools" and item.id:
                    self._listings[item.id] = item.server_label or ""
            case ListingFailed():
                return [RemoteToolUsed(self._listings.pop(event.item_id, ""), LISTING, "failed")]
            case _:
                self._working.discard(event.item_id)
        return []

    def answer(self, call_id: str, output: str, then_say: str) -> str | None:
        """Answer a call; return its response's id, None for an unknown call."""
        response_id = self._open.pop(call_id, None)
        if response_id is not None:
            self._then_say[response_id] = then_say or self._then_say.get(response_id, "")
            self._out.add_result(call_id, output)
        return response_id

    def abandon(self, but: str) -> None:
        """Close all calls except one, and forget what was to be said after them."""
        for call_id in [call_id for call_id in self._open if call_id != but]:
            del self._open[call_id]
            self._out.add_result(call_id, _ABANDONED)
        self._then_say.clear()

    def owe_words(self, response_id: str) -> None:
        """Note that the model has to go on after a response, whether it called us or not."""
        self._then_say.setdefault(response_id, "")

    def take_answered(self, response_id: str) -> str | None:
        """Return what is to be said once a response's calls are all answered; None before.

        The empty text lets the model say what it likes.
        """
        if response_id in self._open.values():
            return None
        return self._then_say.pop(response_id, None)

    def _begin(self, item: OutputItem, call_id: str, response: Response) -> list[SpeechEvent]:
        if not self._is_new(call_id):
            return []
        self._open[call_id] = response.response_id
        return [ToolCall(call_id, item.name or "", item.arguments or "", response.has_spoken)]

    def _decide(self, item: OutputItem, item_id: str, response: Response) -> list[SpeechEvent]:
        """Answer a request to use a remote tool; only the next response can use it (7.5)."""
        response.awaits_approval = True
        is_granted = (item.server_label or "", item.name or "") in self.approved
        self._out.add_approval(item_id, is_granted=is_granted)
        return [] if is_granted else [_remote_use(item, "refused")]

    def _is_new(self, item_id: str | None) -> bool:
        """True at the first look at a call or request: once is enough (6.5)."""
        is_new = item_id is None or item_id not in self._begun
        if item_id:
            self._begun.add(item_id)
        return is_new


def approved_by(servers: Iterable[McpServer]) -> frozenset[tuple[str, str]]:
    """Return the pairs of server label and tool name that the bot approves."""
    return frozenset((server.label, tool) for server in servers for tool in server.approved)


def _remote_use(item: OutputItem, outcome: Literal["ok", "failed", "refused"]) -> RemoteToolUsed:
    return RemoteToolUsed(item.server_label or "", item.name or "", outcome)
