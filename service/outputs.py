"""What a call gives back to the Architect flow: its output variables.

Source: AudioHook specification, 8.3: texts only, and always the complete set, so that a flow can
branch without asking whether a variable is there. The caps are `audiohook.variables`'s.
"""

from collections.abc import Mapping

from service.call_events import BOT_STATUS, EndReason

STANDARD_NAMES = ("BOT_STATUS", "END_REASON", "TRANSFER_REASON", "TRANSFER_TARGET", "SUMMARY")
MASK = "[masked]"
"""Stands in events for what the caller keyed in secret."""


class OutputVariables:
    """The declared variables with their values so far; no others can be set."""

    def __init__(self, declared: Mapping[str, str]) -> None:
        """Begin with the defaults of the variables that the bot declares, by name."""
        self._values = dict.fromkeys(STANDARD_NAMES, "") | dict(declared)
        self._sensitive: set[str] = set()

    def set(self, name: str, value: str, *, is_sensitive: bool = False) -> bool:
        """Set a declared variable; False when there is no such one.

        A variable that once held something sensitive stays masked.
        """
        if name not in self._values or name in STANDARD_NAMES:
            return False
        self._values[name] = value
        if is_sensitive:
            self._sensitive.add(name)
        return True

    def note_transfer(self, *, reason: str, summary: str = "", target: str = "") -> None:
        """Tell the flow why the call came back, and to whom it should go."""
        self._values |= {
            "TRANSFER_REASON": reason,
            "TRANSFER_TARGET": target,
            "SUMMARY": summary,
        }

    def for_flow(self, reason: EndReason) -> dict[str, str]:
        """Return the complete set for an end."""
        return self._values | {"BOT_STATUS": BOT_STATUS.get(reason, ""), "END_REASON": reason}

    def for_events(self, reason: EndReason) -> dict[str, str]:
        """Return the complete set, without what must not leave."""
        masked = {name: MASK for name in self._sensitive if self._values[name]}
        return self.for_flow(reason) | masked
