"""Reads calls from a folder: event files of the service, or documents of the recorder.

Reading is lazy: thousands of calls pass through, one at a time. What cannot be read is counted
and said, never guessed.
"""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from service.analytics.documents import analysis_key_of, keys_of
from service.call_documents import CallAnalysis, CallAnalysisData, CallTranscript
from service.call_events import CallEndedData, CallEvent, CallStartedData, TurnData
from service.call_events_reading import NotAnEventError, from_json

MAX_NAMED = 5
"""How many of the refused lines are named; the others are only counted."""
ANNOUNCEMENTS = "completed.ndjson"
"""The local recorder's bus: it holds no events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that has ended; `turns` in their order. `folder`: where it was read from.

    `analysis`: what a model thought of it, where the recorder's folder has that.
    """

    ended: CallEndedData
    turns: tuple[TurnData, ...]
    dnis: str | None
    language: str | None
    folder: Path
    analysis: CallAnalysisData | None = None

    @property
    def missing_turns(self) -> int:
        """How many turns the end counted that never came."""
        counts = self.ended.counts
        return max(0, counts.turns_caller + counts.turns_agent - len(self.turns))


@dataclass(slots=True)
class Gaps:
    """What a folder holds that is in no figure; `refused` names the first lines with the reason."""

    open_calls: int = 0
    refused_lines: int = 0
    refused: list[str] = field(default_factory=list)

    def refuse(self, where: str, why: str) -> None:
        """Note a line or document that cannot be read."""
        self.refused_lines += 1
        if len(self.refused) < MAX_NAMED:
            self.refused.append(f"{where}: {why}")


Source = Callable[[Gaps], Iterator[Call]]
"""Reads a few calls that lie together."""


def sources_in(folder: Path) -> list[Source]:
    """Return where calls lie in a folder, in a fixed order.

    The documents of a recorder (`calls/dt=…`, itself or under `lake/`) are taken where they are,
    else all event files (`*.ndjson`) below the folder.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    for lake in (folder, folder / "lake"):
        if documents := sorted(lake.glob("calls/*/*.ndjson.gz")):
            return [_document_source(lake, path) for path in documents]
    # A call that goes on past midnight has a file in each day's folder.
    by_call: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.ndjson")):
        if path.name != ANNOUNCEMENTS:
            by_call[path.name].append(path)
    return [_event_source(paths) for paths in by_call.values()]


def _event_source(paths: list[Path]) -> Source:
    def read(gaps: Gaps) -> Iterator[Call]:
        found: dict[str, _Events] = defaultdict(_Events)
        for path in paths:
            for number, line in enumerate(path.read_bytes().splitlines(), start=1):
                try:
                    event = from_json(line)
                except NotAnEventError as error:
                    gaps.refuse(f"{path.name}:{number}", str(error))
                else:
                    found[event.sessionid].take(event)
        for events in found.values():
            if call := events.call(paths[0].parent):
                yield call
            else:
                gaps.open_calls += 1

    return read


@dataclass(slots=True)
class _Events:
    """The events of a call, in whatever order and however often they came."""

    started: CallStartedData | None = None
    turns: dict[int, TurnData] = field(default_factory=dict)
    ended: CallEndedData | None = None

    def take(self, event: CallEvent) -> None:
        match event.data:
            case CallStartedData() as data:
                self.started = data
            case TurnData() as data:
                self.turns[data.seq] = data
            case CallEndedData() as data:
                # What the service said itself wins over what the sweeper had to assume.
                if self.ended is None or data.end_reason != "lost":
                    self.ended = data

    def call(self, folder: Path) -> Call | None:
        """Return the call, if it has ended."""
        if self.ended is None:
            return None
        caller = self.started.caller if self.started else None
        return Call(
            ended=self.ended,
            turns=tuple(turn for _, turn in sorted(self.turns.items())),
            dnis=caller.dnis if caller else None,
            language=caller.language if caller else None,
            folder=folder,
        )


class _Row(CallEndedData, frozen=True, kw_only=True):
    """A row of the lake's `calls`."""

    dnis: str | None = None
    language: str | None = None


_rows = msgspec.json.Decoder(_Row)
_transcripts = msgspec.json.Decoder(CallTranscript)
_analyses = msgspec.json.Decoder(CallAnalysis)


def _document_source(lake: Path, path: Path) -> Source:
    def read(gaps: Gaps) -> Iterator[Call]:
        try:
            lines = gzip.decompress(path.read_bytes()).splitlines()
        except (OSError, EOFError, zlib.error) as error:
            gaps.refuse(path.name, str(error))
            return
        for number, line in enumerate(lines, start=1):
            try:
                row = _rows.decode(line)
                turns = _turns_of(lake, row)
            except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
                gaps.refuse(f"{path.name}:{number}", _reason(error))
                continue
            yield Call(
                ended=row,
                turns=turns,
                dnis=row.dnis,
                language=row.language,
                folder=path.parent,
                analysis=_analysis_of(lake, row, gaps),
            )

    return read


def _turns_of(lake: Path, row: CallEndedData) -> tuple[TurnData, ...]:
    key = keys_of(row.session_id, f"{row.started_at:%Y-%m-%d}")["transcript"]
    return _transcripts.decode((lake / key).read_bytes()).data.turns


def _analysis_of(lake: Path, row: CallEndedData, gaps: Gaps) -> CallAnalysisData | None:
    """Return the judgement, if there is one: without a readable one the call is shown as it is."""
    path = lake / analysis_key_of(row.session_id, f"{row.started_at:%Y-%m-%d}")
    if not path.is_file():
        return None
    try:
        return _analyses.decode(path.read_bytes()).data
    except (msgspec.DecodeError, UnicodeDecodeError, OSError):
        gaps.refuse(path.name, "its judgement cannot be read")
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"its transcript cannot be read ({error.strerror})"
    return f"not a document of the recorder: {error}"
