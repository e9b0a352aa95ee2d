import pytest

from service.speech.cascade_sentences import LONGEST_CHARS, Sentences, speakable


def parted(text: str, size: int = 1) -> list[str]:
    sentences = Sentences()
    pieces = [text[begin : begin + size] for begin in range(0, len(text), size)]
    return [it for piece in pieces for it in sentences.add(piece)] + sentences.finish()


@pytest.mark.parametrize("size", [1, 4, 1_000])
def test_sentences_come_whole_whatever_the_pieces(size: int):
    text = "Your balance is 12.50 euros. Shall I send it to you? Just say so"

    assert parted(text, size) == [
        "Your balance is 12.50 euros.",
        "Shall I send it to you?",
        "Just say so",
    ]


def test_a_sentence_is_given_out_as_soon_as_the_next_one_begins():
    sentences = Sentences()

    assert sentences.add("We are open today.") == []  # "today.m." is possible
    assert sentences.add(" From") == ["We are open today."]
    assert sentences.finish() == ["From"]
    assert sentences.finish() == []


def test_short_sentences_wait_for_the_next():
    assert parted("No. That is not possible. Yes.") == ["No. That is not possible.", "Yes."]


def test_a_line_and_a_full_stop_of_other_scripts_end_a_sentence():
    assert parted("Here is the list\nthe first thing") == ["Here is the list", "the first thing"]
    assert parted("今日は何をお手伝いしましょうか。どうぞ") == [
        "今日は何をお手伝いしましょうか。",
        "どうぞ",
    ]


def test_text_without_an_end_is_parted_at_a_space():
    words = "and so on " * 200

    found = parted(words, 50)

    assert " ".join(found) == words.strip()
    assert max(map(len, found)) <= LONGEST_CHARS
    assert all(part.startswith(("and", "so", "on")) for part in found)


def test_text_without_spaces_is_parted_all_the_same():
    found = parted("x" * 1_000, 100)

    assert ("".join(found), max(map(len, found))) == ("x" * 1_000, LONGEST_CHARS)


def test_marks_for_the_eye_are_not_spoken():
    assert speakable("**Now**, `press`\n #1_") == "Now, press 1"
    assert speakable(" ... --- ") == ""
    assert parted("## \n\n***\n") == []
