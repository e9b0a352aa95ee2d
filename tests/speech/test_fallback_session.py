"""A chain of providers that live in memory, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.speech import fallback_session as fallback
from service.speech.course import ANSWER, GO_ON, LOST_WORDS, RESTORED
from service.speech.fallback import FallbackProvider, FallbackSession, Link
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    BotChanged,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    Said,
    SpeechError,
    SpeechEvent,
    SpeechLost,
    SpeechReady,
    ToolCall,
    Used,
)
from tests.emulators.realtime_client import VirtualTimeLoop
from tests.fake_speech import FakeSession
from tests.plain_bot import PLAIN_BOT

LOST = SpeechError("closed_1011", retryable=True)
FATAL = SpeechError("http_401", retryable=False)
SECOND = bytes(8_000)


class Provider:
    """Opens one session after the other; before each, it fails as it is told."""

    def __init__(self, *failures: SpeechError | None, takes_s: float = 0.0) -> None:
        self.failures = list(failures)
        self.takes_s = takes_s
        self.sessions: list[FakeSession] = []
        self.tried_at: list[float] = []
        self.bots: list[Bot] = []
        self.is_closed = False

    async def connect(self, bot: Bot) -> FakeSession:
        self.tried_at.append(round(asyncio.get_running_loop().time(), 3))
        self.bots.append(bot)
        await asyncio.sleep(self.takes_s)
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        self.sessions.append(FakeSession())
        return self.sessions[-1]

    async def aclose(self) -> None:
        self.is_closed = True


class Call:
    """A chain, a conversation with it, and what came of it."""

    def __init__(self, session: FallbackSession, *providers: Provider) -> None:
        self.session, self.providers = session, providers
        self.events: list[SpeechEvent] = []

    async def hear(self, *events: SpeechEvent | Exception, of: Provider | None = None) -> None:
        """Let the provider's latest session say something, and the call listen."""
        provider = of or self.providers[0]
        provider.sessions[-1].yields(*events)
        await self.listen()

    async def listen(self, seconds: float = 0.2) -> None:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self.events.append(await anext(self.session))
        except TimeoutError:
            pass

    def take(self) -> list[SpeechEvent]:
        events, self.events = self.events, []
        return events


def run(
    scene: Callable[[Call], Awaitable[None]], *providers: Provider, renew_after_s: float = 0.0
) -> None:
    async def play() -> None:
        links = [Link(f"p{n}", it, renew_after_s) for n, it in enumerate(providers)]
        chain = FallbackProvider(links)
        session = await chain.connect(PLAIN_BOT)
        try:
            await scene(Call(session, *providers))
        finally:
            await session.aclose()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left
        assert all(it.is_closed for provider in providers for it in provider.sessions)
        await chain.aclose()
        assert all(provider.is_closed for provider in providers)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(play())


async def caller_turn(call: Call, item_id: str, text: str | None, *, at_ms: int = 0) -> None:
    await call.session.send_audio(SECOND)
    await call.hear(CallerSpeechStarted(item_id, at_ms), CallerSpeechStopped(item_id, at_ms + 800))
    if text:
        await call.hear(CallerTranscript(item_id, text))


def ready(provider: str = "p0", after: str = "") -> SpeechReady:
    return SpeechReady(provider, "a-model", after=after)


def test_events_and_deeds_pass_through():
    provider = Provider()

    async def scene(call: Call) -> None:
        session = provider.sessions[0]
        await call.session.say("Greet.")
        await call.session.send_text("a fact", speaker="system", wants_reply=False)
        await call.hear(AgentAudio("a", b"x"), ToolCall("c", "f", "{}"))
        await call.session.send_tool_result("c", "{}", then_say="Done.")
        await call.session.interrupt([HeardItem("a", 0, 1, False, None, None)])
        await call.session.change_bot(replace(PLAIN_BOT, bot_id="other"))
        await call.session.forget_caller()
        await call.session.abandon_calls(but="x")
        await call.session.send_audio(b"abc")
        assert call.take() == [ready(), AgentAudio("a", b"x"), ToolCall("c", "f", "{}")]
        assert session.said == ["Greet."]
        assert session.notes == [("system", "a fact", False)]
        assert session.results == [("c", "{}", "Done.")]
        assert session.interruptions[0][0].item_id == "a"
        assert session.bots[0].bot_id == "other"
        assert (session.forgotten, session.abandoned, bytes(session.audio)) == (1, ["x"], b"abc")
        assert session.memories == []

    run(scene, provider)


def test_a_lost_conversation_goes_on_at_once_with_what_was_said():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.hear(
            AgentTranscript("a", "Hello.", True), AgentAudio("a", SECOND), AgentAudioDone("a")
        )
        await call.hear(AgentTurnDone())
        await caller_turn(call, "b", "Where is it?", at_ms=0)
        await call.hear(AgentTranscript("d", "Here.", True), AgentAudio("d", SECOND))
        await call.hear(AgentAudioDone("d"), AgentTurnDone())
        call.take()
        before = asyncio.get_running_loop().time()
        await call.hear(LOST)
        assert call.take() == [
            SpeechLost("p0", "closed_1011"), ready(after="closed_1011"), AgentTurnDone(),
        ]  # fmt: skip
        assert provider.tried_at[1] - before < 0.01
        old, new = provider.sessions
        assert new.memories == [
            Said("system", RESTORED), Said("agent", "Hello."), Said("caller", "Where is it?"),
            Said("agent", "Here."),
        ]  # fmt: skip
        assert (new.said, old.is_closed) == ([], True)

    run(scene, provider)


def test_a_greeting_that_was_not_spoken_is_asked_for_again():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.say("Greet.")
        await call.hear(LOST)
        await call.listen(0.3)
        assert provider.sessions[1].said == ["Greet."]

    run(scene, provider)


def test_an_answer_that_was_broken_off_is_gone_on_with():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.hear(AgentTranscript("a", "one two three four five six", False))
        await call.hear(AgentAudio("a", SECOND))
        call.take()
        await call.hear(LOST)
        closing, *_ = call.take()
        assert closing == AgentTranscript("a", "one two three four five six", True)
        new = provider.sessions[1]
        assert new.said == [GO_ON]
        assert new.memories[1:] == [Said("agent", "one two three …")]
        await call.hear(AgentAudio("a", b"y"))
        assert call.take() == [AgentAudio("2.a", b"y")]  # an item of its own

    run(scene, provider)


def test_a_turn_whose_words_are_known_is_answered():
    provider = Provider()

    async def scene(call: Call) -> None:
        await caller_turn(call, "b", "Where is it?")
        call.take()
        await call.hear(LOST)
        assert AgentTurnDone() not in call.take()
        new = provider.sessions[1]
        assert (new.memories[-1], new.said) == (Said("caller", "Where is it?"), [ANSWER])
        assert len(new.audio) == 8_000 - 800 * 8  # what came after the turn

    run(scene, provider)


def test_a_turn_without_words_is_heard_again_as_the_same_turn():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.send_audio(SECOND)
        await caller_turn(call, "b", None, at_ms=1_000)
        call.take()
        await call.hear(LOST)
        new = provider.sessions[1]
        assert (new.memories, new.said) == ([Said("system", RESTORED)], [])
        assert len(new.audio) == 8_000
        call.take()
        await call.hear(CallerSpeechStarted("n", 0), CallerSpeechStopped("n", 900))
        await call.hear(CallerTranscript("n", "Where is it?"), AgentAudio("m", b"y"))
        assert call.take() == [CallerTranscript("b", "Where is it?"), AgentAudio("2.m", b"y")]
        await call.hear(CallerSpeechStarted("n2", 2_000))
        assert call.take() == [CallerSpeechStarted("2.n2", 3_000)]  # on the call's clock

    run(scene, provider)


def test_a_caller_who_is_speaking_is_heard_from_the_beginning_of_the_turn():
    provider = Provider()

    async def scene(call: Call) -> None:
        for _ in range(3):
            await call.session.send_audio(SECOND)
        await call.hear(CallerSpeechStarted("b", 1_500))
        call.take()
        await call.hear(LOST)
        await call.session.send_audio(SECOND)
        assert len(provider.sessions[1].audio) == 1_500 * 8 + 8_000
        call.take()
        await call.hear(CallerSpeechStarted("n", 10), CallerSpeechStopped("n", 2_000))
        assert call.take() == [CallerSpeechStopped("b", 3_500)]

    run(scene, provider)


@pytest.mark.parametrize("is_over", [True, False])
def test_a_turn_that_is_not_found_again_is_asked_for(is_over):
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.send_audio(SECOND)
        await call.hear(CallerSpeechStarted("b", 0))
        if is_over:
            await call.hear(CallerSpeechStopped("b", 900))
        call.take()
        await call.hear(LOST)
        call.take()
        await call.listen(fallback.REPEAT_S + 1)
        stopped = [] if is_over else [CallerSpeechStopped("b", 1_000)]
        assert call.take() == [*stopped, CallerTranscript("b", None)]
        assert provider.sessions[1].said == [LOST_WORDS]

    run(scene, provider)


def test_the_result_of_a_function_of_the_lost_conversation_is_told_in_words():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.hear(ToolCall("c", "look_up", "{}"))
        call.take()
        await call.hear(LOST)
        assert AgentTurnDone() not in call.take()
        await call.session.send_tool_result("c", '{"x":1}')
        new = provider.sessions[1]
        assert isinstance(new.memories[-1], Used)
        assert new.notes == [("system", 'The function look_up has returned: {"x":1}', True)]
        await call.session.send_tool_result("unknown", "{}")
        assert len(new.notes) == 1 and new.results == []

    run(scene, provider)


def test_a_result_that_comes_in_the_gap_is_remembered_and_answered():
    provider = Provider(None, LOST)

    async def scene(call: Call) -> None:
        await call.hear(ToolCall("c", "look_up", "{}"))
        provider.sessions[0].yields(LOST)
        await call.listen(0.1)
        assert len(provider.sessions) == 1
        await call.session.send_tool_result("c", '{"x":1}')
        await call.session.send_audio(SECOND)
        await call.session.interrupt([])
        await call.session.abandon_calls()
        await call.listen(2.0)
        new = provider.sessions[1]
        assert new.memories[-1] == Used("call_m0", "look_up", "{}", '{"x":1}')
        assert (new.said, len(new.audio)) == ([ANSWER], 8_000)

    run(scene, provider)


def test_a_bot_that_was_to_take_over_does_so_in_the_new_conversation():
    provider = Provider()
    other = replace(PLAIN_BOT, bot_id="other")

    async def scene(call: Call) -> None:
        await call.session.change_bot(other)
        await call.hear(AgentAudio("a", b"x"), LOST)
        assert BotChanged("other") in call.take()
        assert provider.bots == [PLAIN_BOT, other]
        await call.session.change_bot(PLAIN_BOT)
        await call.hear(BotChanged("default", was_refused=True), AgentAudio("b", b"x"), LOST)
        assert provider.bots[-1] is other

    run(scene, provider)


def test_what_was_heard_of_an_answer_before_the_loss_is_told_afterwards():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.hear(
            AgentTranscript("a", "one two three four", True), AgentAudio("a", SECOND * 4)
        )
        await call.hear(AgentAudioDone("a"), AgentTurnDone(), LOST)
        await call.hear(AgentAudio("a2", SECOND))
        await call.session.interrupt(
            [HeardItem("a", 2_000, 4_000, True, 0.0, 2.0), HeardItem("2.a2", 0, 1, False, None, 0)]
        )
        new = provider.sessions[1]
        assert [item.item_id for item in new.interruptions[0]] == ["a2"]
        ((speaker, text, wants_reply),) = new.notes
        assert (speaker, "«one two …»" in text, wants_reply) == ("system", True, False)

    run(scene, provider)


def test_a_line_paused_for_secrecy_is_not_heard_again():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.send_audio(SECOND)
        await call.hear(CallerSpeechStarted("b", 0))
        await call.session.forget_caller()
        await call.hear(LOST)
        assert not provider.sessions[1].audio
        assert provider.sessions[1].memories == [Said("system", RESTORED)]

    run(scene, provider)


def test_the_next_provider_takes_over_when_the_first_stays_lost():
    first, second = Provider(None, LOST, LOST, LOST, LOST), Provider()

    async def scene(call: Call) -> None:
        began = asyncio.get_running_loop().time()
        await call.hear(AgentAudio("a", b"x"), AgentAudioDone("a"), AgentTurnDone(), LOST)
        await call.listen(4.0)
        assert second.tried_at[0] - began == pytest.approx(2.0, abs=0.3)
        assert ready("p1", "closed_1011") in call.take()
        await call.hear(AgentAudio("b", b"y"), of=second)
        assert call.take() == [AgentAudio("2.b", b"y")]

    run(scene, first, second)


def test_what_fails_for_good_leads_to_the_next_provider_at_once():
    first, second = Provider(FATAL), Provider()

    async def scene(call: Call) -> None:
        await call.listen()
        assert call.take() == [ready("p1", "http_401")]
        assert len(first.tried_at) == 1 and second.tried_at == first.tried_at

    run(scene, first, second)


def test_a_provider_that_hangs_makes_way():
    first, second = Provider(takes_s=60.0), Provider()

    async def scene(call: Call) -> None:
        assert second.tried_at == [2.5]
        await call.listen()
        assert call.take() == [ready("p1", "connect_timeout")]

    run(scene, first, second)


def test_without_a_provider_the_conversation_fails_with_its_last_reason():
    async def scene(call: Call) -> None:
        raise AssertionError("it should not have come about")

    with pytest.raises(SpeechError, match="http_401"):
        run(scene, Provider(LOST, LOST, LOST, LOST), Provider(FATAL))


def test_a_conversation_that_is_lost_again_and_again_ends():
    provider = Provider()

    async def scene(call: Call) -> None:
        with pytest.raises(SpeechError):
            for _ in range(20):
                provider.sessions[-1].yields(LOST)
                await call.listen(3.0)
        assert len(provider.sessions) <= 5

    run(scene, provider)


def test_a_conversation_is_renewed_before_its_time_is_up_when_nobody_speaks():
    provider = Provider(takes_s=0.3)

    async def scene(call: Call) -> None:
        await caller_turn(call, "b", "Hi.")
        await call.listen(100)
        assert len(provider.sessions) == 2  # ready, but the caller waits for an answer
        assert not provider.sessions[0].is_closed
        await call.hear(AgentAudio("a", SECOND * 3), AgentAudioDone("a"), AgentTurnDone(), of=None)
        call.take()

    async def scene_of_two(call: Call) -> None:
        await caller_turn(call, "b", "Hi.")
        await call.listen(100)
        first, second = provider.sessions
        first.yields(AgentAudio("a", SECOND * 3), AgentAudioDone("a"), AgentTurnDone())
        await call.listen(3.9)
        assert not first.is_closed  # the answer is still being heard
        call.take()
        await call.listen(2.0)
        assert first.is_closed
        assert call.take() == [ready(), AgentTurnDone()]
        assert second.memories[1:] == [Said("caller", "Hi.")]
        await call.hear(AgentAudio("z", b"y"))
        assert call.take() == [AgentAudio("2.z", b"y")]

    run(scene, provider, renew_after_s=60)
    provider = Provider(takes_s=0.3)
    run(scene_of_two, provider, renew_after_s=60)


def test_another_model_takes_over_when_nobody_speaks():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.hear(AgentAudio("a", SECOND), AgentAudioDone("a"))
        await call.session.use_model("mini")
        await call.listen(3.0)
        assert call.take()[-1] == AgentAudioDone("a")  # the turn is not over
        provider.sessions[0].yields(AgentTurnDone())
        await call.listen(4.0)
        assert call.take() == [AgentTurnDone(), ready(), AgentTurnDone()]
        assert [bot.model for bot in provider.bots] == ["", "mini"]

    run(scene, provider, renew_after_s=3_000)


def test_a_provider_with_one_model_keeps_it():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.use_model("mini")
        await call.listen(5.0)
        assert len(provider.sessions) == 1

    run(scene, provider)


def test_a_renewal_that_fails_is_tried_again():
    provider = Provider(None, LOST)

    async def scene(call: Call) -> None:
        await call.listen(130)
        first, second, *_ = provider.sessions
        assert first.is_closed and not second.is_closed
        assert provider.tried_at[1:3] == [60.0, pytest.approx(120.5, abs=1)]

    run(scene, provider, renew_after_s=60)


def test_a_conversation_made_ready_serves_when_the_old_one_is_lost_first():
    provider = Provider()

    async def scene(call: Call) -> None:
        await call.session.say("Greet.")
        await call.listen(61)
        assert len(provider.sessions) == 2
        provider.sessions[0].yields(LOST)
        await call.listen()
        assert len(provider.sessions) == 2
        assert provider.sessions[1].said == ["Greet."]

    run(scene, provider, renew_after_s=60)


def test_a_conversation_may_be_left_while_it_is_being_restored():
    provider = Provider(None, takes_s=1.0)

    async def scene(call: Call) -> None:
        await call.session.say("Greet.")
        provider.sessions[0].yields(LOST)
        await call.listen(0.5)  # cancelled in the middle of connecting
        await call.listen(2.0)
        assert ready(after="closed_1011") in call.take()
        assert provider.sessions[-1].said == ["Greet."]

    run(scene, provider)


def test_a_silence_is_acted_upon_here_and_then_elsewhere():
    first, second = Provider(), Provider()

    async def scene(call: Call) -> None:
        await call.session.say("Greet.")
        await call.session.revive(elsewhere=False)
        await call.session.revive(elsewhere=True)
        assert first.sessions[0].deeds[-3:] == ["say", "ask", "leave"]
        await call.hear(SpeechError("model_silent", retryable=True))
        assert second.sessions[0].said == ["Greet."]
        await call.session.revive(elsewhere=True)  # there is none after it
        await call.hear(SpeechError("model_silent", retryable=True), of=second)
        assert second.sessions[1].said == ["Greet."]

    run(scene, first, second)


def test_a_bot_that_is_refused_keeps_no_other_bot_from_a_provider():
    refused = SpeechError("session_refused", retryable=False)
    first, second = Provider(refused, None), Provider()

    async def play() -> None:
        chain = FallbackProvider([Link("p0", first), Link("p1", second)])
        spoiled = await chain.connect(PLAIN_BOT)
        assert chain.states() == {"p0": "closed", "p1": "closed"}
        welcome = await chain.connect(replace(PLAIN_BOT, bot_id="another"))
        for session in (spoiled, welcome):
            await session.aclose()
        await chain.aclose()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(play())
    assert (len(first.sessions), len(second.sessions)) == (1, 1)
