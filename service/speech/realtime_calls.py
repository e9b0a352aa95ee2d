"""Which function calls of a Realtime conversation are still to be answered, and what follows.

Our own functions (`function_call`) wait for their output; those of remote MCP servers are run by
the provider, which may ask for approval first. Source: Realtime specification, 7.4 and 7.5.
"""

from collections.abc import Iterable
from typing import Literal

from service.bots.port import McpServer
from service.speech.port import RemoteToolUsed, SpeechEvent, ToolCall
from service.speech.realtime_response import Response
from service.speech.realtime_wire import OutputItem


class FunctionCalls:
    """The calls of all responses: begun once each, answered once each.

    Attributes:
        approved: pairs of server label and tool name whose use is granted when asked for.
    """

    def __init__(self, servers: Iterable[McpServer] = ()) -> None:
        self.approved = approved_by(servers)
        self._begun: set[str] = set()
        self._open: dict[str, str] = {}
        self._then_say: dict[str, str] = {}

    @property
    def are_open(self) -> bool:
        """True while a function of ours has not answered yet."""
        return bool(self._open)

    def begin(self, item: OutputItem, response: Response) -> list[SpeechEvent]:
        """Take a finished item of a response and return the call that it means, if any.

        A call that was cut short is `incomplete` and must not run.
        """
        if item.type == "mcp_call" and self._is_new(item.id):
            response.owes_words = True
            return [remote_use(item, "failed" if item.has_error else "ok")]
        if item.type != "function_call" or item.status == "incomplete" or not item.call_id:
            return []
        if not self._is_new(item.call_id):
            return []
        self._open[item.call_id] = response.response_id
        return [ToolCall(item.call_id, item.name or "", item.arguments or "", response.has_spoken)]

    def is_granted(self, item: OutputItem, response: Response) -> bool | None:
        """Return whether a remote tool may be used; None when no answer is asked for (any more)."""
        if item.type != "mcp_approval_request" or not item.id or not self._is_new(item.id):
            return None
        response.awaits_approval = True
        return (item.server_label or "", item.name or "") in self.approved

    def answer(self, call_id: str, then_say: str) -> str | None:
        """Note that a call is answered; return its response's id, None for an unknown call."""
        response_id = self._open.pop(call_id, None)
        if response_id is not None:
            self._then_say[response_id] = then_say or self._then_say.get(response_id, "")
        return response_id

    def abandon(self, but: str) -> list[str]:
        """Forget all calls except one, and what was to be said after them; return their ids."""
        kept = {call_id: response for call_id, response in self._open.items() if call_id == but}
        abandoned = [call_id for call_id in self._open if call_id != but]
        self._open = kept
        self._then_say.clear()
        return abandoned

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

    def _is_new(self, item_id: str | None) -> bool:
        """True at the first look at a call or request: once is enough (6.5)."""
        is_new = item_id is None or item_id not in self._begun
        if item_id:
            self._begun.add(item_id)
        return is_new


def approved_by(servers: Iterable[McpServer]) -> frozenset[tuple[str, str]]:
    """Return the pairs of server label and tool name that the bot approves."""
    return frozenset((server.label, tool) for server in servers for tool in server.approved)


def remote_use(item: OutputItem, outcome: Literal["ok", "failed", "refused"]) -> RemoteToolUsed:
    """Return what the call is told of a remote function."""
    return RemoteToolUsed(item.server_label or "", item.name or "", outcome)
