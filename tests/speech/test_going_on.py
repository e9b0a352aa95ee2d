"""What a new conversation owes, and whose it is, when much happens while it comes about."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from service.bots.port import Bot
from service.ending import Ending
from service.speech.course import GO_ON
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    BotChanged,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    Remembered,
    SpeechError,
    SpeechReady,
    ToolCall,
)
from tests.fake_speech import FakeSession
from tests.plain_bot import PLAIN_BOT
from tests.speech.test_fallback_session import LOST, SECOND, Call, Provider, run

OTHER = replace(PLAIN_BOT, bot_id="other")
ANSWERED = (AgentAudio("a", b"x"), AgentAudioDone("a"), AgentTurnDone())


class SlowSession(FakeSession):
    async def restore(self, memories: Sequence[Remembered]) -> None:
        given = list(memories)
        await asyncio.sleep(0.5)
        await super().restore(given)


class SlowProvider(Provider):
    """All but its first conversation take their time to be told what was said."""

    async def connect(self, bot: Bot) -> FakeSession:
        session = await super().connect(bot)
        if len(self.sessions) > 1:
            session = self.sessions[-1] = SlowSession()
        return session


async def lost_in_mid_sentence(call: Call) -> None:
    words = AgentTranscript("a", "one two three four five six", is_final=False)
    await call.hear(words, AgentAudio("a", SECOND))
    call.take()
    await call.hear(LOST)


# What is owed.


def test_the_rest_of_a_sentence_is_owed_until_it_comes():
    provider = Provider()

    async def scene(call: Call) -> None:
        await lost_in_mid_sentence(call)
        assert AgentTurnDone() not in call.take()
        await call.hear(LOST)
        assert [session.said for session in provider.sessions] == [[], [GO_ON], [GO_ON]]
        await call.hear(*ANSWERED)
        assert AgentTurnDone() in call.take()

    run(scene, provider)


def test_a_farewell_that_a_loss_cuts_is_not_reckoned_said():
    provider = Provider()
    ending = Ending(may_begin=lambda: True, on_begin=lambda: None, on_withdraw=lambda: None)

    async def scene(call: Call) -> None:
        ending.begin("no_input", 0.0, is_asked=True)
        await call.session.say("Say goodbye.", may_use_tools=False)
        await lost_in_mid_sentence(call)
        for event in call.take():
            if isinstance(event, AgentTurnDone):
                ending.turn_done()
        assert ending.farewell
        assert not ending.farewell.is_said
        assert provider.sessions[1].said_without_tools == [GO_ON]

    run(scene, provider)


def test_a_turn_that_was_found_again_may_last():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.send_audio(SECOND)
        await call.hear(CallerSpeechStarted("b", 0))
        await call.hear(LOST)
        await call.hear(CallerSpeechStarted("n", 0))
        call.take()
        for _ in range(6):
            await call.session.send_audio(SECOND)
            await call.listen(1.0)
        await call.hear(CallerSpeechStopped("n", 6_000), CallerTranscript("n", "All of it."))
        assert provider.sessions[1].said == []
        assert [type(event) for event in call.take()] == [CallerSpeechStopped, CallerTranscript]

    run(scene, provider)


# What the call tells while a new one is being brought up to date.


async def lost_and_told_nothing_yet(call: Call) -> asyncio.Task[None]:
    provider = call.providers[0]
    provider.sessions[0].yields(LOST)
    listening = asyncio.create_task(call.listen(2.0))
    await asyncio.sleep(0.2)
    assert len(provider.sessions) == 2
    return listening


def test_a_text_meanwhile_comes_after_what_was_before():
    provider = SlowProvider()

    async def scene(call: Call) -> None:
        await call.hear(*ANSWERED)
        listening = await lost_and_told_nothing_yet(call)
        await call.session.send_text("The caller pressed 1.")
        await listening
        assert provider.sessions[1].notes == [("caller", "The caller pressed 1.", True)]
        assert provider.sessions[1].deeds == ["restore", "send_text"]

    run(scene, provider)


def test_a_result_meanwhile_is_told():
    provider = SlowProvider()

    async def scene(call: Call) -> None:
        await call.hear(ToolCall("c", "look_up", "{}"))
        listening = await lost_and_told_nothing_yet(call)
        await call.session.send_tool_result("c", '{"x":1}')
        await listening
        told = [("system", 'The function look_up has returned: {"x":1}', True)]
        assert provider.sessions[1].notes == told

    run(scene, provider)


def test_a_farewell_meanwhile_takes_the_place_of_what_was_owed():
    provider = SlowProvider()

    async def scene(call: Call) -> None:
        words = AgentTranscript("a", "one two three four five six", is_final=False)
        await call.hear(words, AgentAudio("a", SECOND))
        listening = await lost_and_told_nothing_yet(call)
        await call.session.say("Farewell.")
        await listening
        assert provider.sessions[1].said == ["Farewell."]

    run(scene, provider)


# Whose it is.


def test_a_bot_that_was_changed_while_connecting_is_told_to_whom_connected():
    provider = Provider(takes_s=1.0)

    async def scene(call: Call) -> None:
        provider.sessions[0].yields(LOST)
        listening = asyncio.create_task(call.listen(3.0))
        await asyncio.sleep(0.5)
        await call.session.change_bot(OTHER)
        await listening
        assert provider.sessions[1].bots == [OTHER]
        assert BotChanged("other") not in call.take()  # the provider's own will say so
        await call.hear(BotChanged("other"))
        assert call.take() == [BotChanged("other")]

    run(scene, provider)


def served_by(provider: Provider) -> Bot:
    """The bot that the provider's open conversation was made for."""
    [bot] = [
        bot
        for bot, session in zip(provider.bots, provider.sessions, strict=True)
        if not session.is_closed
    ]
    return bot


def test_a_renewal_for_a_bot_of_before_serves_nobody():
    for events in ((BotChanged("other"), *ANSWERED), (LOST,)):
        provider = Provider()

        async def scene(
            call: Call, provider: Provider = provider, events: Sequence[object] = events
        ) -> None:
            await call.session.say("Greet.")
            await call.listen(61)
            await call.session.change_bot(OTHER)
            provider.sessions[0].yields(*events)  # type: ignore[arg-type]
            await call.listen(5)
            assert provider.sessions[0].is_closed
            assert served_by(provider) == OTHER

        run(scene, provider, renew_after_s=60)


def test_another_model_is_not_forgotten_for_a_renewal_that_is_ready():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.say("Greet.")
        await call.listen(61)
        await call.session.use_model("mini")
        provider.sessions[0].yields(*ANSWERED)
        await call.listen(5)
        assert served_by(provider).model == "mini"

    run(scene, provider, renew_after_s=60)


def test_another_model_that_is_wanted_while_connecting_comes_with_a_renewal():
    provider = Provider(takes_s=1.0)

    async def scene(call: Call) -> None:
        provider.sessions[0].yields(LOST)
        listening = asyncio.create_task(call.listen(3.0))
        await asyncio.sleep(0.5)
        await call.session.use_model("mini")
        await listening
        await call.listen(10)
        assert served_by(provider).model == "mini"
        assert not [event for event in call.take() if isinstance(event, BotChanged)]

    run(scene, provider, renew_after_s=600)


def test_a_renewal_of_the_provider_that_is_avoided_serves_nobody():
    first, second = Provider(), Provider()

    async def scene(call: Call) -> None:
        await call.session.say("Greet.")
        await call.listen(61)
        await call.session.revive(elsewhere=True)
        call.take()
        first.sessions[0].yields(SpeechError("model_silent", retryable=True))
        await call.listen(1)
        [ready] = [event for event in call.take() if isinstance(event, SpeechReady)]
        assert ready.provider == "p1"
        assert len(second.sessions) == 1
        assert all(session.is_closed for session in first.sessions)

    run(scene, first, second, renew_after_s=60)


def test_a_provider_that_speaks_after_all_is_no_longer_avoided():
    first, second = Provider(), Provider()

    async def scene(call: Call) -> None:
        await call.hear(*ANSWERED)
        await call.session.revive(elsewhere=True)
        await call.hear(*ANSWERED)
        await call.listen(600)
        first.sessions[0].yields(LOST)
        await call.listen(1)
        assert second.sessions == []

    run(scene, first, second)
