import json
from typing import Any

import fastjsonschema
import msgspec
import pytest

from scripts.event_schemas import FOLDER, schemas, texts
from service.analytics.documents import documents_of
from service.analytics.rows import RecordedCall
from service.call_events import to_json
from tests.analytics.test_enricher import KEY, FakeJudge, Listener, enricher, world_of
from tests.analytics.test_judging import ANSWER
from tests.contracts.event_examples import ENDED, EXAMPLES, SESSION, STARTED, TURN

FRESHEN = "run: python -m scripts.event_schemas"


def document(event_type: str) -> dict[str, Any]:
    if event_type in EXAMPLES:
        event: dict[str, Any] = json.loads(to_json(EXAMPLES[event_type]))
        return event
    if event_type == "call.analysis.v1":
        return analysis_of_a_call()
    made = documents_of(RecordedCall(started=STARTED, turns=(TURN.data,), ended=ENDED))  # type: ignore[arg-type]
    assert made
    [body] = [body for key, body in made.by_key.items() if key.startswith("transcripts/")]
    transcript: dict[str, Any] = msgspec.json.decode(body)
    return transcript


def analysis_of_a_call() -> dict[str, Any]:
    world = world_of()
    enricher(world, FakeJudge(json.dumps(ANSWER)), Listener()).enrich(SESSION)
    analysis: dict[str, Any] = json.loads(world.lake[KEY])
    return analysis


def check(event_type: str, event: object) -> None:
    fastjsonschema.compile(schemas()[event_type])(event)


def test_files_say_what_the_types_say():
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == texts(), FRESHEN


@pytest.mark.parametrize("event_type", schemas())
def test_example_fits_its_schema(event_type: str):
    check(event_type, document(event_type))


@pytest.mark.parametrize("event_type", schemas())
def test_unknown_fields_fit_too(event_type: str):
    event = document(event_type)

    check(event_type, event | {"new": 1, "data": event["data"] | {"newer": 2}})


@pytest.mark.parametrize("event_type", schemas())
@pytest.mark.parametrize("field", ["specversion", "id", "source", "type", "subject", "data"])
def test_required_attribute_is_missed(event_type: str, field: str):
    event = document(event_type)
    del event[field]

    with pytest.raises(fastjsonschema.JsonSchemaException, match=field):
        check(event_type, event)


@pytest.mark.parametrize("event_type", schemas())
def test_every_type_of_event_is_described_on_the_page_for_analysts(event_type: str):
    page = (FOLDER / "README.md").read_text()

    assert f"({event_type}.json)" in page
    assert (
        set(document(event_type)["data"])
        - {name for name in document(event_type)["data"] if f"`{name}`" in page}
        == set()
    )
