"""What leaves a call as text: masked by kind, unless a bot says otherwise.

Pure. Masks look like `[card]`; how many of each there were is counted. How well private parts are
found is measured on labelled utterances (tests/test_privacy_set.py); it is not perfect.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from service.privacy_digits import Number, runs_of
from service.privacy_kinds import Found, find
from service.privacy_patterns import compiled

Retention = Literal["redacted", "full", "none"]
STRICTNESS: tuple[Retention, ...] = ("full", "redacted", "none")
MAX_CHARS = 40_000
"""Of one text; what is longer is cut, for nothing unseen may leave."""
_EDGE_DIGITS = 3
"""Digits at the end of a turn that may be the beginning of a number."""
_WHOLE_DIGITS = 7


def strictest(retentions: Iterable[Retention]) -> Retention:
    """Return the one that keeps the least."""
    return max(retentions, key=STRICTNESS.index, default="redacted")


class Redactor:
    """Masks the texts of one call.

    Attributes:
        counts: how many parts of each kind were masked.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Mask what fits a bot's own `patterns` as well."""
        self.counts: Counter[str] = Counter()
        self._patterns = [compiled(pattern) for pattern in dict.fromkeys(patterns)]
        self._open_digits = 0

    def add_patterns(self, patterns: Iterable[str]) -> None:
        """Mask from now on what fits these patterns, too."""
        known = {pattern.pattern for pattern in self._patterns}
        made = (compiled(pattern) for pattern in patterns)
        self._patterns += [pattern for pattern in made if pattern.pattern not in known]

    def mask(self, text: str) -> str:
        """Return a text without its private parts."""
        text = text[:MAX_CHARS]
        return self._masked(text, self._parts_of(text))

    def mask_prefix(self, text: str, length: int) -> str:
        """Return the beginning of a text without the private parts of the whole.

        A number that was cut in the middle is not known by its beginning alone. Nothing is counted:
        the whole text is masked, too.
        """
        text, counts = text[:MAX_CHARS], self.counts.copy()
        masked = self._masked(text[:length], self._parts_of(text))
        self.counts = counts
        return masked

    def mask_spoken(self, text: str) -> str:
        """Return the words of one speaker, who may spread a number over several turns.

        What came before is gone already; of a number that goes on, the rest is masked.
        """
        text = text[:MAX_CHARS]
        parts = self._parts_of(text)
        runs = list(runs_of(text))
        if runs and self._open_digits and not text[: runs[0][0].start].strip(" .,-"):
            digits = sum(len(number.digits) for number in runs[0])
            is_known = any(part.start <= runs[0][0].start < part.end for part in parts)
            if self._open_digits + digits >= _WHOLE_DIGITS and not is_known:
                parts = [Found(runs[0][0].start, runs[0][-1].end, "number"), *parts]
        self._note_open_digits(text, runs)
        return self._masked(text, parts)

    def _note_open_digits(self, text: str, runs: list[list[Number]]) -> None:
        """Remember how many digits stand at the end of a turn."""
        if not runs or text[runs[-1][-1].end :].strip(" .,-…"):
            self._open_digits = 0
            return
        digits = sum(len(number.digits) for number in runs[-1])
        is_whole = len(runs) == 1 and not text[: runs[0][0].start].strip(" .,-")
        before = self._open_digits if is_whole else 0
        self._open_digits = before + digits if before + digits >= _EDGE_DIGITS else 0

    def _parts_of(self, text: str) -> list[Found]:
        own = [
            Found(match.start(), match.end(), "custom")
            for pattern in self._patterns
            for match in pattern.finditer(text)
        ]
        others = [
            part
            for part in find(text)
            if not any(part.start < it.end and it.start < part.end for it in own)
        ]
        return sorted([*_apart(own), *others])

    def _masked(self, text: str, parts: list[Found]) -> str:
        pieces, at = [], 0
        for part in parts:
            if part.start >= len(text):
                break
            pieces += [text[at : part.start], f"[{part.kind}]"]
            at = min(part.end, len(text))
            self.counts[part.kind] += 1
        return "".join([*pieces, text[at:]])


def _apart(parts: list[Found]) -> list[Found]:
    kept: list[Found] = []
    for part in sorted(parts):
        if not kept or part.start >= kept[-1].end:
            kept.append(part)
    return kept
