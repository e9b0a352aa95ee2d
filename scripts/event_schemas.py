"""Writes the JSON Schemas of the event contract into `service/schemas`, from its types.

Use: python -m scripts.event_schemas
"""

import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from service.call_documents import CallAnalysis, CallTranscript
from service.call_events import CallEndedData, CallEvent, CallStartedData, TurnData

FOLDER = Path(__file__).parents[1] / "service" / "schemas"

_DATA = {
    "call.started.v1": CallStartedData,
    "call.turn.v1": TurnData,
    "call.ended.v1": CallEndedData,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each event type by its name."""
    made = {
        event_type: msgspec.json.schema(_envelope_of(event_type, data))
        for event_type, data in _DATA.items()
    }
    made["call.transcript.v1"] = msgspec.json.schema(CallTranscript)
    made["call.analysis.v1"] = msgspec.json.schema(CallAnalysis)
    return {event_type: _titled(event_type, schema) for event_type, schema in made.items()}


def texts() -> dict[str, str]:
    """Return what the files hold by their names."""
    return {
        f"{event_type}.json": json.dumps(schema, indent=2) + "\n"
        for event_type, schema in schemas().items()
    }


def _envelope_of(event_type: str, data: type) -> type:
    fields: list[Any] = []
    for field in msgspec.structs.fields(CallEvent):
        precise = {"type": Literal[event_type], "data": data}.get(field.name, field.type)
        default = () if field.default is msgspec.NODEFAULT else (field.default,)
        fields.append((field.name, precise, *default))
    return msgspec.defstruct("CallEvent", fields, kw_only=True)


def _titled(event_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    envelope = schema["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    # They have defaults for whoever makes an event; on the wire CloudEvents requires them.
    envelope["required"] = sorted({*envelope["required"], "specversion", "source", "type"})
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": event_type}
    return dialect | schema


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
