"""The door of the Realtime emulator: who gets a session, and how a session ends."""

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import Scenario
from tests.emulators.realtime_client import PCMU, call, dial, kinds, run

KEYS = frozenset({"sk-good"})


async def _refused(emulator: RealtimeEmulator, **options: Any) -> Any:
    """The one error and the close of a socket that opens only for that."""
    async with emulator, dial(emulator, **options) as client:
        error = await client.one("error")
        return error["error"], await client.closing()


async def _status(emulator: RealtimeEmulator, **options: Any) -> Any:
    async with emulator:
        with pytest.raises(InvalidStatus) as refusal:
            async with dial(emulator, **options):
                raise AssertionError("the upgrade succeeded")
        response = refusal.value.response
        return response.status_code, json.loads(response.body)["error"]


async def _get(emulator: RealtimeEmulator, path: str) -> Any:
    host, port = emulator.azure_endpoint.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), json.loads(body)


def test_session_created_comes_first_and_unasked():
    async def scene() -> Any:
        async with RealtimeEmulator() as emulator, dial(emulator) as client:
            return await client.next()

    session = run(scene())["session"]

    assert session["model"] == "gpt-realtime-2.1"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
    assert session["audio"]["output"]["voice"] == "alloy"


def test_session_created_comes_before_the_answer_to_an_eager_update():
    async def scene() -> Any:
        async with RealtimeEmulator() as emulator, dial(emulator) as client:
            await client.send("session.update", session=PCMU)
            return kinds(await client.until("session.updated"))

    assert run(scene()) == ["session.created", "session.updated"]


def test_a_beta_header_closes_4000():
    headers = {"Authorization": "Bearer sk-test", "OpenAI-Beta": "realtime=v1"}

    error, closing = run(_refused(RealtimeEmulator(), headers=headers))

    assert error["code"] == "beta_api_shape_disabled"
    assert closing == (4000, "invalid_request_error.beta_api_shape_disabled")


@pytest.mark.parametrize("key", ["sk-bad", "ek_never_minted"])
def test_a_wrong_key_closes_3000(key):
    emulator = RealtimeEmulator(api_keys=KEYS)

    error, closing = run(_refused(emulator, headers={"Authorization": f"Bearer {key}"}))

    assert error["code"] == "invalid_api_key"
    assert closing == (3000, "invalid_request_error.invalid_api_key")


def test_an_ephemeral_key_that_was_never_minted_closes_3000_even_when_all_keys_are_good():
    _, closing = run(_refused(RealtimeEmulator(), headers={"Authorization": "Bearer ek_1"}))

    assert closing[0] == 3000


def test_the_right_key_gets_a_session():
    async def scene() -> Any:
        emulator = RealtimeEmulator(api_keys=KEYS)
        headers = {"Authorization": "Bearer sk-good"}
        async with emulator, dial(emulator, headers=headers) as client:
            return await client.next()

    assert run(scene())["type"] == "session.created"


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}]
)
def test_no_or_odd_authorization_is_401(headers):
    status, error = run(_status(RealtimeEmulator(), headers=headers))

    assert status == 401
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "missing_model"),
        ("?model=", "missing_model"),
        ("?model=gpt-4o-realtime-preview-2024-12-17", "invalid_model"),
        ("?model=gpt-unknown", "invalid_model"),
        ("?intent=transcription", "invalid_model"),
    ],
)
def test_a_missing_or_dead_model_closes_4000(query, code):
    error, closing = run(_refused(RealtimeEmulator(), query=query))

    assert error["code"] == code
    assert closing == (4000, f"invalid_request_error.{code}")


def test_azure_takes_an_api_key_header_and_any_deployment_name():
    async def scene() -> Any:
        async with (
            RealtimeEmulator(api_keys=KEYS) as emulator,
            dial(
                emulator,
                "?model=my-phone-bot",
                path="/openai/v1/realtime",
                headers={"api-key": "sk-good"},
            ) as client,
        ):
            return await client.next()

    assert run(scene())["session"]["model"] == "my-phone-bot"


def test_an_unknown_path_is_404():
    assert run(_status(RealtimeEmulator(), path="/v2/realtime"))[0] == 404


def test_health_and_models_answer_plain_http():
    async def scene() -> Any:
        async with RealtimeEmulator() as emulator:
            return await _get(emulator, "/healthz"), await _get(emulator, "/v1/models")

    health, models = run(scene())

    assert health == (200, {"ok": True})
    assert "gpt-realtime-2.1" in [model["id"] for model in models[1]["data"]]


def test_a_session_expires_with_an_error_and_a_close_1001():
    async def scene() -> Any:
        async with call(RealtimeEmulator(scenario=Scenario(expires_after_s=2))) as client:
            error = await client.one("error")
            return error["error"], await client.closing()

    error, closing = run(scene())

    assert error["code"] == "session_expired"
    assert closing == (1001, error["message"])


def test_a_client_that_vanishes_leaves_nothing_running():
    async def scene() -> Any:
        emulator = RealtimeEmulator()
        async with emulator:
            async with dial(emulator) as client:
                await client.one("session.created")
                await client.send("response.create")
                await client.one("response.created")
                client.socket.transport.abort()
            await asyncio.sleep(5)
            server_only = {asyncio.current_task()}
            return asyncio.all_tasks() - server_only, emulator.sessions[0].close_code

    tasks, close_code = run(scene())

    assert not tasks
    assert close_code == 1006


def test_without_history_nothing_is_kept():
    async def scene() -> Any:
        emulator = RealtimeEmulator(keeps_history=False)
        async with call(emulator) as client:
            await client.append(bytes(800))
            await client.ask("input_audio_buffer.cleared", "input_audio_buffer.clear")
            session = emulator.sessions[0]
        return session.received, session.sent, session.audio_in, emulator.sessions

    assert run(scene()) == ([], [], b"", [])


def test_history_has_both_sides_in_order():
    async def scene() -> Any:
        emulator = RealtimeEmulator()
        async with call(emulator) as client:
            await client.ask("input_audio_buffer.cleared", "input_audio_buffer.clear")
        session = emulator.sessions[0]
        return kinds(session.received), kinds(session.sent), session.close_code

    received, sent, close_code = run(scene())

    assert received == ["session.update", "input_audio_buffer.clear"]
    assert sent == ["session.created", "session.updated", "input_audio_buffer.cleared"]
    assert close_code == 1000


def test_describe_says_that_words_are_scripted():
    assert RealtimeEmulator().describe() == (
        "The emulated Realtime server takes the caller's words from a script and answers in tones."
    )
