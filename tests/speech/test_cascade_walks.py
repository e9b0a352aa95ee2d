"""The rules of a cascade on random walks: whatever happens when, the call is told the truth."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.emulators.speech_http import items_of
from service.audio.playout import HeardItem
from service.speech.cascade_parts import FunctionCall, Reply, Utterance
from service.speech.cascade_rules import CascadeRules
from service.speech.llm import request
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    CallerSpeechStarted,
    SpeechEvent,
    ToolCall,
)
from tests.plain_bot import PLAIN_BOT

LOUD, SILENCE = b"\x20\xa0" * 1_600, b"\xff" * 6_400
STEPS = (
    "loud", "quiet", "heard", "wordless", "sentence", "sound", "finish", "call", "result", "say",
    "text", "abandon", "forget", "interrupt",
)  # fmt: skip


class Walk:
    """Drives the rules, and keeps what is open by the events alone."""

    def __init__(self) -> None:
        self.rules = CascadeRules(PLAIN_BOT)
        self.log: list[SpeechEvent] = []
        self.replies: list[Reply] = []
        self.utterances: list[Utterance] = []
        self.calls: list[str] = []

    def take(self, step: str) -> None:
        getattr(self, f"do_{step}")()
        self.collect()

    def collect(self) -> None:
        while self.rules.work:
            work = self.rules.work.popleft()
            (self.utterances if isinstance(work, Utterance) else self.replies).append(work)  # type: ignore[arg-type]
            if isinstance(work, Reply):
                items_of(request("m", work.messages, ())["messages"])  # raises on a lost result
        while self.rules.events:
            event = self.rules.events.popleft()
            self.log.append(event)
            if isinstance(event, ToolCall):
                self.calls.append(event.call_id)
            if isinstance(event, AgentTurnDone):
                assert not (self.rules.alive or self.utterances or self.calls)

    @property
    def alive(self) -> str:
        return self.replies[-1].item_id if self.replies else "none"

    def do_loud(self) -> None:
        self.rules.hear(LOUD)

    def do_quiet(self) -> None:
        self.rules.hear(SILENCE)

    def do_heard(self) -> None:
        if self.utterances:
            self.rules.understood(self.utterances.pop(0), "words")

    def do_wordless(self) -> None:
        if self.utterances:
            self.rules.understood(self.utterances.pop(), "")

    def do_sentence(self) -> None:
        self.rules.will_say(self.alive, "One two three.")

    def do_sound(self) -> None:
        self.rules.speak(self.alive, LOUD)

    def do_finish(self) -> None:
        self.rules.finish(self.alive, ())

    def do_call(self) -> None:
        self.rules.finish(self.alive, [FunctionCall("c", "look_up", "{}")] * 2)

    def do_result(self) -> None:
        if self.calls:
            self.rules.add_tool_result(self.calls.pop(0), "1", "")

    def do_say(self) -> None:
        self.rules.say("Say so.", may_use_tools=False)

    def do_text(self) -> None:
        self.rules.add_text("A key.", "caller", wants_reply=True)

    def do_abandon(self) -> None:
        self.calls = self.calls[:1]
        self.rules.abandon_calls("".join(self.calls))

    def do_forget(self) -> None:
        self.rules.forget_caller()

    def do_interrupt(self) -> None:
        self.rules.interrupt([HeardItem(self.alive, 200, 400, False, 0.0, 0.2)])

    def settle(self) -> None:
        """Let everything that is open come to its end."""
        self.take("quiet")
        for _ in range(100):
            for step in ("heard", "finish", "result"):
                self.take(step)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_whatever_happens_the_call_is_told_the_truth(steps: list[str]):
    walk = Walk()
    for step in steps:
        walk.take(step)
    walk.settle()

    assert not (walk.rules.alive or walk.utterances or walk.calls)
    dones = [at for at, event in enumerate(walk.log) if isinstance(event, AgentTurnDone)]
    acts = [
        at
        for at, event in enumerate(walk.log)
        if isinstance(event, AgentAudio | AgentAudioDone | AgentTranscript | CallerSpeechStarted)
    ]
    assert not acts or acts[-1] < dones[-1]  # nothing came after the last word
    spoken = {it.item_id for it in walk.log if isinstance(it, AgentTranscript)}
    final = Counter(
        it.item_id for it in walk.log if isinstance(it, AgentTranscript) and it.is_final
    )
    assert final == dict.fromkeys(spoken, 1)
    assert len({id(it) for it in walk.replies}) == len({it.item_id for it in walk.replies})
