"""The timeline of a call: who spoke when, in rows of equal length, as a page of a book is read.

A row is a drawing as in `plots`: per cent across, pixels down. Times are ms since `open`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.reporting import words
from scripts.reporting.calls import Call
from scripts.reporting.markup import Markup, el, join
from scripts.reporting.plots import legend
from service.call_events import TurnData

ROW_LENGTHS_MS = (15_000, 30_000, 60_000)
MAX_ROWS = 30
"""A call of the longest usual length (15 minutes) has 15 rows; a longer one gets longer rows."""

MAX_TITLE_CHARS = 200
"""Of a turn, shown when the pointer is over it."""

_LANES = {"caller": 4, "agent": 26}
_LANE_HEIGHT = 16
_TOOLS_Y = 48
_HEIGHT = {False: 64, True: 78}
"""Of a row in pixels, without and with a lane for functions; the labels of times are in it."""


@dataclass(frozen=True, slots=True)
class _Row:
    start_ms: int
    length_ms: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.length_ms

    def cut(self, start_ms: int, end_ms: int) -> tuple[str, str] | None:
        """Return place and width of what of a time lies in the row."""
        first, last = max(start_ms, self.start_ms), min(end_ms, self.end_ms)
        if first >= last and not (start_ms == end_ms and self.holds(start_ms)):
            return None
        return self.place(first), f"{100 * (last - first) / self.length_ms:.3f}%"

    def holds(self, at_ms: int) -> bool:
        return self.start_ms <= at_ms < self.end_ms

    def place(self, at_ms: int) -> str:
        return f"{100 * (at_ms - self.start_ms) / self.length_ms:.3f}%"


def timeline(call: Call, prefix: str) -> Markup:
    """Return the rows with their legend; each turn is a link to `#<prefix>t<seq>`."""
    rows = list(_rows(call))
    return join(
        legend(_entries(call)),
        el("div", *(_draw(row, call, prefix) for row in rows), class_="timeline"),
    )


def _rows(call: Call) -> Iterator[_Row]:
    end_ms = max([call.ended.duration_ms, *(turn.end_ms for turn in call.turns), 1])
    fitting = next((ms for ms in ROW_LENGTHS_MS if end_ms <= 8 * ms), ROW_LENGTHS_MS[-1])
    length_ms = max(fitting, -(-end_ms // MAX_ROWS // 1_000) * 1_000)
    for start_ms in range(0, end_ms, length_ms):
        yield _Row(start_ms, length_ms)


def _entries(call: Call) -> list[tuple[str, str]]:
    entries = [("caller", "caller"), ("agent", "agent, as heard")]
    if call.ended.answers:
        entries.append(("wait", "waiting for the answer"))
    if any(turn.interrupted for turn in call.turns):
        entries.append(("cut", "interrupted"))
    if call.ended.tools:
        entries.append(("tools", "function"))
    return entries


def _draw(row: _Row, call: Call, prefix: str) -> Markup:
    has_tools = bool(call.ended.tools)
    height = _HEIGHT[has_tools]
    return el(
        "svg",
        *_ticks(row, height),
        *_waits(row, call),
        *(drawn for turn in call.turns for drawn in _turn(row, turn, prefix)),
        *_tools(row, call),
        *_end(row, call, height),
        class_="row",
        width="100%",
        height=height,
        role="group",
        aria_label=f"from {words.clock(row.start_ms)} to {words.clock(row.end_ms)}",
    )


def _ticks(row: _Row, height: int) -> list[Markup]:
    drawn = []
    for step in range(7):
        at_ms = row.start_ms + row.length_ms * step // 6
        x = row.place(at_ms)
        drawn.append(el("line", class_="grid", x1=x, x2=x, y1="0", y2=height - 16))
        if step % 2 == 0:
            anchor = "start" if step == 0 else "end" if step == 6 else "middle"
            drawn.append(
                el("text", _tick(at_ms), class_="label", x=x, y=height - 4, text_anchor=anchor)
            )
    return drawn


def _tick(at_ms: int) -> str:
    # Rows of 15 s have a label each 5 s, longer ones each 10 or 20 s: whole seconds.
    return words.clock(at_ms)


def _waits(row: _Row, call: Call) -> list[Markup]:
    drawn = []
    for answer in call.ended.answers:
        waited_ms = answer.leaving_ms if answer.audible_ms is None else answer.audible_ms
        if cut := row.cut(answer.at_ms, answer.at_ms + waited_ms):
            x, width = cut
            title = el("title", f"the caller waited {words.wait(waited_ms)}")
            drawn.append(el("rect", title, class_="wait", x=x, width=width, y=20, height=6))
    return drawn


def _turn(row: _Row, turn: TurnData, prefix: str) -> list[Markup]:
    drawn = []
    y = _LANES[turn.speaker]
    if cut := row.cut(turn.start_ms, max(turn.end_ms, turn.start_ms)):
        x, width = cut
        drawn.append(
            el(
                "a",
                el("rect", el("title", _told(turn)), class_=f"turn {turn.speaker}", x=x,
                   width=width, y=y, height=_LANE_HEIGHT, rx="3"),
                href=f"#{prefix}t{turn.seq}",
                aria_label=f"{turn.speaker}, {words.clock(turn.start_ms)}",
            )
        )  # fmt: skip
    if turn.interrupted and row.holds(turn.end_ms):
        x = row.place(turn.end_ms)
        drawn.append(
            el("line", el("title", "interrupted here"), class_="cut", x1=x, x2=x,
               y1=y - 3, y2=y + _LANE_HEIGHT + 3)
        )  # fmt: skip
    return drawn


def _told(turn: TurnData) -> str:
    text = words.cut(turn.text, MAX_TITLE_CHARS) or "(no words)"
    said = f"{words.clock(turn.start_ms)} {turn.speaker}: {text}"
    return said + (" (interrupted)" if turn.interrupted else "")


def _tools(row: _Row, call: Call) -> list[Markup]:
    drawn = []
    for use in call.ended.tools:
        end_ms = use.at_ms + (use.duration_ms or 0)
        if cut := row.cut(use.at_ms, end_ms):
            x, width = cut
            title = el("title", f"{words.clock(use.at_ms)} {use.name}: {use.outcome}")
            drawn.append(
                el("rect", title, class_="tools use", x=x, width=width, y=_TOOLS_Y, height=8)
            )
    return drawn


def _end(row: _Row, call: Call, height: int) -> list[Markup]:
    """Return a shade over what of the last row is after the call."""
    if cut := row.cut(max(call.ended.duration_ms, row.start_ms), row.end_ms):
        x, width = cut
        title = el("title", "after the call")
        return [el("rect", title, class_="after", x=x, width=width, y="0", height=height - 16)]
    return []


def spoken_of(turns: Sequence[TurnData], speaker: str) -> int:
    """Return how long one side was heard, in ms."""
    if speaker == "agent":
        return sum(turn.heard_ms for turn in turns if turn.speaker == "agent")
    return sum(turn.end_ms - turn.start_ms for turn in turns if turn.speaker == "caller")
