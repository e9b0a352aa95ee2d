import msgspec
import pytest

from scripts.reporting.call_page import MAX_TURN_CHARS, MAX_TURNS, call_body, title_of
from scripts.reporting.calls import Call
from service.call_events import AnswerLatency, BargeIn, ToolUse
from tests.reporting.reader import read
from tests.reporting.scene import a_call
from tests.reporting.test_markup import ATTACKS
from tests.reporting.test_timeline import turn, with_turns


def test_heard_and_never_heard_words_are_told_apart():
    said = msgspec.structs.replace(
        turn(2, 0, 1_000, interrupted=True),
        text="Your card is",
        text_generated="Your card is on its way.",
    )

    body = call_body(with_turns(a_call(0), (said,)))

    assert '<span>Your card is</span> <del title="never heard">' in body
    assert "never heard: </span>on its way.</del>" in body
    assert "interrupted</span>" in body


def test_words_that_were_said_otherwise_than_meant_are_both_shown():
    said = msgspec.structs.replace(turn(2, 0, 1), text="Your kart", text_generated="Your card.")

    text = read(call_body(with_turns(a_call(0), (said,)))).text

    assert "Your kart" in text
    assert "meant to say" in text
    assert "Your card." in text


def test_silence_of_each_side_is_told():
    agent = msgspec.structs.replace(turn(2, 0, 1), text="", text_generated="Never.")
    caller = msgspec.structs.replace(turn(1, 0, 1), text="", recognised=False)

    text = read(call_body(with_turns(a_call(0), (caller, agent)))).text

    assert "(nothing was heard)" in text
    assert "(no words)" in text
    assert "not recognised" in text


def test_bars_of_a_wait_are_its_parts():
    answer = AnswerLatency(at_ms=8_000, leaving_ms=800, audible_ms=None, endpointing_ms=400,
                           model_ms=200, tools_ms=100, pacing_ms=60, own_ms=40)  # fmt: skip
    other = msgspec.structs.replace(answer, at_ms=9_000, leaving_ms=1_600)

    drawn = read(call_body(a_call(0, answers=(answer, other), answer_latency_ms=(800, 1_600))))

    parts = ("endpointing", "model", "tools", "pacing", "own")
    widths = {
        rect["class"]: rect["width"]
        for rect in reversed(drawn.of("rect"))
        if rect["class"] in parts and "%" in rect["width"]
    }
    assert widths == {
        "endpointing": "25%", "model": "12.5%", "tools": "6.25%", "pacing": "3.75%", "own": "2.5%",
    }  # fmt: skip
    assert "1.60 s" in drawn.text


def test_waits_without_parts_are_bars_too():
    drawn = read(call_body(a_call(0, answers=(), answer_latency_ms=(500, 1_000))))

    widths = [rect["width"] for rect in drawn.of("rect") if rect["class"] == "value"]
    assert widths == ["50%", "100%"]


def test_every_fact_of_the_end_is_on_the_page():
    barge_in = BargeIn(at_ms=61_000, stop_ms=183, silent_ms=291)
    tool = ToolUse(name="look_up_balance", at_ms=5_000, outcome="timeout", duration_ms=1_234)

    text = read(call_body(a_call(2, barge_ins=(barge_in,), tools=(tool,)))).text

    for fact in (
        "183 ms", "291 ms", "look_up_balance", "timeout", "1.23 s", "tel:+15555550100", "en-US",
        "client_429", "bank → cards", "handed over", "the caller goes on to a person",
    ):  # fmt: skip
        assert fact in text, fact
    ended = a_call(2).ended
    for name, value in ended.output_variables.items():
        assert name in text
        assert value in text


def test_a_call_of_which_nothing_is_known_has_a_page():
    call = a_call(
        0,
        answers=(), answer_latency_ms=(), barge_ins=(), tools=(), tokens=None, cost=None,
        setup=None, output_variables={}, errors=(), bot_ids=(), duration_ms=0,
    )  # fmt: skip

    text = read(call_body(call)).text

    assert "The caller was never answered." in text
    assert "Nobody said anything." in text


def test_turns_that_never_came_are_counted():
    call = a_call(4)

    text = read(call_body(with_turns(call, call.turns[1:]))).text

    assert "1 turn never came." in text


def test_a_page_is_bounded_whatever_was_said():
    text = "x" * 6_000
    turns = tuple(
        msgspec.structs.replace(
            turn(seq, seq * 10, seq * 10 + 9), text=text, text_generated=text * 2
        )
        for seq in range(1, MAX_TURNS + 101)
    )

    body = call_body(with_turns(a_call(0), turns))

    assert "100 more turns are left out here." in body
    assert "1,000 more characters" in body
    assert MAX_TURNS * MAX_TURN_CHARS < len(body) < 2.5 * MAX_TURNS * MAX_TURN_CHARS
    drawn = read(body)
    assert {a["href"][1:] for a in drawn.of("a")} <= set(drawn.values("id"))


def test_links_lead_to_turns_on_the_page():
    drawn = read(call_body(a_call(6), prefix="c7", back="#top"))

    targets = {a["href"][1:] for a in drawn.of("a")} - {"top"}
    assert targets == {f"c7t{seq}" for seq in range(1, 7)}
    assert targets <= set(drawn.values("id"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_was_said_or_given_becomes_a_tag(attack: str):
    said = msgspec.structs.replace(turn(2, 0, 1), text=attack, text_generated=f"{attack} {attack}")
    tool = ToolUse(name=attack, at_ms=1, outcome=attack)
    call = a_call(
        0,
        tools=(tool,), output_variables={attack: attack}, errors=(attack,), bot_ids=(attack,),
        session_id=attack, conversation_id=attack, model=attack,
    )  # fmt: skip
    call = Call(ended=call.ended, turns=(said,), dnis=attack, language=attack, folder=call.folder)

    drawn = read(call_body(call))

    assert {tag for tag, _ in drawn.tags} <= {
        "a", "br", "dd", "del", "div", "dl", "dt", "em", "g", "h1", "h2", "header", "li", "line",
        "ol", "p", "rect", "section", "small", "span", "strong", "svg", "table", "tbody", "td",
        "text", "th", "thead", "title", "tr", "ul",
    }  # fmt: skip
    assert not [name for _, each in drawn.tags for name in each if name.startswith("on")]
    assert drawn.text.count(attack) >= 12


def test_the_sound_is_offered_where_there_is_some():
    drawn = read(call_body(a_call(), recording="call.wav"))

    assert drawn.of("audio")[0]["src"] == "call.wav"
    assert read(call_body(a_call())).of("audio") == []


def test_title():
    assert title_of(a_call()) == "Call of 2026-11-22 09:30:15 UTC"
