"""Every bad input of the AudioHook specification, section 17, has a test: rows 1 to 80."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]

# Rows that are shown by a test of their own; the others carry their number in a table of cases.
SHOWN_BY = {
    14: "test_gate.py: def test_replayed_request_is_refused",
    17: "test_gate.py: def test_authentic_request_with_unusable_ids_is_a_bad_request",
    19: "e2e/test_bad_upgrades.py: def test_two_sessions_of_one_id_live_side_by_side",
    20: "e2e/test_bad_upgrades.py: def test_a_full_house_answers_503_with_retry_after",
    21: "e2e/test_bad_upgrades.py: def test_a_client_that_never_finishes_its_request_is_dropped",
    28: "e2e/test_bad_sockets.py: async def text_that_is_no_text",
    62: "e2e/test_bad_sockets.py: async def giant_audio",
    75: "e2e/test_bad_sockets.py: async def nobody_reads_our_story",
    76: "e2e/test_bad_sockets.py: async def a_peer_that_falls_silent",
    77: "e2e/test_bad_sockets.py: async def socket_closed_without_a_word",
    80: "e2e/test_bad_sockets.py: async def no_answer_to_our_close",
}
# Shown without a socket in a table of cases, and over a real one as well.
ALSO_OVER_A_SOCKET = {
    27: "e2e/test_bad_sockets.py: async def giant_text",
    40: "e2e/test_bad_sockets.py: async def a_message_without_end",
    63: "e2e/test_bad_sockets.py: async def audio_faster_than_real_time",
    64: "e2e/test_bad_sockets.py: async def single_samples",
    74: "e2e/test_bad_sockets.py: async def pings_while_the_model_hangs",
    78: "e2e/test_calls.py: def test_the_third_complaint_ends_the_call",
    79: "e2e/test_bad_sockets.py: async def no_answer_to_our_disconnect",
}


def _text(name: str) -> str:
    return (TESTS / name).read_text(encoding="utf-8")


def _numbered() -> set[int]:
    """Rows that name a case of a table."""
    upgrades = re.findall(r'^    "(\d+)[ _]', _text("e2e/test_bad_upgrades.py"), re.MULTILINE)
    gate = re.findall(r'^    "(\d+)_', _text("test_gate.py"), re.MULTILINE)
    protocol = re.findall(r"row_(\d+)_", _text("audiohook/test_bad_inputs.py"))
    return {int(row) for row in (*upgrades, *gate, *protocol)}


def test_all_eighty_rows_have_a_test():
    assert set(range(1, 81)) - _numbered() - SHOWN_BY.keys() == set()


def test_the_tests_that_are_named_exist():
    missing = [
        where
        for where in (*SHOWN_BY.values(), *ALSO_OVER_A_SOCKET.values())
        if where.partition(": ")[2] not in _text(where.partition(": ")[0])
    ]

    assert missing == []
