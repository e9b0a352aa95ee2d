"""A judge behind an OpenAI-compatible HTTP address: chat completions, by the standard library.

Errors name the status and nothing of the request or the answer.
"""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from service.analytics.judging import (
    INSTRUCTIONS,
    JudgeBusyError,
    JudgeRefusedError,
    JudgeSetupError,
    MalformedAnswerError,
    judgement_of,
    question_of,
)
from service.call_documents import Judgement
from service.call_events import TurnData

OPENAI = "https://api.openai.com/v1"
MAX_ANSWER_BYTES = 200_000
"""Ten times what `MAX_TOKENS` are, and little enough for one row of the table."""
MAX_TOKENS = 4_000
_BUSY = frozenset({408, 409, 429, 500, 502, 503, 504, 529})


class OpenAIJudge:
    """Asks `POST <base_url>/chat/completions`.

    Args:
        base_url: Such as `https://api.openai.com/v1`.
        api_key: Sent as bearer token; empty: none is sent.
        model: Its name there.
        timeout_s: Of connecting, of each wait for more of the answer, and of reading it whole.

    Raises:
        ValueError: The address is not `http` or `https`, or no header can carry the key.
    """

    name = "openai"

    def __init__(self, base_url: str, api_key: str, model: str, *, timeout_s: float = 60) -> None:
        if urlsplit(base_url).scheme not in {"http", "https"}:
            raise ValueError("the judge's address must begin with http:// or https://")
        if not (api_key.isascii() and api_key.isprintable()):
            raise ValueError("the judge's API key must be one line of ASCII: look at its secret")
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._api_key = api_key
        self._timeout_s = timeout_s
        self.model = model

    def judge(self, turns: Sequence[TurnData]) -> Judgement:
        """See `Judge`.

        Raises:
            JudgeSetupError: The endpoint refuses address, key or model.
        """
        answer = _message_of(self._post(turns))
        if answer.get("refusal"):
            raise JudgeRefusedError("the model refuses to judge this call")
        content = answer.get("content")
        if not isinstance(content, str):
            raise MalformedAnswerError("the answer has no text")
        return judgement_of(content, turns)

    def _post(self, turns: Sequence[TurnData]) -> bytes:
        body = {
            "model": self.model,
            "max_completion_tokens": MAX_TOKENS,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": INSTRUCTIONS},
                {"role": "user", "content": question_of(turns)},
            ],
        }
        headers = {"Content-Type": "application/json"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        request = urllib.request.Request(  # noqa: S310  # the scheme was checked
            self._url, data=json.dumps(body).encode(), headers=headers
        )
        try:
            with _opener.open(request, timeout=self._timeout_s) as answer:
                return _read(answer, time.monotonic() + self._timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal_of(error.code) from None
        except (OSError, http.client.HTTPException) as error:
            raise JudgeBusyError(f"no answer: {type(error).__name__}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The standard library would take the key along to whichever host is named."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: the redirect is then an error with its status."""


_opener = urllib.request.build_opener(_NoRedirects)


def _read(answer: http.client.HTTPResponse, until: float) -> bytes:
    """Return the answer, or its beginning where it is too long."""
    read = bytearray()
    while len(read) < MAX_ANSWER_BYTES and (more := answer.read1(MAX_ANSWER_BYTES - len(read))):
        read += more
        if time.monotonic() > until:
            raise JudgeBusyError("the answer takes too long")
    return bytes(read)


def _refusal_of(status: int) -> Exception:
    if status in _BUSY:
        return JudgeBusyError(f"the endpoint answered {status}")
    return JudgeSetupError(
        f"the endpoint answered {status}: look at the judge's address, key and model"
    )


def _message_of(body: bytes) -> dict[str, Any]:
    try:
        choice = json.loads(body)["choices"][0]
        message = choice["message"]
        is_filtered = choice.get("finish_reason") == "content_filter"
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise MalformedAnswerError("the answer is no chat completion") from error
    if is_filtered:
        raise JudgeRefusedError("the endpoint filters the answer")
    if not isinstance(message, dict):
        raise MalformedAnswerError("the answer is no chat completion")
    return message
