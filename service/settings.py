"""Every setting of the service, read from the environment once.

Only this file looks at environment variables. All problems are reported together, each naming
the variable, what was expected and what came (never a secret's value). The public names and
defaults are documented in `.env.example` and the README.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from service.variables import HTTP, Variables, is_url

SpeechProviderName = Literal["openai", "azure", "cascade", "clips"]
LogFormat = Literal["json", "text"]
LogLevel = Literal["info", "debug", "warning", "error"]
UnknownBot = Literal["default", "refuse"]
MetricsMode = Literal["on", "emf", "off"]
TaskProtectionMode = Literal["off", "ecs"]
Platform = Literal["", "fly", "ecs"]

# The first of each is the default.
SPEECH_PROVIDERS: tuple[SpeechProviderName, ...] = ("openai", "azure", "cascade", "clips")
LOG_FORMATS: tuple[LogFormat, ...] = ("json", "text")
LOG_LEVELS: tuple[LogLevel, ...] = ("info", "debug", "warning", "error")
METRICS: tuple[MetricsMode, ...] = ("on", "emf", "off")
TASK_PROTECTION: tuple[TaskProtectionMode, ...] = ("off", "ecs")
UNKNOWN_BOT: tuple[UnknownBot, ...] = ("default", "refuse")
VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse",
)  # fmt: skip
"""Voices of the Realtime API. Source: Realtime specification, 3.2."""
SPEECH_ONLY_VOICES = ("fable", "nova", "onyx")
"""Known to OpenAI's speech endpoint only; the Realtime API makes noise of them."""

EVENTS = ("file:DIR", "sqs:QUEUE_URL", "off:")

_NEEDED: Mapping[SpeechProviderName, tuple[str, ...]] = {
    "azure": ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT"),
    # No keys: a server of one's own may ask for none.
    "cascade": (
        "ASR_BASE_URL", "ASR_MODEL", "LLM_BASE_URL", "LLM_MODEL", "TTS_BASE_URL", "TTS_MODEL",
    ),
}  # fmt: skip
POLLY = "aws-polly"
"""Scheme of `TTS_BASE_URL`: a region of AWS follows, and `TTS_MODEL` is engine and voice."""
ACCENTS = ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
"""Models of `local://pico`."""
LOCAL = "local"
"""Scheme of `ASR_BASE_URL` (`local://moonshine`) and `TTS_BASE_URL` (`local://pico`): no server."""
BEDROCK = "aws-bedrock"
"""Scheme of `LLM_BASE_URL`: a region follows; `LLM_MODEL` is a model or an inference profile."""
AWS_SECRETS = "aws-secretsmanager"
"""Scheme of secrets: the name or ARN of one follows."""
_FAR = (f"{AWS_SECRETS}:NAME",)


class SettingsError(Exception):
    """The environment does not make a working service; `problems` holds one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration, validated. Secrets are kept out of `repr`."""

    host: str
    port: int
    public_host: str | None
    metrics: MetricsMode
    metrics_port: int | None
    is_traced: bool
    log_format: LogFormat
    log_level: LogLevel

    speech_providers: tuple[SpeechProviderName, ...]
    openai_api_key: str = field(repr=False)
    openai_base_url: str
    openai_realtime_model: str
    openai_realtime_voice: str
    openai_api_key_secret: str
    azure_openai_endpoint: str
    azure_openai_api_key: str = field(repr=False)
    azure_openai_api_key_secret: str
    azure_openai_deployment: str

    asr_base_url: str
    asr_api_key: str = field(repr=False)
    asr_model: str
    llm_base_url: str
    llm_api_key: str = field(repr=False)
    llm_model: str
    tts_base_url: str
    tts_api_key: str = field(repr=False)
    tts_model: str

    clips_dir: str

    secrets_url: str
    aws_role_arn: str
    audiohook_keys: str = field(repr=False)
    allow_anonymous: bool

    events_url: str
    spool_dir: str
    events_claim_bucket: str
    platform: Platform

    bots_url: str
    unknown_bot: UnknownBot
    tool_secrets: Mapping[str, str] = field(repr=False)
    genesys_region: str
    genesys_client_id: str
    genesys_client_secret: str = field(repr=False)

    max_calls: int
    max_loop_lag_s: float
    max_call_s: float
    budget_usd: float
    budget_model: str
    drain_s: float
    idle_exit_s: float
    task_protection: TaskProtectionMode
    ecs_agent_uri: str

    @classmethod
    def from_env(
        cls, env: Mapping[str, str], *, check: "Callable[[Settings], list[str]] | None" = None
    ) -> "Settings":
        """Read all settings.

        Args:
            env: names and values.
            check: finds problems that only an implementation can see, in values that may have
                been replaced by defaults because they were wrong.

        Raises:
            SettingsError: with every problem there is.
        """
        reader = _Reader(env)
        settings = reader.read()
        problems = reader.problems + (check(settings) if check else [])
        if problems:
            raise SettingsError(problems)
        return settings

    @property
    def has_credentials(self) -> bool:
        """True when callers are authenticated."""
        return self.secrets_url != "env:" or bool(self.audiohook_keys)


class _Realtime(TypedDict):
    openai_api_key: str
    openai_base_url: str
    openai_realtime_model: str
    openai_realtime_voice: str
    openai_api_key_secret: str
    azure_openai_endpoint: str
    azure_openai_api_key: str
    azure_openai_api_key_secret: str
    azure_openai_deployment: str


class _Fleet(TypedDict):
    idle_exit_s: float
    task_protection: TaskProtectionMode
    ecs_agent_uri: str


class _Cascade(TypedDict):
    asr_base_url: str
    asr_api_key: str
    asr_model: str
    llm_base_url: str
    llm_api_key: str
    llm_model: str
    tts_base_url: str
    tts_api_key: str
    tts_model: str


class _Reader(Variables):
    def read(self) -> Settings:
        settings = Settings(
            host=self._text("HOST", "0.0.0.0"),
            port=self._integer("PORT", 8080, 0, 65_535),
            public_host=self._text("PUBLIC_HOST", "") or None,
            metrics=self._choice("METRICS", METRICS),
            metrics_port=self._integer("METRICS_PORT", 0, 0, 65_535) or None,
            is_traced=self._is_traced(),
            log_format=self._choice("LOG_FORMAT", LOG_FORMATS),
            log_level=self._choice("LOG_LEVEL", LOG_LEVELS),
            speech_providers=self._chain("SPEECH_PROVIDER", SPEECH_PROVIDERS),
            **self._read_realtime(),
            **self._read_cascade(),
            clips_dir=self._text("CLIPS_DIR", ""),
            secrets_url=self._address("SECRETS_URL", "env:", ("env:", "file:PATH", *_FAR)),
            aws_role_arn=self._text("AWS_ROLE_ARN", ""),
            audiohook_keys=self._text("AUDIOHOOK_KEYS", ""),
            allow_anonymous=self._flag("ALLOW_ANONYMOUS"),
            events_url=self._address("EVENTS_URL", "file:./data/events", EVENTS),
            spool_dir=self._text("SPOOL_DIR", "./data/spool"),
            events_claim_bucket=self._bucket("EVENTS_CLAIM_BUCKET"),
            platform=self._platform(),
            bots_url=self._address("BOTS_URL", "", ("file:DIR",)),
            unknown_bot=self._choice("UNKNOWN_BOT", UNKNOWN_BOT),
            tool_secrets=self._texts("TOOL_SECRETS"),
            genesys_region=self._host("GENESYS_REGION"),
            genesys_client_id=self._text("GENESYS_CLIENT_ID", ""),
            genesys_client_secret=self._text("GENESYS_CLIENT_SECRET", ""),
            max_calls=self._integer("MAX_CALLS", 100, 1, 10_000),
            max_loop_lag_s=self._integer("MAX_LOOP_LAG_MS", 250, 0, 60_000) / 1_000,
            max_call_s=self._integer("MAX_CALL_SECONDS", 840, 10, 86_400),
            budget_usd=self._usd("CALL_BUDGET_USD", 1_000.0),
            budget_model=self._text("CALL_BUDGET_MODEL", ""),
            drain_s=self._integer("DRAIN_SECONDS", 110, 0, 86_400),
            **self._read_fleet(),
        )
        self._check_together(settings)
        return settings

    def _read_realtime(self) -> _Realtime:
        return {
            "openai_api_key": self._text("OPENAI_API_KEY", ""),
            "openai_base_url": self._url("OPENAI_BASE_URL", "https://api.openai.com/v1"),
            "openai_realtime_model": self._text("OPENAI_REALTIME_MODEL", "gpt-realtime-2.1"),
            "openai_realtime_voice": self._voice("OPENAI_REALTIME_VOICE", "marin"),
            "openai_api_key_secret": self._address("OPENAI_API_KEY_SECRET", "", _FAR),
            "azure_openai_endpoint": self._url("AZURE_OPENAI_ENDPOINT", ""),
            "azure_openai_api_key": self._text("AZURE_OPENAI_API_KEY", ""),
            "azure_openai_api_key_secret": self._address("AZURE_OPENAI_API_KEY_SECRET", "", _FAR),
            "azure_openai_deployment": self._text("AZURE_OPENAI_DEPLOYMENT", ""),
        }

    def _read_cascade(self) -> _Cascade:
        return {
            "asr_base_url": self._url("ASR_BASE_URL", "", (*HTTP, LOCAL)),
            "asr_api_key": self._text("ASR_API_KEY", ""),
            "asr_model": self._text("ASR_MODEL", ""),
            "llm_base_url": self._url("LLM_BASE_URL", "", (*HTTP, BEDROCK)),
            "llm_api_key": self._text("LLM_API_KEY", ""),
            "llm_model": self._text("LLM_MODEL", ""),
            "tts_base_url": self._url("TTS_BASE_URL", "", (*HTTP, POLLY, LOCAL)),
            "tts_api_key": self._text("TTS_API_KEY", ""),
            "tts_model": self._text("TTS_MODEL", ""),
        }

    def _read_fleet(self) -> _Fleet:
        return {
            "idle_exit_s": self._integer("IDLE_EXIT_SECONDS", 0, 0, 86_400),
            "task_protection": self._choice("TASK_PROTECTION", TASK_PROTECTION),
            "ecs_agent_uri": self._url("ECS_AGENT_URI", "", HTTP),
        }

    def _is_traced(self) -> bool:
        """True when OpenTelemetry's own variables, which its SDK reads, say where traces go."""
        is_off = self._flag("OTEL_SDK_DISABLED")
        return bool(self._url("OTEL_EXPORTER_OTLP_ENDPOINT", "")) and not is_off

    def _platform(self) -> Platform:
        """Return where we run, by the variables that the platform itself sets."""
        if "FLY_MACHINE_ID" in self._env or "FLY_APP_NAME" in self._env:
            return "fly"
        return "ecs" if "ECS_CONTAINER_METADATA_URI_V4" in self._env else ""

    def _check_together(self, settings: Settings) -> None:
        if "openai" in settings.speech_providers and not self._has("OPENAI_API_KEY"):
            self.problems.append(
                "OPENAI_API_KEY: the key of the speech model is missing; make one at "
                "platform.openai.com, or run ./scripts/demo, which needs none"
            )
        self.problems.extend(
            f"{name}: needed with SPEECH_PROVIDER={provider} and missing"
            for provider in settings.speech_providers
            for name in _NEEDED.get(provider, ())
            if not self._has(name)
        )
        self.problems.extend(
            f"{name}_SECRET: {name} is set too; expected one of both"
            for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY")
            if name in self._env and f"{name}_SECRET" in self._env
        )
        if settings.task_protection == "ecs" and not settings.ecs_agent_uri:
            self.problems.append(
                "TASK_PROTECTION: ecs needs ECS_AGENT_URI, which ECS itself sets in its tasks"
            )
        scheme, _, queue_url = settings.events_url.partition(":")
        if scheme == "sqs" and queue_url and not is_url(queue_url, HTTP):
            self._expect("EVENTS_URL", "sqs:https://… with the queue's address", "sqs:...")
        if settings.tts_base_url.startswith(POLLY) and "/" not in settings.tts_model:
            self._expect("TTS_MODEL", "engine/voice such as neural/Joanna", settings.tts_model)
        if settings.tts_base_url.startswith(LOCAL) and settings.tts_model not in ACCENTS:
            self._expect("TTS_MODEL", f"one of {', '.join(ACCENTS)}", settings.tts_model)
        if not settings.has_credentials and not settings.allow_anonymous:
            self.problems.append(
                "AUDIOHOOK_KEYS: no credentials are configured, so anybody could call; set it "
                '(for example {"my-api-key": "base64 client secret"}), or SECRETS_URL, or '
                "ALLOW_ANONYMOUS=1 for a machine that only you can reach"
            )

    def _has(self, name: str) -> bool:
        """True when it is set, or the secret that holds it."""
        return name in self._env or f"{name}_SECRET" in self._env

    def _voice(self, name: str, default: str) -> str:
        text = self._env.get(name, default)
        if text.startswith("voice_"):
            return text  # a custom voice: an id, upper case counts
        voice = text.lower()
        if voice in VOICES:
            return voice
        why = " (only the speech endpoint knows that voice)" if voice in SPEECH_ONLY_VOICES else ""
        self._expect(name, f"one of {', '.join(VOICES)}{why}", voice)
        return default
