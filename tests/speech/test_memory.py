from service.audio.playout import HeardItem
from service.speech.memory import MAX_CHARS, MAX_KEPT, MOST, UNCLEAR, Memory
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    CallerSpeechStarted,
    CallerTranscript,
    Said,
    ToolCall,
    Used,
)


def says(memory: Memory, item_id: str, text: str, ms: int, *, is_done: bool = True) -> None:
    memory.take(AgentTranscript(item_id, text, is_final=is_done))
    memory.take(AgentAudio(item_id, bytes(ms * 8)))
    if is_done:
        memory.take(AgentAudioDone(item_id))


def hears(memory: Memory, item_id: str, text: str | None) -> None:
    memory.take(CallerSpeechStarted(item_id, 0))
    memory.take(CallerTranscript(item_id, text))


def test_turns_and_facts_come_back_in_order():
    memory = Memory()
    memory.add_text("The caller's name is Ada.", "system")
    says(memory, "a", "Hello.", 800)
    hears(memory, "b", "Where is my order?")
    memory.add_text("one moment", "agent")
    assert memory.give_back() == [
        Said("system", "The caller's name is Ada."),
        Said("agent", "Hello."),
        Said("caller", "Where is my order?"),
        Said("agent", "one moment"),
    ]


def test_words_come_back_as_far_as_they_were_heard():
    memory = Memory()
    says(memory, "a", "one two three four", 4_000)
    memory.cut([HeardItem("a", 2_000, 4_000, True, 0.0, 2.0)])
    assert memory.give_back() == [Said("agent", "one two …")]


def test_an_answer_of_which_nothing_was_heard_does_not_come_back():
    memory = Memory()
    says(memory, "a", "one two", 4_000)
    memory.cut([HeardItem("a", 0, 4_000, True, None, None)])
    assert memory.give_back() == []


def test_of_an_answer_that_was_broken_off_come_back_the_words_that_have_sound():
    memory = Memory()
    says(memory, "a", "one two three four five six", 800, is_done=False)
    assert memory.give_back() == [Said("agent", "one two …")]


def test_a_function_comes_back_with_its_result_under_a_short_id():
    memory = Memory()
    memory.take(ToolCall("call_" + "x" * 60, "look_up", '{"id":1}'))
    memory.add_result("call_" + "x" * 60, '{"ok":true}')
    memory.take(ToolCall("other", "slow", "{}"))
    first, second = memory.give_back()
    assert first == Used("call_m0", "look_up", '{"id":1}', '{"ok":true}')
    assert isinstance(second, Used) and "interrupted" in second.output


def test_a_turn_that_nobody_understood_is_said_to_be_unclear():
    memory = Memory()
    hears(memory, "b", None)
    assert memory.give_back() == [Said("caller", UNCLEAR)]
    assert not memory.has_words_of("b")
    assert memory.give_back(but="b") == []


def test_only_the_latest_come_back_and_all_facts():
    memory = Memory()
    memory.add_text("fact", "system")
    for number in range(MOST * 2):
        hears(memory, f"c{number}", f"words {number}")
    back = memory.give_back()
    assert back[0] == Said("system", "fact")
    assert back[1:] == [Said("caller", f"words {n}") for n in range(MOST, MOST * 2)]


def test_what_comes_back_is_bounded():
    memory = Memory()
    for number in range(10):
        hears(memory, f"c{number}", "x" * 5_000)
    sizes = [len(memory.text) for memory in memory.give_back() if isinstance(memory, Said)]
    assert 0 < sum(sizes) <= MAX_CHARS


def test_the_memory_itself_is_bounded():
    memory = Memory()
    for number in range(5_000):
        hears(memory, f"c{number}", "x")
    assert len(memory.give_back()) == MOST


def test_facts_outlive_long_and_large_calls():
    for things in (450, 10):
        memory = Memory()
        memory.add_text("FACT", "system")
        for number in range(things):
            memory.take(ToolCall(f"c{number}", "look_up", "{}"))
            memory.add_result(f"c{number}", "x" * (5_000 if things == 10 else 5))
        assert memory.give_back()[0] == Said("system", "FACT")


def test_facts_are_bounded_too():
    memory = Memory()
    for number in range(MAX_KEPT + 50):
        memory.add_text(f"{number:04}" + "x" * 996, "system")
    given = memory.give_back()
    assert sum(len(it.text) for it in given if isinstance(it, Said)) <= MAX_CHARS
    assert given[-1] == Said("system", f"{MAX_KEPT + 49:04}" + "x" * 996)
