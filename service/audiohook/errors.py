"""Who is to blame when the AudioHook rules are broken: we, or the peer.

- `ProtocolError`
    - `LocalProtocolError`: our own code asked for something that the state forbids.
    - `RemoteProtocolError`: the peer sent something that we cannot go on with.
"""

from typing import Literal

DisconnectReason = Literal["completed", "unauthorized", "error"]
"""Any other value is fatal at the client (section 4.2)."""


class ProtocolError(Exception):
    """Base of both errors."""


class LocalProtocolError(ProtocolError):
    """We called the connection wrongly. Nothing was queued."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; carries the `disconnect` that answers it.

    Never leaves the connection: it becomes the queued `disconnect` and is kept as
    `AudioHookConnection.failure`.

    Attributes:
        info: short machine-friendly cause, written for the customer's operations people
            (never secrets, prompts or caller data), or None to say nothing.
        reason: `error`, or `unauthorized`.
    """

    def __init__(self, info: str | None, *, reason: DisconnectReason = "error") -> None:
        super().__init__(info or reason)
        self.info = info
        self.reason = reason
