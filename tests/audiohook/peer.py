"""The client's half of a session in memory: composes its messages, reads our answers."""

import json
from typing import Any

from service.audiohook.connection import AudioHookConnection, State
from service.audiohook.messages import ClientMessage

SESSION_ID = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
ORGANIZATION_ID = "d7934305-0972-4844-938e-9060eef73d05"
CONVERSATION_ID = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"
PARTICIPANT_ID = "883efee8-3d6c-4537-b500-6d7ca4b92fa0"
NULL_ID = "00000000-0000-0000-0000-000000000000"

MONO = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
INTERNAL = {"type": "audio", "format": "PCMU", "channels": ["internal"], "rate": 8000}

MISSING = object()
"""As a value: leave the member out."""

EMPTY: dict[str, Any] = {}

OPEN_PARAMETERS: dict[str, Any] = {
    "organizationId": ORGANIZATION_ID,
    "conversationId": CONVERSATION_ID,
    "participant": {
        "id": PARTICIPANT_ID,
        "ani": "tel:+15555551234",
        "aniName": "John Doe",
        "dnis": "tel:+18005556789",
    },
    "media": [MONO],
    "language": "en-US",
    "inputVariables": {"CUSTOMER_TIER": "gold"},
}


def with_changes(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    changed = {**base, **changes}
    return {name: value for name, value in changed.items() if value is not MISSING}


class Peer:
    """A client that counts correctly, unless told otherwise."""

    def __init__(self, *, now: float = 0.0, **arguments: Any) -> None:
        identity = {"session_id": SESSION_ID, "organization_id": ORGANIZATION_ID}
        self.connection = AudioHookConnection(**{**identity, **arguments}, now=now)
        self.now = now
        self.seq = 0
        self.serverseq = 0

    def text(self, message_type: str, parameters: object = EMPTY, **changes: Any) -> str:
        """The next message as JSON; a changed `seq` is not counted."""
        message = {
            "version": "2",
            "id": SESSION_ID,
            "type": message_type,
            "seq": self.seq + 1,
            "serverseq": self.serverseq,
            "position": "PT0S",
            "parameters": parameters,
        }
        if "seq" not in changes:
            self.seq += 1
        return json.dumps(with_changes(message, changes))

    def says(
        self, message_type: str, parameters: object = EMPTY, **changes: Any
    ) -> ClientMessage | None:
        text = self.text(message_type, parameters, **changes)
        return self.connection.receive_text(text, now=self.now)

    def opens(self, **changes: Any) -> ClientMessage | None:
        return self.says("open", with_changes(OPEN_PARAMETERS, changes))

    def plays(self, frame: bytes = b"\xff" * 1600) -> bytes:
        return self.connection.receive_audio(frame, now=self.now)

    def waits(self, seconds: float) -> None:
        self.now += seconds
        self.connection.poll(now=self.now)

    def reads(self) -> list[dict[str, Any]]:
        """All that may be written now."""
        messages = []
        while (text := self.connection.data_to_send(now=self.now)) is not None:
            messages.append(json.loads(text))
            self.serverseq = messages[-1]["seq"]
        return messages

    def reads_one(self) -> dict[str, Any]:
        [message] = self.reads()
        return message


def opened_peer(**arguments: Any) -> Peer:
    """A peer whose call was accepted; `opened` has been read."""
    peer = Peer(**arguments)
    peer.opens()
    assert peer.reads_one()["type"] == "opened"
    return peer


def peer_in(state: State) -> Peer:
    """A peer of a session in `state`; all that we had to say until then has been read."""
    if state is State.AWAIT_OPEN:
        return Peer()
    peer = opened_peer()
    match state:
        case State.DRAINING:
            peer.connection.start_draining()
        case State.DISCONNECTING:
            peer.connection.disconnect(reason="completed", now=peer.now)
        case State.CLOSING:
            peer.says("close", {"reason": "end"})
        case State.CLOSED:
            peer.says("close", {"reason": "end"})
            peer.connection.finish(peer.now)
    peer.reads()
    assert peer.connection.state is state
    return peer
