"""The whole service in this process, between an emulated model and emulated callers.

Each `bridge` is a server of its own on a free loopback port, with its own model and its own
events, so that scenarios can run side by side in one loop.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from scripts.emulators.brains import Brain, CallTool, Dialogue, DialogueBrain, Rule, Speak
from scripts.emulators.genesys import CallReport, CallSetup, GenesysCall, play_call
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_mcp import McpServers
from scripts.emulators.realtime_scenario import Scenario
from scripts.emulators.realtime_session import EmulatedSession
from service.app import create_app, unix_now, utc_now
from service.bots.port import BotService
from service.call_events import CallEvent, to_json
from service.call_services import CallServices
from service.gate import Gate
from service.live_calls import LiveCalls
from service.logs import call_id
from service.outbox.port import OutboxState
from service.recordings import Recordings
from service.secrets.env import EnvSecrets
from service.secrets.port import SecretService
from service.server import CallServer, make_server
from service.speech.endpoints import openai_endpoint
from service.speech.fallback import FallbackProvider, Link
from service.speech.port import SpeechProvider
from service.speech.realtime import RealtimeProvider
from tests.plain_bot import Bots

API_KEY = "a-key-for-the-tests-of-the-whole"
CLIENT_SECRET = "VGhlIGNsaWVudCBzZWNyZXQgb2YgdGhlIHRlc3RzLiE="
MODEL_KEY = "sk-test-0123456789abcdef"
SHOUT = b"\x20\xa0" * 1_600
"""400 ms of a loud tone at the highest pitch there is: speech to the energy detector."""
QUICK_MS = 16
"""Of each character in the quick voice."""

STORY = (
    "This is a long story about a small house near the sea. In the house lived a painter who "
    "painted the same boat every day of the year, in every weather, and never sold a picture."
)
"""About 11 s in tones."""
EPIC = " ".join([STORY] * 16)
"""About 180 s in tones."""

SMALL_TALK = Dialogue(
    greeting="Welcome.",
    default="Certainly.",
    silence="Hm?",
    digits="Noted {digits}.",
    rules=(
        Rule(("epic",), (Speak(EPIC),)),
        Rule(("story",), (Speak(STORY),)),
        Rule(("report",), (Speak("The weather will be sunny tomorrow, with a little wind."),)),
        Rule(("items",), (Speak("First item, which is heard."), Speak(STORY))),
        Rule(
            ("person",),
            (
                Speak("I will connect you."),
                CallTool("transfer_to_agent", {"reason": "asked", "summary": "Wants {words}"}),
            ),
        ),
        Rule(("silently",), (CallTool("transfer_to_agent", {"reason": "hushed"}),)),
        Rule(("bye",), (Speak("Goodbye."), CallTool("end_call", {"reason": "done"}))),
    ),
)
"""Short sentences: in tones, every character takes 65 ms."""


class QuickVoice:
    """Four times as fast as tones: for calls in which much is said and the time is no matter."""

    name = "quick"

    def speak(self, text: str) -> bytes:
        return b"\x20\xa0" * (len(text) * QUICK_MS * 4)

    def close(self) -> None:
        pass


class MemorySink:
    """Keeps the events of all calls."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.is_closed = False

    def emit(self, event: CallEvent) -> None:
        self.events.append(event)

    def waiting(self) -> OutboxState:
        return OutboxState()

    async def start(self) -> None:
        pass

    async def aclose(self) -> None:
        self.is_closed = True

    def of(self, session_id: str, kind: str = "") -> list[dict[str, Any]]:
        """The events of one call, of one type such as `call.turn.v1` or all, as JSON values."""
        return [
            msgspec.json.decode(to_json(event))
            for event in self.events
            if event.sessionid == session_id and (not kind or event.type == kind)
        ]


@dataclass(slots=True)
class Bridge:
    """A running service and what surrounds it."""

    port: int
    model: RealtimeEmulator
    sink: MemorySink
    calls: LiveCalls
    server: CallServer

    def setup(self, bot_id: str = "default", **changes: Any) -> CallSetup:
        """A signed call to a bot of this service."""
        url = f"ws://127.0.0.1:{self.port}/audiohook/{bot_id}"
        return CallSetup(
            **{"url": url, "api_key": API_KEY, "client_secret": CLIENT_SECRET} | changes
        )

    async def emptied(self, within_s: float = 8.0) -> None:
        """Wait until no call is live and no request is being answered."""
        async with asyncio.timeout(within_s):
            while len(self.calls) or self.server.server_state.tasks:
                await asyncio.sleep(0.02)


@dataclass(slots=True)
class Played:
    """What remains of one call."""

    setup: CallSetup
    report: CallReport
    sink: MemorySink
    session: EmulatedSession | None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> dict[str, Any]:
        """The data of the one `call.ended`."""
        (event,) = self.sink.of(self.setup.session_id, "call.ended.v1")
        data: dict[str, Any] = event["data"]
        return data

    @property
    def blemishes(self) -> list[str]:
        """What was wrong on either side: breaches of the protocol or its rates, our errors."""
        report = self.report
        return [*report.violations, *report.rate_breaches, *self.errors]

    @property
    def errors(self) -> list[str]:
        """Those of the receipt, without the excuse for an answer that a busy machine delays."""
        return [word for word in self.ended["errors"] if word != "silence_excuse"]

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The data of the turns, in conversation order."""
        events = self.sink.of(self.setup.session_id, "call.turn.v1")
        return sorted((event["data"] for event in events), key=lambda turn: turn["seq"])

    @property
    def words(self) -> list[tuple[str, str]]:
        """Who said what, as heard by the other side."""
        return [(turn["speaker"], turn["text"]) for turn in self.turns]

    @property
    def agent_words(self) -> list[str]:
        """What the caller heard of the agent, turn by turn."""
        return [text for speaker, text in self.words if speaker == "agent"]

    @property
    def outputs(self) -> dict[str, str]:
        """What the flow got back with our disconnect."""
        assert self.report.disconnect is not None
        return self.report.disconnect.output_variables

    def told_model(self, kind: str) -> list[dict[str, Any]]:
        """What the service sent to the model, of one type."""
        received = self.session.received if self.session else []
        return [event for event in received if event["type"] == kind]

    def texts_of(self, role: str) -> list[str]:
        """The texts that the service added to the conversation in that role."""
        return [
            part["text"]
            for event in self.told_model("conversation.item.create")
            if event["item"].get("role") == role
            for part in event["item"]["content"]
        ]

    @property
    def results(self) -> list[Any]:
        """What functions were answered with, decoded, in order."""
        return [
            msgspec.json.decode(event["item"]["output"])
            for event in self.told_model("conversation.item.create")
            if event["item"]["type"] == "function_call_output"
        ]

    @property
    def uses(self) -> list[tuple[str, str]]:
        """The functions in the receipt, with what became of them."""
        return [(use["name"], use["outcome"]) for use in self.ended["tools"]]

    @property
    def all_told_to_model(self) -> str:
        """Everything that the service sent to the model but sound, as one text."""
        received = self.session.received if self.session else []
        kinds = [event for event in received if event["type"] != "input_audio_buffer.append"]
        return msgspec.json.encode(kinds).decode()

    @property
    def all_events(self) -> str:
        """Everything that was published of this call, as one text."""
        return msgspec.json.encode(self.sink.of(self.setup.session_id)).decode()


class LogTrap(logging.Handler):
    """Keeps every record that is logged anywhere, with the call it belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[str, logging.LogRecord]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((call_id.get(), record))

    def troubles(self) -> list[str]:
        """What somebody would have to look at: errors, and whatever carries a traceback."""
        return [
            f"{call or '-'}: {record.name}: {record.getMessage()} {record.exc_info or ''}"
            for call, record in self.records
            if record.levelno >= logging.ERROR or record.exc_info
        ]

    @property
    def text(self) -> str:
        """Everything that was logged, with all fields, as one text."""
        return "\n".join(f"{record.getMessage()} {vars(record)}" for _, record in self.records)


@contextlib.contextmanager
def trapped_logs() -> Iterator[LogTrap]:
    """Collect all log records while the context lasts."""
    trap = LogTrap()
    root = logging.getLogger()
    level = root.level
    root.addHandler(trap)
    root.setLevel(logging.INFO)
    try:
        yield trap
    finally:
        root.removeHandler(trap)
        root.setLevel(level)


@contextlib.asynccontextmanager
async def bridge(
    scenario: Scenario | None = None,
    *,
    brain: Brain | None = None,
    provider: SpeechProvider | None = None,
    secrets: SecretService | None = None,
    bots: BotService | None = None,
    refuses_unknown_bots: bool = False,
    mcp_servers: McpServers | None = None,
    voice: QuickVoice | None = None,
    max_calls: int = 100,
    second: Link | None = None,
    recordings: Recordings | None = None,
    max_call_s: float = 840.0,
    drain_s: float = 110.0,
) -> AsyncIterator[Bridge]:
    """Run a service with a model; both are gone afterwards, and nothing may be left of a call."""
    brain = brain or DialogueBrain(SMALL_TALK)
    bots = bots or Bots()
    emulator = RealtimeEmulator(
        scenario=scenario, brain=brain, mcp_servers=mcp_servers, voice=voice
    )
    async with emulator as model:
        sink, calls = MemorySink(), LiveCalls(max_calls)
        endpoint = openai_endpoint(model.base_url, MODEL_KEY, "gpt-realtime-2.1")
        services = CallServices(
            bots=bots,
            speech=FallbackProvider(
                [
                    Link("openai", provider or RealtimeProvider(endpoint)),
                    *([second] if second else []),
                ]
            ),
            events=sink,
            max_call_s=max_call_s,
            clock=time.monotonic,
            wall_clock=utc_now,
            recordings=recordings or Recordings({}),
        )
        gate = Gate(
            secrets=secrets or EnvSecrets(f'{{"{API_KEY}": "{CLIENT_SECRET}"}}'),
            public_host=None,
            allow_anonymous=False,
            wall_clock=unix_now,
            knows_bot=bots.knows if refuses_unknown_bots else None,
        )
        app = create_app(
            gate=gate, calls=calls, services=services, providers=lambda: {"openai": "closed"}
        )
        server = make_server(app, calls, host="127.0.0.1", port=0, drain_s=drain_s)
        async with asyncio.TaskGroup() as group:
            # Not `serve`, which takes the signals of the process: only one server can have them.
            serving = group.create_task(server._serve())
            while not server.started:
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            try:
                yield Bridge(port, model, sink, calls, server)
            finally:
                server.should_exit = True
                await serving


async def play(
    running: Bridge, script: Callable[[GenesysCall], Awaitable[None]], **changes: Any
) -> Played:
    """Play one call to its end and until nothing of it is left.

    Raises:
        AssertionError: something of the call stayed behind.
    """
    setup = running.setup(**changes)
    sessions_before = len(running.model.sessions)
    report = await play_call(setup, script)
    await running.emptied()
    sessions = running.model.sessions[sessions_before:]
    return Played(setup, report, running.sink, sessions[0] if sessions else None)
