import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audiohook.errors import RemoteProtocolError
from service.audiohook.media import MediaOffer, choose_media
from tests.audiohook.peer import INTERNAL, MONO, STEREO

SWAPPED = {**STEREO, "channels": ["internal", "external"]}


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def chosen(offers: list[Any]) -> Any:
    offer = choose_media(raw(offers), is_probe=False)
    assert offer is not None
    return json.loads(bytes(offer.raw))


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        ([MONO], MONO),
        ([STEREO, MONO, INTERNAL], MONO),
        ([STEREO, INTERNAL], STEREO),
        ([INTERNAL, SWAPPED, STEREO], SWAPPED),
        ([{**MONO, "format": "L16"}, MONO], MONO),
        ([{**MONO, "type": "video"}, STEREO], STEREO),
        ([{**MONO, "channels": ["external"] * 3}, STEREO], STEREO),
        ([{**MONO, "channels": []}, STEREO], STEREO),
        ([{**MONO, "channels": "external"}, STEREO], STEREO),
        ([5, None, [], {}, MONO], MONO),
    ],
)
def test_the_caller_alone_is_preferred_to_the_caller_among_others(
    offers: list[Any], expected: Any
) -> None:
    assert chosen(offers) == expected


def test_the_offer_is_kept_byte_for_byte() -> None:
    text = b'{"rate":8000, "x":1.50,"format":"PCMU","type":"audio", "channels":["external"]}'

    offer = choose_media(msgspec.Raw(b"[" + text + b"]"), is_probe=False)

    assert offer is not None
    assert bytes(offer.raw) == text


def test_an_endless_list_of_offers_is_not_searched_to_its_end() -> None:
    with pytest.raises(RemoteProtocolError, match="no supported media"):
        choose_media(raw([INTERNAL] * 20 + [MONO]), is_probe=False)


@pytest.mark.parametrize("text", [b"", b"null", b"{}", b'"x"', b"[" * 9_000])
@pytest.mark.parametrize("is_probe", [True, False])
def test_media_must_be_a_list(text: bytes, is_probe: bool) -> None:
    with pytest.raises(RemoteProtocolError, match="no media"):
        choose_media(msgspec.Raw(text), is_probe=is_probe)


def test_a_probe_may_have_no_audio() -> None:
    assert choose_media(raw([]), is_probe=True) is None


def test_mono_audio_is_handed_on_as_it_is() -> None:
    frame = bytes(range(256))

    assert MediaOffer(raw(MONO), ("external",)).caller_audio(frame) is frame


@settings(derandomize=True, deadline=None, database=None, max_examples=100)
@given(st.binary(max_size=200), st.booleans(), st.binary(max_size=1))
def test_the_callers_lane_is_every_other_byte(caller: bytes, is_first: bool, odd: bytes) -> None:
    channels = ("external", "internal") if is_first else ("internal", "external")
    pairs = [(sample, 0xFF) if is_first else (0xFF, sample) for sample in caller]
    frame = b"".join(bytes(pair) for pair in pairs)

    assert MediaOffer(raw(STEREO), channels).caller_audio(frame + odd) == caller
