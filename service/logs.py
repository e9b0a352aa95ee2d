"""Log lines: JSON for machines, text for people, and the call they belong to.

Loggers write a static message and fields (`extra`); ids and counts only, never what was said.
"""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from time import gmtime

import msgspec

from service.call_events import CallEndedData
from service.settings import LogFormat, LogLevel

call_id: ContextVar[str] = ContextVar("call_id", default="")
"""Session id of the call that the running task serves; empty outside calls."""

NAMESPACE = "AudioConnectorBridge"
"""Of the metrics in CloudWatch."""

_log = logging.getLogger(__name__)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(log_format: LogFormat, level: LogLevel) -> None:
    """Send all log lines to stdout in the chosen format; call once at start."""
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    # Their lines name request targets, or say what we say better.
    for chatty in ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def warn_anonymous() -> None:
    """Say loudly that anybody may call."""
    _log.warning("ALLOW_ANONYMOUS: callers are not authenticated; fit for loopback only")


def log_call(ended: CallEndedData) -> None:
    """Write the one canonical line of a finished call: its facts, and nothing that was said."""
    facts = msgspec.to_builtins(ended)
    del facts["output_variables"]  # written by the model, may quote the caller
    _log.info("call ended", extra=facts)


def log_cloudwatch(figures: Mapping[str, float], at: datetime) -> None:
    """Write figures as CloudWatch metrics: in JSON the line has its embedded metric format."""
    metrics = [{"Name": name} for name in figures]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": metrics}
    about = {"Timestamp": round(at.timestamp() * 1_000), "CloudWatchMetrics": [directive]}
    _log.info("metrics", extra={"_aws": about, **figures})


def log_no_call(*, is_probe: bool, errors: list[str]) -> None:
    """Write the one line of a session that was no call: a test of the integration, or a failure."""
    if is_probe:
        _log.info("a connection probe was answered")
    else:
        _log.warning("a session ended before it opened", extra={"errors": errors})


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if call := call_id.get():
        fields.setdefault("call", call)
    return fields


class JsonFormatter(logging.Formatter):
    """One JSON object a line; an exception adds its type and its places, not its words."""

    converter = staticmethod(gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = _without_words(record)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """One readable line: time, level, message, then the fields as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it where an exception came from."""
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        time = self.formatTime(record, "%H:%M:%S")
        line = f"{time} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return f"{line}\n{_without_words(record)}" if record.exc_info else line


def _without_words(record: logging.LogRecord) -> str:
    """Return the exception's type and where it came from: its text may quote a caller."""
    error = record.exc_info[1] if record.exc_info else None
    return _type_and_places(error) if error else ""


def _type_and_places(error: BaseException) -> str:
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_qualname if hasattr(code, 'co_qualname') else code.co_name}"
                      f":{trace.tb_lineno}")  # fmt: skip
        trace = trace.tb_next
    text = f"{type(error).__name__} at {' > '.join(places)}"
    if isinstance(error, BaseExceptionGroup):  # of a TaskGroup: it alone says nothing
        text += f" [{'; '.join(_type_and_places(part) for part in error.exceptions)}]"
    return text
