"""Another bot in the middle of a Realtime conversation (specification 4.1, 4.3)."""

from dataclasses import replace
from typing import Any

import pytest

from service.bots.port import McpServer
from service.speech.port import AgentAudio, AgentTurnDone, BotChanged, SpeechError, ToolCall
from tests.plain_bot import PLAIN_BOT
from tests.speech.talk import BUSY, FORMAT, PCMU, Talk

CRM = McpServer(
    label="crm",
    url="https://crm.example.com/mcp",
    allowed_tools=("read", "delete"),
    needs_approval=("delete",),
    approved=("delete",),
)
BILLING = replace(PLAIN_BOT, bot_id="billing", instructions="You know bills.", voice="cedar")
REPAIRS = replace(PLAIN_BOT, bot_id="repairs", instructions="You know repairs.")
PCM = {"format": {"type": "audio/pcm", "rate": 24000}}


def voice_in(update: dict[str, Any]) -> Any:
    return update["session"]["audio"]["output"].get("voice")


def is_granted(talk: Talk) -> bool:
    """Whether the approval is given that the model asks for now."""
    talk.created("R_asks")
    request = {"id": "mcpr_1", "server_label": "crm", "name": "delete", "arguments": "{}"}
    talk.item_done("R_asks", type="mcp_approval_request", **request)
    approve: bool = talk.sends()[-1]["item"]["approve"]
    return approve


def test_a_change_asks_for_the_new_bot_and_for_no_words(talk):
    talk.rules.change_bot(BILLING)

    (update,) = talk.sends()
    assert update["type"] == "session.update"
    assert update["session"]["instructions"] == "You know bills."
    assert voice_in(update) == "cedar"


def test_an_accepted_change_is_told_once(talk):
    talk.rules.change_bot(BILLING)
    talk.sends()

    first, again = talk.updated(), talk.updated()

    assert first == [BotChanged("billing")]
    assert again == []


@pytest.mark.parametrize("kind", ["session.updated", "session.created"])
def test_a_session_that_nobody_asked_for_is_no_change(talk, kind):
    session = {"type": "realtime", "audio": {"input": FORMAT, "output": FORMAT}}

    assert talk.gets(kind, session=session) == []


@pytest.mark.parametrize("is_asked_for", [True, False])
@pytest.mark.parametrize(("audio_in", "audio_out"), [(PCM, FORMAT), (FORMAT, PCM), ({}, {})])
def test_a_session_that_is_not_pcmu_any_more_ends_the_conversation(
    talk, audio_in, audio_out, is_asked_for
):
    if is_asked_for:
        talk.rules.change_bot(BILLING)

    with pytest.raises(SpeechError) as failure:
        talk.updated(audio_in, audio_out)

    assert (failure.value.code, failure.value.retryable) == ("not_pcmu", True)


def test_a_refused_change_is_tried_again_with_less_and_then_told(talk):
    talk.rules.change_bot(replace(BILLING, mcp_servers=(CRM,)))
    (full,) = talk.sends()

    events = talk.refuses(full)
    (reduced,) = talk.sends()
    events += talk.updated()

    assert "transcription" in full["session"]["audio"]["input"]
    assert "transcription" not in reduced["session"]["audio"]["input"]
    assert [tool["type"] for tool in reduced["session"]["tools"]] == ["function", "function"]
    assert reduced["session"]["instructions"] == "You know bills."
    assert reduced["event_id"] != full["event_id"]
    assert voice_in(reduced) is None
    assert events == [BotChanged("billing", was_reduced=True)]


def test_a_change_that_is_refused_twice_leaves_the_old_bot(talk):
    talk.rules.change_bot(BILLING)
    talk.refuses(talk.sends()[0])
    (reduced,) = talk.sends()

    assert talk.refuses(reduced) == [BotChanged("billing", was_refused=True)]
    assert talk.sends() == []
    assert talk.updated() == []


def test_the_next_change_is_not_reduced_because_the_last_one_was(talk):
    talk.rules.change_bot(BILLING)
    talk.refuses(talk.sends()[0])
    talk.updated()
    talk.rules.change_bot(REPAIRS)

    assert talk.updated() == [BotChanged("repairs")]


def test_the_effort_of_the_first_bot_does_not_stay_with_the_next():
    """An absent key would keep it (4.1)."""
    talk = Talk(bot=replace(PLAIN_BOT, reasoning="high"))

    talk.rules.change_bot(BILLING)

    assert talk.sends()[0]["session"]["reasoning"] == {"effort": "low"}


def test_the_voice_stays_once_the_agent_was_heard(talk):
    """A voice after the first audio gets the whole update refused (`cannot_update_voice`)."""
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.done("R1")

    talk.rules.change_bot(BILLING)

    assert voice_in(talk.sends()[0]) is None


def test_audio_that_overtook_a_change_costs_it_only_the_voice(talk):
    """The response was alive and still silent here, but not at the server."""
    talk.created("R1")
    talk.rules.change_bot(replace(BILLING, mcp_servers=(CRM,)))
    (full,) = talk.sends()
    talk.audio("R1", "A1")

    talk.refuses(full, "cannot_update_voice")

    (again,) = talk.sends()
    full["session"]["audio"]["output"].pop("voice")
    assert again["session"] == full["session"]
    assert talk.updated() == [BotChanged("billing")]


@pytest.mark.parametrize("code", ["cannot_update_voice", "unknown_parameter"])
def test_a_change_is_tried_with_less_whatever_is_refused_after_the_voice(talk, code):
    talk.rules.change_bot(BILLING)
    talk.refuses(talk.sends()[0], "cannot_update_voice")
    talk.refuses(talk.sends()[0], code)

    (reduced,) = talk.sends()
    assert "transcription" not in reduced["session"]["audio"]["input"]
    assert talk.refuses(reduced) == [BotChanged("billing", was_refused=True)]


@pytest.mark.parametrize("code", ["model_not_found", "invalid_model"])
def test_a_bot_that_names_what_does_not_exist_does_not_end_the_call(talk, code):
    talk.rules.change_bot(BILLING)

    assert talk.refuses(talk.sends()[0], code) == []
    assert [event["type"] for event in talk.sends()] == ["session.update"]


def test_an_error_about_something_else_does_not_answer_a_change(talk):
    talk.created("R1")
    talk.rules.interrupt([])
    talk.rules.change_bot(BILLING)
    cancel, _ = talk.sends()

    talk.error("response_cancel_not_active", cancel["event_id"])
    talk.error("server_error", None)

    assert talk.rules.ignored_errors == 2
    assert talk.sends() == []
    assert talk.updated() == [BotChanged("billing")]


def test_a_refused_response_does_not_answer_a_change(talk):
    create = talk.says()
    talk.rules.change_bot(BILLING)
    talk.sends()
    talk.error(BUSY, create["event_id"])

    assert talk.updated() == [BotChanged("billing")]


def test_a_refused_change_does_not_touch_the_response_that_was_asked_for(talk):
    create = talk.says()
    talk.rules.change_bot(BILLING)
    talk.refuses(talk.sends()[0])

    assert [event["type"] for event in talk.sends()] == ["session.update"]
    talk.created("R1", create)
    assert talk.done("R1") == [AgentTurnDone()]
    assert talk.sends() == []


def test_a_live_response_goes_on_while_the_bot_changes(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.rules.change_bot(BILLING)
    kinds = talk.sends_kinds()

    events = talk.audio("R1", "A1") + talk.updated() + talk.audio("R1", "A1")

    assert kinds == ["session.update"]
    assert events == [AgentAudio("A1", PCMU), BotChanged("billing"), AgentAudio("A1", PCMU)]


def test_the_bot_may_change_while_the_caller_speaks(talk):
    talk.caller_speaks()
    talk.rules.change_bot(BILLING)
    kinds = talk.sends_kinds()

    changed = talk.updated()
    talk.caller_stops()

    assert kinds == ["session.update"]
    assert changed == [BotChanged("billing")]
    assert talk.sends() == []


def test_the_function_that_asked_for_the_change_is_answered_after_it(talk):
    talk.created("R1")
    assert isinstance(talk.call("R1", "call_1", name="switch_bot")[0], ToolCall)
    ended = talk.done("R1")
    talk.rules.change_bot(BILLING)
    during = talk.sends_kinds()
    talk.updated()

    talk.answers("call_1", then_say="Greet as the specialist.")

    assert ended == []
    assert during == ["session.update"]
    assert talk.sends_kinds() == ["conversation.item.create"] * 2 + ["response.create"]


# Two changes in a row: each is one update, and each update gets one answer, in order.


def test_each_of_two_changes_is_told_when_it_is_accepted(talk):
    talk.rules.change_bot(BILLING)
    talk.rules.change_bot(REPAIRS)
    first, second = talk.sends()

    events = talk.updated(), talk.updated()

    assert first["event_id"] != second["event_id"]
    assert events == ([BotChanged("billing")], [BotChanged("repairs")])


def test_the_first_of_two_changes_stands_when_the_second_is_refused(talk):
    talk.rules.change_bot(BILLING)
    talk.rules.change_bot(REPAIRS)
    _, second = talk.sends()

    events = talk.updated() + talk.refuses(second) + talk.refuses(talk.sends()[0])

    assert events == [BotChanged("billing"), BotChanged("repairs", was_refused=True)]


def test_a_refused_change_that_another_followed_is_not_tried_again(talk):
    """Tried again with less it would undo the change that came after it."""
    talk.rules.change_bot(BILLING)
    talk.rules.change_bot(REPAIRS)
    first, _ = talk.sends()

    refused = talk.refuses(first)

    assert refused == [BotChanged("billing", was_refused=True)]
    assert talk.sends() == []
    assert talk.updated() == [BotChanged("repairs")]


def test_a_change_during_the_second_try_of_another_keeps_the_order(talk):
    talk.rules.change_bot(BILLING)
    talk.refuses(talk.sends()[0])
    talk.rules.change_bot(REPAIRS)
    talk.sends()

    assert talk.updated() + talk.updated() == [
        BotChanged("billing", was_reduced=True),
        BotChanged("repairs"),
    ]


# 7.5: what a change means for remote tools.


def test_the_new_bots_approvals_hold_once_it_is_accepted(talk):
    talk.rules.change_bot(replace(BILLING, mcp_servers=(CRM,)))
    talk.updated()

    assert is_granted(talk)


@pytest.mark.parametrize("answer", ["none", "refused"])
def test_the_old_bots_approvals_hold_until_then(answer):
    talk = Talk((CRM,))
    talk.rules.change_bot(BILLING)
    if answer == "refused":
        talk.refuses(talk.sends()[0])
        talk.refuses(talk.sends()[0])

    assert is_granted(talk)


def test_the_old_bots_approvals_end_with_it():
    talk = Talk((CRM,))
    talk.rules.change_bot(BILLING)
    talk.updated()

    assert not is_granted(talk)
