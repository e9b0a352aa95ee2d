import pytest

from service.privacy_patterns import compiled, problem_with


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        ("NW-######", "My number is nw-123456.", True),
        ("NW-######", "NW 123 456", False),
        ("NW######", "N W 12 34-56", True),
        ("NW-######", "XNW-123456", False),
        ("@@####", "ab1234", True),
        ("####.##", "1234.56", True),
        ("####.##", "1234x56", False),
    ],
)
def test_places_are_digits_and_letters(pattern, text, is_found):
    assert bool(compiled(pattern).search(text)) is is_found


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("NW-######", ""),
        ("x" * 41, "at most 40 characters"),
        ("NW-#", "at least 4 places: # for a digit, @ for a letter"),
        ("@@@@@", "at least one # for a digit"),
    ],
)
def test_a_pattern_that_would_mask_too_much_is_refused(pattern, problem):
    assert problem_with(pattern) == problem


def test_characters_of_expressions_are_themselves():
    assert compiled("(a+)+####").search("(a+)+1234")
    assert not compiled("(a+)+####").search("aaaa1234")
