"""Token counts of responses and transcriptions; every sum adds up.

Source: openai_realtime spec 3.1, 13 and 17.7: caller audio a token per 100 ms, assistant audio
one per 50 ms, text about one per four characters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from scripts.emulators import realtime_audio
from scripts.emulators.realtime_conversation import Item
from scripts.emulators.realtime_wire import Json

_CALLER_MS_PER_TOKEN = 100
_ASSISTANT_MS_PER_TOKEN = 50
_CHARS_PER_TOKEN = 4
_CACHE_BLOCK_TOKENS = 64


def text_tokens(text: str) -> int:
    """About one token per four characters."""
    return math.ceil(len(text) / _CHARS_PER_TOKEN)


def assistant_audio_tokens(audio_ms: float) -> int:
    """One token per begun 50 ms."""
    return math.ceil(audio_ms / _ASSISTANT_MS_PER_TOKEN)


def caller_audio_tokens(audio_ms: float) -> int:
    """One token per begun 100 ms."""
    return math.ceil(audio_ms / _CALLER_MS_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A count by modality."""

    text: int = 0
    audio: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.text + self.audio

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.text + other.text, self.audio + other.audio)


def item_tokens(item: Item) -> Tokens:
    """What an item costs as input; spoken items cost their audio, not their transcript."""
    body = item.body
    texts = [part.get("text") or "" for part in body.get("content", ())]
    texts += [body.get(key) or "" for key in ("name", "arguments", "output")]
    audio_ms = realtime_audio.duration_ms(item.pcmu)
    is_assistant = body.get("role") == "assistant"
    count = assistant_audio_tokens if is_assistant else caller_audio_tokens
    return Tokens(text_tokens("".join(texts)), count(audio_ms))


class PromptCache:
    """Remembers the last prompt of a session: an unchanged prefix is cached in blocks of 64."""

    def __init__(self) -> None:
        self._prefix: list[object] = []
        self._tokens = Tokens()

    def price(
        self, instructions: str, tools: Sequence[Json], items: Sequence[Item]
    ) -> tuple[Tokens, Tokens]:
        """Returns (input, cached part of it) and remembers this prompt as the next one's prefix."""
        fixed = instructions + (msgspec.json.encode(tools).decode() if tools else "")
        prompt: list[object] = [fixed, *((item.id, item.is_truncated) for item in items)]
        tokens = sum(map(item_tokens, items), start=Tokens(text=text_tokens(fixed)))
        cached = Tokens()
        if self._prefix and prompt[: len(self._prefix)] == self._prefix:
            total = min(self._tokens.total, tokens.total)
            total -= total % _CACHE_BLOCK_TOKENS
            text = min(total, self._tokens.text, tokens.text)
            cached = Tokens(text, min(total - text, tokens.audio))
        self._prefix, self._tokens = prompt, tokens
        return tokens, cached


def response_usage(tokens_in: Tokens, cached: Tokens, tokens_out: Tokens) -> Json:
    """The `usage` object of a response."""
    return {
        "total_tokens": tokens_in.total + tokens_out.total,
        "input_tokens": tokens_in.total,
        "output_tokens": tokens_out.total,
        "input_token_details": {
            "text_tokens": tokens_in.text,
            "audio_tokens": tokens_in.audio,
            "image_tokens": 0,
            "cached_tokens": cached.total,
            "cached_tokens_details": {
                "text_tokens": cached.text,
                "audio_tokens": cached.audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": tokens_out.text, "audio_tokens": tokens_out.audio},
    }


def transcription_usage(audio_ms: float, words: str, *, is_by_duration: bool) -> Json:
    """The `usage` object of a finished transcription (spec 17.8)."""
    if is_by_duration:
        return {"type": "duration", "seconds": math.ceil(audio_ms / 1000)}
    audio = caller_audio_tokens(audio_ms)
    text = text_tokens(words)
    return {
        "type": "tokens",
        "total_tokens": audio + text,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": text,
    }
