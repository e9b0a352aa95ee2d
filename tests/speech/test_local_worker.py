import io

import pytest

from service.speech.local_worker import MAX_BYTES, serve, speakable


def frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize("tail", [b"", b"\0\0", (MAX_BYTES + 1).to_bytes(4, "big")])
def test_requests_are_answered_until_there_are_no_more(tail: bytes):
    answers = io.BytesIO()
    requests = io.BytesIO(frame(b"ab") + frame(b"") + tail)

    serve(bytes.upper, requests, answers)

    assert answers.getvalue() == frame(b"AB") + frame(b"")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Hello <b>there</b>\n", "Hello b there /b"),
        ("...", ""),
        ("a" * 5_000, "a" * 60),
        ("word " * 1_000, ("word " * 240).strip() + " "),
    ],
)
def test_the_voice_is_given_plain_lines(text: str, line: str):
    assert speakable(text) == line.strip() or speakable(text) == line
    assert len(speakable(text)) <= 1_200
