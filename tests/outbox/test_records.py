import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.outbox.records import packed, unpacked

BODIES = [b'{"id":"1"}', b"x", b'{"id":"\xc3\xbc"}', b"y" * 300]
WHOLE = b"".join(map(packed, BODIES))
ENDS = [sum(len(packed(body)) for body in BODIES[: n + 1]) for n in range(len(BODIES))]


@given(bodies=st.lists(st.binary(min_size=1, max_size=200)), offset=st.integers(0, 10**9))
def test_what_was_packed_is_unpacked(bodies: list[bytes], offset: int):
    data = b"".join(map(packed, bodies))

    found = unpacked(data, offset)

    assert [body for _, body in found.bodies] == bodies
    assert (found.end, found.is_torn) == (offset + len(data), False)
    assert all(unpacked(data[end - offset :]).is_torn is False for end, _ in found.bodies)


@pytest.mark.parametrize("length", range(len(WHOLE) + 1))
def test_cut_anywhere_every_whole_record_is_found(length: int):
    found = unpacked(WHOLE[:length])

    whole = [end for end in ENDS if end <= length]
    assert found.bodies == list(zip(whole, BODIES, strict=False))
    assert found.end == max(whole, default=0)
    assert found.is_torn == (length not in [0, *ENDS])


@given(at=st.integers(0, len(WHOLE) - 1), flip=st.integers(1, 255))
def test_spoilt_byte_costs_no_record_before_it_and_makes_none_up(at: int, flip: int):
    spoilt = bytearray(WHOLE)
    spoilt[at] ^= flip

    found = unpacked(bytes(spoilt))

    before = [end for end in ENDS if end <= at]
    assert found.bodies == list(zip(before, BODIES, strict=False))
    assert found.is_torn


@pytest.mark.parametrize("tail", [b"\0" * 8, b"\0" * 4_096, b"\xff" * 8])
def test_tail_that_a_power_cut_left_is_no_record(tail: bytes):
    found = unpacked(WHOLE + tail)

    assert len(found.bodies) == len(BODIES)
    assert (found.end, found.is_torn) == (len(WHOLE), True)
