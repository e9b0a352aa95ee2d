import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.privacy_digits import runs_of


def digits_of(text: str) -> list[str]:
    return ["".join(number.digits for number in run) for run in runs_of(text)]


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("4111 1111", ["41111111"]),
        ("one two oh three", ["1203"]),
        ("twenty one, forty-five", ["2145"]),
        ("double five triple zero", ["55000"]),
        ("four hundred", ["400"]),
        ("siebenundzwanzig elf null zwo", ["271102"]),
        ("treinta y cinco, dieciséis", ["3516"]),
        ("quatre-vingt-dix-sept soixante et onze", ["9771"]),
        ("quatre-vingts, vingt et un", ["8021"]),
        ("one, um, two", ["12"]),
        ("one for two", ["1", "2"]),
        ("I have one. Really one.", ["1", "1"]),
        ("no numbers", []),
        ("", []),
    ],
)
def test_numbers_that_stand_together_are_one_run(text, digits):
    assert digits_of(text) == digits


def test_places_are_those_of_the_text():
    text = "it is forty one, 11"
    ((first, second),) = runs_of(text)
    assert (text[first.start : first.end], text[second.start : second.end]) == ("forty one", "11")
    assert (first.is_written, second.is_written) == (False, True)


@given(st.text(max_size=300))
def test_runs_are_in_order_and_within_the_text(text: str):
    at = 0
    for run in runs_of(text):
        for number in run:
            assert at <= number.start < number.end <= len(text)
            at = number.end
