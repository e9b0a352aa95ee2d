"""Which implementation stands behind each port: the only file that names them.

They are imported when they are chosen, so that what a deployment does not use costs no start-up.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from service.bots.port import BotService
from service.outbox.port import EventSink
from service.secrets.port import SecretsError
from service.settings import Settings
from service.speech.port import SpeechProvider

if TYPE_CHECKING:
    from service.secrets.env import EnvSecrets
    from service.secrets.file import FileSecrets


def make_secrets(settings: Settings) -> "EnvSecrets | FileSecrets | None":
    """Return the store of client secrets; None when callers are not authenticated.

    Raises:
        SecretsError: the store cannot be read, or holds something else.
    """
    scheme, _, argument = settings.secrets_url.partition(":")
    if scheme == "file":
        from service.secrets.file import FileSecrets

        return FileSecrets(Path(argument))
    if not settings.audiohook_keys:
        return None
    from service.secrets.env import EnvSecrets

    return EnvSecrets(settings.audiohook_keys)


def make_speech(settings: Settings) -> SpeechProvider:
    """Return the provider that hears and speaks."""
    from service.speech.endpoints import azure_endpoint, openai_endpoint
    from service.speech.realtime import RealtimeProvider

    if settings.speech_provider == "azure":
        endpoint = azure_endpoint(
            settings.azure_openai_endpoint,
            settings.azure_openai_api_key,
            settings.azure_openai_deployment,
        )
    else:
        endpoint = openai_endpoint(
            settings.openai_base_url, settings.openai_api_key, settings.openai_realtime_model
        )
    return RealtimeProvider(endpoint)


def make_bots(settings: Settings) -> BotService:
    """Return the bots."""
    from service.bots.builtin import BuiltinBots

    return BuiltinBots(settings.openai_realtime_voice)


def make_events(settings: Settings) -> EventSink:
    """Return where call events go."""
    from service.outbox.jsonl import JsonLinesSink, NoSink

    scheme, _, argument = settings.events_url.partition(":")
    return NoSink() if scheme == "off" else JsonLinesSink(Path(argument))


def problems_of(settings: Settings) -> list[str]:
    """Return what only the implementations can see to be wrong with the settings."""
    name = "SECRETS_URL" if settings.secrets_url.startswith("file:") else "AUDIOHOOK_KEYS"
    try:
        store = make_secrets(settings)
    except SecretsError as error:
        return [f"{name}: {problem}" for problem in error.problems]
    if store is not None and store.key_count == 0:
        return [f"{name}: holds no API key, so that every caller would be refused"]
    return []
