"""Reports of usage as the provider sends them, and in the form in which they reach us."""

from hypothesis import strategies as st

from service.speech.realtime_wire import flatten
from service.usage import MODALITIES

Report = dict[str, object]


def response(
    *,
    text: int = 0,
    audio: int = 0,
    cached_text: int = 0,
    cached_audio: int = 0,
    out: object = None,
) -> Report:
    """The usage of a response, as the provider reports it."""
    return {
        "input_tokens": text + audio,
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": audio,
            "image_tokens": 0,
            "cached_tokens": cached_text + cached_audio,
            "cached_tokens_details": {
                "text_tokens": cached_text,
                "audio_tokens": cached_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": out or {},
    }


def of_model(report: Report) -> dict[str, float]:
    return flatten("response", report)


def of_transcription(report: Report) -> dict[str, float]:
    return flatten("transcription", report)


ONE_TURN: Report = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
"""The example of the Realtime specification, section 6.5."""
ITS_WORDS: Report = {
    "type": "tokens",
    "total_tokens": 22,
    "input_tokens": 13,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 13},
    "output_tokens": 9,
}


@st.composite
def responses(draw: st.DrawFn) -> Report:
    """A response that a provider could report, with or without the details of the cache."""
    tokens = {it: draw(st.integers(0, 5_000)) for it in MODALITIES}
    cached = {it: draw(st.integers(0, count)) for it, count in tokens.items()}
    out = {it: draw(st.integers(0, 5_000)) for it in ("text", "audio")}
    details: Report = {f"{it}_tokens": count for it, count in tokens.items()}
    details["cached_tokens"] = sum(cached.values())
    if draw(st.booleans()):
        details["cached_tokens_details"] = {f"{it}_tokens": cached[it] for it in MODALITIES}
    report: Report = {
        "total_tokens": sum(tokens.values()) + sum(out.values()),
        "input_tokens": sum(tokens.values()),
        "output_tokens": sum(out.values()),
    }
    if draw(st.booleans()):
        report["input_token_details"] = details
    if draw(st.booleans()):
        report["output_token_details"] = {f"{it}_tokens": count for it, count in out.items()}
    return report
