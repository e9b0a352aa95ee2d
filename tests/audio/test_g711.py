"""G.711 against the decision values of the standard, and what it costs."""

import random
import time
from bisect import bisect_right

import pytest

from service.audio.g711 import code_of, decode, encode, value_of


def standard_steps() -> tuple[list[int], list[int]]:
    """Decision values and outputs of ITU-T G.711, table 2a, in its own 14-bit units.

    Written as the table is: eight segments, whose intervals double.
    """
    decisions, outputs = [1], [0]
    for segment in range(8):
        width = 2 << segment
        for _ in range(16 if segment else 15):
            outputs.append(decisions[-1] + width // 2)
            decisions.append(decisions[-1] + width)
    return decisions, outputs


DECISIONS, OUTPUTS = standard_steps()


def test_the_table_of_the_standard_ends_as_printed():
    assert (len(OUTPUTS), DECISIONS[-1], OUTPUTS[-1]) == (128, 8_159, 8_031)


def test_every_code_decodes_to_the_value_of_the_standard():
    decoded = [value_of(code) for code in range(256)]

    # Codes are sent inverted: 0xFF is the quietest, 0x80 the loudest; the first half is negative.
    assert decoded[128:] == [4 * value for value in reversed(OUTPUTS)]
    assert decoded[:128] == [-4 * value for value in reversed(OUTPUTS)]


def test_every_sample_encodes_by_the_decision_values_of_the_standard():
    def standard_code(sample: int) -> int:
        place = min(127, bisect_right(DECISIONS, abs(sample) / 4))
        return (0x7F if sample < 0 else 0xFF) - place

    wrong = [s for s in range(-32_768, 32_768) if code_of(s) != standard_code(s)]

    assert wrong == []


def test_bytes_go_through_as_samples_do():
    samples = list(range(-32_768, 32_768))
    pcm16 = b"".join(s.to_bytes(2, "little", signed=True) for s in samples)

    assert encode(pcm16) == bytes(code_of(s) for s in samples)
    assert decode(bytes(range(256)))[-2:] == b"\0\0"
    assert decode(b"") == encode(b"") == b""


def test_a_code_survives_decoding_and_encoding():
    codes = bytes(range(256))

    # The negative nought becomes the positive one: a sample knows only one.
    assert encode(decode(codes)) == codes.replace(b"\x7f", b"\xff")


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="multiple"):
        encode(b"\0\0\0")


def test_a_second_of_sound_costs_little(capsys):
    second = random.Random(1).randbytes(8_000)
    started = time.process_time()
    for _ in range(20):
        encode(decode(second))
    cpu_ms = (time.process_time() - started) / 20 * 1_000
    with capsys.disabled():
        print(f"\n  G.711: {cpu_ms:.2f} ms of CPU to decode and encode a second")

    assert cpu_ms < 10  # ten times what was measured
