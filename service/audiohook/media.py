"""Which audio we take: one PCMU lane of 8,000 samples a second, the caller's (`external`).

Source: specification sections 5.2 and 6.1.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from service.audiohook.errors import RemoteProtocolError

SAMPLE_RATE_HZ = 8_000
_MAX_OFFERS = 20  # three is the most that was ever seen


class MediaOffer(msgspec.Struct, frozen=True):
    """One offer that we can take.

    Attributes:
        raw: the offer as it came, because `opened` must echo it unchanged.
        channels: the lanes of a frame in their order, one byte of each in turn.
    """

    raw: msgspec.Raw
    channels: tuple[str, ...]

    def caller_audio(self, frame: bytes) -> bytes:
        """The caller's lane of `frame`; bytes after the last whole sample are left out."""
        channel_count = len(self.channels)
        if channel_count == 1:
            return frame
        whole_bytes = len(frame) - len(frame) % channel_count
        return frame[self.channels.index("external") : whole_bytes : channel_count]


class _Offer(msgspec.Struct):
    type: Literal["audio"]
    format: Literal["PCMU"]
    rate: Literal[8000]
    channels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2)]


def choose_media(raw: msgspec.Raw, *, is_probe: bool) -> MediaOffer | None:
    """The offer to answer with: the first one of the caller alone, else the first with the caller.

    Offers that we do not understand are skipped (row 50). None means "no audio", which only a
    probe may get.

    Raises:
        RemoteProtocolError: `media` is no list, or nothing in it suits a call.
    """
    try:
        offers = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("no media") from error
    chosen = _first_suitable(offers[:_MAX_OFFERS])
    if chosen is None and not is_probe:
        raise RemoteProtocolError("no supported media" if offers else "no media")
    return chosen


def _first_suitable(offers: Sequence[msgspec.Raw]) -> MediaOffer | None:
    suitable = [offer for offer in map(_read_offer, offers) if offer is not None]
    mono = (offer for offer in suitable if offer.channels == ("external",))
    return next(mono, suitable[0] if suitable else None)


def _read_offer(raw: msgspec.Raw) -> MediaOffer | None:
    try:
        channels = msgspec.json.decode(raw, type=_Offer).channels
    except (ValueError, RecursionError):
        return None
    if "external" not in channels:
        return None
    return MediaOffer(raw.copy(), channels)  # a copy, or the whole `open` stays in memory
