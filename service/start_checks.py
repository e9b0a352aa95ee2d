"""What is wrong with the settings that only the implementations can see, told before the start."""

import importlib.util

from service import wiring
from service.bots.port import BotsError
from service.recordings import RecordingsError
from service.secrets.port import SecretsError
from service.settings import AWS_SECRETS, Settings


def problems_of(settings: Settings) -> list[str]:
    """Return what only the implementations can see to be wrong with the settings."""
    return [
        *_problems_of_aws(settings),
        *_problems_of_secrets(settings),
        *_problems_of_bots(settings),
        *_problems_of_recordings(settings),
        *_problems_of_traces(settings),
        *_problems_of_events(settings),
    ]


def _problems_of_events(settings: Settings) -> list[str]:
    if settings.events_url.startswith("sqs:") and importlib.util.find_spec("boto3") is None:
        return ["EVENTS_URL: sqs: needs the extra `aws`: pip install '.[aws]'"]
    return []


def _problems_of_traces(settings: Settings) -> list[str]:
    if settings.is_traced and importlib.util.find_spec("opentelemetry") is None:
        return [
            "OTEL_EXPORTER_OTLP_ENDPOINT: traces need the extra `otel`: pip install '.[otel]', or "
            "set OTEL_SDK_DISABLED=true"
        ]
    return []


def _problems_of_secrets(settings: Settings) -> list[str]:
    if settings.secrets_url.startswith(AWS_SECRETS):
        return []  # no store far away may stop or delay the start
    name = "SECRETS_URL" if settings.secrets_url.startswith("file:") else "AUDIOHOOK_KEYS"
    try:
        store = wiring.make_local_secrets(settings)
    except SecretsError as error:
        return [f"{name}: {problem}" for problem in error.problems]
    if store is not None and store.key_count == 0:
        return [f"{name}: holds no API key, so that every caller would be refused"]
    return []


def _problems_of_recordings(settings: Settings) -> list[str]:
    try:
        wiring.make_recordings(settings)
    except RecordingsError as error:
        return [f"CLIPS_DIR: {problem}" for problem in error.problems]
    return []


def _problems_of_aws(settings: Settings) -> list[str]:
    addresses = {
        "SECRETS_URL": settings.secrets_url,
        "OPENAI_API_KEY_SECRET": settings.openai_api_key_secret,
        "AZURE_OPENAI_API_KEY_SECRET": settings.azure_openai_api_key_secret,
    }
    names = [name for name, address in addresses.items() if address.startswith(AWS_SECRETS)]
    if names and importlib.util.find_spec("boto3") is None:
        return [f"{name}: AWS needs the extra `aws`: pip install '.[aws]'" for name in names]
    return []


def _problems_of_bots(settings: Settings) -> list[str]:
    try:
        wiring.make_bots(settings, wiring.make_tool_kinds(settings))
    except BotsError as error:
        return [f"BOTS_URL: {problem}" for problem in error.problems]
    return []
