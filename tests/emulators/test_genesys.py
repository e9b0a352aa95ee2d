"""The caller emulator against small servers on loopback, good ones and bad ones."""

import asyncio
import base64
import hashlib
import hmac
import json
import wave
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from scripts.emulators import genesys
from scripts.emulators.genesys import (
    STEREO,
    CallEvent,
    CallFailed,
    CallReport,
    CallSetup,
    Chaos,
    GenesysCall,
    Timers,
    new_uuid7,
    play_call,
    probe,
)

SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
TONE = b"\x20"
BARGE_IN = {"entities": [{"type": "barge_in", "data": {}}]}
PATIENT = Timers(step_s=3.0)
# For servers that do not answer: the time which the test itself takes.
IMPATIENT = Timers(opened_s=0.5, closed_s=0.5)  # a busy machine can stand still for 0.2 s

Message = dict[str, Any]
Answer = Callable[["Server", Message], Awaitable[None]]
Script = Callable[[GenesysCall], Awaitable[None]]


class Server:
    """Obeys the protocol, except where `answers` says otherwise."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = DEFAULTS | answers
        self.seq = 0
        self.heard: list[Message] = []
        self.frames: list[bytes] = []
        self.socket: ServerConnection

    def of_type(self, kind: str) -> list[Message]:
        return [message for message in self.heard if message["type"] == kind]

    async def send(self, kind: str, parameters: object = None, **envelope: object) -> None:
        self.seq += 1
        message = {
            "version": "2",
            "id": self.heard[0]["id"],
            "type": kind,
            "seq": self.seq,
            "clientseq": self.heard[-1]["seq"],
            "parameters": {} if parameters is None else parameters,
        }
        await self.socket.send(json.dumps(message | envelope))

    async def say(self, pcmu: bytes) -> None:
        await self.socket.send(pcmu)

    async def serve(self, socket: ServerConnection) -> None:
        self.socket = socket
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    self.frames.append(message)
                    await self.answers["audio"](self, {})
                    continue
                self.heard.append(json.loads(message))
                answer = self.answers.get(self.heard[-1]["type"])
                if answer is not None:
                    await answer(self, self.heard[-1])
        except ConnectionClosed:
            return


async def answer_open(server: Server, message: Message) -> None:
    media = message["parameters"]["media"][:1]
    await server.send("opened", {"startPaused": False, "media": media})


async def answer_ping(server: Server, message: Message) -> None:
    await server.send("pong", clientseq=message["seq"])


async def answer_close(server: Server, message: Message) -> None:
    await server.send("closed")


async def nothing(server: Server, message: Message) -> None:
    return


DEFAULTS: dict[str, Answer] = {
    "open": answer_open,
    "ping": answer_ping,
    "close": answer_close,
    "audio": nothing,
}


def then(first: Answer, *steps: Answer) -> Answer:
    async def run_all(server: Server, message: Message) -> None:
        for step in (first, *steps):
            await step(server, message)

    return run_all


def sends(kind: str, parameters: object = None, **envelope: object) -> Answer:
    async def send(server: Server, message: Message) -> None:
        await server.send(kind, parameters, **envelope)

    return send


def says(seconds: float) -> Answer:
    async def say(server: Server, message: Message) -> None:
        await server.say(TONE * int(seconds * 8000))

    return say


async def until_ended(call: GenesysCall) -> None:
    await call.ended()


async def at_once(call: GenesysCall) -> None:
    await call.opened()


def play(
    script: Script,
    answers: dict[str, Answer] | None = None,
    *,
    on_event: Callable[[CallEvent], None] | None = None,
    is_probe: bool = False,
    **changes: Any,
) -> tuple[CallReport, Server]:
    """Play one call against a fresh server; frames of 20 ms, to be quick."""
    server = Server(answers or {})

    async def run() -> CallReport:
        async with serve(server.serve, "127.0.0.1", 0, compression=None) as listening:
            port = next(iter(listening.sockets)).getsockname()[1]
            options: dict[str, Any] = {"frame_ms": 20, "timers": PATIENT} | changes
            setup = CallSetup(f"ws://127.0.0.1:{port}/audiohook/default?x=1", "key", **options)
            if is_probe:
                return await probe(setup)
            return await play_call(setup, script, on_event=on_event)

    return asyncio.run(run()), server


def test_a_good_call_has_no_violations_and_a_clean_ending() -> None:
    report, server = play(at_once)

    assert report.violations == []
    assert (report.close_reason, report.close_code) == ("end", 1000)
    assert not report.server_closed_first
    assert report.opened_ms is not None
    assert [message["type"] for message in server.heard] == ["open", "close"]


def test_open_carries_who_calls_whom_and_what_is_offered() -> None:
    _, server = play(
        at_once, input_variables={"TIER": "gold"}, language="es-419", session_id=new_uuid7()
    )

    opening = server.heard[0]
    assert (opening["version"], opening["seq"], opening["serverseq"]) == ("2", 1, 0)
    assert opening["position"] == "PT0S"
    assert opening["id"][14] == "7"
    parameters = opening["parameters"]
    assert parameters["participant"]["ani"] == "tel:+15555550100"
    assert parameters["language"] == "es-419"
    assert parameters["inputVariables"] == {"TIER": "gold"}
    assert parameters["media"] == [
        {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
    ]


def test_upgrade_is_signed_and_offers_no_subprotocol_or_extension() -> None:
    _, server = play(at_once, client_secret=SECRET)

    request = server.socket.request
    assert request is not None
    headers = request.headers
    assert headers["User-Agent"] == "GenesysCloud-AudioHook-Client"
    assert "Sec-WebSocket-Protocol" not in headers
    assert "Sec-WebSocket-Extensions" not in headers
    values = {"@request-target": request.path, "@authority": headers["Host"]}
    parameters = headers["Signature-Input"].removeprefix("sig1=")
    names = parameters[1 : parameters.index(")")].replace('"', "").split()
    lines = [f'"{name}": {values.get(name) or headers[name]}' for name in names]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    mac = hmac.new(base64.b64decode(SECRET), base.encode(), hashlib.sha256).digest()
    assert headers["Signature"] == f"sig1=:{base64.b64encode(mac).decode()}:"


def test_speech_reaches_the_server_inside_a_stream_of_silence() -> None:
    async def speak(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.05)
        await call.say(b"\x11" * 400)

    report, server = play(speak)

    stream = b"".join(server.frames)
    assert stream.strip(b"\xff") == b"\x11" * 400
    assert {len(frame) for frame in server.frames} == {160}
    assert report.audio_frames_sent == len(server.frames)
    assert report.recording.pcmu("caller").strip(b"\xff") == b"\x11" * 400


def test_frames_keep_an_absolute_schedule() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.5)

    report, server = play(listen)

    expected = report.duration_ms / 20
    assert expected - 5 <= len(server.frames) <= expected


def test_first_ping_is_followed_by_one_with_its_round_trip() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.3)

    report, server = play(listen, timers=Timers(first_ping_s=0.1, ping_s=5.0))

    first, second = server.of_type("ping")
    assert first["parameters"] == {}
    assert second["parameters"]["rtt"].startswith("PT0.")
    assert second["serverseq"] == 2
    assert len(report.rtts_ms) == 2
    assert report.violations == []


def test_later_pings_come_at_their_interval() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.45)

    _, server = play(listen, timers=Timers(first_ping_s=0.05, ping_s=0.12))

    assert 4 <= len(server.of_type("ping")) <= 5


def test_a_missing_pong_ends_the_call_with_408() -> None:
    report, server = play(
        until_ended, {"ping": nothing}, timers=Timers(first_ping_s=0.05, ping_s=0.1)
    )

    assert [(error.code, error.message) for error in report.errors_sent] == [
        (408, "Timeout waiting for pong")
    ]
    assert report.close_reason == "error"
    assert [message["type"] for message in server.heard] == ["open", "ping", "error", "close"]


def test_a_pong_with_another_clientseq_is_a_400_now_and_a_408_at_the_next_tick() -> None:
    async def answer_wrongly(server: Server, message: Message) -> None:
        await server.send("pong", clientseq=1)

    report, _ = play(
        until_ended, {"ping": answer_wrongly}, timers=Timers(first_ping_s=0.05, ping_s=0.1)
    )

    assert [error.code for error in report.errors_sent] == [400, 408]
    assert "clientseq 1" in report.violations[0]


def test_withheld_pongs_end_the_call_although_the_server_answered() -> None:
    report, _ = play(
        until_ended,
        chaos=Chaos(ignores_pongs=True),
        timers=Timers(first_ping_s=0.05, ping_s=0.1),
    )

    assert [error.code for error in report.errors_sent] == [408]


def test_without_opened_the_client_gives_up_with_408() -> None:
    report, _ = play(until_ended, {"open": nothing}, timers=IMPATIENT)

    assert [(error.code, error.message) for error in report.errors_sent] == [
        (408, "Timed out waiting for opened response")
    ]
    assert report.close_reason == "error"
    assert report.close_code == 1000


def test_without_closed_the_client_closes_the_socket_itself() -> None:
    report, _ = play(at_once, {"close": nothing}, timers=IMPATIENT)

    assert [error.code for error in report.errors_sent] == [408]
    assert report.close_code == 1000
    assert report.violations[0].startswith("no closed within 0.5 s")


@pytest.mark.parametrize(
    ("misdeed", "code"),
    [
        (sends("opened", {"media": [{"type": "audio"}]}), 400),
        (then(answer_open, sends("pause", version="1")), 400),
        (then(answer_open, sends("pause", ["no object"])), 400),
        (then(answer_open, sends("pause", seq=7)), 500),
        (then(answer_open, sends("greeting")), 500),
        (then(answer_open, sends("disconnect", {"reason": "complete"})), 500),
        (then(answer_open, sends("event", {"entities": []})), 500),
        (
            then(answer_open, sends("event", {"entities": [{"type": "x", "data": "y" * 65_536}]})),
            413,
        ),
    ],
)
def test_a_fatal_mistake_of_the_server_ends_the_call(misdeed: Answer, code: int) -> None:
    report, server = play(until_ended, {"open": misdeed}, timers=IMPATIENT)

    assert [error.code for error in report.errors_sent][0] == code
    assert len(report.violations) == 1
    assert report.close_reason == "error"
    assert server.of_type("close")[0]["parameters"] == {"reason": "error"}


def test_after_a_seq_gap_serverseq_freezes_and_closed_is_refused() -> None:
    report, server = play(
        until_ended, {"open": then(answer_open, sends("resume", seq=9))}, timers=IMPATIENT
    )

    assert server.of_type("close")[0]["serverseq"] == 1
    assert [error.code for error in report.errors_sent] == [500, 408]
    assert report.close_code == 1000


def test_a_stray_pong_is_a_409_that_ends_nothing() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.1)

    report, _ = play(listen, {"open": then(answer_open, sends("pong"))})

    assert [error.code for error in report.errors_sent] == [409]
    assert report.close_reason == "end"
    assert len(report.violations) == 1


def test_playback_is_announced_when_it_starts_and_when_it_is_done() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.agent_speaks(min_ms=50)
        await call.agent_quiet(for_ms=50)

    report, server = play(listen, {"open": then(answer_open, says(0.2))})

    kinds = [message["type"] for message in server.heard]
    assert kinds == ["open", "playback_started", "playback_completed", "close"]
    assert report.recording.pcmu("agent").strip(b"\xff") == TONE * 1600
    assert [episode.speaker for episode in report.timeline] == ["agent"]
    assert report.first_agent_audio_ms is not None


def test_response_latency_is_what_the_server_took() -> None:
    async def answer_after_speech(server: Server, message: Message) -> None:
        *_, before, last = (b"", *server.frames)
        if b"\x11" in before and b"\x11" not in last:
            await asyncio.sleep(0.1)
            await server.say(TONE * 800)

    async def talk(call: GenesysCall) -> None:
        await call.opened()
        await call.say(b"\x11" * 1600)
        await call.agent_quiet(for_ms=20)

    report, _ = play(talk, {"audio": answer_after_speech})

    (turn,) = report.turns
    assert turn.response_latency_ms is not None
    assert 100 <= turn.response_latency_ms < 350
    assert turn.end_ms - turn.start_ms == pytest.approx(200, abs=0.2)


def test_barge_in_cuts_the_agent_at_once() -> None:
    async def interrupt(server: Server, message: Message) -> None:
        if b"\x11" in server.frames[-1] and not server.answers.get("done"):
            server.answers["done"] = nothing
            await server.send("event", BARGE_IN)

    async def talk_over(call: GenesysCall) -> None:
        await call.agent_speaks(min_ms=100)
        await call.say(b"\x11" * 1600)
        await call.sleep(0.05)

    report, server = play(talk_over, {"open": then(answer_open, says(5)), "audio": interrupt})

    (turn,) = report.turns
    (barge_in,) = report.barge_ins
    (agent, _) = sorted(report.timeline, key=lambda episode: episode.speaker)
    assert barge_in.stopped_audio
    assert turn.barge_in_stop_ms is not None
    assert 0 <= turn.barge_in_stop_ms < 250
    assert agent.interrupted
    assert len(server.of_type("playback_completed")) == 1
    assert report.max_queued_ms == 5000
    assert report.unplayed_ms == 0


def test_completion_after_a_barge_in_can_be_withheld() -> None:
    answers = {"open": then(answer_open, says(5), sends("event", BARGE_IN))}

    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.1)

    _, server = play(listen, answers, completed_after_barge_in=False)

    assert len(server.of_type("playback_started")) == 1
    assert server.of_type("playback_completed") == []


def test_agent_quiet_waits_for_the_answer_and_not_for_the_cut() -> None:
    async def interrupt_then_answer(server: Server, message: Message) -> None:
        if b"\x11" in server.frames[-1] and not server.answers.get("done"):
            server.answers["done"] = nothing
            await server.send("event", BARGE_IN)
            await asyncio.sleep(0.3)
            await server.say(b"\x21" * 400)

    async def talk_over(call: GenesysCall) -> None:
        await call.agent_speaks()
        await call.say(b"\x11" * 160)
        await call.agent_quiet(for_ms=50)

    report, _ = play(
        talk_over, {"open": then(answer_open, says(5)), "audio": interrupt_then_answer}
    )

    assert report.recording.pcmu("agent").rstrip(b"\xff").endswith(b"\x21" * 400)


def test_disconnect_is_answered_and_its_outputs_are_reported() -> None:
    outputs = {"INTENT": "billing"}
    goodbye = sends("disconnect", {"reason": "completed", "outputVariables": outputs})

    async def listen(call: GenesysCall) -> None:
        outcome = await call.disconnected()
        assert outcome.output_variables == outputs

    report, server = play(listen, {"open": then(answer_open, goodbye)})

    assert report.violations == []
    assert report.disconnect is not None
    assert report.disconnect.reason == "completed"
    assert server.of_type("close")[0]["parameters"] == {"reason": "disconnect"}


@pytest.mark.parametrize(("play_out", "heard"), [(False, False), (True, True)])
def test_a_farewell_is_cut_by_disconnect_unless_played_out(play_out: bool, heard: bool) -> None:
    goodbye = sends("disconnect", {"reason": "completed"})

    report, _ = play(
        until_ended,
        {"open": then(answer_open, says(1), goodbye)},
        play_out_on_disconnect=play_out,
    )

    assert (report.unplayed_ms == 0) is heard
    assert (report.recording.pcmu("agent").count(TONE) == 8000) is heard


def test_pause_and_resume_are_answered_and_no_audio_flows_between() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.1)

    _, server = play(listen, {"open": then(answer_open, sends("pause"), sends("pause"))})

    assert len(server.of_type("paused")) == 2
    assert server.frames == []


def test_resumed_tells_how_much_was_discarded() -> None:
    async def hold(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.1)
        await call.pause(0.2)
        await call.sleep(0.05)

    report, server = play(hold)

    (paused,), (resumed,) = server.of_type("paused"), server.of_type("resumed")
    start = float(resumed["parameters"]["start"][2:-1])
    discarded = float(resumed["parameters"]["discarded"][2:-1])
    assert f"PT{start:g}S" == paused["position"]
    assert discarded == pytest.approx(0.2, abs=0.08)
    assert float(resumed["position"][2:-1]) == pytest.approx(start + discarded)
    assert report.audio_bytes_sent < report.duration_ms * 8 - 1000


def test_the_callers_own_pause_outlives_a_resume_of_the_server() -> None:
    async def hold(call: GenesysCall) -> None:
        await call.opened()
        await call.pause(0.1)

    _, server = play(hold, {"paused": sends("resume")})

    kinds = [message["type"] for message in server.heard]
    assert kinds[:3] == ["open", "paused", "paused"]
    assert "resumed" in kinds


def flood(server: Server, message: Message) -> Awaitable[None]:
    async def send() -> None:
        for _ in range(40):
            await server.say(TONE * 160)

    return send()


def test_too_many_messages_are_answered_with_429_and_the_call_goes_on() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.agent_speaks(min_ms=50)

    async def open_and_flood(server: Server, message: Message) -> None:
        await answer_open(server, message)
        await flood(server, message)

    report, server = play(listen, {"open": open_and_flood})

    (error,) = server.of_type("error")
    assert error["parameters"] == {
        "code": 429,
        "message": "Rate limit exceeded",
        "retryAfter": "PT1S",
    }
    assert report.rate_breaches["binary"] >= 13
    assert report.bucket_low_water["binary"] == 0
    assert report.peak_messages_per_s["binary"] == 40
    assert len(report.violations) == 1
    assert report.close_reason == "end"


def test_production_ends_the_call_at_the_first_429() -> None:
    async def open_and_flood(server: Server, message: Message) -> None:
        await answer_open(server, message)
        await flood(server, message)

    report, _ = play(until_ended, {"open": open_and_flood}, profile="production-like")

    assert [error.code for error in report.errors_sent] == [429]
    assert report.close_reason == "error"


def test_a_server_that_closes_first_is_reported() -> None:
    async def walk_away(server: Server, message: Message) -> None:
        await answer_open(server, message)
        await server.socket.close(1011)

    report, _ = play(until_ended, {"open": walk_away})

    assert report.server_closed_first
    assert report.close_code == 1011
    assert len(report.violations) == 1


def test_a_refused_upgrade_is_a_failed_call_with_its_status() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.UNAUTHORIZED, "no")

    async def run() -> None:
        async with serve(Server({}).serve, "127.0.0.1", 0, process_request=refuse) as listening:
            port = next(iter(listening.sockets)).getsockname()[1]
            await play_call(CallSetup(f"ws://127.0.0.1:{port}/", "key"), at_once)

    with pytest.raises(CallFailed, match="401") as failed:
        asyncio.run(run())

    assert failed.value.report is not None
    assert failed.value.report.http_status == 401


def test_a_script_that_waits_in_vain_fails_with_the_report_of_a_closed_call() -> None:
    async def wait_for_speech(call: GenesysCall) -> None:
        await call.agent_speaks(within_s=0.1)

    with pytest.raises(CallFailed, match="agent speech within 0.1 s") as failed:
        play(wait_for_speech)

    assert failed.value.report is not None
    assert failed.value.report.close_reason == "end"
    assert failed.value.report.failure == str(failed.value)


def test_an_error_of_the_script_ends_the_call_politely_and_comes_through() -> None:
    heard: list[str] = []

    async def stumble(call: GenesysCall) -> None:
        await call.opened()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        play(stumble, on_event=lambda event: heard.append(event.name))

    assert heard[-2:] == ["closed", "socket_closed"]


def test_a_step_after_the_end_of_the_call_says_why_it_failed() -> None:
    goodbye = sends("disconnect", {"reason": "error"})

    async def talk(call: GenesysCall) -> None:
        await call.disconnected()
        await call.say(TONE)

    with pytest.raises(CallFailed, match="close reason: disconnect"):
        play(talk, {"open": then(answer_open, goodbye)})


def test_each_key_is_one_dtmf_message() -> None:
    async def dial(call: GenesysCall) -> None:
        await call.opened()
        await call.press("1#")

    _, server = play(dial, timers=Timers(key_gap_s=0.01))

    digits = [message["parameters"] for message in server.of_type("dtmf")]
    assert digits == [{"digit": "1"}, {"digit": "#"}]


def test_keys_can_be_pressed_while_the_agent_speaks() -> None:
    async def dial(call: GenesysCall) -> None:
        await call.agent_speaks(min_ms=100)
        await call.press("0")
        await call.agent_quiet(for_ms=50)

    _, server = play(dial, {"open": then(answer_open, says(0.5))})

    kinds = [message["type"] for message in server.heard]
    assert kinds.index("playback_started") < kinds.index("dtmf")
    assert kinds.index("dtmf") < kinds.index("playback_completed")


def test_keys_can_be_pressed_while_the_line_is_paused() -> None:
    async def dial(call: GenesysCall) -> None:
        await call.opened()
        async with call.paused():
            await call.press("42")

    report, server = play(dial, timers=Timers(key_gap_s=0.01))

    kinds = [message["type"] for message in server.heard]
    assert kinds[1:5] == ["paused", "dtmf", "dtmf", "resumed"]
    assert report.violations == []


def test_the_language_can_change_in_the_middle_of_a_call() -> None:
    async def change(call: GenesysCall) -> None:
        await call.opened()
        call.update_language("de-DE")
        await call.sleep(0.05)

    report, server = play(change, {"update": sends("updated", {})})

    [update] = server.of_type("update")
    assert update["parameters"] == {"language": "de-DE"}
    assert report.violations == []


def test_the_longest_call_is_ended_by_the_client() -> None:
    report, _ = play(until_ended, max_duration_s=0.2)

    assert report.close_reason == "end"
    assert report.duration_ms >= 200


def test_hanging_up_while_opening_is_possible() -> None:
    async def hang_up(call: GenesysCall) -> None:
        await call.hang_up()

    report, server = play(hang_up)

    assert report.close_reason == "end"
    assert [message["type"] for message in server.heard] == ["open", "close"]
    assert report.violations == []


def test_dropping_the_connection_is_no_fault_of_the_server() -> None:
    async def drop(call: GenesysCall) -> None:
        await call.opened()
        call.drop()
        await call.ended()

    report, _ = play(drop)

    assert report.close_code == 1006
    assert not report.server_closed_first
    assert report.violations == []


def test_while_reading_is_stopped_nothing_is_heard() -> None:
    async def drip(server: Server, message: Message) -> None:
        if len(server.frames) % 10 == 0:
            await server.say(TONE * 160)

    async def stop(call: GenesysCall) -> None:
        await call.opened()
        call.stop_reading()
        await call.sleep(0.3)
        call.resume_reading()
        await call.agent_speaks(min_ms=10)

    report, _ = play(stop, {"audio": drip}, chaos=Chaos(receive_buffer_bytes=4096), frame_ms=20)

    assert report.first_agent_audio_ms is not None
    assert report.first_agent_audio_ms > 300
    assert report.violations == []


def test_a_server_that_stops_reading_is_reported_and_dropped() -> None:
    async def doze(server: Server, message: Message) -> None:
        server.answers["audio"] = nothing  # once is enough
        await asyncio.sleep(0.6)

    async def pour(call: GenesysCall) -> None:
        await call.opened()
        for _ in range(200):
            call.send_bytes_raw(b"\x11" * 100_000)
        await call.ended()

    report, _ = play(pour, {"audio": doze}, timers=Timers(send_s=0.2))

    assert report.violations[0].startswith("the server stopped reading")
    assert report.close_code == 1006
    assert not report.server_closed_first


def test_stereo_frames_are_interleaved_with_the_caller_first() -> None:
    async def speak(call: GenesysCall) -> None:
        await call.opened()
        await call.say(b"\x11" * 160)

    _, server = play(speak, media=(STEREO,))

    stream = b"".join(server.frames)
    assert {len(frame) for frame in server.frames} == {320}
    assert stream[0::2].strip(b"\xff") == b"\x11" * 160
    assert set(stream[1::2]) == {0xFF}


def test_chaos_frames_have_random_sizes_within_bounds() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.3)

    _, server = play(listen, chaos=Chaos(frame_bytes=(80, 400), jitter_ms=5), seed=1)

    sizes = {len(frame) for frame in server.frames}
    assert len(sizes) > 3
    assert min(sizes) >= 80
    assert max(sizes) <= 400


def test_chaos_positions_have_minutes() -> None:
    _, server = play(at_once, chaos=Chaos(positions_with_minutes=True))

    assert server.heard[0]["position"] == "PT0M0S"
    assert genesys.CallSetup("ws://h", "k", profile="chaos").habits.positions_with_minutes


def test_copies_of_a_ping_each_want_their_pong() -> None:
    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.2)

    report, server = play(
        listen, chaos=Chaos(ping_copies=3), timers=Timers(first_ping_s=0.05, ping_s=5.0)
    )

    assert len(server.of_type("ping")) == 6
    assert len(report.rtts_ms) == 6
    assert report.violations == []


def test_a_disconnect_can_be_left_unanswered() -> None:
    async def disconnect_and_leave(server: Server, message: Message) -> None:
        await answer_open(server, message)
        await server.send("disconnect", {"reason": "error"})
        await asyncio.sleep(0.2)
        await server.socket.close()

    report, server = play(
        until_ended, {"open": disconnect_and_leave}, chaos=Chaos(answers_disconnect=False)
    )

    assert server.of_type("close") == []
    assert report.server_closed_first
    assert server.frames == []


def test_scripts_can_send_what_they_like() -> None:
    async def misbehave(call: GenesysCall) -> None:
        call.send_message("ping", seq=5, version="1")
        call.send_message("open", {"media": []})
        call.send_bytes_raw(b"123")
        call.send_text_raw('{"type": "raw", "id": "", "seq": 0}')
        await call.opened()

    _, server = play(misbehave, {"ping": nothing}, chaos=Chaos(sends_open=False))

    assert [(m["type"], m["seq"]) for m in server.heard[:3]] == [
        ("ping", 5),
        ("open", 1),
        ("raw", 0),
    ]
    assert server.heard[0]["version"] == "1"
    assert server.frames[0] == b"123"


def test_parameters_of_open_can_be_overridden() -> None:
    _, server = play(at_once, chaos=Chaos(open_overrides={"inputVariables": 5}))

    assert server.heard[0]["parameters"]["inputVariables"] == 5


def test_probe_has_null_uuids_three_offers_and_no_audio() -> None:
    report, server = play(at_once, is_probe=True)

    parameters = server.heard[0]["parameters"]
    null = "00000000-0000-0000-0000-000000000000"
    assert parameters["conversationId"] == parameters["participant"]["id"] == null
    assert [offer["channels"] for offer in parameters["media"]] == [
        ["external", "internal"],
        ["external"],
        ["internal"],
    ]
    assert server.frames == []
    assert report.violations == []
    assert report.close_reason == "end"


def test_a_malformed_answer_to_the_probe_is_reported_in_its_own_words() -> None:
    report, _ = play(at_once, {"close": sends("closed", [])}, is_probe=True, timers=IMPATIENT)

    assert report.errors_sent[0].code == 400
    assert report.errors_sent[0].message == "Connection probe error: Message is malformed"


def test_command_prints_the_report_and_writes_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with wave.open(str(tmp_path / "hello.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\x00\x10" * 800)
    goodbye = sends("disconnect", {"reason": "completed"})

    async def greet(server: Server, message: Message) -> None:
        if b"\x11" not in b"".join(server.frames) and len(server.frames) == 5:
            await goodbye(server, message)

    async def run() -> int:
        server = Server({"open": then(answer_open, says(0.1)), "audio": greet})
        async with serve(server.serve, "127.0.0.1", 0) as listening:
            port = next(iter(listening.sockets)).getsockname()[1]
            arguments = [
                f"ws://127.0.0.1:{port}/",
                "--api-key=key",
                f"--wav={tmp_path / 'call.wav'}",
                f"--say={tmp_path / 'hello.wav'}",
                "--input=A=1",
                "--listen=0.3",
            ]
            return await asyncio.to_thread(genesys.main, arguments)

    code = asyncio.run(run())
    report = json.loads(capsys.readouterr().out)

    assert code == 1  # nobody answered the caller
    assert report["violations"] == []
    assert "the call is" in report["failure"]
    assert (tmp_path / "call.wav").stat().st_size > 44
