import msgspec

from scripts.reporting.calls import Call
from scripts.reporting.timeline import MAX_ROWS, spoken_of, timeline
from service.call_events import AnswerLatency, ToolUse, TurnData
from tests.reporting.reader import Reader, read
from tests.reporting.scene import a_call


def turn(seq: int, start_ms: int, end_ms: int, *, interrupted: bool = False) -> TurnData:
    return TurnData(
        turn_id=f"turn/{seq}",
        seq=seq,
        speaker="caller" if seq % 2 else "agent",
        start_ms=start_ms,
        end_ms=end_ms,
        text="hello",
        heard_ms=end_ms - start_ms,
        interrupted=interrupted,
        item_id="item",
    )


def call_of(*turns: TurnData, duration_ms: int = 15_000, tools: tuple[ToolUse, ...] = (),
            answers: tuple[AnswerLatency, ...] = ()) -> Call:  # fmt: skip
    return with_turns(a_call(0, duration_ms=duration_ms, tools=tools, answers=answers), turns)


def with_turns(call: Call, turns: tuple[TurnData, ...]) -> Call:
    return Call(
        ended=call.ended, turns=turns, dnis=call.dnis, language=call.language, folder=call.folder
    )


def bars(drawn: Reader, kind: str) -> list[tuple[float, float]]:
    return [
        (float(rect["x"][:-1]), float(rect["width"][:-1]))
        for rect in drawn.of("rect")
        if rect.get("class") == kind and "x" in rect
    ]


def test_turns_lie_where_they_were_said():
    drawn = read(timeline(call_of(turn(1, 3_000, 6_000), turn(2, 6_000, 15_000)), "c"))

    assert bars(drawn, "turn caller") == [(20, 20)]
    assert bars(drawn, "turn agent") == [(40, 60)]
    assert [a["href"] for a in drawn.of("a")] == ["#ct1", "#ct2"]


def test_a_turn_that_goes_on_in_the_next_row_is_in_both():
    drawn = read(timeline(call_of(turn(1, 14_000, 16_500), duration_ms=30_000), ""))

    assert [bar[1] for bar in bars(drawn, "turn caller")] == [6.667, 10]
    assert len(drawn.of("svg")) == 2 + 2  # two rows, two entries of the legend


def test_an_interruption_a_wait_and_a_function_are_drawn_at_their_time():
    wait = AnswerLatency(at_ms=1_500, leaving_ms=600, audible_ms=750, endpointing_ms=500,
                         model_ms=100, tools_ms=0, pacing_ms=0, own_ms=0)  # fmt: skip
    drawn = read(
        timeline(
            call_of(
                turn(2, 3_000, 7_500, interrupted=True),
                tools=(ToolUse(name="look_up", at_ms=3_000, outcome="ok", duration_ms=150),),
                answers=(wait,),
            ),
            "",
        )
    )

    [cut] = [line for line in drawn.of("line") if line["class"] == "cut"]
    assert float(cut["x1"][:-1]) == 50
    assert bars(drawn, "wait") == [(10, 5)]
    assert bars(drawn, "tools use") == [(20, 1)]
    assert "0:03 look_up: ok" in drawn.text
    assert "the caller waited 750 ms" in drawn.text


def test_what_comes_after_the_call_is_shaded():
    drawn = read(timeline(call_of(turn(1, 0, 1_000), duration_ms=3_000), ""))

    assert bars(drawn, "after") == [(20, 80)]


def test_an_endless_call_has_a_bounded_number_of_rows():
    for duration_ms in (0, 1, 14 * 60_000, 10**10):
        drawn = read(timeline(call_of(duration_ms=duration_ms), ""))

        rows = [svg for svg in drawn.of("svg") if svg.get("class") == "row"]
        assert 1 <= len(rows) <= MAX_ROWS + 1


def test_times_that_make_no_sense_break_nothing():
    drawn = read(timeline(call_of(turn(1, 9_000, 2_000), turn(2, -500, 100)), ""))

    assert all(float(rect["width"][:-1]) >= 0 for rect in drawn.of("rect") if "x" in rect)


def test_rows_and_turns_have_names_for_those_who_do_not_see_them():
    drawn = read(timeline(call_of(turn(1, 3_000, 6_000)), ""))

    assert [svg["aria-label"] for svg in drawn.of("svg") if svg.get("class") == "row"] == [
        "from 0:00 to 0:15"
    ]
    assert drawn.of("a")[0]["aria-label"] == "caller, 0:03"


def test_time_spoken_is_time_heard():
    turns = (turn(1, 0, 1_000), msgspec.structs.replace(turn(2, 1_000, 5_000), heard_ms=2_500))

    assert (spoken_of(turns, "caller"), spoken_of(turns, "agent")) == (1_000, 2_500)
