"""What the model owes outlives a loss, whatever else was being said, and is told once."""

import asyncio

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.ending import Ending
from service.speech.course import ANSWER
from service.speech.fallback import FallbackProvider, Link
from service.speech.fallback_session import REPEAT_S
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    CallerSpeechStarted,
    CallerSpeechStopped,
    TextSpeaker,
    ToolCall,
)
from tests.agent_scene import Scene, play
from tests.fake_speech import FakeSession
from tests.speech.test_fallback_session import LOST, SECOND, Call, Provider, caller_turn, run
from tests.speech.test_going_on import OTHER, SlowProvider, lost_and_told_nothing_yet
from tests.test_agent import BANK

SPOKEN = (AgentAudio("a", SECOND), AgentAudioDone("a"))
WAIT_S = 0.05


def an_ending() -> Ending:
    return Ending(may_begin=lambda: True, on_begin=lambda: None, on_withdraw=lambda: None)


# Newer than the caller's turn.


def test_a_farewell_does_not_give_way_to_an_unanswered_turn():
    provider = Provider()

    async def scene(call: Call) -> None:
        await caller_turn(call, "b", "Where is it?")
        await call.session.say("Farewell.", may_use_tools=False)
        await call.hear(LOST)
        assert provider.sessions[1].said_without_tools == ["Farewell."]

    run(scene, provider)


def test_a_farewell_does_not_wait_for_a_turn_to_be_heard_again():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.send_audio(SECOND)
        await call.hear(CallerSpeechStarted("b", 0))
        await call.session.say("Farewell.", may_use_tools=False)
        await call.hear(LOST)
        await call.listen(REPEAT_S + 1)
        assert provider.sessions[1].said == ["Farewell."]

    run(scene, provider)


# The rest of another sentence answers nothing.


def test_a_result_is_not_answered_by_the_rest_of_its_announcement():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.hear(ToolCall("c", "look_up", "{}"))
        await call.session.say("One moment.", may_use_tools=False)
        await call.hear(AgentAudio("a", SECOND))
        await call.session.send_tool_result("c", '{"x":1}')
        await call.hear(*SPOKEN)
        call.take()
        await call.hear(LOST)
        assert provider.sessions[1].said == [ANSWER]
        assert AgentTurnDone() not in call.take()

    run(scene, provider)


def test_a_farewell_is_not_said_by_the_rest_of_an_answer():
    provider, ending = Provider(), an_ending()

    async def scene(call: Call) -> None:
        await call.hear(AgentAudio("a", SECOND))
        ending.begin("max_duration", 0.0, is_asked=True)
        await call.session.say("Farewell.", may_use_tools=False)
        await call.hear(*SPOKEN)
        call.take()
        await call.hear(LOST)
        for event in call.take():
            if isinstance(event, AgentTurnDone):
                ending.turn_done()
        assert ending.farewell
        assert not ending.farewell.is_said
        assert provider.sessions[1].said == ["Farewell."]

    run(scene, provider)


def test_a_key_is_not_answered_by_the_rest_of_an_answer():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.hear(AgentAudio("a", SECOND))
        await call.session.send_text("The caller pressed 1.")
        await call.hear(*SPOKEN)
        await call.hear(LOST)
        assert provider.sessions[1].said == [ANSWER]

    run(scene, provider)


def test_a_sentence_that_a_key_has_stopped_is_not_gone_on_with():
    provider = SlowProvider()

    async def scene(call: Call) -> None:
        words = AgentTranscript("a", "one two three four", is_final=False)
        await call.hear(words, AgentAudio("a", SECOND))
        listening = await lost_and_told_nothing_yet(call)
        await call.session.interrupt([HeardItem("a", 500, 1000, False, 0.0, None)])
        await listening
        assert provider.sessions[1].said == []

    run(scene, provider)


def test_a_result_that_nobody_asked_for_is_owed_no_answer():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.send_tool_result("unknown", "{}")
        await call.hear(LOST)
        assert not (provider.sessions[0].notes or provider.sessions[0].results)
        assert provider.sessions[1].said == []

    run(scene, provider)


# Told once.


class SlowToSay(FakeSession):
    async def say(self, instruction: str, *, may_use_tools: bool = True) -> None:
        await asyncio.sleep(WAIT_S)
        await super().say(instruction, may_use_tools=may_use_tools)

    async def send_text(
        self, text: str, *, speaker: TextSpeaker = "caller", wants_reply: bool = True
    ) -> None:
        await asyncio.sleep(WAIT_S)
        await super().send_text(text, speaker=speaker, wants_reply=wants_reply)


class SlowToSayProvider(Provider):
    async def connect(self, bot: Bot) -> FakeSession:
        session = await super().connect(bot)
        if len(self.sessions) > 1:
            session = self.sessions[-1] = SlowToSay()
        return session


def test_a_change_of_bots_meanwhile_is_told_once():
    provider = SlowToSayProvider()

    async def scene(call: Call) -> None:
        await call.session.say("Greet.")
        provider.sessions[0].yields(LOST)
        listening = asyncio.create_task(call.listen(2.0))
        await asyncio.sleep(WAIT_S / 2)
        assert len(provider.sessions) == 2
        await call.session.change_bot(OTHER)
        await listening
        assert provider.sessions[1].bots == [OTHER]

    run(scene, provider)


def test_what_follows_a_result_is_said_once_though_another_loss_comes_between():
    provider = SlowToSayProvider()

    async def scene(call: Call) -> None:
        await call.hear(ToolCall("c", "end_call", "{}"))
        await call.hear(LOST)
        telling = asyncio.create_task(call.session.send_tool_result("c", "{}", then_say="Bye."))
        await asyncio.sleep(WAIT_S / 5)
        provider.sessions[1].yields(LOST)
        await call.listen(1.0)
        await telling
        assert provider.sessions[2].said == ["Bye."]

    run(scene, provider)


# Results of calls that a goodbye has abandoned, which the caller broke into.


def test_a_switch_of_bots_goes_on_after_a_withdrawn_goodbye():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.hear(ToolCall("s", "switch_bot", "{}"))
        await call.session.abandon_calls()
        await call.session.send_tool_result("s", "{}", then_say="Take over.")
        assert provider.sessions[0].said == ["Take over."]

    run(scene, provider)


def test_digits_after_a_withdrawn_goodbye_reach_the_model():
    provider = Provider()

    async def script(scene: Scene) -> None:
        scene.session = session = await FallbackProvider([Link("p", provider)]).connect(BANK)  # type: ignore[assignment]
        scene.open()
        await scene.connect()

        async def pump() -> None:
            async for event in session:
                await scene.hears(event)

        async with asyncio.TaskGroup() as group:
            pumping = group.create_task(pump())
            await ask_for_digits_and_end(scene, provider.sessions[0])
            assert scene.end == "bot_completed"
            await break_in(scene, provider.sessions[0])
            assert scene.end is None
            await scene.presses("4711#")
            await scene.passes(1)
            pumping.cancel()
        await session.aclose()
        assert "4711" in str(provider.sessions[0].notes)

    play(script, BANK, is_connected=False)


async def ask_for_digits_and_end(scene: Scene, model: FakeSession) -> None:
    model.yields(AgentAudio("g", b" " * 800), AgentAudioDone("g"), AgentTurnDone())
    await scene.passes(1)
    model.yields(ToolCall("call_1", "collect_digits", '{"field":"account"}'))
    await scene.passes(1)
    model.yields(CallerSpeechStarted("c1", 0), CallerSpeechStopped("c1", 500))
    model.yields(AgentAudio("h", b" " * 40_000), AgentAudioDone("h"))
    model.yields(ToolCall("call_2", "end_call", "{}", has_spoken=True))
    await scene.passes(1)


async def break_in(scene: Scene, model: FakeSession) -> None:
    model.yields(CallerSpeechStarted("c2", 0), CallerSpeechStopped("c2", 500))
    model.yields(AgentAudio("i", b" " * 800), AgentAudioDone("i"), AgentTurnDone())
    await scene.passes(1)
