import asyncio
import json
import logging

import pytest

from service import logs
from service.live_calls import LiveCalls
from service.monitoring import CLOUDWATCH_EVERY_S, log_active_calls
from tests.contracts.event_examples import AT
from tests.emulators.realtime_client import run


def test_cloudwatch_gets_a_line_a_minute_in_its_own_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(root, "level", root.level)
    logs.configure("json", "info")

    async def scenario() -> None:
        watching = asyncio.create_task(log_active_calls(LiveCalls(5), lambda: AT))
        await asyncio.sleep(CLOUDWATCH_EVERY_S * 1.5)
        watching.cancel()

    run(scenario())

    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert first["_aws"]["Timestamp"] == round(AT.timestamp() * 1_000)
    assert directive["Namespace"] == "AudioConnectorBridge"
    assert directive["Dimensions"] == [[]]
    assert {metric["Name"]: first[metric["Name"]] for metric in directive["Metrics"]} == {
        "ActiveCalls": 0,
        "MaxCalls": 5,
    }
    assert first.keys() == second.keys()
