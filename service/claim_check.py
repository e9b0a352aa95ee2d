"""An event that is too large for a queue: its data lie in a bucket, the message says where. Pure.

The message is the CloudEvent without `data`, with the extension `dataref` (CloudEvents, "Claim
Check") and, as an extension of ours, `datasha512`: hexadecimal digits over the data's bytes.
Source: events specification, 5; deployment facts, 4.2.
"""

import hashlib
import re

import msgspec

FOLDER = "oversize/"
"""Where the data lie in the bucket; whoever fetches them takes nothing from elsewhere."""
CLAIM_ABOVE = 900_000
"""Bytes of an event; a message of SQS has 1,048,576 with its attributes."""

_UNSAFE = re.compile(r"[^0-9A-Za-z/-]")
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(oversize/[0-9A-Za-z/_-]+\.json)")
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ClaimError(ValueError):
    """A message and the data that it names do not make an event; the message says why."""


class CheckedIn(msgspec.Struct, frozen=True):
    """What goes where: `data` to the bucket under `key`, `message` to the queue."""

    key: str
    data: bytes
    message: bytes


class Claim(msgspec.Struct, frozen=True):
    """What a message names: where the data lie, and what they must be."""

    bucket: str
    key: str
    sha512: str


def key_of(event_id: str) -> str:
    """Return the key of the data of an event: the same each time that it is sent."""
    name = _UNSAFE.sub("_", event_id)
    if name != event_id:
        name += "-" + hashlib.sha256(event_id.encode()).hexdigest()[:16]
    return f"{FOLDER}{name}.json"


def checked_in(body: bytes, bucket: str) -> CheckedIn:
    """Return an event in two parts."""
    fields = _fields.decode(body)
    data = bytes(fields.pop("data"))
    key = key_of(msgspec.json.decode(fields["id"], type=str))
    extensions = {
        "dataref": f"s3://{bucket}/{key}",
        "datasha512": hashlib.sha512(data).hexdigest(),
    }
    return CheckedIn(key, data, msgspec.json.encode({**fields, **extensions}))


def claim_of(message: str) -> Claim | None:
    """Return what a message claims; None: it is an event by itself, or none at all.

    Raises:
        ClaimError: it names data that cannot be ours.
    """
    if '"dataref"' not in message:  # nearly always; inside a text the quotes would be escaped
        return None
    try:
        fields = _fields.decode(message)
    except msgspec.DecodeError:
        return None
    if "dataref" not in fields:
        return None
    try:
        address = msgspec.json.decode(fields["dataref"], type=str)
        sha512 = msgspec.json.decode(fields["datasha512"], type=str)
    except (KeyError, msgspec.DecodeError):
        raise ClaimError("dataref and datasha512 must both be texts") from None
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ClaimError(f"dataref: expected s3://BUCKET/{FOLDER}….json, got something else")
    return Claim(bucket=found[1], key=found[2], sha512=sha512)


def redeemed(message: str, claim: Claim, data: bytes) -> bytes:
    """Return the whole event.

    Raises:
        ClaimError: the data are not those that the message means.
    """
    if hashlib.sha512(data).hexdigest() != claim.sha512:
        raise ClaimError("the data have another SHA-512 than the message says")
    fields = _fields.decode(message)
    del fields["dataref"], fields["datasha512"]
    return msgspec.json.encode({**fields, "data": msgspec.Raw(data)})
