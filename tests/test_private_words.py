from service.bots.port import Privacy
from service.private_words import PrivateWords
from service.transcript import Turn

CARD = "4111 1111 1111 1111"


def turn(text: str, heard: str | None = None, speaker: str = "agent") -> Turn:
    made = Turn(1, speaker, "i", 0, 1, text=text)  # type: ignore[arg-type]
    made.heard = text if heard is None else heard
    return made


def words_of(*privacies: Privacy) -> PrivateWords:
    made = PrivateWords()
    for privacy in privacies:
        made.follow(privacy)
    return made


def test_by_default_private_parts_are_masked():
    words = words_of(Privacy())
    assert words.of_turn(turn(f"It is {CARD}.")) == ("It is [card].", "It is [card].")
    assert words.told.retention == "redacted"
    assert words.told.redactions == {"card": 1}


def test_words_heard_in_part_are_masked_by_the_whole():
    words = words_of(Privacy())
    heard = words.of_turn(turn(f"It is {CARD}.", "It is 4111 1111"))
    assert heard == ("It is [card]", "It is [card].")
    assert words.told.redactions == {"card": 1}


def test_a_bot_may_keep_every_word_or_none():
    full, none = words_of(Privacy("full")), words_of(Privacy("none"))
    assert full.of_turn(turn(CARD)) == (CARD, CARD)
    assert none.of_turn(turn("Hello.")) == ("", "")
    outputs = {"BOT_STATUS": "transfer", "SUMMARY": f"Card {CARD}"}
    assert full.of_outputs(outputs) == outputs
    assert none.of_outputs(outputs) == {"BOT_STATUS": "transfer", "SUMMARY": ""}
    assert words_of(Privacy()).of_outputs(outputs)["SUMMARY"] == "Card [card]"


def test_the_strictest_bot_of_the_call_counts_from_then_on():
    words = words_of(Privacy("full"), Privacy("redacted"), Privacy("full"))
    assert words.of_turn(turn(CARD)) == ("[card]", "[card]")
    assert words.told.retention == "redacted"


def test_patterns_of_all_bots_hold():
    words = words_of(Privacy(patterns=("NW-####",)), Privacy(patterns=("K-#####",)))
    assert words.of_turn(turn("NW-1234 K-12345"))[0] == "[custom] [custom]"


def test_a_number_that_is_spread_over_turns_of_one_speaker_is_masked():
    words = words_of(Privacy())
    said = [
        words.of_turn(turn("four one one one", speaker="caller"))[0],
        words.of_turn(turn("Yes?"))[0],
        words.of_turn(turn("one one one one", speaker="caller"))[0],
    ]
    assert said == ["four one one one", "Yes?", "[number]"]
