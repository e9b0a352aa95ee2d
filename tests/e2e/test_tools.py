"""Functions over HTTP on whole calls: slow, failing, hanging, oversized, interrupted, cut."""

import asyncio

import pytest

from scripts.emulators.genesys import GenesysCall, Timers
from tests.e2e.bridge import SHOUT, STORY, Played, bridge, play
from tests.e2e.quick_calls import Script, ask_once, ask_twice, greeted, hear, quick, quiet
from tests.e2e.shop import (
    FAILED,
    LOOKING,
    SHOPKEEPER,
    error_codes,
    invoice_tool,
    parcel_tool,
    shop,
    shop_file,
)
from tests.e2e.side_by_side import Outcomes, Scenario
from tests.tools.web import (
    Behaviour,
    Web,
    drop,
    endless,
    hang,
    json_reply,
    raw,
    reply,
    reset,
    stall,
    web,
)

OFTEN = Timers(first_ping_s=0.1, ping_s=0.2)
ON_ITS_WAY = json_reply({"state": "on its way"})
LATE_S = 2.4
FOREIGN = "foreign"
"""In whatever a bad server says."""
TOKEN = "the-token-of-the-parcel-service"
SECRET_HEADERS = 'headers = { Authorization = "Bearer ${PARCEL_TOKEN}" }\n'


async def hear_two_answers(call: GenesysCall) -> None:
    """Ask, and listen to what is said at first and to what is said at last."""
    await greeted(call)
    await call.say(SHOUT)
    await quiet(call)
    await hear(call)


async def parcel_call(
    *behaviours: Behaviour,
    says: tuple[str, ...] = ("Where is my parcel?",),
    keys: str = "",
    script: Script = ask_once,
) -> Played:
    """A call in which the model looks up a parcel at a server that behaves like that."""
    async with (
        web(*behaviours) as server,
        shop(
            shop_file(parcel_tool(server.url, SECRET_HEADERS + keys)),
            tool_secrets={"PARCEL_TOKEN": TOKEN},
        ) as bots,
        bridge(bots=bots, **quick(SHOPKEEPER, *says)) as running,
    ):
        played = await play(running, script, timers=OFTEN)
    played.notes["server"] = server
    return played


# The scenarios, each with a service, a model and a server of its own.


async def prompt_answer() -> Played:
    return await parcel_call(ON_ITS_WAY)


async def slow_answer() -> Played:
    slow = json_reply({"state": "on its way"}, after_s=LATE_S)
    return await parcel_call(slow, keys="announce_after_s = 0.3", script=hear_two_answers)


async def slow_answer_under_a_long_story() -> Played:
    """The agent speaks for longer than the tool works: there is nothing to announce."""
    keys = "announce_after_s = 0.2"
    says = ("A long story about my parcel",)
    slow = json_reply({"state": "here"}, after_s=1.0)
    return await parcel_call(slow, says=says, keys=keys)


async def interrupted() -> Played:
    """The caller cuts into what is said beside the call, while the tool works."""

    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.agent_speaks(min_ms=600)
        await call.say(SHOUT)
        await quiet(call)
        await hear(call)

    says = ("A long story about my parcel", "Never mind")
    slow = json_reply({"state": "on its way"}, after_s=LATE_S)
    return await parcel_call(slow, says=says, keys="announce_after_s = 30", script=script)


async def hang_up_while_it_works() -> Played:
    async with web(hang) as server:

        async def script(call: GenesysCall) -> None:
            await greeted(call)
            await call.say(SHOUT)
            await _asked(server)
            await call.hang_up()

        async with (
            shop(shop_file(parcel_tool(server.url))) as bots,
            bridge(bots=bots, **quick(SHOPKEEPER, "Where is my parcel?")) as running,
        ):
            played = await play(running, script)
            await server.left()
            played.notes["connections"] = server.connections
    return played


async def _asked(server: Web) -> None:
    async with asyncio.timeout(5):
        while not server.requests:
            await asyncio.sleep(0.01)


async def two_at_once() -> Played:
    """Both are slow, and one is slower."""
    late = json_reply({"state": "on its way"}, after_s=1.6)
    later = json_reply({"state": "paid"}, after_s=2.2)
    keys = "announce_after_s = 0.3"
    async with (
        web(late) as parcels,
        web(later) as invoices,
        shop(shop_file(parcel_tool(parcels.url, keys), invoice_tool(invoices.url, keys))) as bots,
        bridge(bots=bots, **quick(SHOPKEEPER, "Tell me both")) as running,
    ):
        return await play(running, hear_two_answers)


BAD_SERVERS: dict[str, tuple[Behaviour, str]] = {
    "broken": (json_reply({"state": FOREIGN}, status=500), "failed"),
    "empty handed": (json_reply({"state": FOREIGN}, status=404), "not_found"),
    "gone": (drop, "failed"),
    "reset": (reset, "failed"),
    "hanging": (hang, "timeout"),
    "stalled": (stall, "timeout"),
    "endless": (endless, "too_large"),
    "too long for the model": (json_reply({"state": FOREIGN * 4_000}), "too_large"),
    "no json": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign"), "bad_answer"),
    "no http": (raw(b"foreign foreign\r\n\r\n"), "failed"),
    "truncated": (reply(b'{"state": "foreign', declared_bytes=400), "bad_answer"),
}


def _with_bad_server(name: str) -> Scenario[Played]:
    async def scenario() -> Played:
        says = ("Where is my parcel?", "Never mind")
        keys = "timeout_s = 0.4"
        return await parcel_call(BAD_SERVERS[name][0], says=says, keys=keys, script=ask_twice)

    scenario.__name__ = name
    return scenario


WITH_BAD_SERVER = {name: _with_bad_server(name) for name in BAD_SERVERS}
GOOD = (
    interrupted,
    slow_answer,
    two_at_once,
    slow_answer_under_a_long_story,
    prompt_answer,
    hang_up_while_it_works,
)
SCENARIOS = (*GOOD, *WITH_BAD_SERVER.values())


def frames_of(played: Played) -> list[str]:
    """What the service sent to the model after the greeting, but sound, in order."""
    assert played.session is not None
    kinds = [
        event["item"]["type"] if event["type"] == "conversation.item.create" else event["type"]
        for event in played.session.received
        if event["type"] != "input_audio_buffer.append"
    ]
    assert kinds[:3] == ["session.update", "message", "response.create"]
    return kinds[3:]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_call_is_clean_on_both_sides(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).blemishes == []


def test_nothing_is_left_behind_and_no_error_is_logged(outcome_of: Outcomes):
    assert outcome_of.leftovers == []


# A good server.


def test_the_answer_of_the_server_is_spoken(outcome_of: Outcomes):
    played = outcome_of(prompt_answer)

    assert played.agent_words == ["Hello.", "It is on its way."]
    assert played.uses == [("find_parcel", "ok")]
    assert played.ended["counts"]["tool_calls"] == 1


def test_the_secret_goes_to_the_server_and_nowhere_else(outcome_of: Outcomes):
    call = outcome_of(prompt_answer)
    (request,) = call.notes["server"].requests

    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in call.all_told_to_model
    assert TOKEN not in call.all_events
    assert TOKEN not in outcome_of.log.text


def test_a_result_is_sent_before_the_answer_is_asked_for(outcome_of: Outcomes):
    assert frames_of(outcome_of(prompt_answer)) == ["function_call_output", "response.create"]


# Slow functions.


def test_a_slow_function_is_announced_before_its_answer(outcome_of: Outcomes):
    assert outcome_of(slow_answer).agent_words == ["Hello.", LOOKING, "It is on its way."]


def test_a_slow_function_is_announced_once(outcome_of: Outcomes):
    texts = outcome_of(slow_answer).texts_of("system")

    assert [text for text in texts if "takes longer" in text] == texts[1:]
    assert len(texts) == 2


def test_two_slow_functions_are_announced_once(outcome_of: Outcomes):
    played = outcome_of(two_at_once)

    assert len(played.texts_of("system")) == 2
    assert played.agent_words[1] == LOOKING


def test_nothing_is_announced_into_speech(outcome_of: Outcomes):
    played = outcome_of(slow_answer_under_a_long_story)

    assert played.agent_words == ["Hello.", STORY, "It is here."]
    assert len(played.texts_of("system")) == 1


def test_both_results_are_sent_before_the_one_answer(outcome_of: Outcomes):
    played = outcome_of(two_at_once)
    announcement = ["message", "response.create"]

    assert frames_of(played) == [
        *announcement,
        "function_call_output",
        "function_call_output",
        "response.create",
    ]
    assert played.results == [{"state": "on its way"}, {"state": "paid"}]
    assert played.agent_words[2:] == ["It is on its way.", "The invoice is paid."]


def test_functions_of_one_answer_run_side_by_side(outcome_of: Outcomes):
    first, second = outcome_of(two_at_once).ended["tools"]

    assert second["at_ms"] - first["at_ms"] < 500
    assert second["duration_ms"] < 1_600 + 2_200


# A caller who does not wait.


def test_a_caller_can_interrupt_while_a_function_works(outcome_of: Outcomes):
    played = outcome_of(interrupted)

    assert [barge.stopped_audio for barge in played.report.barge_ins] == [True]
    assert played.turns[2]["interrupted"]
    assert played.agent_words[2:] == ["Certainly.", "It is on its way."]


def test_the_result_comes_after_the_interruption_and_is_answered_once(outcome_of: Outcomes):
    assert frames_of(outcome_of(interrupted)) == [
        "conversation.item.truncate",
        "function_call_output",
        "response.create",
    ]


@pytest.mark.parametrize("scenario", [interrupted, slow_answer])
def test_pings_are_answered_at_once_while_a_function_works(outcome_of: Outcomes, scenario):
    rtts_ms = outcome_of(scenario).report.rtts_ms

    assert len(rtts_ms) > 10
    # One may meet a busy machine.
    assert sorted(rtts_ms)[-2] < 100


def test_the_caller_is_heard_while_a_function_works(outcome_of: Outcomes):
    played = outcome_of(interrupted)
    assert played.session is not None

    assert played.words[3] == ("caller", "Never mind")
    assert played.session.audio_in.count(SHOUT) == 2


def test_a_hang_up_ends_the_request(outcome_of: Outcomes):
    played = outcome_of(hang_up_while_it_works)

    assert played.notes["connections"] == 0
    assert played.uses == [("find_parcel", "cancelled")]
    assert played.results == []
    assert played.ended["end_reason"] == "caller_hangup"


# Bad servers.


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_a_bad_server_becomes_an_error_and_the_call_goes_on(outcome_of: Outcomes, name):
    played = outcome_of(WITH_BAD_SERVER[name])

    assert error_codes(played.results) == [BAD_SERVERS[name][1]]
    assert played.uses == [("find_parcel", BAD_SERVERS[name][1])]
    assert played.agent_words == ["Hello.", FAILED, "Certainly."]


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_the_words_of_a_bad_server_reach_nobody(outcome_of: Outcomes, name):
    call = outcome_of(WITH_BAD_SERVER[name])

    assert FOREIGN not in call.all_told_to_model
    assert FOREIGN not in call.all_events
    assert FOREIGN not in outcome_of.log.text


@pytest.mark.parametrize("name", ["hanging", "stalled"])
def test_a_server_that_hangs_is_given_up_at_the_deadline(outcome_of: Outcomes, name):
    (use,) = outcome_of(WITH_BAD_SERVER[name]).ended["tools"]

    assert 400 <= use["duration_ms"] < 1_000
