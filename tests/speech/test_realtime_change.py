"""A change of the bot: one update at a time, with less when all is too much (4.1, 4.3)."""

import json
from dataclasses import replace
from typing import Any

import pytest

from service.bots.port import Bot
from service.speech.port import BotChanged, SpeechError
from service.speech.realtime_change import BotChange, Change
from service.speech.realtime_outgoing import Outgoing
from service.speech.realtime_wire import AudioSide, ErrorDetail, Format, Session, SessionAudio
from tests.openai_schema import assert_client_event
from tests.plain_bot import PLAIN_BOT

BILLING = replace(PLAIN_BOT, bot_id="billing")
REPAIRS = replace(PLAIN_BOT, bot_id="repairs")


def session(kind: str = "audio/pcmu") -> Session:
    side = AudioSide(Format(kind))
    return Session(SessionAudio(side, side))


def bot_of(change: Change | None) -> Bot | None:
    return change.bot if change else None


def frames_of(out: Outgoing) -> list[dict[str, Any]]:
    frames = [json.loads(frame) for frame in out.frames]
    out.frames.clear()
    for frame in frames:
        assert_client_event(frame)
    return frames


def has_voice(frame: dict[str, Any]) -> bool:
    return "voice" in frame["session"]["audio"]["output"]


def is_reduced(frame: dict[str, Any]) -> bool:
    return "truncation" not in frame["session"]


def refusal(frame: dict[str, Any], code: str = "unknown_parameter") -> ErrorDetail:
    return ErrorDetail(code=code, event_id=frame["event_id"])


@pytest.mark.parametrize("is_voice_frozen", [True, False])
def test_a_change_asks_for_all_and_for_the_voice_where_possible(is_voice_frozen):
    out = Outgoing()

    BotChange(out).begin(BILLING, is_voice_frozen=is_voice_frozen)

    (frame,) = frames_of(out)
    assert not is_reduced(frame)
    assert has_voice(frame) is not is_voice_frozen


def test_a_confirmation_is_taken_once():
    change = BotChange(Outgoing())
    change.begin(BILLING, is_voice_frozen=False)

    assert bot_of(change.accept(session())) == BILLING
    assert change.accept(session()) is None


@pytest.mark.parametrize("given", [session("audio/pcm"), session("audio/pcma"), Session()])
def test_other_formats_end_it(given):
    with pytest.raises(SpeechError) as failure:
        BotChange(Outgoing()).accept(given)

    assert (failure.value.code, failure.value.retryable) == ("not_pcmu", True)


@pytest.mark.parametrize("event_id", [None, "bot_9", "c_1"])
def test_an_error_about_something_else_is_not_taken(event_id):
    out = Outgoing()
    change = BotChange(out)
    change.begin(BILLING, is_voice_frozen=False)
    frames_of(out)

    assert change.refuse(ErrorDetail(event_id=event_id)) is None
    assert frames_of(out) == []
    assert bot_of(change.accept(session())) == BILLING


@pytest.mark.parametrize("code", ["unknown_parameter", None])
def test_a_refused_change_asks_for_less_once(code):
    out = Outgoing()
    change = BotChange(out)
    change.begin(BILLING, is_voice_frozen=False)
    (full,) = frames_of(out)

    first = change.refuse(ErrorDetail(code=code, event_id=full["event_id"]))
    (reduced,) = frames_of(out)
    second = change.refuse(refusal(reduced))

    assert (first, second) == ([], [BotChanged("billing", was_refused=True)])
    assert (is_reduced(reduced), has_voice(reduced)) == (True, False)
    assert frames_of(out) == []
    assert change.refuse(refusal(reduced)) is None


@pytest.mark.parametrize("is_voice_frozen", [True, False])
def test_a_voice_that_is_refused_is_given_up_alone(is_voice_frozen):
    out = Outgoing()
    change = BotChange(out)
    change.begin(BILLING, is_voice_frozen=is_voice_frozen)

    change.refuse(refusal(frames_of(out)[0], "cannot_update_voice"))

    (again,) = frames_of(out)
    assert not has_voice(again)
    assert is_reduced(again) is is_voice_frozen  # there was no voice in it to be given up


def test_a_refusal_of_what_was_asked_before_is_not_taken_twice():
    out = Outgoing()
    change = BotChange(out)
    change.begin(BILLING, is_voice_frozen=False)
    (full,) = frames_of(out)
    change.refuse(refusal(full))

    assert change.refuse(refusal(full)) is None
    assert bot_of(change.accept(session())) == BILLING


def test_changes_are_confirmed_in_their_order():
    change = BotChange(Outgoing())
    change.begin(BILLING, is_voice_frozen=False)
    change.begin(REPAIRS, is_voice_frozen=False)

    confirmed = [bot_of(change.accept(session())) for _ in range(3)]

    assert confirmed == [BILLING, REPAIRS, None]


def test_only_the_latest_change_is_tried_again():
    out = Outgoing()
    change = BotChange(out)
    change.begin(BILLING, is_voice_frozen=False)
    change.begin(REPAIRS, is_voice_frozen=False)
    first, second = frames_of(out)

    refused = change.refuse(refusal(first)), change.refuse(refusal(second))

    assert refused == ([BotChanged("billing", was_refused=True)], [])
    assert [is_reduced(frame) for frame in frames_of(out)] == [True]
    assert bot_of(change.accept(session())) == REPAIRS


# Reasoning: an absent key keeps the effort of the bot before.


def effort_in(frame: dict[str, Any]) -> str | None:
    effort: str | None = frame["session"].get("reasoning", {}).get("effort")
    return effort


def changed(change: BotChange, out: Outgoing, bot: Bot) -> str | None:
    """The effort that a change asks for, which is accepted."""
    change.begin(bot, is_voice_frozen=True)
    change.accept(session())
    return effort_in(frames_of(out)[0])


THINKER = replace(PLAIN_BOT, bot_id="thinker", reasoning="high")


def test_a_bot_without_an_effort_asks_for_the_usual_one_after_a_bot_that_had_one():
    out = Outgoing()
    change = BotChange(out)

    efforts = [changed(change, out, bot) for bot in (BILLING, THINKER, REPAIRS, THINKER)]

    assert efforts == [None, "high", "low", "high"]


@pytest.mark.parametrize(("has_effort", "effort"), [(True, "low"), (False, None)])
def test_the_effort_of_the_first_bot_counts_if_it_was_accepted(has_effort, effort):
    out = Outgoing()

    assert changed(BotChange(out, has_effort=has_effort), out, BILLING) == effort


def test_an_effort_that_is_still_unanswered_is_taken_back_too():
    out = Outgoing()
    change = BotChange(out)
    change.begin(THINKER, is_voice_frozen=True)
    change.begin(BILLING, is_voice_frozen=True)

    assert [effort_in(frame) for frame in frames_of(out)] == ["high", "low"]


def test_an_effort_that_was_refused_is_not_asked_for_again():
    """A model that does not reason would refuse the next bot for it as well."""
    out = Outgoing()
    change = BotChange(out)
    change.begin(THINKER, is_voice_frozen=True)
    change.refuse(refusal(frames_of(out)[0]))
    frames_of(out)
    reduced = change.accept(session())

    assert reduced is not None
    assert reduced.is_reduced
    assert changed(change, out, BILLING) is None
