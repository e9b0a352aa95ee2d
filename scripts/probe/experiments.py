"""The experiments, each chosen by the Connector ID of the Architect action.

A script acts once the session is open; pings, `close` and `update` are answered beside it, unless
the experiment's point is that they are not. Source: AudioHook specification section 19.
"""

import asyncio
import math
import re
from array import array
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scripts.emulators.g711 import encode
from scripts.probe.line import Line, Manners

BYTES_PER_S = 8000
SILENCE = b"\xff"
TONE_HZ = 440  # none of the eight frequencies of DTMF
GAPS_MS = (50, 100, 200, 500, 1000)
BIG_BYTES = (64_000, 256_000, 1_000_000)
REFUSALS = (401, 403, 404, 503)
MAX_DELAY_S = 60
_SLOW = re.compile(r"slow-101-(\d{1,2})$")
_STATUS = re.compile(r"status-(\d{3})$")

Script = Callable[[Line], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Experiment:
    """How one visit is treated."""

    name: str
    script: Script | None = None  # None: wait until the client ends
    manners: Manners = Manners()
    delay_s: int = 0  # before the 101
    status: int = 101  # another one refuses the upgrade


def experiment_of(path: str) -> Experiment:
    """The experiment that a path asks for; anything unknown is `observe`.

    The name may stand behind a slash or directly behind the base: both ways of joining occur.
    """
    path = path.partition("?")[0].rstrip("/")
    if slow := _SLOW.search(path):
        delay_s = min(int(slow[1]), MAX_DELAY_S)
        return Experiment(f"slow-101-{delay_s}", delay_s=delay_s)
    if (status := _STATUS.search(path)) and int(status[1]) in REFUSALS:
        return Experiment(f"status-{status[1]}", status=int(status[1]))
    return next((e for e in BY_LENGTH if path.endswith(e.name)), OBSERVE)


def beeps(count: int) -> bytes:
    """So many beeps of a quarter of a second, one a second: PCMU that a listener can count."""
    quarter = BYTES_PER_S // 4
    wave = array("h", (_sample(n) for n in range(quarter)))
    return (encode(wave.tobytes()) + SILENCE * (3 * quarter)) * count


def _sample(n: int) -> int:
    return round(8000 * math.sin(2 * math.pi * TONE_HZ * n / BYTES_PER_S))


async def _observe(line: Line) -> None:
    await line.send_audio(beeps(1))
    await line.ended()


async def _withhold_closed(line: Line) -> None:
    await line.send("disconnect", reason="completed")
    await line.ended()


async def _overrun_audio(line: Line) -> None:
    for _ in range(60):  # the limit is said to be 25 at once
        await line.send_audio(SILENCE * 160)
    await asyncio.sleep(15)
    await line.finish()


async def _overrun_text(line: Line) -> None:
    for _ in range(60):
        await line.send("event", entities=[{"type": "field_probe", "data": {}}])
    await asyncio.sleep(15)
    await line.finish()


async def _overrun_pause(line: Line) -> None:
    for _ in range(8):  # the limit is said to be 4 at once
        await line.send("pause")
        await line.send("resume")
    await asyncio.sleep(15)
    await line.finish()


async def _big_message(line: Line) -> None:
    for size in BIG_BYTES:
        line.notes.note("step", bytes=size)
        await line.send_audio(SILENCE * size)
        await line.received("playback_completed", within_s=size / BYTES_PER_S + 10)
    await line.finish()


async def _deep_queue(line: Line) -> None:
    line.notes.note("step", bytes=300 * BYTES_PER_S)
    for index in range(40):  # five minutes; 20 at once, then below the rate limit
        await line.send_audio(SILENCE * 60_000)
        if index >= 20:
            await asyncio.sleep(0.3)
    await line.received("playback_completed", within_s=320)
    await line.finish()


async def _gaps(line: Line) -> None:
    for gap_ms in GAPS_MS:
        line.notes.note("step", gap_ms=gap_ms)
        for _ in range(2):
            await line.send_audio(beeps(1))
            await asyncio.sleep(1 + gap_ms / 1000)
        await asyncio.sleep(3)
    await line.finish()


async def _barge_in(line: Line) -> None:
    await line.send_audio(beeps(8))
    await asyncio.sleep(2)
    await line.send("event", entities=[{"type": "barge_in", "data": {}}])
    await asyncio.sleep(10)
    await line.finish()


async def _farewell_disconnect(line: Line) -> None:
    await line.send_audio(beeps(5))
    await line.finish()


async def _disconnect_error(line: Line) -> None:
    await line.send("disconnect", reason="error", info="field probe", outputVariables=OUTPUTS)
    await line.ended()


async def _disconnect_unauthorized(line: Line) -> None:
    await line.send("disconnect", reason="unauthorized", outputVariables=OUTPUTS)
    await line.ended()


async def _drop_socket(line: Line) -> None:
    await asyncio.sleep(3)
    line.drop()


async def _seq_gap(line: Line) -> None:
    line.skip_number()
    await line.send("event", entities=[{"type": "field_probe", "data": {}}])
    await line.ended()


async def _disconnect_completed(line: Line) -> None:
    await line.finish()


OUTPUTS = {"PROBE_RESULT": "set"}
OBSERVE = Experiment("observe", _observe)
EXPERIMENTS = (
    OBSERVE,
    Experiment("withhold-pong", manners=Manners(answers_pings=False)),
    Experiment("withhold-closed", _withhold_closed, Manners(answers_close=False)),
    Experiment("overrun", _overrun_audio),
    Experiment("overrun-text", _overrun_text),
    Experiment("overrun-pause", _overrun_pause),
    Experiment("big-message", _big_message),
    Experiment("deep-queue", _deep_queue),
    Experiment("gaps", _gaps),
    Experiment("barge-in", _barge_in),
    Experiment("farewell-disconnect", _farewell_disconnect),
    Experiment("disconnect-completed", _disconnect_completed),
    Experiment("disconnect-error", _disconnect_error),
    Experiment("disconnect-unauthorized", _disconnect_unauthorized),
    Experiment("drop-socket", _drop_socket),
    Experiment("long-call"),
    Experiment("bad-pong", manners=Manners(pong_offset=-1)),
    Experiment("no-start-paused", manners=Manners(says_start_paused=False)),
    Experiment("seq-gap", _seq_gap),
)
BY_LENGTH = sorted(EXPERIMENTS, key=lambda experiment: -len(experiment.name))
