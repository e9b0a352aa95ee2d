"""All that is said and all that is logged while the tests of this folder run.

The emulated model tells what was said on the calls, the emulated caller which keys were pressed;
logs come from services in this process and from the output of those in their own. What must not
meet is compared by `test_log_secrecy`.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scripts.emulators.genesys_call import GenesysCall
from scripts.emulators.realtime_core import SessionCore
from scripts.service_process import ServiceProcess
from service import logs

LINES: list[str] = []
"""Of all logs, in both formats, and all that services wrote to stderr."""
SAID: set[str] = set()
KEYS: set[str] = set()
_SPOKEN = ("transcript", "text", "delta")


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._formats = (logs.JsonFormatter(), logs.TextFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("service"):
            LINES.extend(form.format(record) for form in self._formats)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Keep what is said and logged; what was kept before stays, for the last test wants all."""
    service, ear = logging.getLogger("service"), _Ear()
    level = service.level
    service.addHandler(ear)
    service.setLevel(logging.INFO)
    with pytest.MonkeyPatch.context() as patch:
        _before(patch, SessionCore, "emit", _hear_model)
        _before(patch, GenesysCall, "press", lambda _call, keys, *_: KEYS.add(keys))
        _after(patch, ServiceProcess, "read_errors", lambda it: LINES.append(it.stderr))
        _after(patch, ServiceProcess, "read_log", lambda it: LINES.extend(map(repr, it.log)))
        yield
    service.removeHandler(ear)
    service.setLevel(level)


def _hear_model(_core: object, kind: str, **fields: object) -> None:
    if kind.endswith(("transcript.done", "transcription.completed", "output_text.done")):
        SAID.update(str(fields[name]) for name in _SPOKEN if fields.get(name))


def _before(patch: pytest.MonkeyPatch, owner: type, name: str, look: Callable[..., object]) -> None:
    real = getattr(owner, name)

    def heard(self: Any, *args: Any, **kwargs: Any) -> Any:
        look(self, *args, **kwargs)
        return real(self, *args, **kwargs)

    patch.setattr(owner, name, heard)


def _after(
    patch: pytest.MonkeyPatch, owner: type, name: str, look: Callable[[Any], object]
) -> None:
    real = getattr(owner, name)

    async def heard(self: Any) -> None:
        await real(self)
        look(self)

    patch.setattr(owner, name, heard)
