"""What is known about an emulated call when it is over, and how it is measured.

All `*_ms` are milliseconds on the clock of the call, whose 0 is when `open` was sent.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from scripts.emulators.genesys_limiter import MessageClass
from scripts.emulators.microphone import Microphone
from scripts.emulators.playback import AUDIBLE_GAP_S, Run
from scripts.emulators.recording import Clip, Recording

# A longer pause is the agent's choice (it waits for the caller, or for a tool), not a stall.
ANSWER_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that just happened, for whoever watches the call."""

    at_ms: float
    name: str  # a message type, or: connected, violation, error, socket_closed, …
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SentError:
    """An `error` message of the client."""

    at_ms: float
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class BargeIn:
    """A `barge_in` of the server."""

    at_ms: float
    stopped_audio: bool  # False: nothing was playing


@dataclass(frozen=True, slots=True)
class Outcome:
    """The server's `disconnect`."""

    at_ms: float
    reason: str
    info: str | None
    output_variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of the caller and how fast the agent reacted."""

    start_ms: float
    end_ms: float
    response_latency_ms: float | None  # end of speech to first audible agent byte
    barge_in_stop_ms: float | None  # start of speech to last old agent byte


@dataclass(frozen=True, slots=True)
class Episode:
    """Somebody was speaking."""

    speaker: Literal["caller", "agent"]
    start_ms: float
    end_ms: float
    interrupted: bool = False  # cut by a barge-in, or by the end of the call


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence inside an answer: the loudspeaker ran dry."""

    at_ms: float
    length_ms: float


@dataclass(slots=True)
class CallReport:
    """Everything about one finished call. A good server leaves `violations` empty."""

    created: str  # ISO 8601, UTC
    http_status: int | None = None  # of a refused upgrade; 101 when accepted
    connect_ms: float | None = None  # start of TCP to the 101
    opened_ms: float | None = None
    first_agent_audio_ms: float | None = None  # first audible byte
    duration_ms: float = 0.0
    turns: list[Turn] = field(default_factory=list)
    barge_ins: list[BargeIn] = field(default_factory=list)
    bot_turn_responses: list[dict[str, object]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    timeline: list[Episode] = field(default_factory=list)
    disconnect: Outcome | None = None
    close_reason: str | None = None  # of our `close`
    server_closed_first: bool = False
    close_code: int | None = None  # of the WebSocket
    violations: list[str] = field(default_factory=list)
    errors_sent: list[SentError] = field(default_factory=list)
    failure: str | None = None  # why the script failed
    rtts_ms: list[float] = field(default_factory=list)
    peak_messages_per_s: dict[MessageClass, int] = field(default_factory=dict)
    bucket_low_water: dict[MessageClass, float] = field(default_factory=dict)
    rate_breaches: dict[MessageClass, int] = field(default_factory=dict)
    max_queued_ms: float = 0.0  # longest lead of the server over the caller's ear
    unplayed_ms: float = 0.0  # agent audio that the end of the call cut off
    audio_frames_sent: int = 0
    audio_bytes_sent: int = 0
    audio_frames_received: int = 0
    audio_bytes_received: int = 0
    texts_sent: int = 0
    texts_received: int = 0
    recording: Recording = Recording((), ())

    @property
    def response_latencies_ms(self) -> list[float]:
        """The latencies of the turns that were answered."""
        found = (turn.response_latency_ms for turn in self.turns)
        return [latency for latency in found if latency is not None]

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values; the recording is left out."""
        names = [f.name for f in dataclasses.fields(self) if f.name != "recording"]
        return {name: msgspec.to_builtins(getattr(self, name)) for name in names}


class CallFailed(Exception):
    """The call did not do what the script waited for; *report* says what it did do."""

    def __init__(self, message: str, report: CallReport | None = None) -> None:
        super().__init__(message)
        self.report = report


def to_ms(seconds: float) -> float:
    """Return milliseconds with one decimal."""
    return round(seconds * 1000, 1)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the two ends of the line leave behind, on the loop's clock."""

    origin_s: float  # 0 of the call's clock
    runs: Sequence[Run]
    microphone: Microphone | None
    sent: Sequence[Clip]  # on the loop's clock too
    barge_ins: Sequence[tuple[float, bool]]  # when, and whether it stopped audio


def add_measurements(report: CallReport, heard: Heard) -> None:
    """Fill in everything that follows from what was said and heard."""
    runs = [run for run in heard.runs if run.pcmu]
    spoken = _spoken(heard)
    report.barge_ins = [
        BargeIn(to_ms(at_s - heard.origin_s), stopped) for at_s, stopped in heard.barge_ins
    ]
    sounds = [sound for run in runs if (sound := run.first_sound_s) is not None]
    report.first_agent_audio_ms = to_ms(sounds[0] - heard.origin_s) if sounds else None
    report.turns = [_turn(heard, spoken, index) for index in range(len(spoken))]
    report.gaps = _gaps(heard, runs, spoken)
    report.timeline = _timeline(heard, runs, spoken)
    report.recording = Recording(
        caller=tuple(Clip(clip.start_s - heard.origin_s, clip.pcmu) for clip in heard.sent),
        agent=tuple(Clip(run.start_s - heard.origin_s, bytes(run.pcmu)) for run in runs),
    )


def _spoken(heard: Heard) -> list[tuple[float, float]]:
    """Start and end of each utterance that got out at least in part, on the loop's clock."""
    microphone = heard.microphone
    if microphone is None:
        return []
    said = (u for u in microphone.utterances if u.start < microphone.samples_cut)
    return [
        (microphone.time_of(u.start), microphone.time_of(min(u.end, microphone.samples_cut)))
        for u in said
    ]


def _turn(heard: Heard, spoken: Sequence[tuple[float, float]], index: int) -> Turn:
    start_s, end_s = spoken[index]
    next_start_s = spoken[index + 1][0] if index + 1 < len(spoken) else float("inf")
    answers = (run.first_sound_s for run in heard.runs if end_s <= run.start_s < next_start_s)
    sound_s = next((at_s for at_s in answers if at_s is not None), None)
    stops = (at_s for at_s, stopped in heard.barge_ins if stopped)
    stop_s = next((at_s for at_s in stops if start_s <= at_s < next_start_s), None)
    return Turn(
        start_ms=to_ms(start_s - heard.origin_s),
        end_ms=to_ms(end_s - heard.origin_s),
        response_latency_ms=None if sound_s is None else to_ms(sound_s - end_s),
        barge_in_stop_ms=None if stop_s is None else to_ms(stop_s - start_s),
    )


def _gaps(heard: Heard, runs: Sequence[Run], spoken: Sequence[tuple[float, float]]) -> list[Gap]:
    gaps = []
    for run, following in zip(runs, runs[1:], strict=False):
        length_s = following.start_s - run.end_s
        caller_spoke = any(
            start_s < following.start_s and end_s > run.end_s for start_s, end_s in spoken
        )
        if AUDIBLE_GAP_S < length_s <= ANSWER_PAUSE_S and not (caller_spoke or run.was_cut):
            gaps.append(Gap(to_ms(run.end_s - heard.origin_s), to_ms(length_s)))
    return gaps


def _timeline(
    heard: Heard, runs: Sequence[Run], spoken: Sequence[tuple[float, float]]
) -> list[Episode]:
    episodes = [
        Episode("caller", to_ms(start_s - heard.origin_s), to_ms(end_s - heard.origin_s))
        for start_s, end_s in spoken
    ]
    previous: Run | None = None
    for run in runs:
        start_ms = to_ms(run.start_s - heard.origin_s)
        if previous and not previous.was_cut and run.start_s - previous.end_s <= AUDIBLE_GAP_S:
            start_ms = episodes.pop().start_ms
        episodes.append(Episode("agent", start_ms, to_ms(run.end_s - heard.origin_s), run.was_cut))
        previous = run
    return sorted(episodes, key=lambda episode: episode.start_ms)
