"""Words as they come, in pieces that a voice can speak: whole sentences.

Pure. The first sentence is spoken while the others are still being thought of.
"""

import re

SHORTEST_CHARS = 12
"""Shorter ones wait for the next: "No." alone sounds torn off, and costs a request."""
LONGEST_CHARS = 300
"""About 20 s of speech; a sentence without an end is parted at a space."""
_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？]|\n")
_MARKS = re.compile(r"[*_`#]+")


class Sentences:
    """Parts one answer."""

    def __init__(self) -> None:
        self._text = ""

    def add(self, words: str) -> list[str]:
        """Return the sentences that are complete with these words."""
        self._text += words
        found = []
        while sentence := self._take():
            found.append(sentence)
        return [spoken for sentence in found if (spoken := speakable(sentence))]

    def finish(self) -> list[str]:
        """Return the rest."""
        rest, self._text = self._text, ""
        spoken = speakable(rest)
        return [spoken] if spoken else []

    def _take(self) -> str:
        """Cut the first sentence off, if it has an end; an empty text means that it has none."""
        end = next(
            (it.end() for it in _END.finditer(self._text) if it.end() >= SHORTEST_CHARS), None
        )
        if end is None or end > LONGEST_CHARS:
            if len(self._text) <= LONGEST_CHARS:
                return ""
            end = self._text.rfind(" ", 1, LONGEST_CHARS) + 1 or LONGEST_CHARS
        sentence, self._text = self._text[:end], self._text[end:]
        return sentence


def speakable(text: str) -> str:
    """Return the text without marks that are for the eye; empty when nothing can be said."""
    plain = " ".join(_MARKS.sub("", text).split())
    return plain if any(letter.isalnum() for letter in plain) else ""
