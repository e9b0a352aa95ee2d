"""One AudioHook session as the field probe leads it: answers what it must, notes what it sees.

Written from the protocol alone. It judges nothing: whatever the client sends is written down.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from scripts.probe.facts import is_activation_probe, message_facts
from scripts.probe.notebook import VisitNotes
from scripts.probe.tones import has_dual_tone

RESET = "socket reset"
"""How a connection that we reset is written down, among what was sent."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What the probe answers by itself."""

    answers_pings: bool = True
    answers_close: bool = True
    says_start_paused: bool = True
    pong_offset: int = 0  # added to the `clientseq` of pongs


class Line:
    """The session after the 101. Run `listen` beside a script."""

    def __init__(self, socket: ServerConnection, notes: VisitNotes, manners: Manners) -> None:
        self.notes = notes
        self.opened = asyncio.Event()
        self.is_probe = False
        self._socket = socket
        self._manners = manners
        self._id = ""
        self._seq = 0
        self._clientseq = 0
        self._counts: dict[str, int] = {}
        self._frames: dict[int, int] = {}  # bytes of a message: how many
        self._is_tone = False
        self._news = asyncio.Event()
        self._gone = asyncio.Event()

    async def listen(self) -> None:
        """Read until the socket is gone; then note how it went, and whether we closed it.

        When it is cancelled the socket is still there, and its end says nothing of the client.
        """
        try:
            await self._read()
            end = self._socket.protocol.close_exc
            if end.sent is not None and not end.rcvd_then_sent:
                self.notes.note("probe_closed", code=end.sent.code)
            else:
                self.notes.note("socket_gone", code=self._socket.close_code)
        finally:
            sizes = sorted(self._frames, key=lambda size: -self._frames[size])[:5]
            self.notes.note("audio", frames={str(size): self._frames[size] for size in sizes})
            self._gone.set()

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if isinstance(message, bytes):
                    self._hear(message)
                else:
                    await self._take(message)
        except ConnectionClosed:
            pass

    async def send(self, kind: str, **parameters: object) -> None:
        """Send a message with the next number; nothing happens when the socket is gone."""
        await self._send(kind, parameters, self._clientseq)

    async def send_audio(self, pcmu: bytes) -> None:
        """Send one binary message, however large."""
        self._count("audio_sent")
        try:
            await self._socket.send(pcmu)
        except ConnectionClosed:
            await self.ended()

    async def received(self, kind: str, *, within_s: float) -> bool:
        """Whether one more message of this type came in time."""
        seen = self._counts.get(kind, 0)
        try:
            async with asyncio.timeout(within_s):
                while self._counts.get(kind, 0) == seen:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self.notes.note("waited_in_vain", type=kind, for_s=within_s)
            return False
        return True

    async def finish(self) -> None:
        """End the session by `disconnect`, with an output variable; wait for the socket's end."""
        outputs = {"PROBE_RESULT": "set"}
        await self.send("disconnect", reason="completed", outputVariables=outputs)
        await self.ended()

    async def ended(self) -> None:
        """Return when the socket is gone."""
        await self._gone.wait()

    def drop(self) -> None:
        """Reset the connection without a word."""
        self.notes.note("sent", type=RESET)
        self._socket.transport.abort()

    def skip_number(self) -> None:
        """Leave one sequence number out."""
        self._seq += 1

    def _hear(self, pcmu: bytes) -> None:
        self._frames[len(pcmu)] = self._frames.get(len(pcmu), 0) + 1
        was_tone, self._is_tone = self._is_tone, has_dual_tone(pcmu)
        if self._is_tone and not was_tone:
            self.notes.note("dual_tone")

    async def _take(self, text: str) -> None:
        try:
            message = json.loads(text)
            kind, parameters = str(message["type"]), dict(message["parameters"])
            self._id, self._clientseq = str(message["id"]), int(message["seq"])
        except (ValueError, KeyError, TypeError):
            self.notes.note("malformed", characters=len(text))
            return
        facts = {} if kind in {"dtmf"} else message_facts(kind, parameters)
        sent = self._counts.get("audio_sent", 0)
        self.notes.note("received", type=kind, audio_sent=sent, seq=self._seq, **facts)
        self._count(kind)
        await self._answer(kind, parameters, self._clientseq)

    async def _answer(self, kind: str, parameters: Mapping[str, object], clientseq: int) -> None:
        manners = self._manners
        match kind:
            case "open":
                await self._open(parameters)
            case "ping" if manners.answers_pings or self.is_probe:
                offset = 0 if self.is_probe else manners.pong_offset
                await self._send("pong", {}, clientseq + offset)
            case "close" if manners.answers_close or self.is_probe:
                await self._send("closed", {}, clientseq)
            case "update":
                await self._send("updated", {}, clientseq)

    async def _open(self, parameters: Mapping[str, object]) -> None:
        self.is_probe = is_activation_probe(parameters)
        offers = parameters.get("media")
        chosen = (
            [offer for offer in offers if _is_usable(offer)] if isinstance(offers, list) else []
        )
        opened: dict[str, object] = {"media": chosen[:1]}
        if self._manners.says_start_paused or self.is_probe:
            opened["startPaused"] = False
        await self._send("opened", opened, self._clientseq)
        self.opened.set()

    async def _send(self, kind: str, parameters: Mapping[str, object], clientseq: int) -> None:
        self._seq += 1
        envelope = {"version": "2", "id": self._id, "type": kind, "seq": self._seq}
        try:
            await self._socket.send(
                json.dumps(envelope | {"clientseq": clientseq, "parameters": parameters})
            )
        except ConnectionClosed:
            return
        self.notes.note("sent", type=kind)

    def _count(self, kind: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self._news.set()


def _is_usable(offer: object) -> bool:
    return isinstance(offer, dict) and (offer.get("format"), offer.get("channels")) == (
        "PCMU",
        ["external"],
    )
