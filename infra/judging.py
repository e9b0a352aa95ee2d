"""The settings of who judges calls after their end: none, unless `judge` is set."""

import re
from dataclasses import dataclass
from typing import Literal, cast

from configuration import Configuration
from policies import MODEL_ID

Kind = Literal["openai", "bedrock", "comprehend"]
FOR = {
    "judgeModel": ("openai", "bedrock"),
    "judgeBaseUrl": ("openai",),
    "judgeApiKeySecret": ("openai",),
    "judgeLanguage": ("comprehend",),
}
"""Which kinds of judge a setting is for."""
LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "pt", "zh", "zh-TW")
"""What Comprehend knows. Source: its API, LanguageCode of BatchDetectSentiment."""


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """Who judges.

    `model`: its name there; empty for Comprehend. `base_url`: of an OpenAI-compatible endpoint,
    None for OpenAI itself. `api_key_secret`: the ARN of a secret that is the key; None is the
    stack's own at OpenAI itself, and no key elsewhere. `language`: of all calls, for Comprehend.
    """

    kind: Kind
    model: str
    base_url: str | None
    api_key_secret: str | None
    language: str


def judge_of(config: Configuration, secret_pattern: str) -> JudgeSettings | None:
    """Read the settings; None where nobody judges."""
    kinds = "none, openai, bedrock or comprehend"
    kind = config.text("judge", "none|openai|bedrock|comprehend", kinds) or "none"
    settings = JudgeSettings(
        kind=cast(Kind, kind),
        model=config.text("judgeModel", r"[\w./:-]+", "a model's name") or "",
        base_url=config.text("judgeBaseUrl", r"https://[^\s@]+", "an address with https://"),
        api_key_secret=_secret(config, secret_pattern),
        language=config.text("judgeLanguage", "|".join(LANGUAGES), " or ".join(LANGUAGES)) or "en",
    )
    for name, kinds_of_it in FOR.items():
        if config.has(name) and kind not in kinds_of_it:
            wanted = " or ".join(kinds_of_it)
            config.mistake(f"Set judge to {wanted}, or remove {name}: it is for that judge alone.")
    if kind in FOR["judgeModel"] and not config.has("judgeModel"):
        config.mistake(f"Set judgeModel: which model judges by {kind}?")
    if kind == "bedrock" and settings.model and not re.fullmatch(MODEL_ID, settings.model):
        config.mistake("Set judgeModel to an id of Bedrock, not to an ARN: the role is made of it.")
    return None if kind == "none" else settings


def _secret(config: Configuration, pattern: str) -> str | None:
    # What is no ARN may be the key itself: it is not repeated.
    return config.unquoted("judgeApiKeySecret", pattern, "the ARN of a secret, not to its text")
