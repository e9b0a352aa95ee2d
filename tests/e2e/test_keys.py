"""Keys on whole calls: they interrupt, are collected by rules, and stay secret where they must."""

from dataclasses import replace

import pytest

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.genesys import GenesysCall
from service.bots.port import Keypad
from service.tools.port import TransferToAgent
from service.wiring import CATALOG
from tests.e2e.bridge import SHOUT, SMALL_TALK, STORY, Played, bridge, play
from tests.e2e.quick_calls import Script, greeted, hear, quick, quiet, say
from tests.e2e.shop import shop
from tests.e2e.side_by_side import Outcomes
from tests.plain_bot import PLAIN_BOT, Bots
from tests.tools.web import json_reply, web

PIN = "73918264"
OTHER_PIN = "61527384"
SHORT = "736"
ASKED = "Please key in your account number, followed by the hash key."
TOO_SHORT = "That number was too short. Please key it in once more."
CANCELLED = "All right, we leave that. What else can I do for you?"
NOTHING = "I did not receive a number. You can ask again whenever you like."
BALANCE = "Your balance is 20 euros."


def bank_file(first_s: float = 10.0) -> str:
    """The catalog's bank, which gives the account number to the flow too."""
    digits = f'sensitive = true\noutput = "ACCOUNT"\nfirst_s = {first_s}'
    text = (CATALOG / "bank.toml").read_text(encoding="utf-8")
    return text.replace("sensitive = true", digits) + "\n[outputs.ACCOUNT]\n"


async def bank_call(script: Script, first_s: float = 10.0) -> Played:
    """A call to the bank whose caller asks for the balance."""

    async def call_bank(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await script(call)

    model = quick(DialogueBrain(DIALOGUES["bank"]), "My balance please", "Goodbye")
    async with (
        web(json_reply({"balance": "20", "currency": "euros"})) as server,
        shop(bank_file(first_s), tool_secrets={"BANK_API_URL": server.url}) as bots,
        bridge(bots=bots, **model) as running,
    ):
        played = await play(running, call_bank)
    played.notes["asked"] = [(request.target, request.json) for request in server.requests]
    return played


async def key_in(call: GenesysCall, keys: str) -> None:
    """Press keys while or after the agent asks for them, and listen to what comes of it."""
    await call.press(keys)
    await hear(call, min_ms=200)


# The scenarios, each with a service and a model of its own.


async def collected() -> Played:
    async def script(call: GenesysCall) -> None:
        await quiet(call)
        await key_in(call, f"{PIN}#")
        await call.say(SHOUT)
        await call.disconnected()

    return await bank_call(script)


async def too_short() -> Played:
    async def script(call: GenesysCall) -> None:
        await quiet(call)
        await key_in(call, f"{SHORT}#")
        await key_in(call, f"{PIN}#")

    return await bank_call(script)


async def cancelled() -> Played:
    async def script(call: GenesysCall) -> None:
        await quiet(call)
        await key_in(call, f"{PIN}*")

    return await bank_call(script)


async def no_digits() -> Played:
    async def script(call: GenesysCall) -> None:
        await quiet(call)
        await hear(call)

    return await bank_call(script, first_s=0.7)


async def typed_ahead() -> Played:
    """The caller knows the question and keys into it."""

    async def script(call: GenesysCall) -> None:
        await call.agent_speaks(min_ms=300)
        await key_in(call, f"{PIN}#")

    return await bank_call(script)


async def paused_for_secrecy() -> Played:
    """What is keyed in during the pause is lost; the time for the first key stands still."""

    async def script(call: GenesysCall) -> None:
        await quiet(call)
        async with call.paused():
            await call.press(f"{OTHER_PIN}#")
            await call.sleep(1.2)
        await key_in(call, f"{PIN}#")

    return await bank_call(script, first_s=1.0)


async def _story_with_a_key(*, interrupts: bool) -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.agent_speaks(min_ms=800)
        await call.press("4#")
        await quiet(call)

    keypad = Keypad(is_told_to_model=True, interrupts=interrupts)
    bots = Bots(replace(PLAIN_BOT, keypad=keypad))
    async with bridge(bots=bots, **quick(DialogueBrain(SMALL_TALK), "A story")) as running:
        return await play(running, script)


async def key_that_interrupts() -> Played:
    return await _story_with_a_key(interrupts=True)


async def key_that_does_not() -> Played:
    return await _story_with_a_key(interrupts=False)


async def hang_up_in_the_middle_of_a_number() -> Played:
    async def script(call: GenesysCall) -> None:
        await quiet(call)
        await call.press(PIN)

    return await bank_call(script)


async def keys_that_are_not_for_the_model() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.press(f"{PIN}#")
        await call.sleep(0.3)
        await say(call)

    bots = Bots(replace(PLAIN_BOT, keypad=Keypad()))
    async with bridge(bots=bots, **quick(DialogueBrain(SMALL_TALK), "hello")) as running:
        return await play(running, script)


async def key_with_a_meaning_in_a_secure_pause() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        async with call.paused():
            await call.press("0")
            await call.sleep(0.3)
        await say(call)

    bot = replace(PLAIN_BOT, keypad=Keypad(keys={"0": TransferToAgent("by key")}))
    async with bridge(bots=Bots(bot), **quick(DialogueBrain(SMALL_TALK), "hello")) as running:
        return await play(running, script)


BANK_CALLS = (
    collected,
    too_short,
    cancelled,
    no_digits,
    typed_ahead,
    paused_for_secrecy,
    hang_up_in_the_middle_of_a_number,
)
SCENARIOS = (
    *BANK_CALLS,
    key_that_interrupts,
    key_that_does_not,
    keys_that_are_not_for_the_model,
    key_with_a_meaning_in_a_secure_pause,
)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_call_is_clean_on_both_sides(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).blemishes == []


def test_nothing_is_left_behind_and_no_error_is_logged(outcome_of: Outcomes):
    assert outcome_of.leftovers == []


# Secrets.


@pytest.mark.parametrize("scenario", BANK_CALLS)
@pytest.mark.parametrize("digits", [PIN, OTHER_PIN])
def test_sensitive_digits_are_told_to_nobody(outcome_of: Outcomes, scenario, digits):
    call = outcome_of(scenario)

    assert digits not in call.all_told_to_model
    assert digits not in call.all_events
    assert digits not in outcome_of.log.text


@pytest.mark.parametrize("scenario", [collected, too_short, typed_ahead, paused_for_secrecy])
def test_a_complete_number_goes_to_the_tool_that_is_filled_with_it(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)

    assert played.notes["asked"] == [("/balance", {"account": PIN})]
    assert played.agent_words[-1 if scenario is not collected else -2] == BALANCE


def test_the_flow_gets_the_digits_and_the_events_a_mask(outcome_of: Outcomes):
    played = outcome_of(collected)

    assert played.outputs["ACCOUNT"] == PIN
    assert played.ended["output_variables"]["ACCOUNT"] == "[masked]"


def test_keys_that_nobody_asked_for_reach_the_model_only_where_the_bot_wants_it(
    outcome_of: Outcomes,
):
    played = outcome_of(keys_that_are_not_for_the_model)

    assert PIN not in played.all_told_to_model + played.all_events
    assert played.texts_of("user") == []
    assert ("caller", "[keys]") in played.words


# Collecting.


def test_a_number_that_is_too_short_is_asked_for_again(outcome_of: Outcomes):
    played = outcome_of(too_short)

    assert played.agent_words[1:] == [ASKED, TOO_SHORT, BALANCE]
    assert [result.get("status") for result in played.results[:2]] == ["too_short", "collected"]


def test_the_cancel_key_ends_the_question(outcome_of: Outcomes):
    played = outcome_of(cancelled)

    assert played.agent_words[1:] == [ASKED, CANCELLED]
    assert played.notes["asked"] == []
    assert played.ended["output_variables"]["ACCOUNT"] == ""


def test_who_keys_in_nothing_is_told_so(outcome_of: Outcomes):
    played = outcome_of(no_digits)

    assert played.agent_words[1:] == [ASKED, NOTHING]
    assert played.results == [{"status": "no_digits", "field": "account_number"}]


def test_the_time_for_the_first_key_begins_when_the_question_was_heard(outcome_of: Outcomes):
    _, asked, told = (turn for turn in outcome_of(no_digits).turns if turn["speaker"] == "agent")

    assert 700 <= told["start_ms"] - asked["end_ms"] < 1_500


def test_a_number_can_be_keyed_into_the_question(outcome_of: Outcomes):
    played = outcome_of(typed_ahead)

    assert [barge.stopped_audio for barge in played.report.barge_ins] == [True]
    assert ASKED.startswith(played.agent_words[1])
    assert played.agent_words[2] == BALANCE


def test_what_is_keyed_in_during_a_secure_pause_is_lost_and_the_time_stands_still(
    outcome_of: Outcomes,
):
    played = outcome_of(paused_for_secrecy)

    assert [result.get("status") for result in played.results[:1]] == ["collected"]
    assert played.notes["asked"] == [("/balance", {"account": PIN})]
    assert [words for speaker, words in played.words if speaker == "caller"][1:] == ["[keys]"]


def test_a_key_with_a_meaning_has_none_during_a_secure_pause(outcome_of: Outcomes):
    played = outcome_of(key_with_a_meaning_in_a_secure_pause)

    assert played.agent_words == ["Welcome.", "Certainly."]
    assert played.report.disconnect is None
    assert played.ended["end_reason"] == "caller_hangup"


def test_a_hang_up_in_the_middle_of_a_number_leaves_a_masked_turn(outcome_of: Outcomes):
    played = outcome_of(hang_up_in_the_middle_of_a_number)

    assert played.words[-1] == ("caller", "[keys]")
    assert played.ended["counts"]["dtmf_events"] == len(PIN)
    assert played.ended["end_reason"] == "caller_hangup"


# Interrupting.


def test_a_key_stops_the_agent_where_the_bot_wants_it(outcome_of: Outcomes):
    played = outcome_of(key_that_interrupts)
    (truncate,) = played.told_model("conversation.item.truncate")

    assert [barge.stopped_audio for barge in played.report.barge_ins] == [True]
    assert played.turns[2]["interrupted"]
    assert STORY.startswith(played.agent_words[1])
    assert truncate["audio_end_ms"] == pytest.approx(800, abs=250)
    assert played.agent_words[2] == "Noted 4."


def test_an_interruption_by_key_is_counted(outcome_of: Outcomes):
    ended = outcome_of(key_that_interrupts).ended

    assert ended["counts"]["interruptions_by_caller"] == 1
    assert ended["barge_in_stop_ms"] == [0]


def test_elsewhere_the_agent_goes_on_and_answers_the_key_afterwards(outcome_of: Outcomes):
    played = outcome_of(key_that_does_not)

    assert played.agent_words == ["Welcome.", STORY, "Noted 4."]
    assert played.report.barge_ins == []
