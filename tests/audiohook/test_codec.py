"""The AudioHook codec against an independent one: what the emulated client writes and accepts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.emulators.genesys_rules import ServerRules
from scripts.emulators.genesys_setup import MONO, duration_text
from service.audiohook.messages import BargeIn, BotTurnResponse, Dtmf, Error, Ping, Resumed
from tests.audiohook.peer import SESSION_ID, opened_peer

seconds = st.floats(0, 86_400, allow_nan=False).map(lambda value: round(value, 9))
texts = st.text(max_size=300)


@given(rtt_s=seconds, with_minutes=st.booleans())
def test_durations_come_back_as_they_were_written(rtt_s: float, with_minutes: bool):
    written = duration_text(rtt_s, with_minutes=with_minutes)

    ping = opened_peer().says("ping", {"rtt": written})

    assert isinstance(ping, Ping)
    assert ping.rtt_s == pytest.approx(rtt_s, abs=1e-6)


@given(start_s=seconds, discarded_s=seconds)
def test_pauses_come_back_as_they_were_written(start_s: float, discarded_s: float):
    peer = opened_peer()
    peer.says("paused")

    resumed = peer.says(
        "resumed", {"start": duration_text(start_s), "discarded": duration_text(discarded_s)}
    )

    assert isinstance(resumed, Resumed)
    assert resumed.discarded_s == pytest.approx(discarded_s, abs=1e-6)


@given(digit=st.sampled_from("0123456789*#ABCD"))
def test_keys_come_back_as_they_were_pressed(digit: str):
    assert opened_peer().says("dtmf", {"digit": digit}) == Dtmf(digit)


@given(code=st.integers(400, 9_999), message=st.text(max_size=100))
def test_errors_come_back_with_their_code(code: int, message: str):
    error = opened_peer().says("error", {"code": code, "message": message})

    assert isinstance(error, Error)
    assert error.code == code


@given(
    said=st.lists(texts, max_size=3),
    outputs=st.dictionaries(st.text(min_size=1, max_size=40), texts, max_size=5),
    info=texts,
)
def test_a_strict_client_accepts_all_that_we_write(
    said: list[str], outputs: dict[str, Any], info: str
):
    rules = ServerRules(SESSION_ID, (MONO,), needs_start_paused=True)
    peer = opened_peer()
    rules.check(opened_text(), sent_seq=1)
    for text in said:
        peer.connection.send(BotTurnResponse("match", text, 0.9))
    peer.connection.send(BargeIn())
    events = peer.reads()
    peer.connection.disconnect(
        reason="completed", info=info, output_variables=outputs, now=peer.now
    )

    verdicts = [
        rules.check(json.dumps(message), sent_seq=1) for message in (*events, *peer.reads())
    ]

    assert [fault for verdict in verdicts for fault in verdict.faults] == []


def opened_text() -> str:
    """Our `opened`, so that the strict client's count begins with it."""
    message = {"version": "2", "id": SESSION_ID, "type": "opened", "seq": 1, "clientseq": 1}
    media = {"startPaused": False, "media": [MONO.to_wire()]}
    return json.dumps(message | {"parameters": media})
