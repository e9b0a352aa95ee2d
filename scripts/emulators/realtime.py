"""The emulated OpenAI Realtime server: its address, its handshake rules, its command line.

    python -m scripts.emulators.realtime [--port 9090] [--scripted] [--speed 4] [--bot NAME]

Speaks the GA protocol over WebSocket at `/v1/realtime` and, as Azure, `/openai/v1/realtime`.
With ears and a voice it really hears and really speaks; else turns carry scripted words and
answers are tones. The header `x-emulator-scenario: NAME` chooses a scenario for one connection.
What a session does: `realtime_session`. Source: openai_realtime spec 17.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import http
import signal
import time
import urllib.parse

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from scripts.emulators import vad
from scripts.emulators.brains import Brain, DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.ears import Ears, best_available_ears
from scripts.emulators.realtime_clips import ClipStore
from scripts.emulators.realtime_core import Persona, SessionCore
from scripts.emulators.realtime_faults import Faults
from scripts.emulators.realtime_mcp import McpServers
from scripts.emulators.realtime_scenario import NAMED, HangHandshake, RefuseHandshake, Scenario
from scripts.emulators.realtime_session import EmulatedSession
from scripts.emulators.realtime_settings import MODELS, Settings
from scripts.emulators.realtime_turns import DetectorFactory
from scripts.emulators.realtime_wire import ApiError, Json, new_id
from scripts.emulators.voice import Voice, best_available_voice

_OPENAI_PATH = "/v1/realtime"
_AZURE_PATH = "/openai/v1/realtime"
_MAX_FRAME_BYTES = 16 * 1024 * 1024  # a larger one closes with 1009
_CLOSE_TIMEOUT_S = 2
_BETA_DISABLED = (
    "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
)


class RealtimeEmulator:
    """An offline Realtime server.

    Attributes:
        sessions: Live and past ones in order of arrival (live ones only without history).
    """

    def __init__(
        self,
        *,
        scenario: Scenario | None = None,
        brain: Brain | None = None,
        ears: Ears | None = None,
        voice: Voice | None = None,
        detector_factory: DetectorFactory | None = None,
        api_keys: frozenset[str] | None = None,
        mcp_servers: McpServers | None = None,
        keeps_history: bool = True,
    ) -> None:
        """Makes a server that does not listen yet.

        Args:
            scenario: Timings, quirks and faults; None is a well-behaved server.
            brain: What it answers; None follows the dialogue of the default bot.
            ears: Hears caller audio; None takes the scenario's words.
            voice: Speaks; None makes tones. The owner closes it.
            detector_factory: Makes a voice detector per session; None is the best installed one
                with ears, and plain energy without.
            api_keys: The good ones, any other closes with 3000; None takes every key but `ek_…`,
                since this server mints none.
            mcp_servers: Those that can be reached, by label; listing any other one's tools fails.
            keeps_history: Keep events, audio and past sessions for assertions.
        """
        self.sessions: list[EmulatedSession] = []
        self._scenario = scenario or Scenario()
        brain = brain or DialogueBrain(DIALOGUES["default"])
        self._persona = Persona(brain, ears, ClipStore(voice), mcp_servers or {})
        self._ears = ears
        self._voice = voice
        default_factory: DetectorFactory = vad.best_available if ears else vad.EnergyVad
        self._detector_factory = detector_factory or default_factory
        self._api_keys = api_keys
        self._keeps_history = keeps_history
        self._connections = 0
        self._faults: dict[ServerConnection, tuple[Scenario, Faults]] = {}
        self._server: Server | None = None
        self._closing = asyncio.Event()

    async def __aenter__(self) -> "RealtimeEmulator":
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listens; port 0 takes a free one."""
        self._server = await serve(
            self._serve,
            host,
            port,
            process_request=self._admit,
            compression=None,
            max_size=_MAX_FRAME_BYTES,
            open_timeout=None,  # `HangHandshake` is longer than the default
            close_timeout=_CLOSE_TIMEOUT_S,
            server_header=None,
        )

    async def aclose(self) -> None:
        """Closes all sockets with 1001 and stops listening."""
        self._closing.set()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def base_url(self) -> str:
        """The address for `OPENAI_BASE_URL`, once it listens."""
        return f"{self._origin}/v1"

    @property
    def azure_endpoint(self) -> str:
        """The address for `AZURE_OPENAI_ENDPOINT`, once it listens."""
        return self._origin

    @property
    def _origin(self) -> str:
        if self._server is None:
            raise RuntimeError("the emulator has not been started")
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        return f"http://{host}:{port}"

    def describe(self) -> str:
        """Says in one sentence how this server hears and speaks."""
        hears = (
            f"hears with {self._ears.name}"
            if self._ears
            else "takes the caller's words from a script"
        )
        speaks = f"speaks with {self._voice.name}" if self._voice else "answers in tones"
        return f"The emulated Realtime server {hears} and {speaks}."

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        """Answers plain HTTP and refuses upgrades; None lets the WebSocket open."""
        path = urllib.parse.urlsplit(request.path).path
        if path == "/healthz":
            return _answer(200, {"ok": True})
        if path == "/v1/models":
            models = [{"id": model, "object": "model", "owned_by": "system"} for model in MODELS]
            return _answer(200, {"object": "list", "data": models})
        if path not in (_OPENAI_PATH, _AZURE_PATH):
            return _refuse(404, "not_found", f"Invalid URL (GET {path})")
        name = request.headers.get("x-emulator-scenario")
        if name is not None and name not in NAMED:
            return _refuse(400, "invalid_value", f"Scenarios are: {', '.join(NAMED)}")
        scenario = NAMED[name] if name is not None else self._scenario
        faults = Faults(scenario, self._connections)
        self._connections += 1
        self._faults[socket] = (scenario, faults)
        refusal = await self._refuse_handshake(socket, request.headers, faults)
        if refusal is not None:
            del self._faults[socket]
        return refusal

    async def _refuse_handshake(
        self, socket: ServerConnection, headers: Headers, faults: Faults
    ) -> Response | None:
        match faults.handshake():
            case RefuseHandshake(status=status, code=code):
                return _refuse(status, code, http.HTTPStatus(status).phrase)
            case HangHandshake(limit_s=limit_s):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), limit_s)
                return _refuse(504, None, "Gateway Timeout")
            case None:
                pass
        if _key_of(headers) is None:
            return _refuse(401, "invalid_api_key", "You didn't provide an API key.")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        scenario, faults = self._faults.pop(socket)
        request = socket.request
        if request is None:
            raise RuntimeError("a socket without its request")
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        is_azure = url.path == _AZURE_PATH
        refusal = self._refusal(request.headers, query, is_azure=is_azure)
        if refusal is not None:
            await _close_with(socket, *refusal)
            return
        if is_azure:
            scenario = dataclasses.replace(scenario, is_azure=True)
        expires_at = int(_unix_time() + scenario.expires_after_s)
        settings = Settings(model=query["model"], expires_at=expires_at, is_azure=is_azure)
        core = SessionCore(
            scenario=scenario, settings=settings, faults=faults, persona=self._persona
        )
        session = EmulatedSession(
            core, socket, self._detector_factory, keeps_history=self._keeps_history
        )
        self.sessions.append(session)
        try:
            await session.run()
        finally:
            if not self._keeps_history:
                self.sessions.remove(session)

    def _refusal(
        self, headers: Headers, query: dict[str, str], *, is_azure: bool
    ) -> tuple[int, ApiError] | None:
        """The close code and error of a socket that opens only to be told why not (spec 17.2)."""
        key = _key_of(headers) or ""
        is_known = not key.startswith("ek_") if self._api_keys is None else key in self._api_keys
        if not is_known:
            return 3000, ApiError("Incorrect API key provided.", code="invalid_api_key")
        if "realtime=" in headers.get("OpenAI-Beta", ""):
            return 4000, ApiError(_BETA_DISABLED, code="beta_api_shape_disabled")
        if "intent" in query or "call_id" in query:
            message = (
                "You must not provide a model parameter for transcription sessions."
                if "intent" in query and "model" in query
                else "This emulator only has sessions with a model."
            )
            return 4000, ApiError(message, code="invalid_model", param="model")
        if not query.get("model"):
            message = "You must provide a model parameter."
            return 4000, ApiError(message, code="missing_model", param="model")
        if not is_azure and query["model"] not in MODELS:
            message = f"Model '{query['model']}' is not supported in realtime mode."
            return 4000, ApiError(message, code="invalid_model", param="model")
        return None


def _key_of(headers: Headers) -> str | None:
    """The key of `Authorization: Bearer …` or Azure's `api-key`; None when there is none."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return headers.get("api-key")


def _unix_time() -> float:
    return time.time()  # noqa: TID251 - the edge: only `expires_at` in the echo needs it


def _answer(status: int, body: Json) -> Response:
    payload = msgspec.json.encode(body)
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(payload)),
            "Connection": "close",
        }
    )
    return Response(status, http.HTTPStatus(status).phrase, headers, payload)


def _refuse(status: int, code: str | None, message: str) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return _answer(status, {"error": error})


async def _close_with(socket: ServerConnection, close_code: int, error: ApiError) -> None:
    event = {"type": "error", "event_id": new_id("event_"), "error": error.body()}
    await socket.send(msgspec.json.encode(event), text=True)
    await socket.close(close_code, f"{error.kind}.{error.code}")


def _local_senses() -> tuple[Ears | None, Voice | None]:
    """The offline ears and voice, None for what is not installed."""
    return best_available_ears(), best_available_voice()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An offline stand-in for OpenAI's Realtime API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--scripted", action="store_true", help="no ears and no voice")
    parser.add_argument("--speed", type=float, help="audio at this multiple of real time")
    parser.add_argument("--scenario", choices=sorted(NAMED), default="default")
    parser.add_argument(
        "--bot", choices=sorted(DIALOGUES), default="default", help="whose dialogue it follows"
    )
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    scenario = NAMED[arguments.scenario]
    if arguments.speed is not None:
        scenario = dataclasses.replace(scenario, speed=arguments.speed)
    ears, voice = (None, None) if arguments.scripted else _local_senses()
    emulator = RealtimeEmulator(
        scenario=scenario,
        brain=DialogueBrain(DIALOGUES[arguments.bot]),
        ears=ears,
        voice=voice,
        keeps_history=False,
    )
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await emulator.start(arguments.host, arguments.port)
    print(f"{emulator.base_url}\n{emulator.describe()}", flush=True)
    try:
        await stopping.wait()
    finally:
        await emulator.aclose()
        if voice is not None:
            voice.close()


if __name__ == "__main__":
    asyncio.run(_main(_arguments()))
