"""Serves the experiments to a real organisation: the upgrade, then one line for each session.

Only requests with the API key that the administrator typed into the integration come in. The
signature is not verified: its form is what the probe wants to see.
"""

import asyncio
import hmac
from collections.abc import Callable
from http import HTTPStatus
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from scripts.probe.experiments import Experiment, experiment_of
from scripts.probe.facts import handshake_facts
from scripts.probe.line import Line
from scripts.probe.notebook import Notebook, NotebookFullError, VisitNotes

MAX_SESSIONS = 10
MAX_MESSAGE_BYTES = 131_072


class FieldProbe:
    """The server half.

    Args:
        notebook: Where observations go.
        api_key: What `X-API-KEY` must be.
        unix_s: The wall clock, for the age of signatures.
        max_call_s: No session lasts longer; beyond the 15 minutes that question 9 is about.
    """

    def __init__(
        self,
        notebook: Notebook,
        api_key: str,
        *,
        unix_s: Callable[[], float],
        max_call_s: float,
    ) -> None:
        self._notebook = notebook
        self._api_key = api_key
        self._unix_s = unix_s
        self._max_call_s = max_call_s
        self._visits: WeakKeyDictionary[ServerConnection, tuple[Experiment, VisitNotes]] = (
            WeakKeyDictionary()  # a client may vanish between the 101 and its session
        )

    async def start(self, host: str, port: int) -> Server:
        """Listen; the caller closes the server."""
        return await serve(
            self._converse,
            host,
            port,
            process_request=self._admit,
            compression=None,
            ping_interval=None,
            open_timeout=90,  # longer than the slowest 101
            max_size=MAX_MESSAGE_BYTES,
        )

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        if not hmac.compare_digest(
            request.headers.get("X-API-KEY", "").encode(), self._api_key.encode()
        ):
            return socket.respond(HTTPStatus.UNAUTHORIZED, "unknown API key\n")
        experiment = experiment_of(request.path)
        try:
            notes = self._notebook.visit(experiment.name)
        except NotebookFullError:
            return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the notebook is full\n")
        items = list(request.headers.raw_items())
        facts = handshake_facts(
            request.path,
            {name.lower(): value for name, value in items},
            names=[name for name, _ in items],
            unix_s=self._unix_s(),
        )
        notes.note("request", run_s=round(asyncio.get_running_loop().time(), 3), **facts)
        if len(self._visits) >= MAX_SESSIONS:
            return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many sessions\n")
        return await self._treat(socket, experiment, notes)

    async def _treat(
        self, socket: ServerConnection, experiment: Experiment, notes: VisitNotes
    ) -> Response | None:
        if experiment.status != HTTPStatus.SWITCHING_PROTOCOLS:
            notes.note("refused", status=experiment.status)
            return socket.respond(HTTPStatus(experiment.status), "field probe\n")
        try:
            async with asyncio.timeout(experiment.delay_s or None):
                if experiment.delay_s:
                    await socket.wait_closed()
                    notes.note("gave_up_before_101")
                    return None
        except TimeoutError:
            pass
        notes.note("switching")
        self._visits[socket] = experiment, notes
        return None

    async def _converse(self, socket: ServerConnection) -> None:
        experiment, notes = self._visits[socket]
        line = Line(socket, notes, experiment.manners)
        try:
            async with asyncio.timeout(self._max_call_s):
                await _lead(line, experiment)
        except TimeoutError:
            notes.note("probe_gave_up", after_s=self._max_call_s)
        finally:
            self._visits.pop(socket, None)


async def _lead(line: Line, experiment: Experiment) -> None:
    """Run the script beside the reader until the socket is gone."""
    async with asyncio.TaskGroup() as group:
        acting = group.create_task(_act(line, experiment))
        await line.listen()
        acting.cancel()


async def _act(line: Line, experiment: Experiment) -> None:
    await line.opened.wait()
    if experiment.script is not None and not line.is_probe:
        await experiment.script(line)
