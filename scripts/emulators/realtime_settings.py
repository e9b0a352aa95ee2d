"""The session object: defaults of the server, and what an update may change when.

Shape rules are the intake's; here are the rules that need the present state.
Source: openai_realtime spec 3, 4 and 17.4.
"""

import copy
from typing import Any

from scripts.emulators.realtime_wire import ApiError, Json, invalid_value, new_id

DEFAULT_INSTRUCTIONS = (
    "Your knowledge cutoff is 2023-10. You are a helpful, witty, and friendly AI. Act like a "
    "human, but remember that you aren't a human and that you can't do human things in the real "
    "world. Your voice and personality should be warm and engaging, with a lively and playful "
    "tone."
)
MODELS = (
    "gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-2", "gpt-realtime-1.5",
    "gpt-realtime", "gpt-realtime-2025-08-28", "gpt-realtime-mini",
    "gpt-realtime-mini-2025-10-06", "gpt-realtime-mini-2025-12-15",
)  # fmt: skip
STREAMING_TRANSCRIBERS = ("gpt-live-transcribe", "gpt-realtime-whisper")
_LISTENING_TRANSCRIBERS = ("gpt-transcribe", "gpt-live-transcribe")

# The real default of silence is 200 ms, whatever the documentation says (spec 4.2).
_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_TRANSCRIPTION: Json = {"model": None, "language": None, "languages": None, "prompt": None}
_PCM: Json = {"type": "audio/pcm", "rate": 24000}


class Settings:
    """The effective session of one socket; every change is all or nothing."""

    def __init__(self, *, model: str, expires_at: int, is_azure: bool = False) -> None:
        """Starts with the server's defaults.

        Args:
            model: From the URL; on Azure the name of a deployment.
            expires_at: Unix seconds, echoed only.
            is_azure: A deployment's name does not tell its model, so any may reason.
        """
        self._may_reason = is_azure or model.startswith("gpt-realtime-2")
        self._may_reason = self._may_reason and not model.startswith("gpt-realtime-2025")
        self._session: Json = {
            "type": "realtime",
            "object": "realtime.session",
            "id": new_id("sess_"),
            "model": model,
            "output_modalities": ["audio"],
            "instructions": DEFAULT_INSTRUCTIONS,
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "expires_at": expires_at,
            "audio": {
                "input": {
                    "format": dict(_PCM),
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": dict(_SERVER_VAD),
                },
                "output": {"format": dict(_PCM), "voice": "alloy", "speed": 1.0},
            },
            "include": None,
        }

    def view(self) -> Json:
        """The full effective session, as `session.created` and `.updated` carry it."""
        session = copy.deepcopy(self._session)
        transcription = session["audio"]["input"]["transcription"]
        if transcription is not None:
            transcription.pop("delay", None)  # the real echo leaves it out (spec 4.4)
        return session

    def __getitem__(self, key: str) -> Any:
        return self._session[key]

    def get(self, key: str) -> Any:
        """A value that the session may not have, such as `reasoning`."""
        return self._session.get(key)

    @property
    def input(self) -> Json:
        """`audio.input`."""
        found: Json = self._session["audio"]["input"]
        return found

    @property
    def output(self) -> Json:
        """`audio.output`."""
        found: Json = self._session["audio"]["output"]
        return found

    @property
    def turn_detection(self) -> Json | None:
        """The detector's settings, or None when the client makes the turns."""
        found: Json | None = self.input["turn_detection"]
        return found

    def update(self, patch: Json, *, has_assistant_audio: bool, is_responding: bool) -> None:
        """Merges a checked `session` of a `session.update`.

        Args:
            patch: Keys present replace, absent ones stay, null clears.
            has_assistant_audio: From then on the voice is frozen.
            is_responding: While a response speaks, voice and speed stay as they are.

        Raises:
            ApiError: The update is impossible in this session; nothing changed.
        """
        self._refuse_frozen(patch, has_assistant_audio, is_responding)
        self._refuse_reasoning(patch)
        merged = copy.deepcopy(self._session)
        audio = patch.get("audio", {})
        merged.update({key: value for key, value in patch.items() if key != "audio"})
        _merge_input(merged["audio"]["input"], audio.get("input", {}))
        _merge_output(merged["audio"]["output"], audio.get("output", {}))
        _refuse_transcription(merged["audio"]["input"])
        self._session = merged

    def _refuse_frozen(self, patch: Json, has_assistant_audio: bool, is_responding: bool) -> None:
        if patch.get("model", self["model"]) != self["model"]:
            raise invalid_value("Cannot update a session's model.", "session.model")
        if self["tracing"] is not None and patch.get("tracing", self["tracing"]) != self["tracing"]:
            raise invalid_value("Cannot update tracing once it is set.", "session.tracing")
        output = patch.get("audio", {}).get("output", {})
        if (
            has_assistant_audio
            and output.get("voice", self.output["voice"]) != self.output["voice"]
        ):
            raise ApiError(
                "Cannot update a conversation's voice if assistant audio is present.",
                code="cannot_update_voice",
            )
        if is_responding and output.get("speed", self.output["speed"]) != self.output["speed"]:
            raise invalid_value(
                "Cannot update the speed while a response is in progress.",
                "session.audio.output.speed",
            )

    def _refuse_reasoning(self, patch: Json) -> None:
        for key in ("reasoning", "parallel_tool_calls"):
            if key in patch and not self._may_reason:
                message = f"'{key}' is not supported with the model '{self['model']}'."
                raise ApiError(message, code="unsupported_parameter", param=f"session.{key}")


def _merge_input(current: Json, patch: Json) -> None:
    for key, value in patch.items():
        match key:
            case "format":
                current[key] = _full_format(value)
            case "turn_detection":
                current[key] = _merged_detection(current[key], value)
            case "transcription":
                current[key] = value and {**_TRANSCRIPTION, **(current[key] or {}), **value}
            case _:
                strength = (current[key] or {}).get("strength", 1.0)
                current[key] = value and {"strength": strength, **value}


def _merged_detection(current: Json | None, patch: Json | None) -> Json | None:
    """Merges by presence into the same type (unconfirmed); another type starts from defaults."""
    if patch is None:
        return None
    if current is not None and current["type"] == patch["type"]:
        return {**current, **patch}
    defaults = _SERVER_VAD if patch["type"] == "server_vad" else _SEMANTIC_VAD
    return {**defaults, **patch}


def _merge_output(current: Json, patch: Json) -> None:
    current.update(patch)
    current["format"] = _full_format(current["format"])


def _full_format(audio_format: Json) -> Json:
    return dict(_PCM) if audio_format["type"] == "audio/pcm" else dict(audio_format)


def _refuse_transcription(audio_input: Json) -> None:
    """Refuses what a transcription model cannot do (spec 4.4, 4.5)."""
    transcription = audio_input["transcription"]
    if transcription is None:
        return
    path = "session.audio.input.transcription"
    model = transcription["model"]
    if model is None:
        message = f"Missing required parameter: '{path}.model'."
        raise ApiError(message, code="missing_required_parameter", param=f"{path}.model")
    if model in STREAMING_TRANSCRIBERS and audio_input["turn_detection"] is not None:
        raise invalid_value(
            "Turn detection is not supported for this transcription model.",
            "session.audio.input.turn_detection",
        )
    if transcription["language"] and transcription["languages"]:
        raise invalid_value("Set either 'language' or 'languages', not both.", f"{path}.languages")
    for key in ("languages", "keywords"):
        if transcription.get(key) and model not in _LISTENING_TRANSCRIBERS:
            message = f"'{key}' is not supported with the model '{model}'."
            raise invalid_value(message, f"{path}.{key}")
    if transcription["prompt"] and model in ("gpt-realtime-whisper", "gpt-4o-transcribe-diarize"):
        message = f"'prompt' is not supported with the model '{model}'."
        raise invalid_value(message, f"{path}.prompt")
