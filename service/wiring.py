"""Which implementation stands behind each port: the only file that names them.

They are imported when they are chosen, so that what a deployment does not use costs no start-up.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.bots.port import BotService
from service.gate import GateCounts
from service.live_calls import LiveCalls
from service.monitoring import MetricsPage, Monitoring, log_active_calls
from service.outbox.port import EventPublisher, EventSink
from service.recordings import OWN, Recordings, read_recordings
from service.secrets.port import KeySource, SecretReader
from service.settings import AWS_SECRETS, BEDROCK, LOCAL, POLLY, VOICES, Settings
from service.speech.port import SpeechProvider
from service.tools.port import ToolKind

if TYPE_CHECKING:
    from service.secrets.cache import CachedClientSecrets, CachedSecret
    from service.secrets.env import EnvSecrets
    from service.secrets.file import FileSecrets
    from service.speech.cascade_parts import ChatModel, Synthesizer, Transcriber
    from service.speech.fallback import FallbackProvider

CATALOG = Path(__file__).parent / "bots" / "catalog"
"""The bots that come with the service."""


def make_secrets(
    settings: Settings,
) -> "EnvSecrets | FileSecrets | CachedClientSecrets | None":
    """Return the store of client secrets; None when callers are not authenticated.

    Raises:
        SecretsError: a local store cannot be read, or holds something else.
    """
    scheme, _, name = settings.secrets_url.partition(":")
    if scheme != AWS_SECRETS:
        return make_local_secrets(settings)
    from service.secrets.cache import CachedClientSecrets, CachedSecret
    from service.secrets.keys import parse_versions

    return CachedClientSecrets(
        CachedSecret("SECRETS_URL", functools.partial(_make_reader, name, settings), parse_versions)
    )


def _make_reader(name: str, settings: Settings) -> SecretReader:
    """Return a reader of AWS Secrets Manager; boto3 is imported with its first read."""
    from service.secrets.aws import AwsSecret

    def make_client(service: str, region: str) -> Any:
        from service import aws_session

        return aws_session.make_client(service, region, settings.aws_role_arn)

    return AwsSecret(name, make_client)


def make_local_secrets(settings: Settings) -> "EnvSecrets | FileSecrets | None":
    """Return the store of client secrets in the environment or in a file; None for neither.

    Raises:
        SecretsError: it cannot be read, or holds something else.
    """
    scheme, _, argument = settings.secrets_url.partition(":")
    if scheme == "file":
        from service.secrets.file import FileSecrets

        return FileSecrets(Path(argument))
    if not settings.audiohook_keys:
        return None
    from service.secrets.env import EnvSecrets

    return EnvSecrets(settings.audiohook_keys)


def make_keys(settings: Settings) -> "dict[str, CachedSecret[str]]":
    """Return where the keys of Realtime providers are found, but for those that are settings."""
    from service.secrets.cache import CachedSecret
    from service.secrets.keys import parse_vendor_key

    addresses = {
        "openai": ("OPENAI_API_KEY", settings.openai_api_key_secret),
        "azure": ("AZURE_OPENAI_API_KEY", settings.azure_openai_api_key_secret),
    }
    keys: dict[str, CachedSecret[str]] = {}
    for provider, (name, address) in addresses.items():
        if provider in settings.speech_providers and address:
            make_reader = functools.partial(_make_reader, address.partition(":")[2], settings)
            decode = functools.partial(parse_vendor_key, name=name)
            keys[provider] = CachedSecret(f"{name}_SECRET", make_reader, decode)
    return keys


RENEW_AFTER_S = 55 * 60.0
"""Realtime conversations end after 60 minutes (Realtime specification, 11.2)."""
NO_KEYS: Mapping[str, KeySource] = {}


def make_speech(settings: Settings, keys: Mapping[str, KeySource] = NO_KEYS) -> "FallbackProvider":
    """Return what hears and speaks: the chain of the providers, each imported when it is named.

    `keys` come from `make_keys`, and are watched by whoever made them.
    """
    from service.speech.fallback import FallbackProvider, Link

    links = []
    for name in settings.speech_providers:
        if name == "clips":
            from service.speech.clips import ClipsProvider

            links.append(Link(name, ClipsProvider()))
        elif name == "cascade":
            links.append(Link(name, make_cascade(settings)))
        else:
            links.append(Link(name, _make_realtime(settings, name, keys.get(name)), RENEW_AFTER_S))
    return FallbackProvider(links)


def _make_realtime(settings: Settings, name: str, key: KeySource | None) -> SpeechProvider:
    from service.speech.endpoints import azure_endpoint, openai_endpoint
    from service.speech.realtime import RealtimeProvider

    if name == "azure":
        endpoint = azure_endpoint(
            settings.azure_openai_endpoint,
            settings.azure_openai_api_key,
            settings.azure_openai_deployment,
        )
    else:
        endpoint = openai_endpoint(
            settings.openai_base_url, settings.openai_api_key, settings.openai_realtime_model
        )
    return RealtimeProvider(endpoint, key)


def make_cascade(settings: Settings) -> SpeechProvider:
    """Return ears, mind and voice over HTTP as one provider; they are made with the first call."""
    from service.speech.cascade import CascadeProvider
    from service.speech.cascade_parts import Parts

    def parts() -> Parts:
        return Parts(_make_ears(settings), _make_mind(settings), _make_voice(settings))

    return CascadeProvider(parts)


def _make_ears(settings: Settings) -> "Transcriber":
    if settings.asr_base_url.startswith(LOCAL):
        from service.speech.local import LocalTranscriber

        return LocalTranscriber()
    from service.speech.asr import HttpTranscriber
    from service.speech.cascade_parts import Address
    from service.speech.web import Web

    address = Address(settings.asr_base_url, settings.asr_api_key)
    return HttpTranscriber(Web("asr", address), settings.asr_model)


def _make_mind(settings: Settings) -> "ChatModel":
    """Return the chat model of the cascade; boto3 is imported if it needs it."""
    scheme, _, place = settings.llm_base_url.partition("://")
    if scheme == BEDROCK:
        from service.aws_session import make_session
        from service.speech.llm_bedrock import BedrockChatModel

        return BedrockChatModel(make_session(place, settings.aws_role_arn), settings.llm_model)
    from service.speech.cascade_parts import Address
    from service.speech.llm import HttpChatModel
    from service.speech.web import Web

    address = Address(settings.llm_base_url, settings.llm_api_key)
    return HttpChatModel(Web("llm", address), settings.llm_model)


def _make_voice(settings: Settings) -> "Synthesizer":
    """Return the voice of the cascade; numpy or boto3 is imported, whichever it needs."""
    scheme, _, place = settings.tts_base_url.partition("://")
    if scheme == POLLY:
        from service.aws_session import make_session
        from service.speech.tts_polly import PollySynthesizer

        return PollySynthesizer(make_session(place, settings.aws_role_arn), settings.tts_model)
    if scheme == LOCAL:
        from service.speech.local import LocalSynthesizer

        return LocalSynthesizer(settings.tts_model)
    from service.speech.cascade_parts import Address
    from service.speech.tts import HttpSynthesizer
    from service.speech.web import Web

    address = Address(settings.tts_base_url, settings.tts_api_key)
    return HttpSynthesizer(Web("tts", address), settings.tts_model)


def make_recordings(settings: Settings) -> Recordings:
    """Return what callers hear when nobody can speak.

    Raises:
        RecordingsError: with everything that is wrong with the folder.
    """
    return read_recordings(Path(settings.clips_dir) if settings.clips_dir else OWN)


def make_tool_kinds(settings: Settings) -> dict[str, ToolKind]:
    """Return the kinds of tools by the name that a bot's file gives as `kind`.

    Close each of them at the end.
    """
    from service.tools.genesys_data_actions import DataActionKind
    from service.tools.http import HttpKind
    from service.tools.http_client import HttpClient
    from service.tools.python import PythonKind

    client = HttpClient()
    data_actions = DataActionKind(
        region=settings.genesys_region,
        client_id=settings.genesys_client_id,
        client_secret=settings.genesys_client_secret,
        client=client,
    )
    return {"http": HttpKind(client), "python": PythonKind(), "genesys_data_action": data_actions}


def make_bots(settings: Settings, kinds: Mapping[str, ToolKind]) -> BotService:
    """Return the bots.

    Raises:
        BotsError: with every mistake of every file.
    """
    from service.bots.files import FileBots
    from service.bots.functions import Deployment
    from service.tools.arguments import compiled
    from service.tools.call_control import control_tools

    _, _, folder = settings.bots_url.partition(":")
    deployment = Deployment(
        kinds=kinds,
        values=settings.tool_secrets,
        control_tools=control_tools,
        check_schema=compiled,
        voices=VOICES,
        default_voice=settings.openai_realtime_voice,
    )
    return FileBots(Path(folder) if folder else CATALOG, deployment)


def make_events(settings: Settings) -> EventSink:
    """Return where call events go."""
    from service.outbox.disk import warn_of_passing_disk
    from service.outbox.jsonl import JsonLinesSink, NoSink

    scheme, _, argument = settings.events_url.partition(":")
    if scheme == "off":
        return NoSink()
    disk = Path(settings.spool_dir if scheme == "sqs" else argument)
    warn_of_passing_disk(settings.platform, disk)
    return _make_outbox(settings, argument) if scheme == "sqs" else JsonLinesSink(disk)


def _make_outbox(settings: Settings, queue_url: str) -> EventSink:
    from service.outbox.outbox import Outbox
    from service.outbox.spool import Spool

    def publisher() -> EventPublisher:
        # In a thread of the outbox, when the port is open: boto3 takes half a second.
        from service.outbox.sqs import make_publisher

        return make_publisher(queue_url, settings.events_claim_bucket, settings.aws_role_arn)

    return Outbox(Spool(Path(settings.spool_dir)), publisher)


def make_monitoring(
    settings: Settings,
    calls: LiveCalls,
    gate: GateCounts,
    events: EventSink,
    speech: "FallbackProvider",
    wall_clock: Callable[[], datetime],
) -> Monitoring:
    """Return what watches the service from the side."""
    monitoring = Monitoring()
    if settings.metrics != "off":
        monitoring = _metrics(settings, calls, gate, events, speech, wall_clock)
    if settings.is_traced:
        monitoring = _traced(monitoring, wall_clock)
    return monitoring


def _metrics(
    settings: Settings,
    calls: LiveCalls,
    gate: GateCounts,
    events: EventSink,
    speech: "FallbackProvider",
    wall_clock: Callable[[], datetime],
) -> Monitoring:
    from service.metrics import Metrics

    metrics = Metrics(calls, gate, events.waiting, speech.states, wall_clock)
    watching: list[Callable[[], Awaitable[None]]] = []
    if settings.metrics == "emf":
        watching.append(functools.partial(log_active_calls, calls, wall_clock))
    page = MetricsPage(metrics.page, settings.metrics_port)
    return Monitoring(page, (metrics.observe,), tuple(watching), metrics.lag.observe)


def make_protection(settings: Settings, calls: LiveCalls) -> list[Callable[[], Awaitable[None]]]:
    """Return what keeps the platform from stopping a machine with calls on it."""
    if settings.task_protection == "off":
        return []
    from service.task_protection import TaskProtection

    return [TaskProtection(settings.ecs_agent_uri, lambda: len(calls) > 0).watch]


def _traced(monitoring: Monitoring, wall_clock: Callable[[], datetime]) -> Monitoring:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from service.tracing import CallTraces

    traces = CallTraces(BatchSpanProcessor(OTLPSpanExporter()), wall_clock)
    return replace(
        monitoring,
        observers=(*monitoring.observers, traces.observe),
        begin_trace=traces.begin,
        closing=(functools.partial(asyncio.to_thread, traces.close),),
    )
