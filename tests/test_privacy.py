import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.privacy import MAX_CHARS, Redactor, strictest


def test_private_parts_become_marks_and_are_counted():
    redactor = Redactor()
    text = "Card 4111 1111 1111 1111, mail a.b@example.com, 4111 1111 1111 1111."
    assert redactor.mask(text) == "Card [card], mail [email], [card]."
    assert redactor.counts == {"card": 2, "email": 1}


def test_a_bots_own_numbers_are_masked_as_such():
    redactor = Redactor(["NW-########"])
    redactor.add_patterns(["NW-########", "K####"])
    assert redactor.mask("It is NW-12345678 or K1234.") == "It is [custom] or [custom]."
    assert redactor.counts == {"custom": 2}


def test_the_beginning_of_a_number_that_was_cut_is_masked_as_the_whole():
    redactor = Redactor()
    text = "Your card is 4111 1111 1111 1111, right?"
    assert redactor.mask_prefix(text, text.index(" 1111, right")) == "Your card is [card]"
    assert redactor.mask_prefix(text, 12) == "Your card is"
    assert not redactor.counts


def test_a_number_over_several_turns_is_masked_from_its_second_part_on():
    redactor = Redactor()
    turns = ["It is four one one one.", "One one one one.", "1111", "That was it: 12 euros."]
    assert [redactor.mask_spoken(turn) for turn in turns] == [
        "It is four one one one.",
        "[number].",
        "[number]",
        "That was it: 12 euros.",
    ]


def test_short_answers_are_no_number():
    redactor = Redactor()
    assert [redactor.mask_spoken(turn) for turn in ("Two.", "Three, please.", "At 10.")] == [
        "Two.",
        "Three, please.",
        "At 10.",
    ]


@pytest.mark.parametrize(
    ("all_of_them", "strict"),
    [
        (["full", "redacted"], "redacted"),
        (["redacted", "none", "full"], "none"),
        (["full"], "full"),
        ([], "redacted"),
    ],
)
def test_the_strictest_retention_counts(all_of_them, strict):
    assert strictest(all_of_them) == strict


@given(st.text(max_size=200))
def test_what_is_masked_stays_masked(text: str):
    once = Redactor().mask(text)
    assert Redactor().mask(once).count("[") >= once.count("[")


def test_a_text_beyond_all_bounds_is_cut():
    assert len(Redactor().mask("a" * (MAX_CHARS + 10))) == MAX_CHARS
