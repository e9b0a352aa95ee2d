import logging

import pytest

from scripts.emulators.speech_http import LLM, Fault
from service.speech.cascade_parts import Address
from service.speech.port import SpeechError
from service.speech.web import Web
from tests.speech.http_services import KEY, run, services


def failure_of(*faults: Fault, deadline_s: float = 5.0, path: str = "/chat/completions"):
    async def ask() -> SpeechError:
        async with services(path=LLM, faults=faults) as (_, web):
            with pytest.raises(SpeechError) as caught:
                async with web.post(
                    path, b"{}", "application/json", deadline_s=deadline_s, max_bytes=10_000
                ) as pieces:
                    async for _ in pieces:
                        pass
            return caught.value

    return run(ask)


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [
        (401, "part_http_401", False),
        (404, "part_http_404", False),
        (429, "part_http_429", True),
        (503, "part_http_503", True),
        (302, "part_http_302", True),
        ("cut", "part_unreachable", True),
    ],
)
def test_a_refusal_is_an_error_of_ours_without_the_servers_words(
    fault: Fault, code: str, retryable: bool, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)

    error = failure_of(fault)

    assert (error.code, error.retryable) == (code, retryable)
    assert "4711" not in caplog.text + repr(error) + repr(error.__context__)
    assert KEY not in caplog.text


def test_a_server_that_hangs_is_left_at_the_deadline():
    error = failure_of("hang", deadline_s=0.1)

    assert (error.code, error.retryable) == ("part_timeout", True)


def test_nobody_at_the_address_is_an_error_of_ours():
    async def ask():
        web = Web("part", Address("http://127.0.0.1:1"))
        with pytest.raises(SpeechError) as caught:
            async with web.post("/x", b"", "text/plain", deadline_s=5, max_bytes=1):
                pass
        return caught.value

    error = run(ask)

    assert (error.code, error.retryable) == ("part_unreachable", True)
