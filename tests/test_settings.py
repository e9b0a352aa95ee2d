import dataclasses

import pytest

from service.settings import VOICES, Settings, SettingsError

KEY = "sk-the-model-key"
MINIMAL = {"OPENAI_API_KEY": KEY, "ALLOW_ANONYMOUS": "1"}


def read(**changes: str) -> Settings:
    return Settings.from_env(MINIMAL | changes)


def problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(**changes)
    return caught.value.problems


# Reading.


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("host", "0.0.0.0"),
        ("port", 8080),
        ("public_host", None),
        ("metrics", "on"),
        ("metrics_port", None),
        ("is_traced", False),
        ("log_format", "json"),
        ("log_level", "info"),
        ("speech_providers", ("openai",)),
        ("max_loop_lag_s", 0.25),
        ("budget_model", ""),
        ("idle_exit_s", 0),
        ("task_protection", "off"),
        ("openai_api_key_secret", ""),
        ("azure_openai_api_key_secret", ""),
        ("openai_base_url", "https://api.openai.com/v1"),
        ("openai_realtime_model", "gpt-realtime-2.1"),
        ("openai_realtime_voice", "marin"),
        ("azure_openai_endpoint", ""),
        ("azure_openai_api_key", ""),
        ("azure_openai_deployment", ""),
        ("asr_base_url", ""),
        ("asr_api_key", ""),
        ("asr_model", ""),
        ("llm_base_url", ""),
        ("llm_api_key", ""),
        ("llm_model", ""),
        ("tts_base_url", ""),
        ("tts_api_key", ""),
        ("tts_model", ""),
        ("secrets_url", "env:"),
        ("aws_role_arn", ""),
        ("allow_anonymous", False),
        ("events_url", "file:./data/events"),
        ("spool_dir", "./data/spool"),
        ("events_claim_bucket", ""),
        ("platform", ""),
        ("bots_url", ""),
        ("unknown_bot", "default"),
        ("tool_secrets", {}),
        ("genesys_region", ""),
        ("genesys_client_id", ""),
        ("genesys_client_secret", ""),
        ("max_calls", 100),
        ("max_call_s", 840),
        ("budget_usd", 0),
        ("drain_s", 110),
    ],
)
def test_default_is_the_documented_one(field: str, default: object):
    settings = Settings.from_env({"OPENAI_API_KEY": KEY, "AUDIOHOOK_KEYS": '{"key": null}'})

    assert getattr(settings, field) == default


CHANGED: list[tuple[str, str, str, object]] = [
    ("HOST", "127.0.0.1", "host", "127.0.0.1"),
    ("PORT", "9000", "port", 9_000),
    ("PUBLIC_HOST", "calls.example.com", "public_host", "calls.example.com"),
    ("METRICS", "EMF", "metrics", "emf"),
    ("METRICS_PORT", "9091", "metrics_port", 9_091),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "is_traced", True),
    ("LOG_FORMAT", "TEXT", "log_format", "text"),
    ("LOG_LEVEL", "Debug", "log_level", "debug"),
    ("OPENAI_API_KEY", "sk-other", "openai_api_key", "sk-other"),
    ("OPENAI_BASE_URL", "ws://localhost:9/v1", "openai_base_url", "ws://localhost:9/v1"),
    ("OPENAI_REALTIME_MODEL", "gpt-realtime-mini", "openai_realtime_model", "gpt-realtime-mini"),
    ("OPENAI_REALTIME_VOICE", "Cedar", "openai_realtime_voice", "cedar"),
    ("OPENAI_REALTIME_VOICE", "voice_AbC12", "openai_realtime_voice", "voice_AbC12"),
    ("AZURE_OPENAI_ENDPOINT", "https://x.example", "azure_openai_endpoint", "https://x.example"),
    ("AZURE_OPENAI_API_KEY", "azure-key", "azure_openai_api_key", "azure-key"),
    (
        "AZURE_OPENAI_API_KEY_SECRET",
        "aws-secretsmanager:a",
        "azure_openai_api_key_secret",
        "aws-secretsmanager:a",
    ),
    ("AZURE_OPENAI_DEPLOYMENT", "voice", "azure_openai_deployment", "voice"),
    ("ASR_BASE_URL", "http://ears.example/v1", "asr_base_url", "http://ears.example/v1"),
    ("ASR_API_KEY", "asr-key", "asr_api_key", "asr-key"),
    ("ASR_MODEL", "ears", "asr_model", "ears"),
    ("LLM_BASE_URL", "https://mind.example/v1", "llm_base_url", "https://mind.example/v1"),
    ("LLM_API_KEY", "llm-key", "llm_api_key", "llm-key"),
    ("LLM_MODEL", "mind", "llm_model", "mind"),
    ("TTS_BASE_URL", "https://voice.example/v1", "tts_base_url", "https://voice.example/v1"),
    ("TTS_API_KEY", "tts-key", "tts_api_key", "tts-key"),
    ("TTS_MODEL", "voice", "tts_model", "voice"),
    ("SECRETS_URL", "file:./keys.json", "secrets_url", "file:./keys.json"),
    ("SECRETS_URL", "aws-secretsmanager:a/b", "secrets_url", "aws-secretsmanager:a/b"),
    ("AWS_ROLE_ARN", "arn:aws:iam::1:role/b", "aws_role_arn", "arn:aws:iam::1:role/b"),
    ("AUDIOHOOK_KEYS", '{"key": null}', "audiohook_keys", '{"key": null}'),
    ("EVENTS_URL", "off:", "events_url", "off:"),
    ("EVENTS_URL", "file:/var/events", "events_url", "file:/var/events"),
    ("EVENTS_URL", "sqs:https://sqs.x/1/q", "events_url", "sqs:https://sqs.x/1/q"),
    ("SPOOL_DIR", "/data/spool", "spool_dir", "/data/spool"),
    ("EVENTS_CLAIM_BUCKET", "my-lake.1", "events_claim_bucket", "my-lake.1"),
    ("FLY_MACHINE_ID", "148e21", "platform", "fly"),
    ("FLY_APP_NAME", "bridge", "platform", "fly"),
    ("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x", "platform", "ecs"),
    ("BOTS_URL", "file:./my-bots", "bots_url", "file:./my-bots"),
    ("UNKNOWN_BOT", "Refuse", "unknown_bot", "refuse"),
    ("TOOL_SECRETS", '{"TOKEN": "t"}', "tool_secrets", {"TOKEN": "t"}),
    ("GENESYS_REGION", "MyPurecloud.de", "genesys_region", "mypurecloud.de"),
    ("GENESYS_CLIENT_ID", "an-id", "genesys_client_id", "an-id"),
    ("GENESYS_CLIENT_SECRET", "a-secret", "genesys_client_secret", "a-secret"),
    ("MAX_CALLS", "7", "max_calls", 7),
    ("MAX_CALL_SECONDS", "60", "max_call_s", 60),
    ("CALL_BUDGET_USD", "0.75", "budget_usd", 0.75),
    ("DRAIN_SECONDS", "0", "drain_s", 0),
]


@pytest.mark.parametrize(("name", "text", "field", "value"), CHANGED)
def test_variable_sets_its_field_and_no_other(name: str, text: str, field: str, value: object):
    changed = read(**{name: text})

    assert getattr(changed, field) == value
    assert dataclasses.replace(changed, **{field: getattr(read(), field)}) == read()


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("false", False), ("No", False)],
)
def test_flag_is_written_in_several_ways(text: str, is_allowed: bool):
    settings = read(ALLOW_ANONYMOUS=text, AUDIOHOOK_KEYS='{"key": null}')

    assert settings.allow_anonymous is is_allowed


def test_azure_needs_no_key_of_openai():
    settings = Settings.from_env(
        {
            "SPEECH_PROVIDER": "azure",
            "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com",
            "AZURE_OPENAI_API_KEY": "azure-key",
            "AZURE_OPENAI_DEPLOYMENT": "voice",
            "ALLOW_ANONYMOUS": "1",
        }
    )

    assert settings.speech_providers == ("azure",)


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_empty_variable_is_an_absent_one(text: str):
    assert read(PORT=text, PUBLIC_HOST=text, AUDIOHOOK_KEYS=text) == read()


def test_blanks_around_a_value_do_not_count():
    assert read(OPENAI_API_KEY=f"  {KEY}\n").openai_api_key == KEY


def test_other_variables_are_nobodys_business():
    assert read(PATH="/bin", OPENAI_API_KEY_OLD="sk-old") == read()


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().port = 1  # type: ignore[misc]  # what is tested


# Credentials.


@pytest.mark.parametrize(
    ("changes", "has_credentials"),
    [
        ({}, False),
        ({"AUDIOHOOK_KEYS": '{"key": null}'}, True),
        ({"SECRETS_URL": "file:keys.json"}, True),
    ],
)
def test_callers_are_authenticated_when_credentials_are_configured(
    changes: dict[str, str], has_credentials: bool
):
    assert read(**changes).has_credentials is has_credentials


def test_service_without_credentials_refuses_to_start():
    (problem,) = problems(ALLOW_ANONYMOUS="0")

    assert problem.startswith("AUDIOHOOK_KEYS: ")
    assert "ALLOW_ANONYMOUS=1" in problem


def test_missing_model_key_refuses_to_start():
    (problem,) = problems(OPENAI_API_KEY="")

    assert problem.startswith("OPENAI_API_KEY: ")


def test_every_missing_variable_of_azure_is_named():
    names = [problem.split(":")[0] for problem in problems(SPEECH_PROVIDER="azure")]

    assert names == ["AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT"]


def test_a_voice_of_polly_is_named_by_region_engine_and_voice():
    place = "aws-polly://eu-central-1"

    assert read(TTS_BASE_URL=place, TTS_MODEL="neural/Joanna").tts_base_url == place
    assert [it.split(":")[0] for it in problems(TTS_BASE_URL=place, TTS_MODEL="Joanna")] == [
        "TTS_MODEL"
    ]


def test_every_missing_variable_of_a_cascade_is_named_but_no_key():
    names = [problem.split(":")[0] for problem in problems(SPEECH_PROVIDER="cascade")]

    parts = ("ASR", "LLM", "TTS")
    assert names == [f"{part}_{what}" for part in parts for what in ("BASE_URL", "MODEL")]


# Problems.

WRONG = [
    ("EVENTS_URL", "sqs:"),
    ("EVENTS_URL", "sqs:my-queue"),
    ("EVENTS_CLAIM_BUCKET", "s3://my-lake"),
    ("PORT", "http"),
    ("PORT", "-1"),
    ("PORT", "65536"),
    ("PORT", "8080.0"),
    ("PORT", "8_080"),
    ("PORT", "\u0668\u0660"),
    ("PORT", "9" * 5_000),
    ("PORT", "0" * 9 + "99999999"),
    ("LOG_FORMAT", "yaml"),
    ("METRICS", "yes"),
    ("METRICS_PORT", "nine"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost"),
    ("OTEL_SDK_DISABLED", "perhaps"),
    ("CALL_BUDGET_USD", "-1"),
    ("CALL_BUDGET_USD", "1e3"),
    ("CALL_BUDGET_USD", "1001"),
    ("CALL_BUDGET_USD", "nan"),
    ("LOG_LEVEL", "loud"),
    ("SPEECH_PROVIDER", "deepgram"),
    ("SPEECH_PROVIDER", "openai,deepgram"),
    ("SPEECH_PROVIDER", "openai,openai"),
    ("SPEECH_PROVIDER", "openai,"),
    ("SPEECH_PROVIDER", "clips,openai"),
    ("OPENAI_BASE_URL", "api.openai.com/v1"),
    ("OPENAI_BASE_URL", "ftp://api.openai.com"),
    ("OPENAI_BASE_URL", "https://"),
    ("OPENAI_BASE_URL", "https://[::1"),
    ("AZURE_OPENAI_ENDPOINT", "x.openai.azure.com"),
    ("ASR_BASE_URL", "ears.example"),
    ("LLM_BASE_URL", "wss://mind.example/v1"),
    ("TTS_BASE_URL", "ws://voice.example/v1"),
    ("SECRETS_URL", "env"),
    ("SECRETS_URL", "env:NAME"),
    ("SECRETS_URL", "file:"),
    ("SECRETS_URL", "vault:x"),
    ("EVENTS_URL", "off"),
    ("EVENTS_URL", "off:x"),
    ("EVENTS_URL", "file:"),
    ("EVENTS_URL", "./data/events"),
    ("ALLOW_ANONYMOUS", "maybe"),
    ("MAX_CALLS", "0"),
    ("MAX_CALL_SECONDS", "9"),
    ("MAX_CALL_SECONDS", "86401"),
    ("DRAIN_SECONDS", "forever"),
    ("OPENAI_REALTIME_VOICE", "alexa"),
]


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_wrong_value_is_a_problem_that_names_the_variable(name: str, text: str):
    (problem,) = problems(AUDIOHOOK_KEYS='{"key": null}', **{name: text})

    assert problem.startswith(f"{name}: expected ")
    assert "\n" not in problem
    assert len(problem) < 250


def test_all_problems_are_told_at_once():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"PORT": "x", "LOG_LEVEL": "y", "MAX_CALLS": "z", "EVENTS_URL": "?"})

    names = [problem.split(":")[0] for problem in caught.value.problems]
    assert names == [
        "PORT",
        "LOG_LEVEL",
        "EVENTS_URL",
        "MAX_CALLS",
        "OPENAI_API_KEY",
        "AUDIOHOOK_KEYS",
    ]
    assert str(caught.value).splitlines() == caught.value.problems


def test_problems_of_the_implementations_are_told_with_the_others():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(
            MINIMAL | {"PORT": "x"}, check=lambda settings: [f"port is {settings.port}"]
        )

    assert len(caught.value.problems) == 2
    assert caught.value.problems[1] == "port is 8080"


def test_implementations_may_find_nothing():
    assert Settings.from_env(MINIMAL, check=lambda _: []) == read()


@pytest.mark.parametrize("voice", ["fable", "onyx", "nova", "Nova"])
def test_voice_that_only_the_speech_endpoint_knows_is_refused_with_the_valid_names(voice: str):
    (problem,) = problems(OPENAI_REALTIME_VOICE=voice)

    assert voice.lower() in problem
    assert "speech endpoint" in problem
    assert all(name in problem for name in VOICES)


@pytest.mark.parametrize("voice", VOICES)
def test_voice_of_the_realtime_api_is_taken(voice: str):
    assert read(OPENAI_REALTIME_VOICE=voice).openai_realtime_voice == voice


# Secrets.

SECRETS = {
    "OPENAI_API_KEY": "sk-secret-1",
    "AZURE_OPENAI_API_KEY": "secret-2",
    "ASR_API_KEY": "secret-5",
    "LLM_API_KEY": "secret-6",
    "TTS_API_KEY": "secret-7",
    "AUDIOHOOK_KEYS": '{"secret-3": "c2VjcmV0LTQ="}',
}


@pytest.mark.parametrize("form", [repr, str, "{}".format])
def test_secrets_are_not_in_the_representation(form: object):
    assert callable(form)

    shown = form(Settings.from_env(SECRETS))

    assert "secret-" not in shown
    assert "c2VjcmV0" not in shown
    assert "gpt-realtime" in shown


def test_secrets_are_not_in_the_problems():
    wrong = {"PORT": "x", "SPEECH_PROVIDER": "y", "ALLOW_ANONYMOUS": "z", "LOG_LEVEL": "w"}

    with pytest.raises(SettingsError) as caught:
        Settings.from_env(SECRETS | wrong)

    assert "secret-" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_credentials_in_the_wrong_variable_are_not_in_the_problem():
    """The two names are easily mistaken for each other."""
    (problem,) = problems(SECRETS_URL=SECRETS["AUDIOHOOK_KEYS"])

    assert problem.startswith("SECRETS_URL: expected ")
    assert "secret-3" not in problem
    assert "c2VjcmV0" not in problem


@pytest.mark.parametrize("text", ["[1]", '{"TOKEN', '{"TOKEN": 5}', "token=abc", "[" * 100_000])
def test_tool_secrets_that_are_no_object_of_texts_are_not_shown(text: str):
    (problem,) = problems(TOOL_SECRETS=text)

    assert problem.startswith("TOOL_SECRETS: expected a JSON object of texts")
    assert text not in problem


@pytest.mark.parametrize("text", ["https://login.mypurecloud.de", "my purecloud", "-x.de"])
def test_region_is_a_host(text: str):
    (problem,) = problems(GENESYS_REGION=text)

    assert problem == f"GENESYS_REGION: expected a host such as mypurecloud.de, got {text!r}"


def test_secrets_of_tools_do_not_show():
    settings = read(TOOL_SECRETS='{"TOKEN": "s3cret"}', GENESYS_CLIENT_SECRET="s3cret")

    assert "s3cret" not in repr(settings)


# A key in a secret.

IN_A_SECRET = "aws-secretsmanager:bridge/model"


def test_secret_stands_for_the_key_of_openai():
    env = {"OPENAI_API_KEY_SECRET": IN_A_SECRET, "ALLOW_ANONYMOUS": "1"}

    assert Settings.from_env(env).openai_api_key_secret == IN_A_SECRET


def test_secret_stands_for_the_key_of_azure():
    env = {
        "SPEECH_PROVIDER": "azure",
        "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com",
        "AZURE_OPENAI_API_KEY_SECRET": IN_A_SECRET,
        "AZURE_OPENAI_DEPLOYMENT": "voice",
        "ALLOW_ANONYMOUS": "1",
    }

    assert Settings.from_env(env).azure_openai_api_key_secret == IN_A_SECRET


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"])
def test_key_and_secret_together_are_a_contradiction(name: str):
    found = problems(**{name: "k", f"{name}_SECRET": IN_A_SECRET})

    assert found == [f"{name}_SECRET: {name} is set too; expected one of both"]


def test_key_where_its_secret_was_meant_is_not_shown():
    (found,) = problems(OPENAI_API_KEY="", OPENAI_API_KEY_SECRET=KEY)

    assert "expected aws-secretsmanager:NAME" in found
    assert KEY not in found
