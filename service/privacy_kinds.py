"""What is private in a text, by kind: cards, bank accounts, national numbers, phones, e-mail.

Pure. Sources: ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN, check digits by ISO 7064), Orden
INT/2058/2008 (DNI), and the labelled utterances in tests/data/privacy.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from service.privacy_digits import Number, runs_of

Kind = Literal["card", "iban", "national_id", "phone", "email", "number", "custom"]


class Found(NamedTuple):
    """A private part of a text."""

    start: int
    end: int
    kind: Kind


LONG_DIGITS = 7
"""A run that is as long names somebody or something of somebody's."""
_CARD_DIGITS = range(13, 20)
_CARD_BEGINNINGS = frozenset("23456")
_PHONE_DIGITS = range(7, 16)
_IBAN = re.compile(r"\b([A-Z]{2})[ -]?\d{2}", re.IGNORECASE)
_IBAN_LENGTHS = {
    "AT": 20, "BE": 16, "CH": 21, "CZ": 24, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27,
    "GB": 22, "IE": 22, "IT": 27, "LI": 21, "LU": 20, "NL": 18, "NO": 15, "PL": 28, "PT": 25,
    "SE": 24,
}  # fmt: skip
_DNI = re.compile(r"\b(?:([XYZ])[ -]?)?(\d{7,8})[ -]?([A-HJ-NP-TV-Z])\b", re.IGNORECASE)
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_SSN = re.compile(r"\b\d{3}[- ]\d{2}[- ]\d{4}\b")
_AMOUNT = re.compile(r"(?<![\d.,])\d{1,3}(?:[.,' ]\d{3}){1,4}(?:[.,]\d{1,2})?(?![.,]?\d)")
_MONEY = re.compile(
    r"\s*(?:(?:euros?|dollars?|pounds?|cents?|kwh|kilowatt|eur|usd|gbp|km|percent|prozent)\b|[€$£%])",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\b\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b"
    r"|\b\d{1,2}:\d{2}(?::\d{2})?\b"
)
_TLDS = "com|org|net|de|es|fr|eu|uk|info|at|ch|it|io|gov|edu|be|nl|mx|us|ca"
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_DOT = r"(?:dot|punkt|punto|point)"
_AT = r"(?:at|ät|et|klammeraffe|arroba|arobase|arrobas)"
_LABEL = r"[\w.-]{1,64}"
_MARK = rf"(?:{_DOT}|dash|minus|bindestrich|guión|guion|tiret|underscore|unterstrich)"
_SPOKEN_EMAIL = re.compile(
    rf"\b{_LABEL}(?:\s+{_MARK}\s+{_LABEL}){{0,4}}\s+{_AT}\s+{_LABEL}"
    rf"(?:\s+{_MARK}\s+{_LABEL}){{0,3}}(?:\s+{_DOT}\s+|\.)(?:{_TLDS})\b",
    re.IGNORECASE,
)
_PHONE_WORDS = re.compile(
    r"phone|call me|reach me|mobile|cell|text me|telefon|handy|nummer ist|rückruf|anrufen|erreich"
    r"|móvil|movil|teléfono|llám|llam|téléphone|portable|joindre|rappel|appel",
    re.IGNORECASE,
)
_ID_WORDS = re.compile(
    r"social security|national insurance|passport|tax id|steuer|ausweis|reisepass"
    r"|sozialversicherung|seguridad social|pasaporte|\bdni\b|\bnie\b|sécurité sociale"
    r"|securite sociale|passeport|carte d'identité",
    re.IGNORECASE,
)
_CONTEXT = 60
"""Characters before a number in which it is named."""


def find(text: str) -> list[Found]:
    """Return the private parts of a text, in order, none within another."""
    found: list[Found] = [
        Found(match.start(), match.end(), "email")
        for pattern in (_EMAIL, _SPOKEN_EMAIL)
        for match in pattern.finditer(text)
    ]
    found += _ibans_in(text)
    found += (Found(it.start(), it.end(), "national_id") for it in _SSN.finditer(text))
    found += (
        Found(it.start(), it.end(), "national_id") for it in _DNI.finditer(text) if _is_dni(it)
    )
    harmless = [match.span() for match in _DATE.finditer(text)]
    harmless += [
        match.span() for match in _AMOUNT.finditer(text) if _MONEY.match(text, match.end())
    ]
    for run in runs_of(text):
        numbers = [it for it in run if not _is_within(it, harmless)]
        found += _found_in(text, numbers)
    return _apart(found)


def _found_in(text: str, run: list[Number]) -> Iterator[Found]:
    """Yield the cards of a run; what is left of it may be a number of another kind."""
    at = 0
    while at < len(run):
        end = _card_from(run, at)
        if end is None:
            at += 1
            continue
        yield Found(run[at].start, run[end - 1].end, "card")
        run = run[:at] + run[end:]
    digits = sum(len(number.digits) for number in run)
    if digits < LONG_DIGITS or _is_money(text, run):
        return
    start = run[0].start
    start -= text[max(0, start - 1) : start] == "+"
    yield Found(start, run[-1].end, _kind_of(text, run, digits))


def _card_from(run: list[Number], at: int) -> int | None:
    """Return where a card that begins with a number ends; the longest one."""
    digits, best = "", None
    for end, number in enumerate(run[at:], at + 1):
        digits += number.digits
        if len(digits) > _CARD_DIGITS[-1]:
            break
        if len(digits) in _CARD_DIGITS and digits[0] in _CARD_BEGINNINGS and passes_luhn(digits):
            best = end
    return best


def _kind_of(text: str, run: list[Number], digits: int) -> Kind:
    start = run[0].start
    before = text[max(0, start - _CONTEXT) : start]
    if _ID_WORDS.search(before):
        return "national_id"
    has_plus = text[max(0, start - 1) : start] == "+"
    is_phone = has_plus or run[0].digits.startswith("00") or _PHONE_WORDS.search(before)
    return "phone" if is_phone and digits in _PHONE_DIGITS else "number"


def _is_money(text: str, run: list[Number]) -> bool:
    return len(run) == 1 and bool(_MONEY.match(text, run[0].end))


def _is_within(number: Number, spans: list[tuple[int, int]]) -> bool:
    return any(start <= number.start and number.end <= end for start, end in spans)


def passes_luhn(digits: str) -> bool:
    """Return whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _ibans_in(text: str) -> Iterator[Found]:
    for match in _IBAN.finditer(text):
        chars, end = "", match.start()
        wanted = _IBAN_LENGTHS.get(match[1].upper(), 0)
        while (
            len(chars) < wanted and end < len(text) and (text[end].isalnum() or text[end] in " -")
        ):
            chars += text[end] if text[end].isalnum() else ""
            end += 1
        if wanted and len(chars) == wanted and _passes_97(chars.upper()):
            yield Found(match.start(), end, "iban")


def _passes_97(iban: str) -> bool:
    """Return whether the third and fourth place check the others (ISO 7064, MOD 97-10)."""
    if not iban.isascii():
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def _is_dni(match: re.Match[str]) -> bool:
    prefix = {"": "", "X": "0", "Y": "1", "Z": "2"}[(match[1] or "").upper()]
    number = prefix + match[2]
    return len(number) == 8 and _DNI_LETTERS[int(number) % 23] == match[3].upper()


def _apart(found: list[Found]) -> list[Found]:
    """Return the parts in order; of two that share text the one that begins first, or is longer."""
    kept: list[Found] = []
    for part in sorted(found, key=lambda it: (it.start, -it.end)):
        if kept and part.start < kept[-1].end:
            if part.end > kept[-1].end:
                kept[-1] = kept[-1]._replace(end=part.end)
            continue
        kept.append(part)
    return kept
