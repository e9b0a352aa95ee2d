"""The field probe against the emulated Genesys: what it sees, and what it must not write down."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from scripts import field_probe
from scripts.emulators.genesys import CallFailed, CallSetup, GenesysCall, Timers, play_call, probe
from scripts.probe.answers import QUESTIONS, report
from scripts.probe.deployed import look_at
from scripts.probe.notebook import ENDING_LINES, MAX_LINES, Notebook, Visit, read_visits
from scripts.probe.server import FieldProbe

KEY = "field-probe-key"
SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
QUICK = Timers(first_ping_s=0.1, ping_s=0.5, closed_s=0.5, step_s=5)


@contextlib.asynccontextmanager
async def running(folder: Path, max_call_s: float = 20) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    notebook = Notebook(folder, now_s=loop.time, started="2026-01-01T00:00:00+00:00")
    field = FieldProbe(notebook, KEY, unix_s=lambda: 0.0, max_call_s=max_call_s)
    async with await field.start("127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/probe/"


async def call(url: str, *, listens_s: float = 0.3, keys: str = "", **setup: Any) -> None:
    async def script(line: GenesysCall) -> None:
        await line.opened()
        if keys:
            await line.press(keys)
        await line.sleep(listens_s)

    arguments: dict[str, Any] = {"timers": QUICK, "profile": "production-like"} | setup
    with contextlib.suppress(CallFailed):
        await play_call(CallSetup(url, KEY, SECRET, **arguments), script)


def observe(folder: Path, experiment: str, **setup: Any) -> Visit:
    async def run() -> None:
        async with running(folder) as url:
            await call(url + experiment, **setup)

    asyncio.run(run())
    (visit,) = read_visits(folder)
    return visit


def row_of(folder: Path, number: int) -> str:
    return report(read_visits(folder)).splitlines()[number + 1]


def test_an_observed_call_answers_offers_timers_handshake_and_signature(tmp_path: Path):
    observe(tmp_path, "observe", listens_s=1.5)
    assert "offers ['PCMU/8000/external'], language en-US" in row_of(tmp_path, 10)
    assert "pings every 0.5" in row_of(tmp_path, 2)
    assert "GenesysCloud-AudioHook-Client" in row_of(tmp_path, 11)
    assert "'@request-target'" in row_of(tmp_path, 12)
    assert "lifetime_s: 30" in row_of(tmp_path, 12)


def test_nothing_secret_and_nobody_is_written_down(tmp_path: Path):
    observe(
        tmp_path, "observe", keys="7395", ani="tel:+15555550123", input_variables={"PIN": "4711"}
    )
    text = (tmp_path / "observations.ndjson").read_text()
    assert text.count('"type": "dtmf"') == 4
    for secret in (KEY, SECRET, "5550123", "Emulated Caller", "4711", "nonce=", '"7"', "digit"):
        assert secret not in text


def test_a_withheld_pong_shows_what_the_client_does_and_when(tmp_path: Path):
    observe(tmp_path, "withhold-pong", listens_s=3)
    assert "withhold-pong: error 408" in row_of(tmp_path, 2)
    assert "close(error)" in row_of(tmp_path, 2)


def test_a_withheld_closed_shows_the_close_timeout(tmp_path: Path):
    observe(tmp_path, "withhold-closed", listens_s=3)
    assert "withhold-closed: " in row_of(tmp_path, 2)
    assert "error 408" in row_of(tmp_path, 2)
    assert "after 0.5 s" in row_of(tmp_path, 2)


def test_an_overrun_shows_the_error_and_its_moment(tmp_path: Path):
    observe(tmp_path, "overrun", listens_s=3)
    assert "error 429" in row_of(tmp_path, 3)
    assert "retryAfter PT1S" in row_of(tmp_path, 3)


def test_a_refused_and_a_slow_upgrade_are_counted(tmp_path: Path):
    async def run() -> None:
        async with running(tmp_path) as url:
            await call(url + "status-503")
            await call(url + "slow-101-1")
            await call(url + "slow-101-9", timers=Timers(connect_s=0.5))

    asyncio.run(run())
    row = row_of(tmp_path, 1)
    assert "status-503: 1 requests (gaps: none), 0 led to a session" in row
    assert "slow-101-1: 1 requests (gaps: none), 1 led to a session" in row
    assert "slow-101-9: 1 requests (gaps: none), 0 led to a session, client gone after 0.5 s" in row


def test_a_barge_in_shows_when_playback_completed(tmp_path: Path):
    observe(tmp_path, "barge-in", listens_s=3)
    assert "barge_in: playback_completed after 0.0" in row_of(tmp_path, 5)


def test_endings_show_what_the_client_answered(tmp_path: Path):
    observe(tmp_path, "disconnect-error", listens_s=2)
    assert "disconnect-error: close(disconnect)" in row_of(tmp_path, 7)
    assert "PROBE_RESULT" in row_of(tmp_path, 7)


def test_a_broken_rule_shows_the_reaction(tmp_path: Path):
    observe(tmp_path, "seq-gap", listens_s=2)
    assert "seq-gap: error 500" in row_of(tmp_path, 14)


def test_the_activation_probe_is_answered_whatever_the_experiment(tmp_path: Path):
    async def run() -> object:
        async with running(tmp_path) as url:
            return (await probe(CallSetup(url + "withhold-closed", KEY, timers=QUICK))).violations

    assert asyncio.run(run()) == []


def test_the_activation_of_the_bare_address_shows_its_offers(tmp_path: Path):
    async def run() -> None:
        async with running(tmp_path) as url:
            await probe(CallSetup(url, KEY, timers=QUICK))

    asyncio.run(run())
    assert "activation probe: offers ['PCMU/8000/external+internal'," in row_of(tmp_path, 10)


def test_a_farewell_shows_how_soon_the_client_closes(tmp_path: Path):
    observe(tmp_path, "farewell-disconnect", listens_s=2)
    assert "disconnect with 5 s of audio queued: close(disconnect) after 0.0 s" in row_of(
        tmp_path, 6
    )


def test_a_key_that_is_heard_is_counted_beside_its_message(tmp_path: Path):
    observe(tmp_path, "observe", keys="5")
    assert "1 keys reported, 0 dual tones" in row_of(tmp_path, 13)


def line(at_s: float, what: str, **facts: object) -> dict[str, object]:
    return {"at_s": at_s, "what": what, **facts}


def test_big_messages_are_told_by_what_was_played():
    visit = Visit(
        "big-message",
        [
            line(1.0, "step", bytes=64_000),
            line(9.1, "received", type="playback_completed"),
            line(9.2, "step", bytes=256_000),
            line(9.5, "socket_gone", code=1009),
        ],
    )
    row = report([visit]).splitlines()[5]
    assert "64000 bytes (8.0 s): played out after 8.1 s" in row
    assert "256000 bytes (32.0 s): socket gone (code 1009) after 0.3 s" in row


def test_gaps_are_told_by_the_events_of_each():
    started, completed = (f"playback_{kind}" for kind in ("started", "completed"))
    visit = Visit(
        "gaps",
        [
            line(1.0, "step", gap_ms=50),
            line(1.1, "received", type=started),
            line(3.1, "received", type=completed),
            line(6.0, "step", gap_ms=1000),
            *(
                line(6.1 + n, "received", type=kind)
                for n in (0, 2)
                for kind in (started, completed)
            ),
        ],
    )
    row = report([visit]).splitlines()[6]
    assert "gap of 50 ms: 1 started, 1 completed; gap of 1000 ms: 2 started, 2 completed" in row


def test_the_end_of_a_long_call_is_told_with_what_came_last():
    visit = Visit(
        "long-call",
        [
            line(0.1, "received", type="open"),
            line(900.0, "received", type="close", reason="end"),
            line(900.1, "socket_gone", code=1000),
        ],
    )
    row = report([visit]).splitlines()[10]
    assert "socket gone after 900 s" in row
    assert "close(end)" in row


def test_a_call_that_the_probe_ends_is_not_told_as_the_clients_doing(tmp_path: Path):
    async def run() -> None:
        async with running(tmp_path, max_call_s=0.5) as url:
            await call(url + "long-call", listens_s=3)

    asyncio.run(run())
    row = row_of(tmp_path, 9)
    assert re.search(r"still open after \d s, when the probe gave up", row)
    assert "socket gone" not in row


def test_a_socket_that_the_probe_resets_is_not_told_as_the_clients_doing():
    visit = Visit(
        "drop-socket",
        [
            line(0.0, "received", type="open"),
            line(3.0, "sent", type="socket reset"),
            line(3.1, "socket_gone", code=1006),
        ],
    )
    row = report([visit]).splitlines()[8]
    assert "drop-socket: the probe reset the socket after 3.0 s" in row
    assert "socket gone" not in row


def test_the_end_of_a_visit_is_written_down_however_long_it_was(tmp_path: Path):
    notes = Notebook(tmp_path, now_s=lambda: 0.0, started="now").visit("long-call")
    for _ in range(MAX_LINES + 500):
        notes.note("received", type="ping")
    for _ in range(10_000):
        notes.note("received", type="error", code=500)
    notes.note("socket_gone", code=1000)

    (visit,) = read_visits(tmp_path)
    assert len(visit.lines) == MAX_LINES + ENDING_LINES + 1
    assert len(visit.all("received", type="error")) == ENDING_LINES
    assert visit.all("socket_gone")


def test_a_stranger_is_refused_and_leaves_no_trace(tmp_path: Path):
    async def run() -> None:
        async with running(tmp_path) as url:
            with pytest.raises(CallFailed, match="401"):
                await probe(CallSetup(url, "another-key"))

    asyncio.run(run())
    assert not (tmp_path / "observations.ndjson").exists()


def test_without_observations_every_row_says_what_to_call_or_where_to_look():
    rows = report([]).splitlines()[2:]
    assert len(rows) == len(QUESTIONS) == 16
    for row in rows:
        assert "not observed: call experiment" in row or row.startswith("| 15 |")
    assert all("| – |" not in rows[number - 1] for number in (7, 8, 15))


def test_a_deployed_address_is_described(tmp_path: Path):
    async def run() -> dict[str, object]:
        async with running(tmp_path) as url:
            return await look_at(url, KEY, SECRET, quiet_s=0.1)

    seen = asyncio.run(run())
    assert seen["unknown_key"] == {"http_status": 401}
    assert isinstance(seen["rounds"], list)
    assert [one["failure"] for one in seen["rounds"]] == [None] * 5


def test_a_folder_without_observations_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert field_probe.main(["report", str(tmp_path)]) == 2
    assert "observations.ndjson" in capsys.readouterr().err


def test_an_address_where_nobody_listens_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FIELD_PROBE_API_KEY", KEY)
    assert field_probe.main(["call", "ws://127.0.0.1:9/audiohook"]) == 1
    assert "no server answers at ws://127.0.0.1:9/audiohook" in capsys.readouterr().err


def test_an_address_of_another_kind_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FIELD_PROBE_API_KEY", KEY)
    with pytest.raises(SystemExit):
        field_probe.main(["call", "https://bridge.example.com"])
    assert "it must begin with wss://" in capsys.readouterr().err


def test_a_disconnect_of_the_probe_is_told_beside_the_close_that_answers_it():
    visit = Visit(
        "overrun",
        [
            line(0.0, "received", type="open"),
            line(15.0, "sent", type="disconnect"),
            line(15.1, "received", type="close", reason="disconnect"),
            line(15.2, "socket_gone", code=1000),
        ],
    )
    row = report([visit]).splitlines()[4]
    assert "the probe disconnected after 15.0 s" in row


def test_a_probe_that_is_stopped_is_not_told_as_the_clients_doing(tmp_path: Path):
    async def run() -> None:
        async with running(tmp_path) as url:
            calling = asyncio.create_task(call(url + "long-call", listens_s=3))
            await asyncio.sleep(0.5)
        await calling

    asyncio.run(run())
    row = row_of(tmp_path, 9)
    assert re.search(r"still open after \d s, when the probe closed the socket", row)
    assert "socket gone" not in row


def test_the_close_is_written_down_after_any_number_of_errors(tmp_path: Path):
    notes = Notebook(tmp_path, now_s=lambda: 0.0, started="now").visit("long-call")
    for _ in range(MAX_LINES + 500):
        notes.note("received", type="error", code=500)
    notes.note("sent", type="disconnect")
    notes.note("received", type="close", reason="disconnect")

    (visit,) = read_visits(tmp_path)
    assert visit.all("sent", type="disconnect")
    assert visit.all("received", type="close")


@pytest.mark.parametrize("url", ["wss://", "ws://host:99999/a", "ws://host:abc/a", "ws://[::1/a"])
def test_an_address_that_cannot_be_called_is_said(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FIELD_PROBE_API_KEY", KEY)
    with pytest.raises(SystemExit):
        field_probe.main(["call", url])
    assert "expected wss://HOST[:PORT]/PATH" in capsys.readouterr().err


def test_a_secret_that_is_no_base64_is_said_and_not_repeated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FIELD_PROBE_API_KEY", KEY)
    monkeypatch.setenv("FIELD_PROBE_CLIENT_SECRET", "no base64!")
    with pytest.raises(SystemExit, match="expected the integration's Base64") as told:
        field_probe.main(["call", "ws://127.0.0.1:9/audiohook"])
    assert "no base64!" not in str(told.value)
