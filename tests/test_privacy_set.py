"""How well private parts are found, measured on labelled utterances.

`tests/data/privacy/LANGUAGE.txt`: one utterance a line, private parts as `{kind:text}`. The
first rules stood before the utterances were written; every third line stays apart from what rules
are mended by, and has figures of its own.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from service.privacy_kinds import Found, find

FOLDER = Path(__file__).parent / "data" / "privacy"
MARK = re.compile(r"\{(\w+):([^}]*)\}")
LEAST_RECALL, LEAST_PRECISION = 0.95, 0.95


def read(line: str) -> tuple[str, list[Found]]:
    """Return an utterance without its marks, and what they mark."""
    text, parts, at = "", [], 0
    for match in MARK.finditer(line):
        text += line[at : match.start()]
        parts.append(Found(len(text), len(text) + len(match[2]), match[1]))  # type: ignore[arg-type]
        text += match[2]
        at = match.end()
    return text + line[at:], parts


def utterances() -> list[tuple[str, int, str, list[Found]]]:
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [(path.stem, number, *read(line)) for number, line in enumerate(lines)]
    return found


ALL = utterances()


def covers(found: list[Found], part: Found) -> bool:
    """True when nothing of a private part but blanks and marks is left."""
    covered = set().union(*(range(it.start, it.end) for it in found)) if found else set()
    return all(place in covered for place in range(part.start, part.end))


def test_the_set_is_large_and_has_as_much_that_is_harmless():
    harmless = [text for _, _, text, parts in ALL if not parts]

    assert len(ALL) >= 250
    assert len(harmless) >= 0.45 * len(ALL)
    assert {part.kind for _, _, _, parts in ALL for part in parts} == {
        "card", "iban", "national_id", "phone", "email", "number",
    }  # fmt: skip


@pytest.mark.parametrize("held_out", [False, True])
def test_private_parts_are_found_and_little_else(
    held_out: bool, capsys: pytest.CaptureFixture[str]
):
    hidden: Counter[str] = Counter()
    there: Counter[str] = Counter()
    named: Counter[str] = Counter()
    right = wrong = 0
    missed = []
    for language, number, text, parts in ALL:
        if (number % 3 == 2) != held_out:
            continue
        found = find(text)
        for part in parts:
            there[part.kind] += 1
            hidden[part.kind] += covers(found, part)
            named[part.kind] += any(it.kind == part.kind and covers([it], part) for it in found)
            if not covers(found, part):
                missed.append((language, text))
        for it in found:
            is_right = any(part.start <= it.start + 1 and it.end <= part.end + 1 for part in parts)
            right, wrong = right + is_right, wrong + (not is_right)
            if not is_right:
                missed.append((language, text))
    recall = sum(hidden.values()) / sum(there.values())
    precision = right / (right + wrong)
    with capsys.disabled():
        kinds = ", ".join(f"{kind} {hidden[kind]}/{there[kind]}" for kind in sorted(there))
        print(
            f"\nprivacy{' (held out)' if held_out else ''}: recall {recall:.3f} ({kinds}), "
            f"precision {precision:.3f}, kind named {sum(named.values()) / sum(there.values()):.3f}"
        )
    assert recall >= LEAST_RECALL, missed
    assert precision >= LEAST_PRECISION, missed
