"""What the demo's callers do, one plan for each bot of the catalog."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts import caller_clips
from scripts.emulators.genesys import GenesysCall
from scripts.sample_bank import ACCOUNTS

PAUSE_MS = 400
"""A polite caller lets the other one finish."""
_ACCOUNT = next(iter(ACCOUNTS))

Script = Callable[[GenesysCall], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A caller, and what a good service makes of the call.

    Attributes:
        bot: who is called: the Connector ID.
        script: what the caller does.
        words: what the recordings say, in order.
        bot_status: what the flow must get back in the end; None when the caller hangs up.
        outputs: further output variables that it must get back.
        interruptions: how often the caller cuts into the agent's speech.
        inputs: what the flow knows of the caller.
        language: of the caller's side.
        secret: digits that may be in no event.
        is_english: what offline ears understand; else the emulated model is told the words.
    """

    bot: str
    script: Script
    words: tuple[str, ...]
    bot_status: str | None
    outputs: Mapping[str, str] = field(default_factory=dict)
    interruptions: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)
    language: str = "en-US"
    secret: str = ""
    is_english: bool = True


def plan_of(bot: str) -> Plan:
    """Return the plan for a bot of `BOTS`."""
    return _PLANS[bot]()


def recording_plan(bot: str, path: Path) -> Plan:
    """The caller says one recording, listens to the answer, and hangs up."""
    pcmu = caller_clips.from_wav(path)

    async def script(call: GenesysCall) -> None:
        await call.opened()
        await _listen(call)
        await call.say(pcmu)
        await call.agent_quiet(for_ms=2 * PAUSE_MS)
        await call.hang_up()

    return Plan(bot=bot, script=script, words=("hello",), bot_status=None)


def _default() -> Plan:
    """The caller asks, interrupts, is disturbed by a human voice, presses a key, wants a person."""
    hours, bill, stop, human, person = _clips(
        "slt_opening_hours", "slt_bill", "slt_stop", "librivox_amiable", "slt_person"
    )

    async def script(call: GenesysCall) -> None:
        await call.opened()
        await _say(call, hours)
        await _say(call, bill)
        await call.agent_speaks(min_ms=4_000)
        await call.say(stop.pcmu)
        await _say(call, human)
        await _listen(call)
        await call.press("4")
        await call.agent_speaks(min_ms=500)
        await _say(call, person)
        await call.disconnected()

    return Plan(
        bot="default",
        script=script,
        words=_words(hours, bill, stop, human, person),
        bot_status="transfer",
        interruptions=1,
    )


def _bank() -> Plan:
    """The caller keys in an account number, hears the balance, and chooses a person by key."""
    (balance,) = _clips("slt_balance")

    async def script(call: GenesysCall) -> None:
        await call.opened()
        await _say(call, balance)
        await _listen(call)
        await call.press(f"{_ACCOUNT}#")
        await call.agent_speaks(min_ms=500)
        await _listen(call)
        await call.press("0")
        await call.disconnected()

    return Plan(
        bot="bank",
        script=script,
        words=_words(balance),
        bot_status="transfer",
        outputs={"INTENT": "balance", "TRANSFER_TARGET": "service"},
        secret=_ACCOUNT,
    )


def _bilingual() -> Plan:
    """The caller speaks German, then English, and says goodbye in German."""
    hours, sunday, goodbye = _clips("pico_opening_hours", "slt_sunday", "pico_goodbye")

    async def script(call: GenesysCall) -> None:
        await call.opened()
        for clip in (hours, sunday, goodbye):
            await _say(call, clip)
        await call.disconnected()

    return Plan(
        bot="bilingual",
        script=script,
        words=_words(hours, sunday, goodbye),
        bot_status="completed",
        inputs={"CUSTOMER_NAME": "Anna Keller", "BOT_LANGUAGE": "de"},
        language="de-DE",
        is_english=False,
    )


def _reception() -> Plan:
    """The caller hears a recorded welcome, is passed to billing, and then to a person."""
    bill, why, manager = _clips("slt_last_bill", "slt_bill_high", "slt_account_manager")

    async def script(call: GenesysCall) -> None:
        await call.opened()
        await _say(call, bill)
        await call.agent_speaks()
        await _listen(call)  # reception passes on, and billing says hello
        await _say(call, why)
        await _say(call, manager)
        await call.disconnected()

    return Plan(
        bot="reception",
        script=script,
        words=_words(bill, why, manager),
        bot_status="transfer",
        outputs={"DEPARTMENT": "billing", "TRANSFER_TARGET": "billing"},
    )


_PLANS: Mapping[str, Callable[[], Plan]] = {
    "default": _default,
    "bank": _bank,
    "bilingual": _bilingual,
    "reception": _reception,
}
BOTS = tuple(_PLANS)
"""Whom the demo can call."""


def _clips(*names: str) -> list[caller_clips.Clip]:
    return [caller_clips.load(name) for name in names]


def _words(*clips: caller_clips.Clip) -> tuple[str, ...]:
    return tuple(clip.words for clip in clips)


async def _listen(call: GenesysCall) -> None:
    await call.agent_quiet(for_ms=PAUSE_MS)


async def _say(call: GenesysCall, clip: caller_clips.Clip) -> None:
    """Let the agent finish, then speak."""
    await _listen(call)
    await call.say(clip.pcmu)
