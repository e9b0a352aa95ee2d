from service.audio.playout import HeardItem
from service.speech.cascade_history import MAX_CHARS, History
from service.speech.cascade_parts import FunctionCall, FunctionResult, Message


def heard(item_id: str, heard_ms: int, received_ms: int, *, is_complete: bool = True) -> HeardItem:
    return HeardItem(item_id, heard_ms, received_ms, is_complete, 0.0, 1.0)


def told(history: History) -> list[tuple[str, str]]:
    return [(it.role, it.text) for it in history.messages("Be kind.")[1:]]


def test_standing_orders_come_first_with_what_a_voice_needs():
    (orders,) = History().messages("Be kind.")

    assert orders.role == "system"
    assert orders.text.startswith("Be kind.\n\nYou are on the phone")


def test_an_agents_message_grows_by_sentences():
    history = History()
    history.say("agent_1", "Hello.")
    history.add("user", "Hi")
    history.say("agent_1", "How are you?")

    assert told(history) == [("assistant", "Hello. How are you?"), ("user", "Hi")]


def test_what_was_not_heard_is_cut_at_a_word():
    history = History()
    history.say("agent_1", "one two three four five")
    history.cut(heard("agent_1", 1_000, 2_000))

    assert told(history) == [("assistant", "one two …")]


def test_words_whose_sound_had_not_come_yet_were_not_heard():
    history = History()
    history.say("agent_1", "a" * 9 + " " + "b" * 89)  # 99 characters: 6.4 s at the usual pace
    history.cut(heard("agent_1", 1_000, 1_000, is_complete=False))

    assert told(history) == [("assistant", "a" * 9 + " …")]


def test_a_message_of_which_nothing_was_heard_is_gone():
    history = History()
    history.say("agent_1", "Hello.")
    history.cut(heard("agent_1", 0, 2_000))
    history.say("agent_2", "Bye.")
    history.forget("agent_2")

    assert told(history) == []


def test_what_was_heard_in_full_stays():
    history = History()
    history.say("agent_1", "Hello.")
    history.cut(heard("agent_1", 500, 500))

    assert told(history) == [("assistant", "Hello.")]


def test_a_call_has_a_result_right_behind_it_however_late_it_comes():
    history = History()
    call = FunctionCall("c1", "look_up", "{}")
    history.say("agent_1", "One moment.")
    history.call("agent_1", [call])
    history.add("user", "Are you there?")

    (waiting,) = [it for it in history.messages("") if it.calls]
    history.answer("c1", '{"found":1}')
    history.answer("c2", "unknown")
    (answered,) = [it for it in history.messages("") if it.calls]

    running = FunctionResult("c1", '{"status":"still running"}')
    assert waiting == Message("assistant", "One moment.", (call,), (running,))
    assert answered.results == (FunctionResult("c1", '{"found":1}'),)


def test_a_call_stays_when_its_words_were_not_heard():
    history = History()
    history.say("agent_1", "One moment.")
    history.call("agent_1", [FunctionCall("c1", "look_up", "{}")])
    history.cut(heard("agent_1", 0, 700))

    assert told(history) == [("assistant", "")]


def test_what_is_oldest_is_forgotten_beyond_the_bound():
    history = History()
    for number in range(14):
        history.add("user", str(number % 10) * 10_000)

    texts = [text for _, text in told(history)]

    assert sum(map(len, texts)) <= MAX_CHARS
    assert texts[-1].startswith("3")
