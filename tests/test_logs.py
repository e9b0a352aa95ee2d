import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from service import logs
from service.call_events import CallEndedData
from service.settings import LogFormat, LogLevel
from tests.contracts.event_examples import ENDED, SESSION

WORDS = "my card number is 4111"
CHATTY = ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets")
log = logging.getLogger("service.example")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Logging is global: put back what was there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    # A server that was made before in this process has cut its access log off.
    logging.getLogger("uvicorn.access").propagate = True
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


class Output:
    """What was written to stdout since the last look."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def configure(self, log_format: LogFormat = "json", level: LogLevel = "info") -> None:
        # `basicConfig` would close pytest's own handlers.
        logging.getLogger().handlers.clear()
        logs.configure(log_format, level)

    def text(self) -> str:
        return self._capsys.readouterr().out

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def line(self) -> dict[str, object]:
        (line,) = self.lines()
        return line


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    return Output(capsys)


def test_line_is_json_with_its_fields(output: Output):
    output.configure()

    log.info("a call began", extra={"calls": 3, "mode": "safe"})

    line = output.line()
    assert line.pop("time")
    assert line == {
        "level": "info",
        "logger": "service.example",
        "message": "a call began",
        "calls": 3,
        "mode": "safe",
    }


def test_time_is_utc_in_milliseconds(output: Output):
    output.configure()
    before = datetime.fromtimestamp(logging.makeLogRecord({}).created, UTC)

    log.info("now")

    text = output.line()["time"]
    assert isinstance(text, str)
    assert text.endswith("Z")
    at = datetime.fromisoformat(text)
    assert abs(at - before) < timedelta(seconds=2)


@pytest.mark.parametrize(
    "value",
    ["line\nbreak", 'quo"te', "\u2028", "\ud800", {"a": [1]}, {1, 2}, b"\xff", None, object()],
)
def test_whatever_a_field_holds_is_one_line_of_json(output: Output, value: object):
    output.configure()

    log.info("odd", extra={"value": value})

    assert output.line()["message"] == "odd"


def test_line_names_the_call_that_it_belongs_to(output: Output):
    output.configure()
    token = logs.call_id.set(SESSION)

    log.info("inside")
    logs.call_id.reset(token)
    log.info("outside")

    inside, outside = output.lines()
    assert inside["call"] == SESSION
    assert "call" not in outside


def test_what_is_said_explicitly_wins_over_the_running_call(output: Output):
    output.configure()
    token = logs.call_id.set(SESSION)

    log.info("about another", extra={"call": "other"})

    logs.call_id.reset(token)
    assert output.line()["call"] == "other"


@pytest.mark.parametrize(
    ("level", "messages"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_level_is_the_least_that_is_written(output: Output, level: LogLevel, messages: list[str]):
    output.configure(level=level)

    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(name)

    assert [line["message"] for line in output.lines()] == messages


@pytest.mark.parametrize("name", CHATTY)
def test_libraries_that_name_request_targets_are_silenced_below_warning(output: Output, name: str):
    output.configure(level="debug")

    logging.getLogger(name).info("GET /audiohook/secret")
    logging.getLogger(name).warning("odd")

    assert [line["message"] for line in output.lines()] == ["odd"]


def test_configured_twice_writes_each_line_once(output: Output):
    output.configure()
    logs.configure("json", "info")

    log.info("once")

    assert len(output.lines()) == 1


# Exceptions.


def fail() -> None:
    raise ValueError(WORDS)


def log_failure() -> None:
    try:
        fail()
    except ValueError:
        log.exception("it failed")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_exception_tells_type_and_place_but_not_its_words(output: Output, log_format: LogFormat):
    output.configure(log_format)

    log_failure()

    text = output.text()
    assert WORDS not in text
    assert "ValueError" in text
    assert "log_failure" in text
    assert "fail:" in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_words_of_a_cause_are_not_written_either(output: Output, log_format: LogFormat):
    output.configure(log_format)

    try:
        try:
            fail()
        except ValueError as error:
            raise KeyError(WORDS) from error
    except KeyError:
        log.exception("it failed")

    text = output.text()
    assert WORDS not in text
    assert "KeyError" in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_group_tells_what_failed_in_it(output: Output, log_format: LogFormat):
    """A call's pumps run in a TaskGroup: the group's own name says nothing."""
    output.configure(log_format)

    try:
        try:
            fail()
        except ValueError as error:
            raise ExceptionGroup(WORDS, [error, KeyError(WORDS)]) from None
    except ExceptionGroup:
        log.exception("it failed")

    text = output.text()
    assert WORDS not in text
    assert "ExceptionGroup" in text
    assert "ValueError" in text
    assert "fail:" in text
    assert "KeyError" in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_line_without_a_present_exception_is_written_all_the_same(
    output: Output, log_format: LogFormat
):
    output.configure(log_format)

    log.error("nothing was raised", exc_info=(None, None, None))

    assert "nothing was raised" in output.text()


def test_traceback_text_made_by_another_handler_is_not_repeated(output: Output):
    """The standard formatter caches it on the record, words and all."""
    output.configure()
    try:
        fail()
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "it failed", (), sys.exc_info())
    logging.Formatter().format(record)

    logging.getLogger().handle(record)

    assert WORDS not in output.text()


# For people.


def test_text_line_is_readable(output: Output):
    output.configure("text")

    log.warning("degraded", extra={"code": "x", "calls": 2})

    time, rest = output.text().rstrip("\n").split(" ", 1)
    assert len(time) == len("12:34:56")
    assert rest == "warning degraded code=x calls=2"


# Canonical lines.


def test_finished_call_is_one_line_of_facts(output: Output):
    output.configure()
    assert isinstance(ENDED.data, CallEndedData)

    logs.log_call(ENDED.data)

    line = output.line()
    assert (line["level"], line["message"]) == ("info", "call ended")
    assert (line["end_reason"], line["duration_ms"]) == ("transfer", 61_234)
    facts = {field.name for field in msgspec.structs.fields(CallEndedData)}
    assert facts - set(line) == {"output_variables"}


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_line_of_a_finished_call_has_no_words(output: Output, log_format: LogFormat):
    output.configure(log_format)
    assert isinstance(ENDED.data, CallEndedData)

    logs.log_call(msgspec.structs.replace(ENDED.data, output_variables={"SUMMARY": WORDS}))

    text = output.text()
    assert text
    assert WORDS not in text


def test_open_door_is_announced(output: Output):
    output.configure()

    logs.warn_anonymous()

    line = output.line()
    assert line["level"] == "warning"
    assert "ALLOW_ANONYMOUS" in str(line["message"])
