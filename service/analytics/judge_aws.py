"""Judges on AWS: a model behind Bedrock's Converse, and Amazon Comprehend for sentiments alone.

The clients are given, and boto3's. Errors name the code and nothing of the call.
"""

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from service.analytics.judging import (
    INSTRUCTIONS,
    JudgeBusyError,
    JudgeRefusedError,
    JudgeSetupError,
    MalformedAnswerError,
    judgement_of,
    question_of,
)
from service.call_documents import Judgement, Sentiment, TurnSentiment
from service.call_events import TurnData

MAX_TOKENS = 4_000
MAX_TEXTS = 25  # of one BatchDetectSentiment
MAX_TEXT_BYTES = 5_000  # of one text of it
_BUSY = frozenset(
    {
        "InternalFailure",
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_REFUSED = frozenset({"content_filtered", "guardrail_intervened"})
_SENTIMENTS: dict[str, Sentiment] = {
    "POSITIVE": "positive",
    "NEGATIVE": "negative",
    "NEUTRAL": "neutral",
    "MIXED": "mixed",
}


class BedrockJudge:
    """Asks a model by `boto3.client("bedrock-runtime").converse`."""

    name = "bedrock"

    def __init__(self, client: Any, model: str) -> None:
        self._client = client
        self.model = model

    def judge(self, turns: Sequence[TurnData]) -> Judgement:
        """See `Judge`.

        Raises:
            JudgeSetupError: The model or the right to use it must be put right.
        """
        answer = _asked(
            self._client.converse,
            modelId=self.model,
            system=[{"text": INSTRUCTIONS}],
            messages=[{"role": "user", "content": [{"text": question_of(turns)}]}],
            inferenceConfig={"maxTokens": MAX_TOKENS},
        )
        if answer.get("stopReason") in _REFUSED:
            raise JudgeRefusedError("Bedrock filters the answer")
        blocks = answer.get("output", {}).get("message", {}).get("content", [])
        text = "".join(block.get("text", "") for block in blocks)
        if not text:
            raise MalformedAnswerError("the answer has no text")
        return judgement_of(text, turns)


class ComprehendJudge:
    """Asks `boto3.client("comprehend")` for the sentiment of each caller's turn, and nothing else.

    Args:
        client: Open.
        language: Of all calls: one of the codes that Comprehend knows, such as `en`.
    """

    name = "comprehend"
    model = "BatchDetectSentiment"

    def __init__(self, client: Any, language: str) -> None:
        self._client = client
        self._language = language

    def judge(self, turns: Sequence[TurnData]) -> Judgement:
        """See `Judge`.

        Raises:
            JudgeBusyError: Also where Comprehend fails at single turns: half a judgement is none.
            JudgeSetupError: The language or the right to use it must be put right.
        """
        spoken = [turn for turn in turns if turn.speaker == "caller" and turn.text.strip()]
        found: list[TurnSentiment] = []
        for at in range(0, len(spoken), MAX_TEXTS):
            found += self._sentiments(spoken[at : at + MAX_TEXTS])
        return Judgement(
            summary=None, intent=None, resolution=None, sentiments=tuple(found), scorecard=()
        )

    def _sentiments(self, turns: list[TurnData]) -> list[TurnSentiment]:
        answer = _asked(
            self._client.batch_detect_sentiment,
            LanguageCode=self._language,
            TextList=[_cut(turn.text) for turn in turns],
        )
        if answer["ErrorList"]:
            codes = sorted({str(each.get("ErrorCode", "unknown")) for each in answer["ErrorList"]})
            raise JudgeBusyError(f"Comprehend failed at some turns: {', '.join(codes)}")
        return [
            TurnSentiment(turn=turns[each["Index"]].seq, sentiment=_SENTIMENTS[each["Sentiment"]])
            for each in sorted(answer["ResultList"], key=lambda each: int(each["Index"]))
            if each["Sentiment"] in _SENTIMENTS
        ]


def _cut(text: str) -> str:
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


def _asked(ask: Callable[..., dict[str, Any]], **request: Any) -> dict[str, Any]:
    try:
        return ask(**request)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code in _BUSY:
            raise JudgeBusyError(f"AWS answered {code}") from None
        raise JudgeSetupError(
            f"AWS answered {code}: look at the model, the language and the function's rights"
        ) from None
    except BotoCoreError as error:
        raise JudgeBusyError(f"no answer of AWS: {type(error).__name__}") from None
