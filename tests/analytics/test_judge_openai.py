import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.analytics.judge_openai import MAX_ANSWER_BYTES, OpenAIJudge
from service.analytics.judging import (
    JudgeBusyError,
    JudgeRefusedError,
    JudgeSetupError,
    MalformedAnswerError,
)
from tests.analytics.test_judging import ANSWER, turns_of


class Endpoint(BaseHTTPRequestHandler):
    """Answers what the test says."""

    status = 200
    body = b""
    asked: dict[str, Any]
    authorization: str | None = None
    location = ""
    pause_s = 0.0

    def do_POST(self) -> None:
        kind = type(self)
        kind.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind.authorization = self.headers["Authorization"]
        self.send_response(kind.status)
        self.send_header("Content-Length", str(len(kind.body)))
        if kind.location:
            self.send_header("Location", kind.location)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # somebody who has heard enough
            for at in range(0, len(kind.body), 20):
                self.wfile.write(kind.body[at : at + 20])
                time.sleep(kind.pause_s)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def endpoint() -> Iterator[str]:
    """The base URL of a server on loopback that gives what `answers` said."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def judge() -> Iterator[OpenAIJudge]:
    with endpoint() as url:
        yield OpenAIJudge(url, "sk-x", "m", timeout_s=5)


def answers(status: int, message: object, **choice: object) -> None:
    Endpoint.status = status
    Endpoint.body = json.dumps({"choices": [{"message": message, **choice}]}).encode()


def test_turns_go_out_as_data_and_the_judgement_comes_back(judge: OpenAIJudge):
    answers(200, {"content": json.dumps(ANSWER)})
    assert judge.judge(turns_of(2)).intent == "opening hours"
    assert Endpoint.authorization == "Bearer sk-x"
    system, user = Endpoint.asked["messages"]
    assert "words 1" not in system["content"]
    assert json.loads(user["content"])[0] == {"turn": 1, "speaker": "caller", "words": "words 1"}


@pytest.mark.parametrize("status", [429, 503])
def test_a_throttled_endpoint_is_busy(judge: OpenAIJudge, status: int):
    answers(status, {})
    with pytest.raises(JudgeBusyError, match=str(status)):
        judge.judge(turns_of(2))


def test_a_wrong_key_says_what_to_look_at(judge: OpenAIJudge):
    answers(401, {})
    with pytest.raises(JudgeSetupError, match="key and model") as caught:
        judge.judge(turns_of(2))
    assert "sk-x" not in str(caught.value)


def test_refusals_are_known_in_both_forms(judge: OpenAIJudge):
    answers(200, {"content": None, "refusal": "no"})
    with pytest.raises(JudgeRefusedError):
        judge.judge(turns_of(2))
    answers(200, {"content": ""}, finish_reason="content_filter")
    with pytest.raises(JudgeRefusedError):
        judge.judge(turns_of(2))


@pytest.mark.parametrize("message", [None, {}, {"content": 5}, {"content": "hello"}])
def test_anything_else_is_malformed(judge: OpenAIJudge, message: object):
    answers(200, message)
    with pytest.raises(MalformedAnswerError):
        judge.judge(turns_of(2))


def test_a_redirect_is_not_followed_with_the_key(
    judge: OpenAIJudge, monkeypatch: pytest.MonkeyPatch
):
    answers(302, {})
    monkeypatch.setattr(Endpoint, "location", "http://127.0.0.1:9/elsewhere")
    with pytest.raises(JudgeSetupError, match="302"):
        judge.judge(turns_of(2))


def test_an_answer_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    answers(200, {"content": "x" * 2_000})
    monkeypatch.setattr(Endpoint, "pause_s", 0.02)
    with endpoint() as url, pytest.raises(JudgeBusyError, match="too long"):
        OpenAIJudge(url, "", "m", timeout_s=0.2).judge(turns_of(2))


def test_an_endless_answer_is_read_no_further(judge: OpenAIJudge):
    answers(200, {"content": "x" * (MAX_ANSWER_BYTES + 1_000)})
    with pytest.raises(MalformedAnswerError):
        judge.judge(turns_of(2))


def test_a_key_of_several_lines_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="one line") as caught:
        OpenAIJudge("http://127.0.0.1:9/v1", "sk-x\nsk-y", "m")
    assert "sk-" not in str(caught.value)


def test_nobody_there_is_busy():
    with pytest.raises(JudgeBusyError):
        OpenAIJudge("http://127.0.0.1:9/v1", "", "m", timeout_s=2).judge(turns_of(2))


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="http"):
        OpenAIJudge("file:///etc", "", "m")
