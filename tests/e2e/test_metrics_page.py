"""`/metrics` of a service process: after a call, on a port of its own, and not at all."""

import asyncio
import json
import re
import socket
from pathlib import Path

import pytest

from scripts.emulators.genesys import play_call
from scripts.service_process import ServiceProcess
from tests.e2e.quick_calls import greeted
from tests.e2e.raw_http import Answer, ask, request
from tests.e2e.test_serving import get, ring, run, serving, setup_for


async def page_of(service: ServiceProcess, port: int) -> Answer:
    return await ask(port, request("/metrics", [("Connection", "close")], host=f"127.0.0.1:{port}"))


def test_a_call_is_on_the_page_when_it_is_over():
    async def scenario() -> Answer:
        async with serving() as service:
            await play_call(setup_for(service), greeted)
            await ring(service)
            await asyncio.sleep(0.3)
            return await get(service, "/metrics")

    answer = run(scenario())
    lines = answer.body.splitlines()

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "bridge_calls_started_total 1.0" in lines
    assert "bridge_upgrades_admitted_total 2.0" in lines
    assert "bridge_calls_live 0.0" in lines
    assert 'bridge_setup_seconds_count{start="cold",step="greeting_heard"} 1.0' in lines
    assert any(line.startswith("bridge_event_loop_lag_seconds_count") for line in lines)
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)


def test_metrics_on_a_port_of_their_own_are_on_no_other():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def scenario() -> tuple[Answer, Answer, Answer]:
        async with serving(METRICS_PORT=str(port)) as service:
            assert service.port != port
            return (
                await page_of(service, port),
                await get(service, "/metrics"),
                await get(service, "/readyz"),
            )

    shown, hidden, ready = run(scenario())

    assert (shown.status, hidden.status, ready.status) == (200, 404, 200)


def test_without_metrics_there_is_no_page():
    async def scenario() -> Answer:
        async with serving(METRICS="off") as service:
            return await get(service, "/metrics")

    assert run(scenario()).status == 404


async def _take_traces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = re.findall(rb"content-length: (\d+)", head.lower())
    body = await reader.readexactly(int(length))
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await writer.drain()
    writer.close()
    return head.split(b" ")[1] + b" " + body


def test_a_call_is_traced_to_the_collector_that_opentelemetry_names(tmp_path: Path):
    pytest.importorskip("opentelemetry.sdk")
    got: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await _take_traces(reader, writer))

    async def scenario() -> str:
        collector = await asyncio.start_server(collect, "127.0.0.1", 0)
        port = collector.sockets[0].getsockname()[1]
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "EVENTS_URL": f"file:{tmp_path}",
        }
        async with collector, serving(**settings) as service:
            setup = setup_for(service)
            await play_call(setup, greeted)
            await asyncio.sleep(0.3)
            await service.stop()
            return setup.session_id

    session_id = run(scenario())
    (file,) = tmp_path.glob("dt=*/*.ndjson")
    parents = {json.loads(line)["traceparent"] for line in file.read_text().splitlines()}

    (sent,) = got
    (traceparent,) = parents
    assert sent.startswith(b"/v1/traces ")
    assert session_id.encode() in sent
    assert bytes.fromhex(traceparent.split("-")[1]) in sent
