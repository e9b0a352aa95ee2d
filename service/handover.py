"""What a call that we end gives back to the Architect flow: its output variables.

Source: AudioHook specification, 8.3: texts only, and always the complete set, so that a flow can
branch without asking whether a variable is there.
"""

import msgspec

from service.call_events import BOT_STATUS, EndReason

NAMES = ("BOT_STATUS", "HANDOVER_REASON", "HANDOVER_SUMMARY")


def output_variables(reason: EndReason, from_model: dict[str, str]) -> dict[str, str]:
    """Return the complete set for an end; `from_model` as `read_arguments` gave it."""
    return dict.fromkeys(NAMES, "") | from_model | {"BOT_STATUS": BOT_STATUS[reason]}


def read_arguments(arguments: str) -> dict[str, str]:
    """Return what the model wrote for the person who takes over; it may have written anything."""
    try:
        values = msgspec.json.decode(arguments, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return {}
    return {
        f"HANDOVER_{name.upper()}": value
        for name in ("reason", "summary")
        if isinstance(value := values.get(name), str)
    }
