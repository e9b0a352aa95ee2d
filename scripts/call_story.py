"""What the demo tells: progress while the call runs, then the conversation and the figures."""

import json
import os
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.demo_plans import Plan
from scripts.emulators.genesys import CallEvent, CallReport

TEXT_COLUMN = 25
LINE_COLUMNS = 100

_PROGRESS = {
    "opened": "the call is open",
    "playback_started": "the agent speaks",
    "playback_completed": "the agent is silent",
    "caller_speaks": "the caller speaks",
    "barge_in": "the agent is interrupted",
    "dtmf": "the caller presses a key",
    "disconnect": "the service ends the call",
    "close": "the caller hangs up",
    "violation": "THE SERVICE BROKE THE PROTOCOL",
}


class Teller:
    """Writes progress for people to stderr, so that stdout holds the result alone."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json
        self._began = time.monotonic()

    def say(self, sentence: str) -> None:
        """Tell what happens now."""
        sys.stderr.write(f"demo: {sentence}\n")
        sys.stderr.flush()

    def follow(self, event: CallEvent) -> None:
        """Tell an event of the call as it happens."""
        if sentence := _PROGRESS.get(event.name):
            sys.stderr.write(f"  {event.at_ms / 1_000:5.1f} s  {sentence}\n")
            sys.stderr.flush()

    def fail(self, problem: str) -> None:
        """Tell why there is no story; with --json as an object that has every key."""
        sys.stderr.write(f"demo: failed: {problem}\n")
        if self._is_json:
            print(json.dumps(Story.nothing().to_dict()))


@dataclass(slots=True)
class Story:
    """The finished call, by what both ends saw; `problems` empty means that all was right.

    `report`: path of the page that was made of it; it is told, and no part of `--json`.
    """

    turns: list[dict[str, Any]]
    barge_ins: int
    answer_latency_ms: list[int]
    disconnect: dict[str, Any] | None
    recording: str | None
    events: str | None
    problems: list[str]
    report: str | None = None

    @property
    def ok(self) -> bool:
        """True when nothing went wrong."""
        return not self.problems

    @classmethod
    def nothing(cls) -> "Story":
        """The story of a call that did not take place."""
        return cls([], 0, [], None, None, None, ["the call did not take place"])

    @classmethod
    def of(cls, plan: Plan, report: CallReport, events: Path | None, recording: Path) -> "Story":
        """Put together what the caller measured and what the service published."""
        published = _read(events)
        barge_ins = sum(barge_in.stopped_audio for barge_in in report.barge_ins)
        outcome = report.disconnect
        return cls(
            turns=[_turn(event["data"]) for event in _of_type(published, "call.turn.v1")],
            barge_ins=barge_ins,
            answer_latency_ms=[round(latency) for latency in report.response_latencies_ms],
            disconnect=None
            if outcome is None
            else {"reason": outcome.reason, "output_variables": outcome.output_variables},
            recording=str(recording),
            events=str(events) if events else None,
            problems=_problems(report, published, has_barge_in=barge_ins == plan.interruptions)
            + _problems_of_the_end(report, plan)
            + _problems_of_secrecy(plan, events),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "ok": self.ok,
            "turns": self.turns,
            "barge_ins": self.barge_ins,
            "answer_latency_ms": self.answer_latency_ms,
            "disconnect": self.disconnect,
            "recording": self.recording,
            "events": self.events,
        }


def tell(story: Story, *, is_json: bool) -> None:
    """Print the story: for machines on one line, for people as a transcript with figures."""
    for problem in story.problems:
        sys.stderr.write(f"demo: NOT OK: {problem}\n")
    if is_json:
        if story.report:
            sys.stderr.write(f"demo: the report is {_near(story.report)}\n")
        print(json.dumps(story.to_dict()))
        return
    print("\nThe conversation, as the caller's ear had it:\n")
    for turn in story.turns:
        _print_turn(turn)
    print()
    _print_fact("answers began", f"{_list(story.answer_latency_ms)} ms after the end of speech")
    _print_fact("interruptions", str(story.barge_ins))
    _print_ending(story.disconnect)
    _print_fact("sound (left: caller)", _near(story.recording))
    _print_fact("events", _near(story.events))
    print(f"\n{'All was right.' if story.ok else 'Something was wrong; see above.'}")
    print(f"The report, to be opened in a browser: {_near(story.report)}")


def _print_turn(turn: dict[str, Any]) -> None:
    clock = f"{turn['start_ms'] / 1_000:5.1f}–{turn['end_ms'] / 1_000:4.1f} s"
    _print_wrapped(f"  {clock}  {turn['speaker'] + ':':7} ", turn["heard"] or "(nothing was heard)")
    if turn["interrupted"]:
        unheard = turn["text"].removeprefix(turn["heard"]).strip()
        _print_wrapped(" " * TEXT_COLUMN, f"(interrupted; never heard: {unheard})")


def _print_ending(disconnect: dict[str, Any] | None) -> None:
    if disconnect is None:
        _print_fact("how it ended", "the caller hung up")
        return
    _print_fact("how it ended", f"{disconnect['reason']}; the flow goes on with")
    for name, value in disconnect["output_variables"].items():
        _print_wrapped(" " * TEXT_COLUMN, f"{name} = {value}")


def _print_fact(name: str, value: str) -> None:
    _print_wrapped(f"  {name:{TEXT_COLUMN - 2}}", value)


def _print_wrapped(start: str, text: str) -> None:
    indent = " " * TEXT_COLUMN
    text = textwrap.fill(
        text,
        LINE_COLUMNS,
        initial_indent=start,
        subsequent_indent=indent,
        break_long_words=False,  # a path must stay one word to be copied
        break_on_hyphens=False,
    )
    print(text)


def _near(path: str | None) -> str:
    """Return a path as seen from here, when that is shorter."""
    return "–" if path is None else min(path, os.path.relpath(path), key=len)


def _list(values: list[int]) -> str:
    return " · ".join(str(value) for value in values) or "–"


def _turn(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "speaker": data["speaker"],
        "text": data.get("text_generated", data["text"]),
        "heard": data["text"],
        "start_ms": data["start_ms"],
        "end_ms": data["end_ms"],
        "interrupted": data["interrupted"],
    }


def _read(events: Path | None) -> list[dict[str, Any]]:
    """Return the call's events, turns in conversation order."""
    if events is None:
        return []
    read = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    return sorted(read, key=lambda event: event["data"].get("seq", 0))


def _of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def _problems(report: CallReport, events: list[dict[str, Any]], *, has_barge_in: bool) -> list[str]:
    """Say what a good service would not have done."""
    problems = [f"the service broke the protocol: {violation}" for violation in report.violations]
    if report.server_closed_first:
        problems.append("the service closed the socket first")
    if report.errors_sent:
        problems.append(f"the caller had to complain: {report.errors_sent}")
    if not has_barge_in:
        problems.append("the agent was not interrupted exactly as often as the caller did it")
    if not report.response_latencies_ms:
        problems.append("the caller was never answered")
    turns = _of_type(events, "call.turn.v1")
    if not any(turn["data"]["speaker"] == "agent" and turn["data"]["text"] for turn in turns):
        problems.append("the transcript holds no word of the agent that was heard")
    speakers = {event["data"]["speaker"] for event in turns}
    if speakers != {"caller", "agent"}:
        problems.append("the events do not hold turns of both sides")
    if [len(_of_type(events, f"call.{kind}.v1")) for kind in ("started", "ended")] != [1, 1]:
        problems.append("the events do not hold one beginning and one end")
    return problems


def _problems_of_the_end(report: CallReport, plan: Plan) -> list[str]:
    given = report.disconnect.output_variables if report.disconnect else {}
    expected = dict(plan.outputs)
    if plan.bot_status:
        expected["BOT_STATUS"] = plan.bot_status
    elif report.disconnect:
        return ["the service ended the call, where the caller would have hung up"]
    return [
        f"the flow got {name}={given.get(name)!r}, where {value!r} was expected"
        for name, value in expected.items()
        if given.get(name) != value
    ]


def _problems_of_secrecy(plan: Plan, events: Path | None) -> list[str]:
    if plan.secret and events and plan.secret in events.read_text(encoding="utf-8"):
        return ["what the caller keyed in secret is in the events"]
    return []
