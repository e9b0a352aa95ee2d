"""Whatever happens to the model, the call goes on or is handed over, and silence stays short.

Every fault of the Realtime specification's 17.10 and every close code of its 11.1, at each
moment of a call. Cells play side by side; silence is measured on what the caller heard.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest

from scripts.emulators.brains import CallTool, DialogueBrain, Rule
from scripts.emulators.genesys import GenesysCall
from scripts.emulators.realtime_scenario import (
    AddUnknownFields,
    CloseAtEvent,
    CutFrame,
    DelayEvent,
    DropEvent,
    FailResponse,
    FailTranscription,
    Fault,
    HangHandshake,
    HugeDelta,
    InsertUnknownEvent,
    ItemDoneInProgress,
    RefuseHandshake,
    RefuseUpdate,
    Scenario,
)
from service.recordings import OWN, read_recordings
from service.tools.port import Arguments, Tool, ToolContext
from tests.e2e.bridge import SHOUT, SMALL_TALK, Played, bridge, play
from tests.e2e.quick_calls import PROMPT, greeted, quiet
from tests.e2e.side_by_side import Outcomes, play_side_by_side
from tests.plain_bot import PLAIN_BOT, Bots

GOES_ON = (1000, 1001, 1006, 1011, 1012, 1013)
"""Close codes after which another connection helps (11.1); 1005 cannot be sent, 1006 drops."""
HANDS_OVER = (1009, 3000, 4000)
RECONNECT_SILENCE_S = 2.0
SILENT = 0x7F  # of a mu-law byte without its sign: no sound
TOOL_S = 0.6
ASK = "look"
BRAIN = DialogueBrain(
    replace(
        SMALL_TALK,
        rules=(Rule((ASK,), (CallTool("look_up"),)), *SMALL_TALK.rules),
        tool_answer="It was found.",
    )
)


async def look_up(arguments: Arguments, context: ToolContext) -> object:
    await asyncio.sleep(TOOL_S)
    return {"found": True}


BOT = replace(
    PLAIN_BOT,
    tools=(
        *PLAIN_BOT.tools,
        Tool(name="look_up", description="Looks up.", parameters={"type": "object"}, run=look_up),
    ),
)
MOMENTS: dict[str, dict[str, Any]] = {
    # In place of which event of the first connection the fault comes, and what the caller says.
    "greeting": {"type": "response.output_audio.delta", "skip": 2},
    "before the greeting": {"type": "response.created"},
    "caller begins": {"type": "input_audio_buffer.speech_started"},
    "caller ends": {"type": "input_audio_buffer.speech_stopped"},
    "before the answer": {"type": "response.created", "skip": 1},
    "answer": {"type": "response.output_audio.delta", "skip": 12},
    "tool": {"type": "response.done", "skip": 1},
}
WORDS = {"answer": "report", "tool": ASK}


async def script(call: GenesysCall) -> None:
    """Hear the greeting, ask, hear what comes, ask once more, hear the answer."""
    await greeted(call)
    for _ in range(2):
        await call.say(SHOUT)
        await call.agent_speaks()
        await quiet(call)


async def played(moment: str, *faults: Fault, **changes: Any) -> Played:
    words = (WORDS.get(moment, "hello"),)
    scenario = replace(PROMPT, caller_words=words, transcript_delay_ms=10, faults=faults, **changes)
    recordings = read_recordings(OWN)
    async with bridge(scenario, brain=BRAIN, bots=Bots(BOT), recordings=recordings) as running:
        result = await play(running, _until_over)
        result.notes["connections"] = len(running.model.sessions)
    return result


async def _until_over(call: GenesysCall) -> None:
    """Follow the script to its end, or as far as it goes before the caller is handed over."""
    await call.opened()
    ending = asyncio.create_task(call.disconnected())
    talking = asyncio.create_task(script(call))
    try:
        await asyncio.wait((ending, talking), return_when=asyncio.FIRST_COMPLETED)
        if not talking.done() or talking.exception():  # nobody talks to a line that is closing
            await ending
    finally:
        for task in (ending, talking):
            task.cancel()
        await asyncio.gather(ending, talking, return_exceptions=True)


def longest_silence_s(call: Played) -> float:
    """The longest stretch between the first word and the last in which nobody spoke."""
    recording = call.report.recording
    tracks = recording.pcmu("caller"), recording.pcmu("agent")
    step = 160
    loud = [
        any(byte & 0x7F != SILENT for track in tracks for byte in track[at : at + step])
        for at in range(0, recording.samples, step)
    ]
    until = max((n for n, is_loud in enumerate(loud) if is_loud), default=0)
    runs = (len(list(run)) for is_loud, run in itertools.groupby(loud[:until]) if not is_loud)
    return max(runs, default=0) * step / 8_000


def _cell(moment: str, code: int) -> Callable[[], Coroutine[Any, Any, Played]]:
    async def cell() -> Played:
        fault = CloseAtEvent(code=code, connections=(0,), **MOMENTS[moment])
        return await played(moment, fault)

    cell.__name__ = f"{moment}: {code}"
    return cell


CELLS = {
    (moment, code): _cell(moment, code) for moment in MOMENTS for code in (*GOES_ON, *HANDS_OVER)
}


def _odd(name: str, *faults: Fault, **changes: Any) -> Callable[[], Coroutine[Any, Any, Played]]:
    async def cell() -> Played:
        return await played("", *faults, **changes)

    cell.__name__ = name
    return cell


WRITTEN = "conversation.item.input_audio_transcription.completed"
DELTA = "response.output_audio.delta"
QUOTA = FailResponse(code="insufficient_quota", message="No quota.", times=None)
SERVER_ERROR = FailResponse(code="server_error", message="Sorry.", kind="server_error")
FIRST = (0,)
GOING_ON = {
    "the update is refused": (RefuseUpdate(),),
    "the update is answered late": (DelayEvent(type="session.updated", delay_s=1),),
    "the update is never answered": (DropEvent(type="session.updated", connections=FIRST),),
    "an answer is limited": (replace(FailResponse(), message="Please try again in 0.5s."),),
    "an answer fails": (SERVER_ERROR,),
    "the upgrade gets 429": (RefuseHandshake(status=429, connections=FIRST),),
    "the upgrade gets 500": (RefuseHandshake(status=500, connections=FIRST),),
    "the upgrade hangs": (HangHandshake(connections=FIRST),),
    "a frame is cut": (CutFrame(type=DELTA, skip=3),),
    "an event is unknown": (InsertUnknownEvent(before="response.created", times=None),),
    "fields are unknown": (AddUnknownFields(times=None),),
    "a response has no beginning": (DropEvent(type="response.created", skip=1),),
    "an item ends in progress": (ItemDoneInProgress(times=None),),
    "a delta is huge": (HugeDelta(),),
    "the words never come": (DropEvent(type=WRITTEN),),
    "the words are out of order": (
        DelayEvent(type=WRITTEN, delay_s=1.5),
    ),
    "the words fail": (FailTranscription(),),
    "a response is late": (DelayEvent(type="response.created", delay_s=1, skip=1),),
}  # fmt: skip
SERVERS: dict[str, dict[str, Any]] = {
    "audio comes after a cancel": {"late_audio_after_cancel": True},
    "an answer has two items": {"multi_item": True},
    "audio is slow": {"speed": 0.5},
    "the session expires": {"expires_after_s": 2.0},
    "it is Azure's": {"is_azure": True},
}
HANDED_OVER = {
    "the upgrade gets 401": (RefuseHandshake(status=401, times=None),),
    "there is no quota": (QUOTA,),
    "no upgrade gets through": (RefuseHandshake(status=503, times=None),),
}
ODD = {
    **{name: _odd(name, *faults) for name, faults in {**GOING_ON, **HANDED_OVER}.items()},
    **{name: _odd(name, **changes) for name, changes in SERVERS.items()},
}


async def words_too_late() -> Played:
    """The function was called: to let the turn be heard again could call it twice."""
    fault = CloseAtEvent(code=1011, connections=FIRST, **MOMENTS["tool"])
    late = DelayEvent(type=WRITTEN, delay_s=1.0)
    return await played("tool", late, fault)


@pytest.fixture(scope="module")
def outcome_of() -> Iterator[Outcomes]:
    yield play_side_by_side(*CELLS.values(), *ODD.values(), words_too_late)


pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("code", GOES_ON)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_lost_connection_is_replaced_within_the_call(outcome_of: Outcomes, moment, code):
    call = outcome_of(CELLS[moment, code])

    assert call.ended["end_reason"] == "caller_hangup"
    assert call.errors == [f"closed_{code}"]
    first, second = call.ended["connections"]
    assert (first["after"], second["after"]) == ("", f"closed_{code}")
    assert [*call.report.violations, *call.report.rate_breaches] == []
    assert longest_silence_s(call) <= RECONNECT_SILENCE_S


@pytest.mark.parametrize("code", GOES_ON)
@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_that_was_said_is_lost(outcome_of: Outcomes, moment, code):
    call = outcome_of(CELLS[moment, code])

    caller = [turn["text"] for turn in call.turns if turn["speaker"] == "caller"]
    first = WORDS.get(moment, "hello")
    # A new connection of the emulator hears its list of words from the beginning.
    assert caller == ([first, first] if moment in WORDS else ["hello", "hello"])
    if moment == "tool":
        assert call.agent_words[1:] == ["It was found.", "It was found."]
    elif moment != "answer":
        assert call.agent_words[-2:] == ["Certainly.", "Certainly."]
    else:
        broken = next(turn for turn in call.turns if turn["interrupted"])
        assert 0 < len(broken["text"]) < len(broken["text_generated"])


@pytest.mark.parametrize("code", HANDS_OVER)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_connection_lost_for_good_hands_the_caller_over(outcome_of: Outcomes, moment, code):
    call = outcome_of(CELLS[moment, code])

    assert call.ended["end_reason"] == "provider_error"
    assert call.outputs["BOT_STATUS"] == "failed"
    assert call.agent_words[-1].endswith("connecting you to a colleague.")
    assert call.notes["connections"] == 1
    assert longest_silence_s(call) <= RECONNECT_SILENCE_S


@pytest.mark.parametrize("name", [*GOING_ON, *SERVERS])
def test_an_odd_server_does_not_end_the_call(outcome_of: Outcomes, name: str):
    call = outcome_of(ODD[name])

    assert call.ended["end_reason"] == "caller_hangup"
    assert call.report.first_agent_audio_ms is not None
    assert call.report.violations == []


@pytest.mark.parametrize("name", HANDED_OVER)
def test_a_server_that_cannot_serve_hands_the_caller_over(outcome_of: Outcomes, name: str):
    call = outcome_of(ODD[name])

    assert call.ended["end_reason"] == "provider_error"
    assert call.outputs["BOT_STATUS"] == "failed"
    assert call.agent_words[-1].endswith("connecting you to a colleague.")


def test_words_that_come_too_late_for_a_lost_function_are_said_to_be_missing(outcome_of: Outcomes):
    call = outcome_of(words_too_late)

    first = next(turn for turn in call.turns if turn["speaker"] == "caller")
    assert (first["text"], first["recognised"]) == ("", False)
    assert "It was found." in call.agent_words


def test_no_task_and_no_error_is_left_behind(outcome_of: Outcomes):
    assert outcome_of.leftovers == []


def test_a_scenario_of_the_emulator_has_no_fault_of_its_own():
    assert Scenario().faults == ()
