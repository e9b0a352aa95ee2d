import json

import pytest

from scripts.emulators.genesys import MONO, STEREO
from scripts.emulators.genesys_messages import Closed, Disconnect, Event, Opened, Pong
from scripts.emulators.genesys_rules import Fault, ServerRules, Verdict

SESSION = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
OPENED = {"startPaused": False, "media": [MONO.to_wire()]}


def text(
    kind: str, seq: object, clientseq: int = 1, parameters: object = None, **envelope: object
) -> str:
    message = {
        "version": "2",
        "id": SESSION,
        "type": kind,
        "seq": seq,
        "clientseq": clientseq,
        "parameters": {} if parameters is None else parameters,
    }
    return json.dumps(message | envelope)


def fresh_rules(*, needs_start_paused: bool = False, is_probe: bool = False) -> ServerRules:
    return ServerRules(SESSION, (STEREO, MONO), needs_start_paused, is_probe)


def opened_rules(*, is_probe: bool = False) -> ServerRules:
    rules = fresh_rules(is_probe=is_probe)
    verdict = rules.check(text("opened", 1, 1, OPENED), sent_seq=1)
    assert verdict.faults == ()
    return rules


def only(verdict: Verdict) -> Fault:
    assert verdict.message is None
    (fault,) = verdict.faults
    return fault


def test_opened_with_an_offered_media_is_accepted() -> None:
    rules = fresh_rules()

    verdict = rules.check(text("opened", 1, 1, OPENED), sent_seq=1)

    assert isinstance(verdict.message, Opened)
    assert rules.serverseq == 1
    assert rules.media is MONO


def test_opened_without_media_is_accepted() -> None:
    rules = fresh_rules()

    verdict = rules.check(text("opened", 1, 1, OPENED | {"media": []}), sent_seq=1)

    assert isinstance(verdict.message, Opened)
    assert rules.media is None


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ([MONO.to_wire(), STEREO.to_wire()], "More than one media selected"),
        ([MONO.to_wire() | {"rate": 16000}], "Selected media not one of the offered"),
        ([MONO.to_wire() | {"extra": 1}], "Selected media not one of the offered"),
    ],
)
def test_opened_with_other_media_is_a_closing_400(
    media: list[dict[str, object]], expected: str
) -> None:
    fault = only(fresh_rules().check(text("opened", 1, 1, {"media": media}), sent_seq=1))

    assert fault == Fault(expected, 400, closes=True)


def test_production_wants_start_paused() -> None:
    rules = fresh_rules(needs_start_paused=True)

    fault = only(rules.check(text("opened", 1, 1, {"media": []}), sent_seq=1))

    assert (fault.code, fault.closes) == (400, True)


@pytest.mark.parametrize(
    "message",
    [
        "{nope",
        "null",
        "[]",
        "[" * 60_000,
        text("opened", 1, version="1"),
        text("opened", 1, version=2),
        text("opened", 1, id="0" * 36),
        text("opened", True),
        text("opened", "1"),
        text("opened", -1),
        text("opened", 1, clientseq=-1),
        text("opened", 1, clientseq=2),
        text("opened", 1, parameters=[]),
        text("opened", 1, type=None),
        json.dumps({"version": "2", "id": SESSION, "type": "opened", "seq": 1, "clientseq": 1}),
    ],
)
def test_a_malformed_envelope_is_a_closing_400(message: str) -> None:
    rules = fresh_rules()

    fault = only(rules.check(message, sent_seq=1))

    assert (fault.code, fault.closes) == (400, True)
    assert rules.serverseq == 0


def test_a_text_of_more_than_65535_characters_is_a_413() -> None:
    message = text("event", 2, parameters={"entities": [{"type": "x", "data": "é" * 65_500}]})

    fault = only(opened_rules().check(message, sent_seq=1))

    assert (fault.code, fault.closes) == (413, True)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("error", {}),
        ("ping", {}),
        ("disconnect", {"reason": "complete"}),
        ("disconnect", {}),
        ("disconnect", {"reason": "completed", "info": None}),
        ("disconnect", {"reason": "completed", "outputVariables": []}),
        ("event", {}),
        ("event", {"entities": []}),
        ("event", {"entities": [{"type": "barge_in"}]}),
        ("event", {"entities": [{"type": "bot_turn_response", "data": {}}]}),
        (
            "event",
            {
                "entities": [
                    {"type": "bot_turn_response", "data": {"disposition": "match", "confidence": 2}}
                ]
            },
        ),
    ],
)
def test_a_bad_type_or_bad_parameters_is_a_500_that_freezes_serverseq(
    kind: str, parameters: dict[str, object]
) -> None:
    rules = opened_rules()

    fault = only(rules.check(text(kind, 2, 1, parameters), sent_seq=1))
    rules.is_close_sent = True
    after = rules.check(text("closed", 3), sent_seq=2)

    assert (fault.code, fault.closes, fault.text) == (500, True, "Internal client error")
    assert rules.serverseq == 1
    assert (after.message, after.faults) == (None, ())


@pytest.mark.parametrize("seq", [1, 3, 0])
def test_a_seq_gap_or_repetition_is_a_500_that_refuses_even_closed(seq: int) -> None:
    rules = opened_rules()

    fault = only(rules.check(text("pause", seq), sent_seq=1))
    rules.is_close_sent = True
    after = rules.check(text("closed", 2), sent_seq=2)

    assert (fault.code, fault.closes) == (500, True)
    assert after.message is None


def test_pong_must_carry_the_seq_of_a_waiting_ping() -> None:
    rules = opened_rules()
    rules.pending_pings = {2, 4}

    wrong = rules.check(text("pong", 2, 3), sent_seq=4)
    right = rules.check(text("pong", 3, 2), sent_seq=4)

    assert (only(wrong).code, only(wrong).closes) == (400, False)
    assert isinstance(right.message, Pong)
    assert rules.pending_pings == {4}


def test_a_stray_pong_is_a_409_without_close() -> None:
    fault = only(opened_rules().check(text("pong", 2), sent_seq=1))

    assert (fault.code, fault.closes) == (409, False)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("opened", OPENED), ("closed", {}), ("updated", {})],
)
def test_a_message_out_of_place_is_a_409(kind: str, parameters: dict[str, object]) -> None:
    rules = opened_rules()

    fault = only(rules.check(text(kind, 2, 1, parameters), sent_seq=1))

    assert (fault.code, fault.closes) == (409, False)
    assert rules.serverseq == 2


def test_an_event_before_opened_is_a_409() -> None:
    barge_in = {"entities": [{"type": "barge_in", "data": {}}]}

    fault = only(fresh_rules().check(text("event", 1, 1, barge_in), sent_seq=1))

    assert fault.code == 409


def test_after_disconnect_only_pong_and_closed_may_come() -> None:
    rules = opened_rules()
    rules.pending_pings = {2}
    rules.check(text("disconnect", 2, 1, {"reason": "completed"}), sent_seq=2)
    rules.is_close_sent = True

    pong = rules.check(text("pong", 3, 2), sent_seq=3)
    late = rules.check(text("resume", 4, 2), sent_seq=3)
    closed = rules.check(text("closed", 5, 3), sent_seq=3)

    assert pong.faults == closed.faults == ()
    assert isinstance(closed.message, Closed)
    assert only(late).code == 409


def test_clientseq_must_not_go_back_except_in_a_pong() -> None:
    rules = opened_rules()
    rules.pending_pings = {2}
    rules.check(text("pause", 2, 5), sent_seq=5)

    pong = rules.check(text("pong", 3, 2), sent_seq=5)
    resume = rules.check(text("resume", 4, 4), sent_seq=5)

    assert pong.faults == ()
    assert resume.message is not None
    assert resume.faults == (Fault("resume: clientseq went back to 4"),)


def test_outputs_that_are_no_text_are_reported_and_lost() -> None:
    outputs = {"INTENT": "billing", "SCORE": 0.9}
    parameters = {"reason": "completed", "outputVariables": outputs}

    verdict = opened_rules().check(text("disconnect", 2, 1, parameters), sent_seq=1)

    assert isinstance(verdict.message, Disconnect)
    assert verdict.message.text_outputs == {"INTENT": "billing"}
    assert verdict.faults == (Fault("disconnect: output SCORE is no text"),)


def test_unknown_entities_and_extra_members_are_tolerated() -> None:
    parameters = {"entities": [{"type": "transcript", "data": None, "more": 1}], "more": 2}

    verdict = opened_rules().check(text("event", 2, 1, parameters, position="PT1S"), sent_seq=1)

    assert isinstance(verdict.message, Event)
    assert verdict.faults == ()


def test_audio_is_judged_by_its_size_and_moment() -> None:
    rules = opened_rules()

    assert rules.check_audio(1) is None
    assert rules.check_audio(64_000) is None
    assert rules.check_audio(0) == Fault("an empty binary message")
    too_large = rules.check_audio(64_001)
    assert too_large is not None
    assert too_large.code is None
    for refusing in (fresh_rules(), opened_rules(is_probe=True)):
        refused = refusing.check_audio(160)
        assert refused is not None
        assert refused.code == 415
    rules.is_disconnected = True
    assert rules.check_audio(160) == Fault("audio after disconnect")
