"""The rules of a cascade, driven by hand: no part, no task, no time but that of the audio."""

from dataclasses import replace

import pytest

from service.audio.playout import HeardItem
from service.bots.port import McpServer
from service.speech.cascade_parts import ChatUsage, FunctionCall, Reply, Utterance
from service.speech.cascade_rules import CascadeRules
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    BotChanged,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    SpeechError,
    SpeechEvent,
    ToolCall,
    Usage,
)
from tests.plain_bot import PLAIN_BOT

SECOND = b"\x20\xa0" * 4_000
CLICK = SECOND[:1_600]
SILENCE = b"\xff" * 8_000
SOON = SpeechError("asr_http_503", retryable=True)


class Scene:
    """A conversation, and what came out of it since it was looked at last."""

    def __init__(self) -> None:
        self.rules = CascadeRules(PLAIN_BOT)

    def events(self) -> list[SpeechEvent]:
        events = list(self.rules.events)
        self.rules.events.clear()
        return events

    def reply(self) -> Reply:
        work = self.rules.work.popleft()
        assert isinstance(work, Reply)
        assert not self.rules.work
        return work

    def utterance(self) -> Utterance:
        work = self.rules.work.popleft()
        assert isinstance(work, Utterance)
        return work

    def turn(self, sound: bytes = SECOND) -> Utterance:
        """A whole turn of the caller."""
        self.rules.hear(sound + SILENCE)
        return self.utterance()

    def ask(self, words: str) -> Reply:
        """A turn that was understood."""
        self.rules.understood(self.turn(), words)
        return self.reply()

    def greet(self) -> Reply:
        """A greeting that goes on: its first sentence is heard."""
        self.rules.say("Greet.", may_use_tools=True)
        reply = self.reply()
        self.rules.will_say(reply.item_id, "Hello there.")
        self.rules.speak(reply.item_id, SECOND)
        self.events()
        return reply


def last_words(reply: Reply, count: int = 1) -> list[tuple[str, str]]:
    return [(it.role, it.text) for it in reply.messages[-count:]]


def kinds(events: list[SpeechEvent]) -> list[type]:
    return [type(event) for event in events if not isinstance(event, Usage)]


def test_a_greeting_is_asked_for_spoken_and_over():
    scene = Scene()
    scene.rules.say("Greet the caller.", may_use_tools=True)
    reply = scene.reply()
    scene.rules.will_say(reply.item_id, "Hello.")
    scene.rules.will_say(reply.item_id, "How can I help?")
    scene.rules.speak(reply.item_id, b"\x01")
    scene.rules.use(ChatUsage(100, 60, 10))
    scene.rules.finish(reply.item_id, ())

    assert last_words(reply) == [("system", "Greet the caller.")]
    assert (reply.tools, reply.voice) == (PLAIN_BOT.tools, PLAIN_BOT.voice)
    item = reply.item_id
    assert [event for event in scene.events() if not isinstance(event, Usage)] == [
        AgentTranscript(item, "Hello.", is_final=False),
        AgentTranscript(item, " How can I help?", is_final=False),
        AgentAudio(item, b"\x01"),
        AgentAudioDone(item),
        AgentTranscript(item, "Hello. How can I help?", is_final=True),
        AgentTurnDone(),
    ]


def test_a_turn_is_written_down_and_answered():
    scene = Scene()
    scene.rules.hear(SECOND)
    began = scene.events()
    scene.rules.hear(SILENCE)
    ended = scene.events()
    utterance = scene.utterance()
    scene.rules.understood(utterance, "What is open?")
    reply = scene.reply()

    item = utterance.item_id
    assert began == [CallerSpeechStarted(item, 0)]
    assert ended == [CallerSpeechStopped(item, 1_500)]
    assert scene.events() == [
        Usage({"cascade.asr.seconds": 1.3}),
        CallerTranscript(item, "What is open?"),
    ]
    assert last_words(reply) == [("user", "What is open?")]


def test_turns_that_come_close_together_are_answered_once_and_in_order():
    scene = Scene()
    first, second = scene.turn(), scene.turn()
    scene.rules.understood(second, "and tomorrow?")
    none_yet = list(scene.rules.work)
    scene.rules.understood(first, "Are you open today")
    reply = scene.reply()

    assert none_yet == []
    assert last_words(reply, 2) == [("user", "Are you open today"), ("user", "and tomorrow?")]


def test_nobody_is_answered_while_the_caller_speaks():
    scene = Scene()
    first = scene.turn()
    scene.rules.hear(SECOND)
    scene.rules.understood(first, "Hello")
    scene.rules.add_text("The caller pressed 1.", "caller", wants_reply=True)

    assert not scene.rules.work


def test_an_interruption_ends_the_reply_and_leaves_what_was_heard():
    scene = Scene()
    reply = scene.greet()
    scene.rules.hear(SECOND)
    scene.rules.interrupt([HeardItem(reply.item_id, 500, 1_000, False, 0.0, 0.5)])
    scene.rules.speak(reply.item_id, SECOND)
    scene.rules.will_say(reply.item_id, "Too late.")
    scene.rules.finish(reply.item_id, [FunctionCall("c", "end_call", "{}")])
    events = scene.events()
    scene.rules.hear(SILENCE)
    scene.rules.understood(scene.utterance(), "Stop")
    answer = scene.reply()

    assert scene.rules.alive == answer.item_id
    assert events == [
        CallerSpeechStarted("caller_2", 0),
        AgentTranscript(reply.item_id, "Hello there.", is_final=True),
    ]
    assert last_words(answer, 2) == [("assistant", "Hello …"), ("user", "Stop")]


def test_a_reply_that_made_no_sound_yet_was_never_there():
    scene = Scene()
    scene.rules.say("Greet.", may_use_tools=True)
    reply = scene.reply()
    scene.rules.will_say(reply.item_id, "Hello there.")
    answer = scene.ask("Hi")

    assert last_words(answer, 2) == [("system", "Greet."), ("user", "Hi")]


def test_a_key_ends_a_reply_and_what_it_means_is_answered():
    scene = Scene()
    reply = scene.greet()
    scene.rules.interrupt([HeardItem(reply.item_id, 1_000, 1_000, False, 0.0, 1.0)])
    scene.rules.add_text("The caller pressed 47#.", "caller", wants_reply=True)

    assert kinds(scene.events()) == [AgentTranscript, AgentTurnDone]
    assert last_words(scene.reply()) == [("user", "The caller pressed 47#.")]


def test_a_noise_that_interrupted_the_agent_lets_it_go_on():
    scene = Scene()
    scene.greet()
    scene.rules.understood(scene.turn(CLICK), "")

    assert CallerTranscript("caller_2", None) in scene.events()
    assert "noise" in scene.reply().messages[-1].text


def test_a_noise_over_what_is_left_of_a_reply_lets_it_go_on_too():
    scene = Scene()
    reply = scene.greet()
    scene.rules.finish(reply.item_id, ())
    scene.rules.hear(CLICK)
    scene.rules.interrupt([HeardItem(reply.item_id, 300, 1_000, True, 0.0, 0.3)])
    scene.rules.hear(SILENCE)
    scene.rules.understood(scene.utterance(), "")

    reply = scene.reply()
    assert "noise" in reply.messages[-1].text
    assert ("assistant", "") not in last_words(reply, 3)


def test_a_noise_in_silence_is_nothing():
    scene = Scene()
    scene.rules.understood(scene.turn(CLICK), "")

    assert not scene.rules.work
    assert kinds(scene.events())[-2:] == [CallerTranscript, AgentTurnDone]


def test_speech_without_words_is_asked_about():
    scene = Scene()
    scene.rules.understood(scene.turn(), "")

    assert "Ask to repeat" in scene.reply().messages[-1].text


def test_ears_that_fail_once_lead_to_a_question_and_twice_to_the_end():
    scene = Scene()
    scene.rules.not_understood(scene.turn(CLICK).item_id, SOON)
    question = scene.reply()
    scene.rules.finish(question.item_id, ())
    second = scene.turn()

    assert "Ask to repeat" in question.messages[-1].text
    with pytest.raises(SpeechError) as caught:
        scene.rules.not_understood(second.item_id, SOON)
    assert caught.value is SOON


def test_ears_that_work_in_between_are_not_given_up():
    scene = Scene()
    for _ in range(3):
        scene.rules.not_understood(scene.turn().item_id, SOON)
        scene.rules.finish(scene.reply().item_id, ())
        scene.rules.finish(scene.ask("Hello").item_id, ())

    assert kinds(scene.events())[-1] is AgentTurnDone


def test_ears_that_will_never_work_are_given_up_at_once():
    scene, never = Scene(), SpeechError("asr_http_401", retryable=False)

    with pytest.raises(SpeechError, match="asr_http_401"):
        scene.rules.not_understood(scene.turn().item_id, never)


def test_words_of_a_bot_that_keeps_none_are_for_the_mind_alone():
    scene = Scene()
    scene.rules.change_bot(replace(PLAIN_BOT, transcription_model=""))
    reply = scene.ask("My secret")

    assert last_words(reply) == [("user", "My secret")]
    assert not any(isinstance(event, CallerTranscript) for event in scene.events())


# Functions.


def call_two(scene: Scene) -> tuple[str, str]:
    """An answer that says something and calls two functions; their ids."""
    reply = scene.ask("Look it up")
    scene.rules.will_say(reply.item_id, "One moment.")
    scene.rules.speak(reply.item_id, SECOND)
    calls = [FunctionCall("a", "first", "{}"), FunctionCall("b", "second", "{}")]
    scene.rules.finish(reply.item_id, calls)
    found = [event for event in scene.events() if isinstance(event, ToolCall)]
    assert [(it.name, it.has_spoken) for it in found] == [("first", True), ("second", True)]
    return found[0].call_id, found[1].call_id


def test_the_mind_goes_on_when_all_its_calls_are_answered():
    scene = Scene()
    first, second = call_two(scene)
    scene.rules.add_tool_result(second, '"two"', "")
    scene.rules.add_tool_result(second, '"again"', "")
    before = list(scene.rules.work)
    scene.rules.add_tool_result(first, '"one"', "")
    reply = scene.reply()

    assert before == []
    assert scene.events() == []
    assert reply.tools == PLAIN_BOT.tools
    assert [it.output for it in reply.messages[-1].results] == ['"one"', '"two"']


def test_what_is_to_be_said_after_a_call_is_said_without_functions():
    scene = Scene()
    first, second = call_two(scene)
    scene.rules.add_tool_result(first, "1", "Say goodbye.")
    scene.rules.add_tool_result(second, "2", "")
    reply = scene.reply()

    assert last_words(reply) == [("system", "Say goodbye.")]
    assert reply.tools == ()


def test_a_word_of_comfort_is_spoken_while_a_function_works():
    scene = Scene()
    first, second = call_two(scene)
    scene.rules.say("Say that it takes long.", may_use_tools=False)
    comfort = scene.reply()
    scene.rules.add_tool_result(first, "1", "")
    scene.rules.add_tool_result(second, "2", "")
    waiting = list(scene.rules.work)
    scene.rules.finish(comfort.item_id, ())

    assert [it.results[0].output for it in comfort.messages if it.calls] == [
        '{"status":"still running"}'
    ]
    assert waiting == []
    assert [it.results[0].output for it in scene.reply().messages if it.calls] == ["1"]
    assert AgentTurnDone() not in scene.events()


def test_abandoned_calls_are_not_waited_for():
    scene = Scene()
    first, second = call_two(scene)
    scene.rules.abandon_calls(but=second)
    scene.rules.add_tool_result(first, "late", "Say so.")
    scene.rules.add_tool_result(second, "2", "Say goodbye.")
    reply = scene.reply()

    results = [it.results for it in reply.messages if it.calls][0]
    assert "ending" in results[0].output
    assert results[1].output == "2"
    assert last_words(reply) == [("system", "Say goodbye.")]


def test_all_calls_abandoned_end_the_agents_turn():
    scene = Scene()
    call_two(scene)
    scene.rules.abandon_calls(but="")

    assert scene.events() == [AgentTurnDone()]


# The bot and the line.


def test_another_bot_answers_next():
    scene = Scene()
    servers = (McpServer(label="x", url="https://x", allowed_tools=("y",)),)
    other = replace(PLAIN_BOT, bot_id="other", instructions="Be brief.", voice="ash", tools=())
    scene.rules.change_bot(other)
    scene.rules.change_bot(replace(other, mcp_servers=servers))
    reply = scene.ask("Hello")

    changes = [event for event in scene.events() if isinstance(event, BotChanged)]
    assert changes == [BotChanged("other"), BotChanged("other", was_reduced=True)]
    assert reply.messages[0].text.startswith("Be brief.")
    assert (reply.voice, reply.tools) == ("ash", ())


def test_a_turn_that_is_forgotten_is_neither_written_down_nor_waited_for():
    scene = Scene()
    scene.rules.hear(SECOND)
    scene.rules.add_text("A fact.", "system", wants_reply=True)
    scene.rules.forget_caller()
    scene.rules.hear(SILENCE)

    assert last_words(scene.reply()) == [("system", "A fact.")]


def test_facts_are_told_without_an_answer():
    scene = Scene()
    scene.rules.add_text("The caller is Mr Smith.", "system", wants_reply=False)
    scene.rules.add_text("Welcome to the bank.", "agent", wants_reply=False)

    assert not scene.rules.work
    assert last_words(scene.ask("Hi"), 3) == [
        ("system", "The caller is Mr Smith."),
        ("assistant", "Welcome to the bank."),
        ("user", "Hi"),
    ]


def test_an_instruction_waits_for_the_reply_that_is_alive():
    scene = Scene()
    reply = scene.greet()
    scene.rules.say("Say goodbye.", may_use_tools=False)
    scene.rules.say("And thank them.", may_use_tools=True)
    waiting = list(scene.rules.work)
    scene.rules.finish(reply.item_id, ())
    farewell = scene.reply()

    assert waiting == []
    assert last_words(farewell, 2) == [("system", "Say goodbye."), ("system", "And thank them.")]
    assert farewell.tools == ()
    assert AgentTurnDone() not in scene.events()
