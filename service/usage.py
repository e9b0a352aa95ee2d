"""What a call has used, read from the reports of the provider.

What the reports leave open is counted the dearest way, so that a cost is never told too low: input
or output of no named modality is audio, and cached input of no named modality is text first, which
saves least and is what a prompt begins with. What is missing, negative or absurd harms nothing.

Pure. Source: Realtime specification, 13 (fields; cached tokens are a part of the input).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from service.call_events import Tokens

MAX_COUNT = 1_000_000_000
"""Of tokens or seconds; a bound against nonsense, far above what a call can use."""
MODALITIES = ("text", "image", "audio")
"""In the order of what a cached token saves, the least first."""

_INPUT = "response.input_token_details"
_OUTPUT = "response.output_token_details"
_HEARD = "transcription.input_token_details"

CASCADE = "cascade."
"""How the counts of a cascade begin: `asr.seconds`, `llm.input_tokens` and so on follow."""

Usage = Mapping[str, float]
"""Sums over the call by dotted name: the provider's names behind `response.`, `transcription.`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechUse:
    """Tokens of the speech model, each in the one place by whose price it is charged.

    Attributes:
        fresh: input that was not cached, by modality.
        cached: the rest of the input, by modality.
        text_out: written output, calls of functions too.
        audio_out: spoken output.
    """

    fresh: Mapping[str, int]
    cached: Mapping[str, int]
    text_out: int
    audio_out: int

    @classmethod
    def read(cls, usage: Usage) -> "SpeechUse":
        """Return what the reports of responses say."""
        tokens = {it: _count(usage, f"{_INPUT}.{it}_tokens") for it in MODALITIES}
        all_in = max(_count(usage, "response.input_tokens"), sum(tokens.values()))
        tokens["audio"] += all_in - sum(tokens.values())
        cached = _read_cached(usage, tokens)
        text_out = _count(usage, f"{_OUTPUT}.text_tokens")
        audio_out = _count(usage, f"{_OUTPUT}.audio_tokens")
        all_out = max(
            text_out + audio_out,
            _count(usage, "response.output_tokens"),
            _count(usage, "response.total_tokens") - all_in,
        )
        return cls(
            fresh={it: tokens[it] - cached[it] for it in MODALITIES},
            cached=cached,
            text_out=text_out,
            audio_out=all_out - text_out,
        )

    def summary(self) -> Tokens:
        """Return the counts as the contract has them."""
        return Tokens(
            input_text=self.fresh["text"],
            input_audio=self.fresh["audio"],
            input_image=self.fresh["image"],
            input_cached=sum(self.cached.values()),
            output_text=self.text_out,
            output_audio=self.audio_out,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionUse:
    """What the transcription model has used: seconds of audio or tokens, as it reports."""

    seconds: Decimal
    audio: int
    text: int
    text_out: int

    @classmethod
    def read(cls, usage: Usage) -> "TranscriptionUse":
        """Return what the reports of transcriptions say."""
        text = _count(usage, f"{_HEARD}.text_tokens")
        audio = _count(usage, f"{_HEARD}.audio_tokens")
        return cls(
            seconds=Decimal(str(_bounded(usage, "transcription.seconds"))),
            audio=max(audio, _count(usage, "transcription.input_tokens") - text),
            text=text,
            text_out=_count(usage, "transcription.output_tokens"),
        )

    @property
    def has_tokens(self) -> bool:
        """True when a report came in tokens."""
        return bool(self.audio or self.text or self.text_out)


def _read_cached(usage: Usage, tokens: Mapping[str, int]) -> dict[str, int]:
    """Return the cached tokens by modality, of each at most as many as it has."""
    details = f"{_INPUT}.cached_tokens_details"
    cached = {it: min(tokens[it], _count(usage, f"{details}.{it}_tokens")) for it in MODALITIES}
    unnamed = _count(usage, f"{_INPUT}.cached_tokens") - sum(cached.values())
    for modality in MODALITIES:
        more = max(0, min(unnamed, tokens[modality] - cached[modality]))
        cached[modality] += more
        unnamed -= more
    return cached


def _count(usage: Usage, name: str) -> int:
    return int(_bounded(usage, name))


def _bounded(usage: Usage, name: str) -> float:
    """Return a number from 0 to `MAX_COUNT`, 0 for one that is missing or is none."""
    value = usage.get(name, 0)
    return min(value, MAX_COUNT) if value > 0 else 0
