"""`scripts.smoke` against the service itself, well and ill."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from scripts import smoke
from scripts.emulators.brains import DialogueBrain
from tests.e2e.bridge import API_KEY, CLIENT_SECRET, SMALL_TALK, Bridge, bridge
from tests.e2e.quick_calls import PROMPT

KEYS = f'{{"{API_KEY}": ["{CLIENT_SECRET}", "b2xk"]}}'


def look(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, Bridge]:
    """Start a service, look at it as CI does, in a thread; what it returned and printed."""

    async def run() -> tuple[int, Bridge]:
        async with running() as service:
            url = f"http://127.0.0.1:{service.port}"
            return await asyncio.to_thread(smoke.main, [url, *options]), service

    code, service = asyncio.run(run())
    printed = capsys.readouterr()
    return code, printed.out + printed.err, service


def running() -> AbstractAsyncContextManager[Bridge]:
    return bridge(scenario=PROMPT, brain=DialogueBrain(SMALL_TALK))


def test_a_good_deployment_is_tested_and_called(capsys, monkeypatch):
    monkeypatch.setenv("AUDIOHOOK_KEYS", KEYS)

    code, printed, service = look(capsys)

    assert code == 0, printed
    assert [line.split()[0] for line in printed.splitlines()] == ["ready", "test", "call"]
    assert len(service.model.sessions) == 1, "the test must not reach the model, the call must"
    assert API_KEY not in printed
    assert CLIENT_SECRET not in printed


def test_the_call_can_be_left_out(capsys, monkeypatch):
    monkeypatch.setenv("AUDIOHOOK_KEYS", KEYS)

    code, printed, service = look(capsys, "--no-call")

    assert code == 0, printed
    assert service.model.sessions == []


def test_wrong_credentials_fail(capsys, monkeypatch):
    monkeypatch.setenv("AUDIOHOOK_KEYS", '{"another-key": "c2VjcmV0"}')

    code, printed, _ = look(capsys)

    assert code == 1
    assert "the activation test failed: the upgrade was refused with HTTP 401" in printed


def test_without_credentials_only_readiness_is_looked_at(capsys, monkeypatch):
    monkeypatch.delenv("AUDIOHOOK_KEYS", raising=False)

    code, printed, service = look(capsys)

    assert code == 0
    assert smoke.NO_KEYS in printed
    assert service.model.sessions == []


def test_a_service_that_is_not_there_fails(capsys):
    assert smoke.main(["http://127.0.0.1:1", "--wait", "0"]) == 1
    assert "/readyz was not ready within 0 s: URLError" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["bridge.example", "ftp://bridge.example", "https://"])
def test_what_is_no_address_is_refused(url: str, capsys):
    assert smoke.main([url]) == 1
    assert "expected an address such as https://host" in capsys.readouterr().err


@pytest.mark.parametrize("keys", ["{", "[]", "{}", '{"my-key": []}', '"secret"'])
def test_credentials_of_another_form_are_refused_and_not_shown(keys: str, capsys, monkeypatch):
    monkeypatch.setenv("AUDIOHOOK_KEYS", keys)

    assert smoke.main(["https://bridge.example"]) == 1
    assert "AUDIOHOOK_KEYS: expected" in (said := capsys.readouterr().err)
    assert "my-key" not in said


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('{"a": "new", "b": "other"}', ("a", "new")),
        ('{"a": ["new", "old"]}', ("a", "new")),
        ('{"a": null}', ("a", None)),
        (" ", None),
    ],
)
def test_the_newest_secret_of_the_first_key_is_taken(keys: str, expected: object):
    assert smoke.credentials_of({"AUDIOHOOK_KEYS": keys}) == expected


def test_genesys_would_connect_to_the_bot_by_tls():
    assert smoke.socket_url_of("https://h.example/", "bank") == "wss://h.example/audiohook/bank"
