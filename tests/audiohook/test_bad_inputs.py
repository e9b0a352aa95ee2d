"""The bad inputs of the specification, section 17: each case carries the number of its row.

Rows 1 to 23 are the upgrade's; rows 28, 62, 75, 77 and 80 need a socket.
"""

from collections.abc import Callable
from typing import Any

import pytest

from service.audiohook.connection import State
from service.audiohook.messages import (
    BargeIn,
    Close,
    Discarded,
    Dtmf,
    Error,
    Open,
    Ping,
    PlaybackCompleted,
    Resumed,
    Update,
)
from service.audiohook.variables import MAX_INPUT_CHARS, MAX_INPUTS
from tests.audiohook.peer import (
    CONVERSATION_ID,
    INTERNAL,
    MISSING,
    MONO,
    NULL_ID,
    OPEN_PARAMETERS,
    ORGANIZATION_ID,
    PARTICIPANT_ID,
    SESSION_ID,
    STEREO,
    Peer,
    opened_peer,
    peer_in,
)

Text = Callable[[Peer], str]
Value = dict[str, Any]


def cases(table: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(table.values()), ids=list(table))


def raw(text: str) -> Text:
    return lambda _: text


def ping(**changes: Any) -> Text:
    return lambda peer: peer.text("ping", **{"seq": peer.seq + 1, **changes})


def relative_seq(step: int) -> Text:
    return lambda peer: peer.text("ping", seq=peer.seq + 1 + step)


# ---------------------------------------------------------------- envelope, rows 24 to 38

FATAL: dict[str, tuple[Text, str]] = {
    "row_24_broken_json": (raw("{nope"), "bad json"),
    "row_24_empty_text": (raw(""), "bad json"),
    "row_24_two_values": (raw("{} {}"), "bad json"),
    "row_25_null": (raw("null"), "bad message"),
    "row_25_list": (raw("[]"), "bad message"),
    "row_25_text": (raw('"x"'), "bad message"),
    "row_25_number": (raw("1"), "bad message"),
    "row_25_object_without_type": (ping(type=MISSING), "bad message"),
    "row_25_type_is_a_list": (ping(type=["ping"]), "bad message"),
    "row_26_nested_lists": (raw('{"x":' + "[" * 30_000 + "]" * 30_000 + "}"), "bad json"),
    "row_26_nested_parameters": (
        raw('{"parameters":' + '{"a":' * 10_000 + "1" + "}" * 10_001),
        "bad json",
    ),
    "row_26_nesting_never_closed": (raw("[" * 60_000), "bad message"),
    "row_26_nan": (raw('{"version":NaN}'), "bad json"),
    "row_26_lone_surrogate": (raw('{"version":"\ud800"}'), "bad json"),
    "row_27_too_long": (ping(x="x" * 65_535), "too large"),
    "row_29_version_1": (ping(version="1"), "version"),
    "row_29_version_as_number": (ping(version=2), "version"),
    "row_29_version_missing": (ping(version=MISSING), "version"),
    "row_30_id_of_another_session": (ping(id=CONVERSATION_ID), "id"),
    "row_30_id_is_no_uuid": (ping(id="call"), "id"),
    "row_30_id_missing": (ping(id=MISSING), "id"),
    "row_32_seq_repeated": (relative_seq(-1), "seq"),
    "row_32_seq_gap": (relative_seq(1), "seq"),
    "row_32_seq_zero": (ping(seq=0), "seq"),
    "row_32_seq_negative": (ping(seq=-1), "seq"),
    "row_32_seq_text": (ping(seq="2"), "seq"),
    "row_32_seq_float": (ping(seq=2.0), "seq"),
    "row_32_seq_huge": (ping(seq=2**53 + 1), "seq"),
    "row_32_seq_true": (ping(seq=True), "seq"),
    "row_32_seq_missing": (ping(seq=MISSING), "seq"),
    "row_33_serverseq_larger_than_sent": (ping(serverseq=2), "serverseq"),
    "row_33_serverseq_text": (ping(serverseq="1"), "serverseq"),
    "row_33_serverseq_negative": (ping(serverseq=-1), "serverseq"),
}


@cases(FATAL)
def test_a_broken_message_disconnects_and_the_session_still_ends_in_order(
    case: tuple[Text, str],
) -> None:
    compose, info = case
    peer = opened_peer()

    told = peer.connection.receive_text(compose(peer), now=peer.now)

    assert told is None
    assert peer.connection.failure is not None
    assert peer.reads() == [disconnect(seq=2, clientseq=1, info=info)]
    # The client counted the message that we refused.
    peer.seq += 1
    peer.says("ping")
    peer.says("close", {"reason": "disconnect"})
    assert [(m["type"], m["seq"], m["clientseq"]) for m in peer.reads()] == [("closed", 3, 4)]
    assert peer.connection.state is State.CLOSED


def disconnect(*, seq: int, clientseq: int, info: str | None, reason: str = "error") -> Value:
    parameters = {"reason": reason} if info is None else {"reason": reason, "info": info}
    return {
        "version": "2",
        "id": SESSION_ID,
        "type": "disconnect",
        "seq": seq,
        "clientseq": clientseq,
        "parameters": parameters,
    }


ACCEPTED: dict[str, tuple[Value, str | None]] = {
    "row_26_long_text": ({"x": "x" * 60_000}, None),
    "row_31_id_in_upper_case": ({"id": SESSION_ID.upper()}, None),
    "row_34_serverseq_missing": ({"serverseq": MISSING}, "serverseq"),
    "row_34_serverseq_null": ({"serverseq": None}, "serverseq"),
    "row_35_position_missing": ({"position": MISSING}, "position"),
    "row_35_position_with_minutes": ({"position": "PT1M30S"}, None),
    "row_35_position_negative": ({"position": "PT-1S"}, "position"),
    "row_35_position_garbage": ({"position": "abc"}, "position"),
    "row_36_parameters_missing": ({"parameters": MISSING}, "parameters"),
    "row_36_parameters_null": ({"parameters": None}, "parameters"),
    "row_36_parameters_list": ({"parameters": [1]}, "parameters"),
}


@cases(ACCEPTED)
def test_an_odd_message_is_answered_and_the_oddity_counted(
    case: tuple[Value, str | None],
) -> None:
    changes, warning = case
    peer = opened_peer()

    told = peer.says("ping", **changes)

    assert told == Ping(seq=2)
    answer = peer.reads_one()
    assert (answer["type"], answer["seq"], answer["clientseq"]) == ("pong", 2, 2)
    assert dict(peer.connection.counters.warnings) == ({} if warning is None else {warning: 1})


def test_row_26_the_last_of_duplicate_keys_wins() -> None:
    peer = opened_peer()
    text = peer.text("ping").replace('"version"', '"type": "dtmf", "type": "ping", "version"', 1)

    told = peer.connection.receive_text(text, now=0.0)

    assert told == Ping(seq=2)


NESTED: dict[str, tuple[str, Value, Value]] = {
    "row_26_unknown_member": ("ping", {}, {"x": "HERE"}),
    "row_26_position": ("ping", {}, {"position": "HERE"}),
    "row_26_rtt": ("ping", {"rtt": "HERE"}, {}),
    "row_26_participant": ("open", {**OPEN_PARAMETERS, "participant": "HERE"}, {}),
    "row_26_variable": ("open", {**OPEN_PARAMETERS, "inputVariables": {"a": "HERE"}}, {}),
    "row_26_offers": ("open", {**OPEN_PARAMETERS, "media": "HERE"}, {}),
    "row_26_offer": ("open", {**OPEN_PARAMETERS, "media": [{**MONO, "x": "HERE"}]}, {}),
}


@cases(NESTED)
def test_nesting_of_any_depth_raises_nothing(case: tuple[str, Value, Value]) -> None:
    """Around the interpreter's own limit, where only some of the parsers give up."""
    message_type, parameters, changes = case

    for depth in range(700, 1_050):
        peer = Peer()
        text = peer.text(message_type, parameters, **changes)
        text = text.replace('"HERE"', "[" * depth + "]" * depth)

        peer.connection.receive_text(text, now=0.0)

        answer = peer.connection.data_to_send(now=0.0)
        assert answer is not None
        assert '"type":"pong"' in answer or '"type":"opened"' in answer or '"info":' in answer


def test_row_31_a_version_7_uuid_is_a_session_id() -> None:
    session_id = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"
    peer = Peer(session_id=session_id)

    peer.says("ping", id=session_id)

    assert peer.reads_one()["id"] == session_id


@pytest.mark.parametrize(
    "message_type",
    [
        pytest.param("speech_started", id="row_37_unknown_type"),
        pytest.param("opened", id="row_38_opened"),
        pytest.param("pong", id="row_38_pong"),
    ],
)
def test_a_type_that_no_client_sends_is_ignored_and_counted(message_type: str) -> None:
    peer = opened_peer()

    told = peer.says(message_type)

    assert told is None
    assert peer.reads() == []
    assert peer.connection.counters.unknown_types == 1
    peer.says("ping")
    assert peer.reads_one()["clientseq"] == 3


# ---------------------------------------------------------------- floods and silence, 39, 40, 76


def test_row_39_more_than_20_unanswered_pings_disconnect() -> None:
    peer = opened_peer()

    states = []
    for _ in range(21):
        peer.says("ping")
        states.append(peer.connection.state)

    assert states == [State.OPEN] * 20 + [State.DISCONNECTING]
    first = peer.reads()[0]
    assert (first["type"], first["parameters"]["info"]) == ("disconnect", "too many pings")


def test_row_39_pings_that_go_on_after_the_disconnect_close_the_socket() -> None:
    peer = opened_peer()

    for _ in range(1_000):
        peer.says("ping")

    assert peer.connection.close_code == 1008
    assert [message["type"] for message in peer.reads()] == ["disconnect"]


def test_row_39_a_flood_of_written_pongs_stays_below_the_clients_limit() -> None:
    """Even when every pong is written at once: at most 25 texts at a time."""
    peer = opened_peer()
    pongs = 0

    for _ in range(1_000):
        peer.says("ping")
        pongs += len(peer.reads())
        peer.waits(0.001)

    assert pongs <= 25
    assert peer.connection.close_code == 1008


def test_row_39_a_flood_of_updates_closes_the_socket() -> None:
    peer = opened_peer()

    for _ in range(1_000):
        peer.says("update", {"language": "de-DE"})

    assert peer.connection.close_code == 1008
    assert peer.connection.failure is not None
    assert peer.reads() == []


@pytest.mark.parametrize("state", [State.OPEN, State.DRAINING])
def test_rows_40_and_76_nothing_heard_for_20_s_closes_the_socket(state: State) -> None:
    peer = peer_in(state)

    peer.waits(19.9)
    assert peer.connection.close_code is None
    peer.waits(0.1)

    assert peer.connection.close_code == 1001
    assert peer.reads() == []


def test_row_40_pings_alone_keep_a_session_alive() -> None:
    peer = opened_peer()

    peer.waits(19.0)
    peer.says("ping")
    peer.waits(19.0)

    assert peer.connection.close_code is None


def test_row_40_audio_alone_keeps_a_session_alive() -> None:
    peer = opened_peer()

    peer.waits(19.0)
    peer.plays()
    peer.waits(19.0)

    assert peer.connection.close_code is None
    assert peer.connection.next_deadline() == pytest.approx(39.0)


# ---------------------------------------------------------------- open, rows 41 to 56


def test_row_41_a_ping_before_open_gets_its_pong() -> None:
    peer = Peer()

    peer.says("ping")
    peer.says("dtmf", {"digit": "1"})

    assert peer.reads_one()["type"] == "pong"
    assert peer.connection.counters.ignored_messages == {"dtmf": 1}
    assert peer.connection.next_deadline() == 10.0


def test_row_42_a_second_open_is_ignored() -> None:
    peer = opened_peer()

    told = peer.opens()

    assert told is None
    assert peer.reads() == []
    assert peer.connection.state is State.OPEN
    assert peer.connection.counters.ignored_messages == {"open": 1}


REFUSED: dict[str, tuple[Value, str, str | None]] = {
    "row_43_another_organization": (
        {"organizationId": CONVERSATION_ID},
        "unauthorized",
        None,
    ),
    "row_44_organization_missing": ({"organizationId": MISSING}, "error", "open"),
    "row_44_organization_is_no_uuid": ({"organizationId": "acme"}, "error", "open"),
    "row_44_conversation_missing": ({"conversationId": MISSING}, "error", "open"),
    "row_44_conversation_is_no_uuid": ({"conversationId": 5}, "error", "open"),
    "row_48_media_missing": ({"media": MISSING}, "error", "no media"),
    "row_48_media_empty": ({"media": []}, "error", "no media"),
    "row_48_media_is_no_list": ({"media": MONO}, "error", "no media"),
    "row_49_only_l16": ({"media": [{**MONO, "format": "L16"}]}, "error", "no supported media"),
    "row_49_only_opus": ({"media": [{**MONO, "format": "OPUS"}]}, "error", "no supported media"),
    "row_49_only_16_khz": ({"media": [{**MONO, "rate": 16000}]}, "error", "no supported media"),
    "row_49_only_the_agent": ({"media": [INTERNAL]}, "error", "no supported media"),
}


@cases(REFUSED)
def test_an_open_that_cannot_be_a_call_is_refused(case: tuple[Value, str, str | None]) -> None:
    changes, reason, info = case
    peer = Peer()

    told = peer.opens(**changes)

    assert told is None
    assert peer.connection.open is None
    assert peer.reads() == [disconnect(seq=1, clientseq=1, reason=reason, info=info)]
    peer.says("close", {"reason": "disconnect"})
    assert peer.reads_one()["type"] == "closed"


@pytest.mark.parametrize("parameters", [MISSING, None, [], 5])
def test_row_36_an_open_without_parameters_is_refused(parameters: object) -> None:
    peer = Peer()

    peer.says("open", parameters)

    assert peer.reads() == [disconnect(seq=1, clientseq=1, info="open")]


PROBES: dict[str, Value] = {
    "row_45_null_conversation": {"conversationId": NULL_ID, "participant": {"id": NULL_ID}},
    "row_46_null_conversation_real_participant": {"conversationId": NULL_ID},
    "row_46_null_participant_real_conversation": {"participant": {"id": NULL_ID}},
    "row_48_probe_without_offers": {"conversationId": NULL_ID, "media": []},
    "row_49_probe_with_odd_offers": {"conversationId": NULL_ID, "media": [INTERNAL]},
}


@cases(PROBES)
def test_a_probe_is_answered_and_its_audio_dropped(case: Value) -> None:
    peer = Peer()

    told = peer.opens(**case)

    assert isinstance(told, Open)
    assert told.is_probe
    assert peer.connection.is_probe
    offers = case.get("media", [MONO])
    assert peer.reads_one()["parameters"] == {
        "startPaused": False,
        "media": [MONO] if offers == [MONO] else [],
    }
    assert peer.plays() == b""


def test_row_48_a_probe_without_media_is_refused() -> None:
    peer = Peer()

    peer.opens(conversationId=NULL_ID, media=MISSING)

    assert peer.reads() == [disconnect(seq=1, clientseq=1, info="no media")]


TAKEN: dict[str, tuple[Value, Value]] = {
    "row_43_organization_in_upper_case": (
        {"organizationId": ORGANIZATION_ID.upper()},
        {"organization_id": ORGANIZATION_ID.upper()},
    ),
    "row_47_participant_missing": (
        {"participant": MISSING},
        {"participant_id": "", "ani": "", "ani_name": "", "dnis": ""},
    ),
    "row_47_participant_is_a_list": ({"participant": ["x"]}, {"participant_id": ""}),
    "row_47_without_ani_name": (
        {"participant": {"id": PARTICIPANT_ID, "ani": "sip:anonymous"}},
        {"participant_id": PARTICIPANT_ID, "ani": "sip:anonymous", "ani_name": "", "dnis": ""},
    ),
    "row_47_ani_is_a_number": ({"participant": {"ani": 5}}, {"ani": ""}),
    "row_47_ani_of_10_kb": ({"participant": {"ani": "9" * 10_240}}, {"ani": "9" * 256}),
    "row_52_language_es_419": ({"language": "es-419"}, {"language": "es-419"}),
    "row_52_language_zh_hans_cn": ({"language": "zh-Hans-CN"}, {"language": "zh-Hans-CN"}),
    "row_52_language_missing": ({"language": MISSING}, {"language": None}),
    "row_52_language_empty": ({"language": ""}, {"language": None}),
    "row_52_language_number": ({"language": 7}, {"language": None}),
    "row_52_language_long": ({"language": "en" + "-abc" * 20}, {"language": None}),
    "row_53_variables_missing": ({"inputVariables": MISSING}, {"input_variables": {}}),
    "row_53_variables_null": ({"inputVariables": None}, {"input_variables": {}}),
    "row_53_variables_list": ({"inputVariables": ["a"]}, {"input_variables": {}}),
    "row_53_values_of_all_kinds": (
        {"inputVariables": {" T ": "x", "n": 5, "f": 0.8, "b": True, "z": None, "l": [1], "": 1}},
        {"input_variables": {"T": "x", "n": "5", "f": "0.8", "b": "true"}},
    ),
    "row_53_500_variables": (
        {"inputVariables": {f"k{n}": n for n in range(500)}},
        {"input_variables": {f"k{n}": str(n) for n in range(MAX_INPUTS)}},
    ),
    "row_53_prompt_of_50_kb": (
        {"inputVariables": {"PROMPT": "x" * 51_200}},
        {"input_variables": {"PROMPT": "x" * MAX_INPUT_CHARS}},
    ),
    "row_54_a_setting_as_variable_is_mere_text": (
        {"inputVariables": {"OPENAI_API_KEY": "k"}},
        {"input_variables": {"OPENAI_API_KEY": "k"}},
    ),
    "row_55_unknown_members": (
        {"continuedSessions": [{"id": 5}], "customConfig": {"a": 1}, "x": None},
        {},
    ),
}


@cases(TAKEN)
def test_an_odd_open_is_taken_in_clean_form(case: tuple[Value, Value]) -> None:
    changes, expected = case
    peer = Peer()

    told = peer.opens(**changes)

    assert isinstance(told, Open)
    assert {name: getattr(told, name) for name in expected} == expected
    assert told is peer.connection.open
    assert peer.reads_one()["type"] == "opened"


def test_row_50_an_unsupported_offer_among_good_ones_is_skipped() -> None:
    peer = Peer()
    extended = {**MONO, "note": "x", "gain": 1.50}

    peer.opens(media=[{**MONO, "rate": 16000}, None, extended, STEREO])

    assert peer.reads_one()["parameters"]["media"] == [extended]


def test_row_51_of_stereo_alone_the_callers_lane_is_taken() -> None:
    peer = Peer()

    peer.opens(media=[STEREO])

    assert peer.reads_one()["parameters"]["media"] == [STEREO]
    assert peer.plays(b"AaBbCc") == b"ABC"


@pytest.mark.parametrize(
    ("asked", "ours", "answered"),
    [
        pytest.param(True, ("en-US", "de-DE"), ["en-US", "de-DE"], id="row_56_asked"),
        pytest.param(True, (), None, id="row_56_asked_but_none_configured"),
        pytest.param(MISSING, ("en-US",), None, id="row_56_not_asked"),
        pytest.param("true", ("en-US",), None, id="row_56_asked_with_text"),
    ],
)
def test_languages_are_named_when_asked(
    asked: object, ours: tuple[str, ...], answered: list[str] | None
) -> None:
    peer = Peer(supported_languages=ours)

    peer.opens(supportedLanguages=asked)

    assert peer.reads_one()["parameters"].get("supportedLanguages") == answered


# ---------------------------------------------------------------- media and state, rows 57 to 79


def test_row_57_five_frames_before_open_are_dropped_and_the_sixth_disconnects() -> None:
    peer = Peer()

    for _ in range(5):
        assert peer.plays() == b""
    assert peer.reads() == []
    assert peer.plays() == b""

    assert peer.reads() == [disconnect(seq=1, clientseq=0, info="audio before open")]
    assert peer.connection.counters.dropped_frames == 6


def test_row_57_a_call_that_began_with_early_frames_opens() -> None:
    peer = Peer()

    for _ in range(5):
        peer.plays()
    peer.opens()

    assert peer.reads_one()["type"] == "opened"
    assert peer.plays(b"12") == b"12"


def test_row_58_audio_while_paused_is_dropped() -> None:
    peer = opened_peer()
    peer.says("paused")

    assert peer.plays() == b""

    assert peer.connection.state is State.OPEN
    assert peer.connection.counters.dropped_frames == 1
    assert peer.connection.position_s == 0.0


@pytest.mark.parametrize("state", [State.DISCONNECTING, State.CLOSING, State.CLOSED])
def test_row_59_audio_after_the_end_is_dropped(state: State) -> None:
    peer = peer_in(state)

    assert [peer.plays() for _ in range(10)] == [b""] * 10

    assert peer.connection.state is state
    assert peer.reads() == []


def test_row_60_an_empty_frame_is_no_audio() -> None:
    peer, early = opened_peer(), Peer()

    assert peer.plays(b"") == b""
    assert [early.plays(b"") for _ in range(10)] == [b""] * 10

    assert peer.connection.counters.dropped_frames == 0
    assert early.connection.state is State.AWAIT_OPEN


def test_row_61_the_odd_byte_of_a_stereo_frame_is_dropped() -> None:
    peer = Peer()
    peer.opens(media=[{**STEREO, "channels": ["internal", "external"]}])

    assert peer.plays(b"aAbBc") == b"AB"

    assert peer.connection.counters.odd_bytes == 1
    assert peer.connection.position_s == 2 / 8000


def test_row_63_a_gap_or_a_burst_of_audio_is_only_counted() -> None:
    peer = opened_peer()

    for _ in range(50):
        peer.plays()
    peer.now += 15.0
    peer.plays()

    assert peer.connection.position_s == pytest.approx(51 * 0.2)
    assert peer.connection.state is State.OPEN


def test_row_64_frames_of_one_byte_are_forwarded_as_they_come() -> None:
    peer = opened_peer()

    pcmu = b"".join(peer.plays(b"\x7f") for _ in range(8_000))

    assert pcmu == b"\x7f" * 8_000
    assert peer.connection.position_s == 1.0


DIGITS: dict[str, tuple[Value, Dtmf | None, int]] = {
    "row_65_one_key": ({"digit": "#"}, Dtmf("#"), 0),
    "row_65_two_keys": ({"digit": "12"}, Dtmf("12"), 0),
    "row_65_number": ({"digit": 5}, Dtmf("5"), 0),
    "row_65_lower_case_key": ({"digit": "a"}, Dtmf("A"), 0),
    "row_65_empty": ({"digit": ""}, None, 1),
    "row_65_letter": ({"digit": "Z"}, None, 1),
    "row_65_missing": ({}, None, 1),
    "row_65_true": ({"digit": True}, None, 1),
    "row_65_false": ({"digit": False}, None, 1),
    "row_65_float": ({"digit": 5.0}, None, 1),
    "row_65_half_good": ({"digit": "1Z"}, Dtmf("1"), 1),
    "row_66_10_000_keys": ({"digit": "1" * 10_000}, Dtmf("1" * 64), 1),
}


@cases(DIGITS)
def test_keys_are_read_and_all_else_left_out(case: tuple[Value, Dtmf | None, int]) -> None:
    parameters, expected, warnings = case
    peer = opened_peer()

    told = peer.says("dtmf", parameters)

    assert told == expected
    assert peer.connection.counters.warnings["digit"] == warnings
    assert peer.reads() == []


def test_row_67_playback_completed_without_audio_is_harmless() -> None:
    peer = opened_peer()

    told = peer.says("playback_completed", position="PT1S")

    assert told == PlaybackCompleted(position_s=1.0)
    assert peer.connection.state is State.OPEN


def test_row_68_resumed_without_paused_is_ignored() -> None:
    peer = opened_peer()

    told = peer.says("resumed", {"start": "PT1S", "discarded": "PT5S"})

    assert told is None
    assert peer.connection.position_s == 0.0
    assert peer.connection.counters.warnings["resumed"] == 1


@pytest.mark.parametrize("discarded", ["PT-1S", "abc", 5, None, "PT90000S", "PT" + "9" * 80 + "S"])
def test_row_68_garbage_as_discarded_moves_nothing(discarded: object) -> None:
    peer = opened_peer()
    peer.says("paused")

    resumed = peer.says("resumed", {"start": "PT1S", "discarded": discarded})
    more = peer.says("discarded", {"start": "x", "discarded": discarded})

    assert (resumed, more) == (Resumed(start_s=1.0), Discarded())
    assert not peer.connection.is_paused
    assert peer.connection.position_s == 0.0
    assert peer.connection.counters.warnings["discarded"] == 2


@pytest.mark.parametrize(
    ("parameters", "language"),
    [
        pytest.param({"language": "tlh"}, "tlh", id="row_69_unknown_language"),
        pytest.param({}, None, id="row_69_no_language"),
        pytest.param({"language": ["de"]}, None, id="row_69_list"),
    ],
)
def test_every_update_is_answered(parameters: Value, language: str | None) -> None:
    peer = opened_peer()

    told = peer.says("update", parameters)

    assert told == Update(language)
    answer = peer.reads_one()
    assert (answer["type"], answer["parameters"]) == ("updated", {})


ERRORS: dict[str, tuple[Value, Error]] = {
    "row_70_known_code": (
        {"code": 429, "message": "Rate limit exceeded", "retryAfter": "PT3S"},
        Error(429, "Rate limit exceeded", 3.0),
    ),
    "row_70_unknown_code": ({"code": 799}, Error(799)),
    "row_70_code_below_400": ({"code": 200}, Error(0)),
    "row_70_code_as_text": ({"code": "400"}, Error(0)),
    "row_70_code_is_huge": ({"code": 10**30}, Error(0)),
    "row_70_huge_message": ({"code": 400, "message": "x" * 60_000}, Error(400, "x" * 200)),
    "row_70_nothing": ({}, Error(0)),
    "row_70_garbage": ({"code": [], "message": {}, "retryAfter": -1}, Error(0)),
}


@cases(ERRORS)
def test_an_error_is_told_but_never_answered(case: tuple[Value, Error]) -> None:
    parameters, expected = case
    peer = opened_peer()

    told = peer.says("error", parameters)

    assert told == expected
    assert peer.reads() == []
    assert peer.connection.state is State.OPEN


@pytest.mark.parametrize("parameters", [{"reason": "bored"}, {"reason": 5}, {}, None])
def test_row_71_a_close_without_a_known_reason_is_a_close(parameters: object) -> None:
    peer = opened_peer()

    told = peer.says("close", parameters)
    peer.connection.finish(peer.now)

    assert told == Close("unknown")
    assert peer.reads_one()["type"] == "closed"


def test_row_72_two_closes_get_one_closed() -> None:
    peer = opened_peer()

    peer.says("close", {"reason": "end"})
    peer.says("close", {"reason": "end"})
    peer.connection.finish(peer.now)
    peer.says("close", {"reason": "end"})

    assert [message["type"] for message in peer.reads()] == ["closed"]


def test_row_73_a_close_right_after_open_is_all_that_gets_answered() -> None:
    """The `opened` that was not written yet would be out of place after the client's close."""
    peer = Peer()

    peer.opens()
    peer.says("close", {"reason": "end"})
    assert peer.reads() == []
    peer.waits(1.0)

    answer = peer.reads_one()
    assert (answer["type"], answer["seq"], answer["clientseq"]) == ("closed", 1, 2)


def test_row_74_a_pong_leaves_at_once_however_much_we_have_said() -> None:
    peer = opened_peer()
    for _ in range(60):
        peer.connection.send(BargeIn())
    peer.reads()

    peer.says("ping")
    peer.says("ping")

    assert [message["clientseq"] for message in peer.reads()] == [2, 3]


def test_row_78_every_429_is_told_with_its_delay() -> None:
    peer = opened_peer()

    told = [peer.says("error", {"code": 429, "retryAfter": "PT1.5S"}) for _ in range(3)]

    assert told == [Error(429, "", 1.5)] * 3
    assert peer.reads() == []


def test_row_79_no_close_after_our_disconnect_closes_the_socket_after_10_s() -> None:
    peer = peer_in(State.DISCONNECTING)

    peer.waits(9.9)
    assert peer.connection.close_code is None
    peer.waits(0.1)

    assert peer.connection.close_code == 1000
    assert peer.reads() == []
