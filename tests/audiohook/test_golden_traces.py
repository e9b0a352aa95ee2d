"""Whole sessions replayed line by line, every word of ours compared.

A line of a trace is what one side does at `now` (seconds): `client` sends text or audio, `server`
is exactly what we must write next, `call` is the service's own act, `end` is where it must end.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from service.audiohook.connection import AudioHookConnection, State
from service.audiohook.messages import (
    BargeIn,
    BotTurnResponse,
    Pause,
    Resume,
    ServerMessage,
)
from tests.audiohook.peer import ORGANIZATION_ID, SESSION_ID

SENT: dict[str, ServerMessage] = {
    "barge_in": BargeIn(),
    "bot_turn_response": BotTurnResponse("match", "Hello."),
    "pause": Pause(),
    "resume": Resume(),
}
TRACES = sorted((Path(__file__).parents[1] / "data" / "audiohook").glob("*.jsonl"))


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_the_session_goes_word_for_word(path: Path) -> None:
    connection = AudioHookConnection(
        session_id=SESSION_ID, organization_id=ORGANIZATION_ID, now=0.0
    )
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    for number, line in enumerate(lines, start=1):
        replay(connection, line, f"{path.stem}, line {number}")

    assert lines[-1]["from"] == "end"


def replay(connection: AudioHookConnection, line: dict[str, Any], where: str) -> None:
    now = line["now"]
    if line["from"] == "server":
        assert connection.data_to_send(now=now) == line["text"], where
        return
    match line["from"]:
        case "client" if "text" in line:
            connection.receive_text(line["text"], now=now)
        case "client":
            pcmu = connection.receive_audio(b"\xff" * line["audio_bytes"], now=now)
            assert len(pcmu) == line["forwarded_bytes"], where
        case "call":
            act(connection, line, where)
        case "end":
            assert connection.data_to_send(now=now) is None, where
            assert connection.state is State(line["state"]), where
            assert connection.close_code == line["close_code"], where


def act(connection: AudioHookConnection, line: dict[str, Any], where: str) -> None:
    now = line["now"]
    match line["do"]:
        case "send":
            connection.send(SENT[line["message"]])
        case "start_draining":
            connection.start_draining()
        case "disconnect":
            connection.disconnect(
                reason=line["reason"],
                info=line.get("info"),
                output_variables=line.get("output_variables"),
                now=now,
            )
        case "finish":
            connection.finish(now)
        case "poll":
            connection.poll(now=now)
        case _:
            assert connection.position_s == pytest.approx(line["seconds"]), where
