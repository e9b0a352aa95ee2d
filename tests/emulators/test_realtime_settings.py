"""The session object: defaults, merging, and updates that the present state forbids."""

from typing import Any

import pytest

from scripts.emulators.realtime_settings import Settings
from scripts.emulators.realtime_wire import ApiError


def _settings(model: str = "gpt-realtime-2.1") -> Settings:
    return Settings(model=model, expires_at=0)


def _update(
    settings: Settings,
    *,
    has_assistant_audio: bool = False,
    is_responding: bool = False,
    **patch: Any,
) -> None:
    settings.update(
        {"type": "realtime", **patch},
        has_assistant_audio=has_assistant_audio,
        is_responding=is_responding,
    )


def _refusal(settings: Settings, **options: Any) -> ApiError:
    before = settings.view()
    with pytest.raises(ApiError) as refused:
        _update(settings, **options)
    assert settings.view() == before, "a refused update changed something"
    return refused.value


def test_present_keys_replace_and_absent_ones_stay():
    settings = _settings()

    _update(settings, audio={"output": {"voice": "marin"}}, instructions="Be brief.")
    _update(settings, audio={"input": {"format": {"type": "audio/pcmu"}}})

    assert settings.output["voice"] == "marin"
    assert settings["instructions"] == "Be brief."
    assert settings.input["format"] == {"type": "audio/pcmu"}
    assert settings.output["format"] == {"type": "audio/pcm", "rate": 24000}


def test_null_clears():
    settings = _settings()

    _update(settings, audio={"input": {"turn_detection": None}})

    assert settings.turn_detection is None
    assert settings.view()["audio"]["input"]["turn_detection"] is None


def test_another_kind_of_detection_starts_from_its_own_defaults():
    settings = _settings()

    _update(settings, audio={"input": {"turn_detection": {"type": "semantic_vad"}}})

    assert settings.turn_detection == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


def test_the_echo_of_a_transcription_shows_nulls_and_no_delay():
    settings = _settings()
    detection = {"turn_detection": None}
    transcription = {"model": "gpt-live-transcribe", "delay": "low"}

    _update(settings, audio={"input": {**detection, "transcription": transcription}})

    assert settings.view()["audio"]["input"]["transcription"] == {
        "model": "gpt-live-transcribe",
        "language": None,
        "languages": None,
        "prompt": None,
    }


def test_the_strength_of_noise_reduction_starts_at_one_and_stays():
    settings = _settings()

    _update(settings, audio={"input": {"noise_reduction": {"type": "near_field"}}})
    first = settings.input["noise_reduction"]["strength"]
    _update(settings, audio={"input": {"noise_reduction": {"type": "far_field", "strength": 0.3}}})
    _update(settings, audio={"input": {"noise_reduction": {"type": "near_field"}}})

    assert first == 1.0
    assert settings.input["noise_reduction"] == {"type": "near_field", "strength": 0.3}


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-whisper"])
def test_streaming_transcription_with_turn_detection_is_refused(model):
    error = _refusal(_settings(), audio={"input": {"transcription": {"model": model}}})

    assert error.message == "Turn detection is not supported for this transcription model."
    assert error.param == "session.audio.input.turn_detection"


@pytest.mark.parametrize(
    "transcription",
    [
        {"model": "gpt-transcribe", "language": "en", "languages": ["en"]},
        {"model": "whisper-1", "keywords": ["Acme"]},
        {"model": "whisper-1", "languages": ["en"]},
        {"model": "gpt-4o-transcribe-diarize", "prompt": "x"},
        {"language": "en"},
    ],
)
def test_what_a_transcription_model_cannot_do_is_refused(transcription):
    error = _refusal(_settings(), audio={"input": {"transcription": transcription}})

    assert str(error.param).startswith("session.audio.input.transcription")


def test_the_voice_is_frozen_by_assistant_audio():
    settings = _settings()
    changed: Any = {"audio": {"output": {"voice": "marin"}}}
    same: Any = {"audio": {"output": {"voice": "alloy"}}}

    _update(settings, has_assistant_audio=True, **same)
    error = _refusal(settings, has_assistant_audio=True, **changed)

    assert error.code == "cannot_update_voice"
    assert error.message == ("Cannot update a conversation's voice if assistant audio is present.")


def test_the_speed_is_frozen_while_a_response_runs():
    settings = _settings()
    patch: Any = {"audio": {"output": {"speed": 1.2}}}

    error = _refusal(settings, is_responding=True, **patch)
    _update(settings, **patch)

    assert error.param == "session.audio.output.speed"
    assert settings.output["speed"] == 1.2


@pytest.mark.parametrize("model", ["gpt-realtime-1.5", "gpt-realtime-2025-08-28", "gpt-realtime"])
@pytest.mark.parametrize("patch", [{"reasoning": {"effort": "low"}}, {"parallel_tool_calls": True}])
def test_reasoning_is_refused_by_models_that_cannot(model, patch):
    assert _refusal(_settings(model), **patch).code == "unsupported_parameter"


def test_reasoning_is_taken_by_models_that_can():
    settings = _settings("gpt-realtime-2.1-mini")

    _update(settings, reasoning={"effort": "low"}, parallel_tool_calls=True)

    assert settings.view()["reasoning"] == {"effort": "low"}


def test_the_model_cannot_be_changed():
    assert _refusal(_settings(), model="gpt-realtime").param == "session.model"


def test_tracing_cannot_be_changed_once_set():
    settings = _settings()
    _update(settings, tracing="auto")

    assert _refusal(settings, tracing=None).param == "session.tracing"
