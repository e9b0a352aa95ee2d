"""The conversation of one call as ordered turns, with the words that were really heard.

Turns stand in conversation order: a turn takes its place when its speaker begins, and its words
come later, in any order (Realtime specification, 7.6). A turn is finished when its words and its
times are final, and is handed out then, once. Pure: all times are milliseconds on the call's
clock, whose zero is the caller's `open`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Speaker = Literal["caller", "agent"]

MAX_TURNS = 2_000
"""Bound of one call's memory: 14 minutes (the default cap) at more than two turns a second."""
LONGEST_WORD = 40
"""Longer text without a space is no word but a script that has no spaces."""
MAX_KEY_TURNS = 200
"""Bound of key entries, so that a flood of keys leaves room for what is said."""
MS_PER_CHAR = 65.0
"""Usual pace of the voices (2.6 words a second), until this call's own pace is known."""
MAX_TURN_CHARS = 20_000
"""Bound of one turn: twenty minutes of speech at the usual 15 characters a second."""


@dataclass(slots=True)
class Turn:
    """One uninterrupted stretch of one speaker.

    `text`: the words recognised (caller) or generated (agent). `heard`: the words that reached
    the other side; differs from `text` when the caller interrupted. `number` counts from 1 in
    conversation order and never changes. `is_recognised` is False when the caller spoke and no
    words could be made out.
    """

    number: int
    speaker: Speaker
    item_id: str
    start_ms: int
    end_ms: int
    text: str = ""
    heard: str = ""
    heard_ms: int = 0
    was_interrupted: bool = False
    is_recognised: bool = True
    has_words: bool = False
    has_times: bool = False

    @property
    def is_finished(self) -> bool:
        """True when neither the words nor the times will change any more."""
        return self.has_words and self.has_times


class Transcript:
    """Collects the turns of a call; `take_finished` hands out each turn once it is final."""

    def __init__(self) -> None:
        self._turns: dict[str, Turn] = {}
        self._open: dict[str, Turn] = {}
        self._audio_ms: dict[str, tuple[int, bool]] = {}
        self._key_turns = 0
        self._spoken_chars = 0
        self._spoken_ms = 0

    @property
    def turns(self) -> list[Turn]:
        """All turns so far, in conversation order."""
        return list(self._turns.values())

    @property
    def is_waiting_for_words(self) -> bool:
        """True while a turn has ended whose words are still to come."""
        return any(turn.has_times and not turn.has_words for turn in self._open.values())

    def caller_started(self, item_id: str, at_ms: int) -> None:
        """Open a caller turn at the moment its speech began."""
        self._turn(item_id, "caller", at_ms)

    def caller_stopped(self, item_id: str, at_ms: int) -> None:
        """Close the times of a caller turn."""
        if turn := self._turn(item_id, "caller", at_ms):
            turn.end_ms = max(turn.start_ms, at_ms)
            turn.heard_ms = turn.end_ms - turn.start_ms
            turn.has_times = True

    def caller_said(self, item_id: str, text: str | None, at_ms: int) -> None:
        """Set the words of a caller turn; None when they could not be made out."""
        if turn := self._turn(item_id, "caller", at_ms):
            turn.text = turn.heard = (text or "").strip()[:MAX_TURN_CHARS]
            turn.is_recognised = text is not None
            turn.has_words = True

    def give_up_words(self, ended_before_ms: int) -> None:
        """Close the caller turns that ended before that moment and still have no words."""
        for turn in self._open.values():
            if turn.speaker == "caller" and turn.has_times and turn.end_ms < ended_before_ms:
                turn.is_recognised = turn.is_recognised and turn.has_words
                turn.has_words = True

    def caller_pressed(self, at_ms: int) -> None:
        """Add a finished caller turn of key presses, masked: digits may be a card number."""
        if self._key_turns >= MAX_KEY_TURNS:
            return
        self._key_turns += 1
        if turn := self._turn(f"keys_{self._key_turns}", "caller", at_ms):
            turn.text = turn.heard = "[keys]"
            turn.has_words = turn.has_times = True

    def agent_says(self, item_id: str, delta: str, at_ms: int) -> None:
        """Append generated words; they run ahead of the audio."""
        if (turn := self._turn(item_id, "agent", at_ms)) and not turn.has_words:
            turn.text = (turn.text + delta)[:MAX_TURN_CHARS]

    def agent_said(self, item_id: str, text: str, at_ms: int) -> None:
        """Set the generated words of an agent turn for good."""
        if turn := self._turn(item_id, "agent", at_ms):
            turn.text = text.strip()[:MAX_TURN_CHARS]
            turn.has_words = True
            self._settle(turn)

    def agent_heard(
        self,
        item_id: str,
        *,
        heard_ms: int,
        received_ms: int,
        start_ms: int,
        end_ms: int,
        cut: bool,
        is_complete: bool = True,
    ) -> None:
        """Set what the caller heard of an agent turn, by the playout clock.

        Args:
            item_id: the turn's item.
            heard_ms: audio that reached the caller's ear.
            received_ms: audio that had been generated by then.
            start_ms: when the caller heard the first of it.
            end_ms: when the caller heard the last of it.
            cut: True when more was generated, or was being generated, than the caller heard.
            is_complete: False when more audio was still to come.
        """
        turn = self._turn(item_id, "agent", start_ms)
        if turn and not turn.has_times:  # of what arrives after a cut nothing was heard
            turn.heard_ms = heard_ms
            turn.start_ms, turn.end_ms = start_ms, max(start_ms, end_ms)
            turn.was_interrupted = cut
            turn.has_times = True
            self._audio_ms[item_id] = (received_ms, is_complete)
            self._settle(turn)

    def close_silent(self, at_ms: int, *, is_waiting: Callable[[str], bool]) -> None:
        """Close the agent turns of which no audio came, now that the agent's turn is over.

        Args:
            at_ms: now, on the call's clock.
            is_waiting: tells of an item whether its audio is still to be heard.
        """
        for turn in list(self._open.values()):
            if turn.speaker == "agent" and not turn.has_times and not is_waiting(turn.item_id):
                self.agent_heard(
                    turn.item_id, heard_ms=0, received_ms=0, start_ms=at_ms, end_ms=at_ms, cut=True
                )

    def take_finished(self) -> list[Turn]:
        """Return the turns that became final since the last call, in conversation order."""
        finished = [turn for turn in self._open.values() if turn.is_finished]
        for turn in finished:
            del self._open[turn.item_id]
        return finished

    def finish(self, at_ms: int) -> None:
        """End the call: whatever is missing will not come, and every turn is final."""
        for turn in self._open.values():
            if turn.is_finished:
                continue
            if turn.speaker == "caller":
                turn.is_recognised = turn.is_recognised and turn.has_words
                if not turn.has_times:
                    self.caller_stopped(turn.item_id, at_ms)
            elif not turn.has_times:
                turn.was_interrupted = True
            turn.has_words = turn.has_times = True
            self._settle(turn)

    def _turn(self, item_id: str, speaker: Speaker, at_ms: int) -> Turn | None:
        """Return the item's turn, opened if need be; None when it is settled or beyond bounds."""
        turn = self._turns.get(item_id)
        if turn is None:
            if len(self._turns) >= MAX_TURNS:
                return None
            turn = Turn(len(self._turns) + 1, speaker, item_id, at_ms, at_ms)
            self._turns[item_id] = self._open[item_id] = turn
        return turn if item_id in self._open and turn.speaker == speaker else None

    def _settle(self, turn: Turn) -> None:
        """Derive the heard words once both the words and the times are final."""
        if turn.speaker == "caller" or not turn.is_finished:
            return
        received_ms, is_complete = self._audio_ms.pop(turn.item_id, (0, True))
        if is_complete:
            self._spoken_chars += len(turn.text)
            self._spoken_ms += received_ms
        else:  # words run ahead of the audio: what was generated takes longer than what came
            received_ms = max(received_ms, round(len(turn.text) * self._ms_per_char))
        turn.heard = turn.text = turn.text.strip()
        if turn.was_interrupted:
            turn.heard = heard_words(turn.text, turn.heard_ms, received_ms)

    @property
    def _ms_per_char(self) -> float:
        """Pace of this call's voice, by what it has said in full."""
        known = self._spoken_chars and self._spoken_ms
        return self._spoken_ms / self._spoken_chars if known else MS_PER_CHAR


def heard_words(text: str, heard_ms: int, received_ms: int) -> str:
    """Return the words of `text` that fit into the heard part of its audio.

    An estimate: words are taken to be spread evenly over the audio, and a word counts as heard
    only when all of it was. Text without spaces (Chinese, Japanese) is cut anywhere.
    Source: Realtime specification, 8.6.
    """
    if heard_ms >= received_ms:
        return text if heard_ms else ""  # speech without any audio was not heard
    edge = round(len(text) * heard_ms / received_ms)
    if len(text.split()) == 1 and len(text) > LONGEST_WORD:
        return text[:edge]
    while edge and not text[edge : edge + 1].isspace():
        edge -= 1
    return text[:edge].rstrip()
