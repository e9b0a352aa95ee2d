"""How the report writes numbers, times and outcomes. Pure."""

from datetime import UTC, datetime

from service.call_events import Disposition, EndReason

NOTHING = "–"

OUTCOMES: dict[Disposition, str] = {
    "contained": "contained",
    "escalated": "handed over",
    "abandoned": "abandoned",
    "failed": "failed",
}
ENDS: dict[EndReason, str] = {
    "bot_completed": "the agent was done",
    "caller_hangup": "the caller hung up",
    "socket_lost": "the line was lost",
    "transfer": "the caller goes on to a person",
    "no_input": "the caller said nothing",
    "max_duration": "the time was over",
    "budget": "the budget was spent",
    "provider_error": "the model failed",
    "protocol_error": "the protocol was broken",
    "rate_limited": "Genesys refused messages",
    "drain": "the service was stopped",
    "lost": "the end never came",
}
PARTS = {
    "endpointing": "until the turn was over",
    "model": "the model",
    "tools": "functions",
    "pacing": "pacing",
    "own": "the bridge itself",
}


def count(value: int) -> str:
    """1,234."""
    return f"{value:,}"


def some(value: int, thing: str) -> str:
    """Return 1 turn, 1,234 turns."""
    return f"{value:,} {thing}{'' if value == 1 else 's'}"


def per_cent(part: float, whole: float) -> str:
    """Return 45 %; what is small has a decimal."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    return f"{share:.1f} %" if 0 < share < 10 else f"{share:.0f} %"


def wait(ms: int | None) -> str:
    """640 ms, 1.25 s."""
    if ms is None:
        return NOTHING
    return f"{ms:,} ms" if ms < 1_000 else f"{ms / 1_000:,.2f} s"


def length(ms: int) -> str:
    """4.2 s, 1:05 min, 12:00:00 h."""
    if ms < 60_000:
        return f"{ms / 1_000:.1f} s"
    return f"{clock(ms)} {'min' if ms < 3_600_000 else 'h'}"


def clock(ms: int) -> str:
    """Return a moment of a call: 0:04, 12:30, 1:02:03."""
    minutes, seconds = divmod(ms // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def usd(value: float | None) -> str:
    """$12.34; less than a dollar with four decimals."""
    if value is None:
        return NOTHING
    return f"${value:,.2f}" if value >= 1 or not value else f"${value:.4f}"


def moment(at: datetime) -> str:
    """Return the day and the second, UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def axis_usd(value: float) -> str:
    """Return a round amount for an axis: $0, $0.05, $0.002."""
    return f"${value:.6f}".rstrip("0").rstrip(".")


def cut(text: str, most: int) -> str:
    """Return so many characters of a text, and say how many more there are."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"
