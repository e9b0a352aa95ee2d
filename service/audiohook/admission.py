"""What every client message is checked for before its type matters: identity and numbers.

Source: specification section 3 and section 17 rows 29 to 35.
"""

from dataclasses import dataclass

from service.audiohook.counters import Counters
from service.audiohook.decoding import Envelope
from service.audiohook.errors import RemoteProtocolError
from service.audiohook.fields import is_uuid, read_duration_s

_MAX_SEQ = 2**53  # what a number of JSON holds exactly everywhere


@dataclass(slots=True)
class Admission:
    """The client's side of the numbers.

    Attributes:
        session_id: what every `id` must equal; None adopts the first one.
        counters: where repaired oddities are counted.
        client_seq: highest `seq` admitted so far.
    """

    session_id: str | None
    counters: Counters
    client_seq: int = 0

    def admit(self, envelope: Envelope, *, server_seq: int, is_ending: bool) -> None:
        """Count the message as received, or not at all.

        Args:
            envelope: the message; its `type` is text and its `seq` a number afterwards.
            server_seq: number of our last message, the highest that the client can know.
            is_ending: tolerate gaps. A message that failed was not counted, so all after it
                seem to come too early; later pings and the close still need their answers.

        Raises:
            RemoteProtocolError: the message breaks a rule of section 3.
        """
        if not isinstance(envelope.type, str):
            raise RemoteProtocolError("bad message")
        if envelope.version != "2":
            raise RemoteProtocolError("version")
        self._check_id(envelope.id)
        self._check_seq(envelope.seq, is_ending=is_ending)
        self._check_serverseq(envelope.serverseq, server_seq)
        self.client_seq = max(self.client_seq, envelope.seq)
        if read_duration_s(envelope.position) is None:
            self.counters.warn("position")

    def _check_id(self, message_id: object) -> None:
        if not is_uuid(message_id):
            raise RemoteProtocolError("id")
        if self.session_id is None:
            self.session_id = message_id
        if message_id.lower() != self.session_id.lower():
            raise RemoteProtocolError("id")

    def _check_seq(self, seq: object, *, is_ending: bool) -> None:
        # `type` and not `isinstance`: JSON's true is an int to Python.
        if type(seq) is int and seq == self.client_seq + 1:
            return
        if not (is_ending and type(seq) is int and 0 < seq <= _MAX_SEQ):
            raise RemoteProtocolError("seq")
        self.counters.late_failures += 1

    def _check_serverseq(self, serverseq: object, server_seq: int) -> None:
        if serverseq is None:
            self.counters.warn("serverseq")
        elif type(serverseq) is not int or not 0 <= serverseq <= server_seq:
            raise RemoteProtocolError("serverseq")
