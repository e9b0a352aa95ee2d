"""Calls for the report, and a folder with their event files."""

from pathlib import Path
from typing import Any

import msgspec

from scripts.reporting.calls import Call, Gaps, sources_in
from service.call_events import CallEvent, to_json
from tests.analytics.scene import call_of_turns


def write_calls(folder: Path, *calls: list[CallEvent]) -> Path:
    """Write event files as the service does, and return the folder."""
    for events in calls:
        for event in events:
            path = folder / f"dt={event.time:%Y-%m-%d}" / f"{event.sessionid}.ndjson"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(to_json(event) + b"\n")
    return folder


def calls_in(folder: Path) -> tuple[list[Call], Gaps]:
    """Read all calls of a folder."""
    gaps = Gaps()
    return [call for source in sources_in(folder) for call in source(gaps)], gaps


def a_call(turns: int = 4, **ended: Any) -> Call:
    """Return a call of so many turns, with fields of its end changed."""
    events = call_of_turns(turns)
    return Call(
        ended=msgspec.structs.replace(events[-1].data, **ended),  # type: ignore[arg-type]
        turns=tuple(event.data for event in events[1:-1]),  # type: ignore[misc]
        dnis="tel:+15555550100",
        language="en-US",
        folder=Path("calls"),
    )
