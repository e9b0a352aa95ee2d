"""The state machine of the specification, section 16, cell by cell; numbers, timers, bounds."""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audiohook.connection import State
from service.audiohook.errors import LocalProtocolError
from service.audiohook.messages import (
    BargeIn,
    BotTurnResponse,
    ClientMessage,
    Close,
    Closed,
    Discarded,
    Disconnect,
    Dtmf,
    Error,
    Open,
    Opened,
    Pause,
    Paused,
    Ping,
    PlaybackCompleted,
    PlaybackStarted,
    Pong,
    Resume,
    Resumed,
    ServerMessage,
    Update,
    Updated,
)
from tests.audiohook.peer import (
    CONVERSATION_ID,
    NULL_ID,
    OPEN_PARAMETERS,
    SESSION_ID,
    Peer,
    opened_peer,
    peer_in,
)

# Per cell: what the call is told, what the client is told, the state afterwards. A dash: nothing,
# nothing, the same state.
MACHINE = """
                    AWAIT_OPEN              OPEN                    DRAINING
open                open,opened,OPEN        -                       -
close               close,closed,CLOSED     close,,CLOSING          close,,CLOSING
ping                ping,pong,              ping,pong,              ping,pong,
dtmf                -                       dtmf,,                  -
playback_started    -                       playback_started,,      playback_started,,
playback_completed  -                       playback_completed,,    playback_completed,,
paused              -                       paused,,                paused,,
resumed             -                       -                       -
discarded           -                       discarded,,             discarded,,
update              ,updated,               update,updated,         update,updated,
error               error,,                 error,,                 error,,
speech              -                       -                       -

                    DISCONNECTING           CLOSING                 CLOSED
open                -                       -                       -
close               close,closed,CLOSED     -                       -
ping                ping,pong,              ping,pong,              -
dtmf                -                       -                       -
playback_started    -                       -                       -
playback_completed  -                       -                       -
paused              -                       -                       -
resumed             -                       -                       -
discarded           -                       -                       -
update              -                       -                       -
error               error,,                 error,,                 error,,
speech              -                       -                       -
"""

TOLD: dict[str, type[ClientMessage]] = {
    "open": Open,
    "close": Close,
    "ping": Ping,
    "dtmf": Dtmf,
    "playback_started": PlaybackStarted,
    "playback_completed": PlaybackCompleted,
    "paused": Paused,
    "resumed": Resumed,
    "discarded": Discarded,
    "update": Update,
    "error": Error,
}

PARAMETERS: dict[str, dict[str, Any]] = {
    "open": OPEN_PARAMETERS,
    "close": {"reason": "end"},
    "ping": {"rtt": "PT0.005S"},
    "dtmf": {"digit": "5"},
    "resumed": {"start": "PT1S", "discarded": "PT2S"},
    "discarded": {"start": "PT1S", "discarded": "PT2S"},
    "update": {"language": "de-DE"},
    "error": {"code": 400, "message": "x"},
}


def cells() -> list[Any]:
    rows = []
    states: list[str] = []
    for line in MACHINE.splitlines():
        words = line.split()
        if words and words[0].isupper():
            states = words
        elif words:
            rows += [(State[s], words[0], c) for s, c in zip(states, words[1:], strict=True)]
    return [pytest.param(*row, id=f"{row[0].name}-{row[1]}") for row in rows]


@pytest.mark.parametrize(("state", "message_type", "cell"), cells())
def test_each_state_takes_each_message_as_the_machine_says(
    state: State, message_type: str, cell: str
) -> None:
    told_type, answer, next_state = (cell if cell != "-" else ",,").split(",")
    peer = peer_in(state)

    told = peer.says(message_type, PARAMETERS.get(message_type, {}))

    assert type(told) is TOLD.get(told_type, type(None))
    assert [message["type"] for message in peer.reads()] == ([answer] if answer else [])
    assert peer.connection.state is (State[next_state] if next_state else state)
    assert peer.connection.failure is None


def test_the_machine_above_has_every_cell() -> None:
    assert len(cells()) == len(State) * (len(TOLD) + 1)


@pytest.mark.parametrize("state", list(State))
def test_audio_is_forwarded_while_the_call_is_open(state: State) -> None:
    peer = peer_in(state)

    pcmu = peer.plays(b"1234")

    is_open = state in (State.OPEN, State.DRAINING)
    assert pcmu == (b"1234" if is_open else b"")
    assert peer.connection.counters.dropped_frames == (0 if is_open else 1)
    assert peer.connection.counters.audio_bytes_in == 4


@pytest.mark.parametrize("state", list(State))
def test_a_broken_message_disconnects_only_while_the_session_lives(state: State) -> None:
    peer = peer_in(state)
    is_ending = state in (State.DISCONNECTING, State.CLOSING, State.CLOSED)

    peer.connection.receive_text("{nope", now=peer.now)

    assert [m["type"] for m in peer.reads()] == ([] if is_ending else ["disconnect"])
    assert peer.connection.state is (state if is_ending else State.DISCONNECTING)
    assert peer.connection.counters.late_failures == (1 if is_ending else 0)


def test_ignored_messages_are_counted_by_type() -> None:
    peer = peer_in(State.DISCONNECTING)

    peer.says("dtmf", {"digit": "1"})
    peer.says("dtmf", {"digit": "2"})
    peer.says("speech")

    assert peer.connection.counters.ignored_messages == {"dtmf": 2}
    assert peer.connection.counters.unknown_types == 1


# ---------------------------------------------------------------- timers

TIMERS = {
    State.AWAIT_OPEN: (10.0, 1008, State.CLOSED),
    State.OPEN: (20.0, 1001, State.CLOSED),
    State.DRAINING: (20.0, 1001, State.CLOSED),
    State.DISCONNECTING: (10.0, 1000, State.CLOSED),
    State.CLOSING: (1.0, None, State.CLOSED),
    State.CLOSED: (5.0, 1000, State.CLOSED),
}


@pytest.mark.parametrize("state", list(State))
def test_each_state_ends_by_its_timer(state: State) -> None:
    timeout_s, close_code, next_state = TIMERS[state]
    peer = peer_in(state)

    assert peer.connection.next_deadline() == timeout_s
    peer.waits(math.nextafter(timeout_s, 0.0))
    assert (peer.connection.state, peer.connection.close_code) == (state, None)
    peer.now = timeout_s
    peer.connection.poll(now=timeout_s)

    assert (peer.connection.state, peer.connection.close_code) == (next_state, close_code)


def test_the_open_timeout_says_why() -> None:
    peer = Peer()

    peer.waits(10.0)

    answer = peer.reads_one()
    assert answer["type"] == "disconnect"
    assert answer["parameters"] == {"reason": "error", "info": "open timeout"}
    assert answer["clientseq"] == 0


def test_pings_do_not_put_the_open_timeout_off() -> None:
    peer = Peer()

    peer.waits(9.0)
    peer.says("ping")
    peer.waits(1.0)

    assert peer.connection.close_code == 1008


def test_closed_leaves_one_second_after_close_though_the_call_has_not_finished() -> None:
    peer = peer_in(State.CLOSING)

    peer.waits(1.0)
    peer.connection.finish(peer.now)

    assert peer.reads_one()["type"] == "closed"


def test_nothing_is_due_once_the_socket_is_to_be_closed() -> None:
    peer = peer_in(State.DISCONNECTING)

    peer.waits(10.0)

    assert peer.connection.next_deadline() == math.inf
    peer.waits(1_000.0)
    assert peer.connection.close_code == 1000


def test_something_to_write_is_due_now() -> None:
    peer = Peer()

    peer.opens()

    assert peer.connection.next_deadline() <= peer.now


# ---------------------------------------------------------------- numbers and identity


def test_a_number_is_taken_when_the_message_is_written() -> None:
    """So a pong that overtakes has the lower number."""
    peer = opened_peer()

    peer.connection.send(BargeIn())
    peer.says("ping")

    assert [(m["type"], m["seq"]) for m in peer.reads()] == [("pong", 2), ("event", 3)]


def test_every_ping_of_a_burst_gets_its_pong_in_order() -> None:
    peer = opened_peer()
    pongs = []

    for _ in range(20):
        peer.says("ping")
    for _ in range(10):
        pongs += [message["clientseq"] for message in peer.reads()]
        peer.waits(0.1)

    assert pongs == list(range(2, 22))


def test_a_pong_names_its_own_ping_and_others_the_last_message() -> None:
    peer = opened_peer()

    peer.says("ping")
    peer.says("playback_started")
    peer.says("ping")
    peer.connection.send(BargeIn())

    assert [(m["type"], m["clientseq"]) for m in peer.reads()] == [
        ("pong", 2),
        ("pong", 4),
        ("event", 4),
    ]


def test_a_serverseq_of_messages_in_flight_is_normal() -> None:
    peer = opened_peer()
    peer.says("ping")
    peer.reads()

    told = peer.says("ping", serverseq=0)

    assert told == Ping(3)


def test_without_the_header_the_first_id_is_adopted() -> None:
    peer = Peer(session_id=None)

    peer.says("ping", id=CONVERSATION_ID)

    assert peer.connection.session_id == CONVERSATION_ID
    assert peer.reads_one()["id"] == CONVERSATION_ID
    peer.says("ping", id=SESSION_ID)
    assert peer.reads_one()["parameters"]["info"] == "id"


def test_without_any_id_we_sign_with_the_null_one() -> None:
    peer = Peer(session_id=None)

    peer.connection.receive_text("?", now=0.0)

    assert peer.reads_one()["id"] == NULL_ID


def test_without_the_header_any_organization_may_open() -> None:
    peer = Peer(organization_id=None)

    assert isinstance(peer.opens(organizationId=CONVERSATION_ID), Open)


def test_after_a_gap_the_close_is_still_answered() -> None:
    peer = opened_peer()
    peer.says("ping", seq=9)
    peer.reads()

    told = peer.says("close", {"reason": "error"}, seq=10)

    assert told == Close("error")
    assert peer.reads_one()["clientseq"] == 10


def test_an_old_number_after_the_end_does_not_turn_the_count_back() -> None:
    peer = opened_peer()
    peer.says("ping")
    peer.connection.disconnect(reason="completed", now=peer.now)
    peer.reads()

    peer.says("ping", seq=1)
    assert peer.reads_one()["clientseq"] == 1
    peer.says("ping", id=CONVERSATION_ID)
    peer.says("close", {"reason": "disconnect"}, seq=1)

    assert peer.reads_one()["clientseq"] == 2


@pytest.mark.parametrize("seq", [0, -1, 2**53 + 1, 2.0, "3", None])
def test_a_number_that_is_none_is_not_answered_even_after_the_end(seq: object) -> None:
    peer = peer_in(State.DISCONNECTING)

    told = peer.says("ping", seq=seq)

    assert told is None
    assert peer.reads() == []
    assert peer.connection.counters.late_failures == 1


# ---------------------------------------------------------------- the caller's timeline


def test_discarded_and_paused_audio_counts_on_the_callers_timeline() -> None:
    peer = opened_peer()

    peer.plays(b"\xff" * 8_000)
    peer.says("paused")
    resumed = peer.says("resumed", {"start": "PT1S", "discarded": "PT1.2S"})
    peer.plays(b"\xff" * 1_600)
    peer.says("discarded", {"start": "PT2.4S", "discarded": "PT0.4S"})

    assert resumed == Resumed(1.0, 1.2)
    assert peer.connection.position_s == pytest.approx(2.8)


def test_after_resumed_audio_flows_again() -> None:
    peer = opened_peer()

    peer.says("paused")
    assert peer.connection.is_paused
    peer.says("resumed", {"start": "PT0S", "discarded": "PT1S"})

    assert not peer.connection.is_paused
    assert peer.plays(b"12") == b"12"


def test_playback_messages_carry_their_position() -> None:
    peer = opened_peer()

    assert peer.says("playback_started", position="PT0.6S") == PlaybackStarted(0.6)
    assert peer.says("playback_completed", position="PT1M2.5S") == PlaybackCompleted(62.5)


# ---------------------------------------------------------------- what the call may do

EVENTS: list[ServerMessage] = [BargeIn(), BotTurnResponse("match"), Pause(), Resume()]
ANSWERS: list[ServerMessage] = [Opened(), Closed(), Pong(), Updated(), Disconnect("completed")]


@pytest.mark.parametrize("message", EVENTS)
@pytest.mark.parametrize("state", list(State))
def test_events_need_an_open_session(state: State, message: ServerMessage) -> None:
    peer = peer_in(state)

    if state in (State.OPEN, State.DRAINING):
        peer.connection.send(message)
        assert peer.reads_one()["type"] == message.TYPE
    else:
        with pytest.raises(LocalProtocolError, match=state.value):
            peer.connection.send(message)
        assert peer.reads() == []


@pytest.mark.parametrize("message", ANSWERS)
def test_answers_are_not_the_calls_to_send(message: ServerMessage) -> None:
    peer = opened_peer()

    with pytest.raises(LocalProtocolError, match=message.TYPE):
        peer.connection.send(message)

    assert peer.reads() == []


@pytest.mark.parametrize("state", list(State))
def test_finish_needs_a_close(state: State) -> None:
    peer = peer_in(state)

    match state:
        case State.CLOSING:
            peer.connection.finish(peer.now)
            assert peer.reads_one()["type"] == "closed"
        case State.CLOSED:
            peer.connection.finish(peer.now)
            assert peer.reads() == []
        case _:
            with pytest.raises(LocalProtocolError, match=state.value):
                peer.connection.finish(peer.now)
            assert peer.reads() == []


@pytest.mark.parametrize("state", list(State))
def test_draining_follows_open_only(state: State) -> None:
    peer = peer_in(state)

    peer.connection.start_draining()

    assert peer.connection.state is (State.DRAINING if state is State.OPEN else state)


@pytest.mark.parametrize("state", list(State))
def test_only_a_farewell_can_be_taken_back(state: State) -> None:
    peer = peer_in(state)

    peer.connection.stop_draining()

    assert peer.connection.state is (State.OPEN if state is State.DRAINING else state)


@pytest.mark.parametrize("state", list(State))
def test_disconnect_is_said_once_and_not_when_the_session_is_ending(state: State) -> None:
    peer = peer_in(state)
    lives = state in (State.AWAIT_OPEN, State.OPEN, State.DRAINING)

    peer.connection.disconnect(reason="completed", now=peer.now)
    peer.connection.disconnect(reason="error", now=peer.now)

    assert [m["parameters"] for m in peer.reads()] == ([{"reason": "completed"}] if lives else [])
    assert peer.connection.state is (State.DISCONNECTING if lives else state)
    assert peer.connection.failure is None


def test_disconnect_carries_texts_only_and_a_short_info() -> None:
    peer = opened_peer()

    peer.connection.disconnect(
        reason="completed", info="i" * 500, output_variables={"done": True, "n": 2}, now=0.0
    )

    assert peer.reads_one()["parameters"] == {
        "reason": "completed",
        "info": "i" * 200,
        "outputVariables": {"done": "true", "n": "2"},
    }


def test_disconnect_overtakes_events_that_still_wait_and_drops_them() -> None:
    peer = opened_peer()
    for _ in range(30):
        peer.connection.send(BargeIn())
    peer.reads()

    peer.connection.disconnect(reason="completed", now=peer.now)

    assert [message["type"] for message in peer.reads()] == ["disconnect"]
    peer.waits(9.0)
    assert peer.reads() == []


# ---------------------------------------------------------------- any input at all

TYPES = [*TOLD, "opened", "speech", ""]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MUTATION = st.dictionaries(
    st.sampled_from(["version", "id", "type", "seq", "serverseq", "position", "parameters"]),
    JSON,
    max_size=2,
)
OPEN_MUTATION = st.dictionaries(
    st.sampled_from([*OPEN_PARAMETERS, "supportedLanguages"]), JSON, max_size=2
)
STEP = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(TYPES)),
    st.tuples(st.just("say"), st.sampled_from(["ping", "close", "open", "update"])),
    st.tuples(st.just("mutate"), st.tuples(st.sampled_from(TYPES), MUTATION)),
    st.tuples(st.just("open"), OPEN_MUTATION),
    st.tuples(st.just("flood"), st.sampled_from(["ping", "update", "error"])),
    st.tuples(st.just("text"), st.text() | JSON.map(repr)),
    st.tuples(st.just("frame"), st.binary(max_size=9)),
    st.tuples(st.just("wait"), st.floats(0.0, 12.0)),
    st.tuples(st.just("read"), st.none()),
    st.tuples(st.just("do"), st.sampled_from(["disconnect", "drain", "go on", "finish", "event"])),
)


class Witness(Peer):
    """A peer that plays random steps and keeps all that was said."""

    def __init__(self) -> None:
        super().__init__(supported_languages=("en-US",))
        self.heard: list[dict[str, Any]] = []
        self.pings: list[int] = []
        self.closes = 0

    def play(self, kind: str, value: Any) -> None:
        getattr(self, f"step_{kind}")(value)

    def step_say(self, message_type: str) -> None:
        self.note(message_type, self.says(message_type, PARAMETERS.get(message_type, {})))

    def step_mutate(self, value: tuple[str, dict[str, Any]]) -> None:
        message_type, changes = value
        changed = {"parameters": PARAMETERS.get(message_type, {}), **changes}
        parameters = changed.pop("parameters")
        self.note(message_type, self.says(message_type, parameters, **changed))

    def step_open(self, changes: dict[str, Any]) -> None:
        self.opens(**changes)

    def step_flood(self, message_type: str) -> None:
        for _ in range(30):
            self.step_say(message_type)

    def step_text(self, text: str) -> None:
        self.connection.receive_text(text, now=self.now)

    def step_frame(self, frame: bytes) -> None:
        self.plays(frame)

    def step_wait(self, seconds: float) -> None:
        self.waits(seconds)

    def step_read(self, _: None) -> None:
        self.heard += self.reads()

    def note(self, message_type: str, told: ClientMessage | None) -> None:
        if isinstance(told, Ping):
            self.pings.append(told.seq)
        self.closes += message_type == "close" and isinstance(told, Close)

    def step_do(self, name: str) -> None:
        acts: dict[str, Callable[[], None]] = {
            "disconnect": lambda: self.connection.disconnect(reason="completed", now=self.now),
            "drain": self.connection.start_draining,
            "go on": self.connection.stop_draining,
            "finish": lambda: self.connection.finish(self.now),
            "event": lambda: self.connection.send(BargeIn()),
        }
        with contextlib.suppress(LocalProtocolError):
            acts[name]()


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.lists(STEP, max_size=40))
def test_no_input_raises_and_every_answer_keeps_the_rules(steps: list[tuple[str, Any]]) -> None:
    witness = Witness()

    for kind, value in steps:
        witness.play(kind, value)
        deadline = witness.connection.next_deadline()
        assert not math.isnan(deadline)
    witness.waits(30.0)
    witness.waits(30.0)
    witness.waits(30.0)
    witness.heard += witness.reads()

    heard = [message["type"] for message in witness.heard]
    assert [message["seq"] for message in witness.heard] == list(range(1, len(heard) + 1))
    assert all(isinstance(message["parameters"], dict) for message in witness.heard)
    assert heard.count("opened") <= 1
    assert heard.count("disconnect") <= 1
    assert heard.count("closed") <= min(1, witness.closes)
    assert "closed" not in heard[:-1]
    pongs = [m["clientseq"] for m in witness.heard if m["type"] == "pong"]
    unanswered = iter(witness.pings)
    assert all(seq in unanswered for seq in pongs), "each pong has its ping, in order"
    assert witness.connection.state is State.CLOSED
    assert witness.connection.close_code in {1000, 1001, 1008}


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(st.lists(st.sampled_from(["ping", "event", "update", "wait", "frame"]), max_size=150))
def test_no_more_than_25_texts_at_once_and_5_a_second_ever_leave(acts: list[str]) -> None:
    """The client's limit (section 6.2), and nothing is lost unless it was a flood."""
    peer = opened_peer()
    written_at = [0.0]

    for act in acts:
        match act:
            case "ping" | "update":
                peer.says(act, {})
            case "event" if peer.connection.state is State.OPEN:
                peer.connection.send(BargeIn())
            case "frame":
                peer.plays()
            case "wait":
                peer.waits(0.2)
        written_at += [peer.now] * len(peer.reads())

    for first, start in enumerate(written_at):
        for last in range(first, len(written_at)):
            assert last - first + 1 <= 25 + 5 * (written_at[last] - start)


def test_two_live_sessions_of_one_id_share_nothing() -> None:
    first, second = opened_peer(), opened_peer()

    first.says("ping")
    second.says("paused")

    assert first.reads_one()["type"] == "pong"
    assert second.reads() == []
    assert not first.connection.is_paused
