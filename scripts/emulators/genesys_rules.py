"""Judges everything the server sends as strictly as the Genesys client does, or stricter.

Pure: no I/O, no clock. A `Fault` with a code is one the real client answers with `error`; a fault
without a code breaks our specification although production would let it pass, and is reported.
Source: AudioHook specification sections 2, 3, 5.2, 9 and 15.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

import msgspec
from msgspec import UNSET

from scripts.emulators.genesys_messages import (
    TYPES,
    Closed,
    Disconnect,
    Envelope,
    Event,
    Opened,
    Pause,
    Pong,
    Reconnect,
    Resume,
    ServerMessage,
    Updated,
    read_parameters,
)
from scripts.emulators.genesys_setup import MediaOffer

MAX_TEXT_CHARS = 65_535  # section 2
MAX_AUDIO_BYTES = 64_000  # section 6.2


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule."""

    detail: str  # for the report
    code: int | None = None  # of the `error` to send; None: only reported
    closes: bool = False  # the client gives the session up
    text: str = ""  # `error.message`; empty: the detail


@dataclass(frozen=True, slots=True)
class Verdict:
    """A message to act upon (None: refused or out of place) and what was wrong with it."""

    message: ServerMessage | None
    clientseq: int = 0
    faults: tuple[Fault, ...] = ()


class _RefusedError(Exception):
    """The message is not even counted."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def _malformed(detail: str) -> Fault:
    return Fault(detail, 400, closes=True)


def _internal(detail: str) -> Fault:
    return Fault(detail, 500, closes=True, text="Internal client error")


@dataclass(slots=True)
class ServerRules:
    """What the server said so far, and so what it may say next.

    The client tells it what it sent through `pending_pings`, `pending_updates` and
    `is_close_sent`; everything else it finds out itself.
    """

    session_id: str
    offers: Sequence[MediaOffer]
    needs_start_paused: bool = False  # production is said to refuse `opened` without it
    is_probe: bool = False
    serverseq: int = 0  # last accepted; freezes after a 500
    pending_pings: set[int] = field(default_factory=set)  # their seqs
    pending_updates: int = 0
    is_close_sent: bool = False
    is_opened: bool = False
    is_disconnected: bool = False
    media: MediaOffer | None = None  # None also when the server wants no audio
    has_failed: bool = False  # a message was refused: what follows is no news
    _is_frozen: bool = False
    _last_clientseq: int = 0  # pongs apart

    def check(self, text: str, *, sent_seq: int) -> Verdict:
        """Judge one text message; *sent_seq* is our last seq."""
        if self._is_frozen:
            return Verdict(None)
        try:
            envelope = self._read_envelope(text, sent_seq)
            message = self._read_message(envelope)
        except _RefusedError as refused:
            return self._refuse(refused.fault)
        self.serverseq = envelope.seq
        remarks = self._remarks(envelope, message)
        misplaced = self._place(message, envelope.clientseq)
        if misplaced is not None:
            return Verdict(None, envelope.clientseq, (*remarks, misplaced))
        return Verdict(message, envelope.clientseq, remarks)

    def check_audio(self, size: int) -> Fault | None:
        """Judge one binary message by its size in bytes and its moment."""
        if not self.is_opened:
            return Fault("audio before opened", 415)
        if self.is_disconnected:
            return Fault("audio after disconnect")
        if self.media is None or self.is_probe:
            return Fault("audio in a session without media or in a probe", 415)
        if size == 0:
            return Fault("an empty binary message")
        if size > MAX_AUDIO_BYTES:
            return Fault(f"a binary message of {size} bytes, more than {MAX_AUDIO_BYTES}")
        return None

    def _refuse(self, fault: Fault) -> Verdict:
        self._is_frozen = self._is_frozen or fault.code == 500
        faults = () if self.has_failed else (fault,)
        self.has_failed = True
        return Verdict(None, 0, faults)

    def _read_envelope(self, text: str, sent_seq: int) -> Envelope:
        if len(text) > MAX_TEXT_CHARS:
            raise _RefusedError(
                Fault(f"a text message of {len(text)} characters", 413, closes=True)
            )
        try:
            envelope = msgspec.json.decode(text, type=Envelope)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _RefusedError(_malformed(f"malformed message: {error}")) from error
        if envelope.id.lower() != self.session_id.lower():
            raise _RefusedError(_malformed(f"{envelope.type}: id is not the session's"))
        if envelope.clientseq > sent_seq:
            raise _RefusedError(
                _malformed(
                    f"{envelope.type}: clientseq {envelope.clientseq}, but {sent_seq} was sent"
                )
            )
        if envelope.seq != self.serverseq + 1:
            raise _RefusedError(
                _internal(f"{envelope.type}: seq {envelope.seq}, expected {self.serverseq + 1}")
            )
        return envelope

    def _read_message(self, envelope: Envelope) -> ServerMessage:
        if envelope.type not in TYPES:
            raise _RefusedError(_internal(f"unknown message type {envelope.type!r}"))
        try:
            return read_parameters(envelope.type, envelope.parameters)
        except msgspec.ValidationError as error:
            raise _RefusedError(_internal(f"{envelope.type}: bad parameters: {error}")) from error

    def _remarks(self, envelope: Envelope, message: ServerMessage) -> tuple[Fault, ...]:
        details = []
        if not isinstance(message, Pong):
            if envelope.clientseq < self._last_clientseq:
                details.append(f"{envelope.type}: clientseq went back to {envelope.clientseq}")
            self._last_clientseq = envelope.clientseq
        if isinstance(message, Disconnect) and message.output_variables is not UNSET:
            lost = message.output_variables.keys() - message.text_outputs.keys()
            details += [f"disconnect: output {name} is no text" for name in sorted(lost)]
        return tuple(Fault(detail) for detail in details)

    def _place(self, message: ServerMessage, clientseq: int) -> Fault | None:
        """Let the message happen, or say why it may not happen now."""
        match message:
            case Opened():
                return self._open(message)
            case Pong():
                return self._take_pong(clientseq)
            case Closed():
                return None if self.is_close_sent else Fault("closed without close", 409)
            case Disconnect():
                return self._disconnect()
            case Updated():
                return self._take_updated()
            case Event() | Pause() | Resume() | Reconnect():
                return self._while_open(type(message).__name__.lower())
            case _:
                assert_never(message)

    def _open(self, opened: Opened) -> Fault | None:
        if self.is_opened:
            return Fault("opened twice", 409)
        if len(opened.media) > 1:
            return Fault("More than one media selected", 400, closes=True)
        chosen = [offer for offer in self.offers if [offer.to_wire()] == opened.media]
        if opened.media and not chosen:
            return Fault("Selected media not one of the offered", 400, closes=True)
        if self.needs_start_paused and opened.start_paused is UNSET:
            return Fault("opened without startPaused", 400, closes=True)
        self.is_opened = True
        self.media = chosen[0] if chosen else None
        return None

    def _take_pong(self, clientseq: int) -> Fault | None:
        if not self.pending_pings:
            return Fault("pong without a ping", 409)
        if clientseq not in self.pending_pings:
            waiting = sorted(self.pending_pings)
            return Fault(f"pong: clientseq {clientseq}, but the pings waiting are {waiting}", 400)
        self.pending_pings.remove(clientseq)
        return None

    def _take_updated(self) -> Fault | None:
        if not self.pending_updates:
            return Fault("updated without update", 409)
        self.pending_updates -= 1
        return None

    def _disconnect(self) -> Fault | None:
        if self.is_disconnected:
            return Fault("disconnect twice", 409)
        self.is_disconnected = True
        return None

    def _while_open(self, name: str) -> Fault | None:
        if not self.is_opened:
            return Fault(f"{name} before opened", 409)
        if self.is_disconnected:
            return Fault(f"{name} after disconnect", 409)
        return None
