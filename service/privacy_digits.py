"""Numbers in what people say: digits written or spoken, alone or in groups, in four languages.

Pure. It does not have to know which language is spoken: only long runs of digits are looked for,
and those are the same run in all of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_UNITS = {
    "0": "zero oh null cero zéro nought naught",
    "1": "one eins ein uno una un une",
    "2": "two zwei zwo dos deux",
    "3": "three drei tres trois",
    "4": "four vier cuatro quatre",
    "5": "five fünf fuenf cinco cinq",
    "6": "six sechs seis",
    "7": "seven sieben siete sept",
    "8": "eight acht ocho huit",
    "9": "nine neun nueve neuf",
    "10": "ten zehn diez dix",
    "11": "eleven elf once onze",
    "12": "twelve zwölf zwoelf doce douze",
    "13": "thirteen dreizehn trece treize",
    "14": "fourteen vierzehn catorce quatorze",
    "15": "fifteen fünfzehn fuenfzehn quince quinze",
    "16": "sixteen sechzehn dieciséis dieciseis seize",
    "17": "seventeen siebzehn diecisiete",
    "18": "eighteen achtzehn dieciocho",
    "19": "nineteen neunzehn diecinueve",
    "21": "veintiuno veintiún",
    "22": "veintidós veintidos",
    "23": "veintitrés veintitres",
    "24": "veinticuatro",
    "25": "veinticinco",
    "26": "veintiséis veintiseis",
    "27": "veintisiete",
    "28": "veintiocho",
    "29": "veintinueve",
}
_TENS = {
    "20": "twenty zwanzig veinte vingt vingts",
    "30": "thirty dreißig dreissig treinta trente",
    "40": "forty fourty vierzig cuarenta quarante",
    "50": "fifty fünfzig fuenfzig cincuenta cinquante",
    "60": "sixty sechzig sesenta soixante",
    "70": "seventy siebzig setenta septante",
    "80": "eighty achtzig ochenta huitante octante",
    "90": "ninety neunzig noventa nonante",
}
_TIMES = {
    2: "double doppel doppelt doble zweimal",
    3: "triple dreifach dreimal",
}
_HUNDRED = frozenset({"hundred", "hundert", "cent", "cents", "ciento", "cien"})
_FILLERS = frozenset({
    "uh", "um", "eh", "er", "ah", "äh", "ähm", "öh", "euh", "em", "este", "and", "then", "und",
    "dann", "y", "luego", "et", "puis", "alors", "like", "also", "so",
})  # fmt: skip
_GERMAN = re.compile(
    "(ein|zwei|drei|vier|fünf|fuenf|sechs|sieben|acht|neun)und"
    "(zwanzig|dreißig|dreissig|vierzig|fünfzig|fuenfzig|sechzig|siebzig|achtzig|neunzig)"
)
_WORD = re.compile(r"\d+|[^\W\d_]+")
_GAP = re.compile(r"[\s.,\-–/()+]{0,4}")
_VALUES = {
    word: value
    for table in (_UNITS, _TENS)
    for value, words in table.items()
    for word in words.split()
}
_TENS_WORDS = frozenset(word for words in _TENS.values() for word in words.split())
_TIMES_OF = {word: times for times, words in _TIMES.items() for word in words.split()}
_LIKE_60_AND_80 = frozenset({"soixante", "quatrevingt"})
"""In French, the numbers after these go on to nineteen."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number in a text: its place, its digits, and whether it was written as digits."""

    start: int
    end: int
    digits: str
    is_written: bool


def runs_of(text: str) -> Iterator[list[Number]]:
    """Yield the numbers that stand together, with nothing between them but marks and hesitation."""
    run: list[Number] = []
    end, fillers = 0, 0
    for number in _numbers(text):
        if isinstance(number, _Filler):
            fillers += 1
            if run and fillers <= 1 and _GAP.fullmatch(text, end, number.start):
                end = number.end
                continue
        elif run and _GAP.fullmatch(text, end, number.start):
            run.append(number)
            end, fillers = number.end, 0
            continue
        if run:
            yield run
        run = [] if isinstance(number, _Filler) else [number]
        end, fillers = number.end, 0
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class _Filler:
    start: int
    end: int


def _numbers(text: str) -> Iterator[Number | _Filler]:
    """Yield numbers and fillers in order; any other word is a filler that breaks every run."""
    words = [(match.group().lower(), match.start(), match.end()) for match in _WORD.finditer(text)]
    at = 0
    while at < len(words):
        number, at = _number_at(text, words, at)
        yield number


Words = list[tuple[str, int, int]]


def _number_at(text: str, words: Words, at: int) -> tuple[Number | _Filler, int]:
    word, start, end = words[at]
    if word.isdigit():
        return Number(start, end, word, is_written=True), at + 1
    if word in _TIMES_OF and at + 1 < len(words):
        repeated = _VALUES.get(words[at + 1][0], words[at + 1][0])
        if repeated.isdigit() and len(repeated) == 1:
            digits = repeated * _TIMES_OF[word]
            return Number(start, words[at + 1][2], digits, is_written=False), at + 2
    if match := _GERMAN.fullmatch(word):
        value = int(_VALUES[match[1]]) + int(_VALUES[match[2]])
        return Number(start, end, str(value), is_written=False), at + 1
    if word in _HUNDRED:
        return Number(start, end, "00", is_written=False), at + 1
    if word in _VALUES:
        return _spoken_at(text, words, at)
    if word in _FILLERS:
        return _Filler(start, end), at + 1
    return _Filler(start, len(text) + 1), at + 1


def _spoken_at(text: str, words: Words, at: int) -> tuple[Number, int]:
    """Return a number of one word, or of several: twenty one, treinta y cinco, quatre-vingt-dix."""
    start = words[at][1]
    tens, value, after = _word_at(words, at)
    if tens:
        joined = after + 1 if _is_at(words, after, ("y", "et")) else after
        most = 20 if tens in _LIKE_60_AND_80 else 10
        if joined < len(words) and words[joined][0] in _VALUES:
            _, more, end = _word_at(words, joined)
            if 0 < more < most and _GAP.fullmatch(text, words[after - 1][2], words[after][1]):
                value, after = value + more, end
    return Number(start, words[after - 1][2], str(value), is_written=False), after


def _word_at(words: Words, at: int) -> tuple[str, int, int]:
    """Return a word's name among the tens, or nothing, its value, and where the next one stands."""
    word = words[at][0]
    value = int(_VALUES[word])
    if word == "quatre" and _is_at(words, at + 1, ("vingt", "vingts")):
        return "quatrevingt", 80, at + 2
    if word == "dix" and _is_at(words, at + 1, ("sept", "huit", "neuf")):
        return "", 10 + int(_VALUES[words[at + 1][0]]), at + 2
    return word if word in _TENS_WORDS else "", value, at + 1


def _is_at(words: Words, at: int, wanted: tuple[str, ...]) -> bool:
    return at < len(words) and words[at][0] in wanted
