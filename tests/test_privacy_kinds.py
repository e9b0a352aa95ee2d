import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.privacy_kinds import find, passes_luhn


def kinds(text: str) -> list[str]:
    return [part.kind for part in find(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("4111 1111 1111 1111", ["card"]),
        ("4111 1111 1111 1112", ["number"]),  # not Luhn's, but nobody's business
        ("DE89 3704 0044 0532 0130 00 bitte", ["iban"]),
        ("DE00 3704 0044 0532 0130 00", ["number"]),
        ("XX89 3704", []),
        ("12345678Z", ["national_id"]),
        ("12345678A", ["number"]),
        ("a@b.de", ["email"]),
        ("a at b", []),
        ("1.234.567,89 Euro", []),
        ("1.234.567,89", ["number"]),
        ("2026-11-27 10:30", []),
        ("card 4111111111111111 phone 0176 3456789", ["card", "phone"]),
    ],
)
def test_kinds(text, kind):
    assert kinds(text) == kind


@given(st.integers(10**11, 10**18).map(str))
def test_the_check_digit_is_the_one_that_passes(digits: str):
    assert sum(passes_luhn(digits + str(check)) for check in range(10)) == 1


@given(st.text(max_size=400))
def test_parts_are_in_order_and_apart(text: str):
    at = 0
    for part in find(text):
        assert at <= part.start < part.end <= len(text)
        at = part.end


@pytest.mark.parametrize(
    "text",
    [
        "4 " * 20_000, "111," * 10_000, "a." * 20_000, "a at " * 8_000, "x" * 40_000,
        "one " * 10_000, "a dot " * 6_000, "DE12" * 10_000, "4111111111111111 " * 2_300,
        "quatre vingt " * 3_000,
    ],
)  # fmt: skip
def test_no_text_takes_long(text):
    began = time.monotonic()
    find(text)
    assert time.monotonic() - began < 5
