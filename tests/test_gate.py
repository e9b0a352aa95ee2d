import asyncio
import hmac
import time
from collections.abc import Callable, Coroutine
from typing import TypeVar

import pytest

from service.audiohook.claim import Cause
from service.audiohook.signature import SignatureVerifier
from service.audiohook.upgrade import Defect, UpgradeRequest
from service.gate import Gate, Refused
from service.secrets.port import SecretsError
from tests.audiohook.signer import (
    API_KEY,
    FIELDS,
    NOW_S,
    PARAMETERS,
    SECRET,
    SESSION_ID,
    TARGET,
    Signer,
    plain,
)

T = TypeVar("T")
UNKNOWN_KEY, OPEN_KEY = "an-unknown-key", "a-key-without-secret"


def run(scenario: Coroutine[object, object, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 20))


class VirtualTime:
    """A monotonic clock that only sleeping moves; it remembers the sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept_s: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.pass_s(seconds)


class Store:
    """A secret store with one signed key, one key without secret, and faults on demand."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.on_lookup: Callable[[], None] = lambda: None
        self.answers = asyncio.Event()
        self.answers.set()

    async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
        self.asked.append(api_key)
        self.on_lookup()
        await self.answers.wait()
        if self.fault is not None:
            raise self.fault
        known: dict[str, tuple[bytes, ...]] = {API_KEY: (SECRET,), OPEN_KEY: (b"",)}
        return known.get(api_key, ())


class Door:
    """A gate with its fakes."""

    def __init__(
        self,
        *,
        lookup_timeout_s: float = 1.0,
        public_host: str | None = None,
        knows_bot: Callable[[str], bool] | None = None,
    ) -> None:
        self.time = VirtualTime()
        self.store = Store()
        self.hmacs = 0
        self.gate = Gate(
            secrets=self.store,
            public_host=public_host,
            allow_anonymous=False,
            wall_clock=lambda: NOW_S,
            clock=self.time.clock,
            sleep=self.time.sleep,
            verifier=SignatureVerifier(max_secrets=8, hmac_sha256=self._hmac),
            lookup_timeout_s=lookup_timeout_s,
            knows_bot=knows_bot,
        )

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        self.hmacs += 1
        return hmac.digest(key, message, "sha256")

    def refusal(self, request: UpgradeRequest) -> Refused:
        with pytest.raises(Refused) as refused:
            run(self.gate.admit(request))
        return refused.value


def signed(signer: Signer | None = None) -> UpgradeRequest:
    signer = signer or Signer()
    return UpgradeRequest(signer.target, signer.headers())


def with_nonce(number: int) -> UpgradeRequest:
    return signed(Signer(parameters=PARAMETERS | {"nonce": f'"nonce-{number:022}"'}))


def unsigned(target: str = TARGET, **replaced: str | None) -> UpgradeRequest:
    fields = FIELDS | {name.replace("_", "-"): value for name, value in replaced.items()}
    return UpgradeRequest(
        target, plain({name: value for name, value in fields.items() if value is not None})
    )


def signed_with_key(api_key: str) -> UpgradeRequest:
    return signed(
        Signer(
            fields=FIELDS | {"x-api-key": api_key},
            parameters=PARAMETERS | {"keyid": f'"{api_key}"'},
        )
    )


def test_signed_request_is_admitted_without_waiting():
    door = Door()

    identity = run(door.gate.admit(signed()))

    assert (identity.session_id, identity.bot_id) == (SESSION_ID, "bank")
    assert door.time.slept_s == []
    assert door.gate.counts.admitted == 1


def test_unsigned_request_is_admitted_for_a_key_without_secret():
    identity = run(Door().gate.admit(unsigned(x_api_key=OPEN_KEY)))

    assert identity.api_key_masked == "a-ke…"


@pytest.mark.parametrize("target", ["/audiohook", "/audiohook/", "/audiohook?x=1"])
def test_bare_path_is_admitted_with_the_same_authentication(target):
    door = Door()

    assert run(door.gate.admit(signed(Signer(target=target)))).bot_id == ""
    assert door.refusal(unsigned(target)).status == 401


ROWS = {
    "6_missing_key": (unsigned(x_api_key=None), Cause.API_KEY_MISSING),
    "7_unknown_key_unsigned": (unsigned(x_api_key=UNKNOWN_KEY), Cause.API_KEY_UNKNOWN),
    "7_unknown_key_signed": (signed_with_key(UNKNOWN_KEY), Cause.API_KEY_UNKNOWN),
    "8_known_key_unsigned": (unsigned(), Cause.NOT_SIGNED),
    "9_key_without_secret_signed": (signed_with_key(OPEN_KEY), Cause.API_KEY_WITHOUT_SECRET),
    "10_half_signed": (unsigned(signature="sig1=:AA==:"), Cause.HALF_SIGNED),
    "11_signature_length": (
        UpgradeRequest(TARGET, Signer().headers(signature="sig1=:AAAA:")),
        Cause.SIGNATURE_LENGTH,
    ),
    "11_bad_base64": (
        UpgradeRequest(TARGET, Signer().headers(signature="sig1=:*:")),
        Cause.MALFORMED,
    ),
    "12_component_missing": (
        signed(Signer(components=Signer().components[1:])),
        Cause.COMPONENT_MISSING,
    ),
    "13_created_in_the_future": (
        signed(Signer(parameters=PARAMETERS | {"created": str(NOW_S + 6)})),
        Cause.CREATED_AHEAD,
    ),
    "15_keyid": (
        signed(Signer(parameters=PARAMETERS | {"keyid": '"other"'})),
        Cause.KEYID_MISMATCH,
    ),
    "16_two_keys": (
        UpgradeRequest(TARGET, (*Signer().headers(), (b"x-api-key", API_KEY.encode()))),
        Cause.API_KEY_REPEATED,
    ),
    "16_large_headers": (
        UpgradeRequest(TARGET, Signer().headers(signature="s" * 65536)),
        Cause.TOO_LONG,
    ),
    "18_organization_missing_signed": (
        UpgradeRequest(
            TARGET,
            tuple(
                field for field in Signer().headers() if field[0] != b"audiohook-organization-id"
            ),
        ),
        Cause.COMPONENT_WITHOUT_VALUE,
    ),
    "session_id_missing_and_not_authentic": (
        unsigned(audiohook_session_id=None),
        Cause.NOT_SIGNED,
    ),
}


@pytest.mark.parametrize(("request_", "cause"), ROWS.values(), ids=ROWS)
def test_request_that_is_not_authentic_gets_the_same_401_after_half_a_second(request_, cause):
    door = Door()

    refused = door.refusal(request_)

    assert (refused.status, refused.body, refused.retry_after_s) == (401, "Unauthorized", None)
    assert refused.reason == cause.value
    assert door.time.slept_s == [0.5]
    assert door.gate.counts.refused == {cause.value: 1}
    assert door.gate.counts.admitted == 0


def test_replayed_request_is_refused():
    door = Door()
    run(door.gate.admit(signed()))

    assert door.refusal(signed()).reason == Cause.NONCE_REPLAYED.value


def test_unknown_key_and_wrong_secret_do_the_same_work():
    unknown, wrong = Door(), Door()

    unknown.refusal(signed_with_key(UNKNOWN_KEY))
    wrong.refusal(signed(Signer(secret=b"wrong")))

    assert unknown.hmacs == wrong.hmacs > 0
    assert unknown.time.slept_s == wrong.time.slept_s
    assert len(unknown.store.asked) == len(wrong.store.asked) == 1


@pytest.mark.parametrize(
    ("request_", "defect"),
    [
        (unsigned(x_api_key=OPEN_KEY, audiohook_session_id=None), Defect.SESSION_ID_UNUSABLE),
        (unsigned(x_api_key=OPEN_KEY, audiohook_session_id="x"), Defect.SESSION_ID_UNUSABLE),
        (
            unsigned(x_api_key=OPEN_KEY, audiohook_organization_id=None),
            Defect.ORGANIZATION_ID_UNUSABLE,
        ),
        (signed(Signer(fields=FIELDS | {"audiohook-session-id": "x"})), Defect.SESSION_ID_UNUSABLE),
    ],
)
def test_authentic_request_with_unusable_ids_is_a_bad_request_after_half_a_second(request_, defect):
    door = Door()

    refused = door.refusal(request_)

    assert (refused.status, refused.body, refused.reason) == (400, "Bad Request", defect.value)
    assert door.time.slept_s == [0.5]


def test_missing_correlation_id_of_an_unsigned_request_is_accepted():
    request = unsigned(x_api_key=OPEN_KEY, audiohook_correlation_id=None)

    assert run(Door().gate.admit(request)).correlation_id is None


@pytest.mark.parametrize("target", ["/other", "/audiohook/" + "b" * 513])
def test_path_that_is_not_found_touches_no_secret_and_does_not_wait(target):
    door = Door()

    refused = door.refusal(unsigned(target))

    assert (refused.status, refused.body) == (404, "Not Found")
    assert door.store.asked == []
    assert door.time.slept_s == []


def test_public_host_is_the_only_authority():
    door = Door(public_host="public.example.com")

    assert door.refusal(signed()).reason == Cause.SIGNATURE_MISMATCH.value
    assert run(door.gate.admit(signed(Signer(authority="public.example.com"))))


def test_store_that_fails_is_503_with_retry_after():
    door = Door()
    door.store.fault = SecretsError(["down"])

    refused = door.refusal(signed())

    assert (refused.status, refused.body, refused.retry_after_s) == (503, "Service Unavailable", 5)
    assert door.gate.counts.refused == {"secrets_unavailable": 1}
    assert door.time.slept_s == []


def test_store_that_hangs_is_503_with_retry_after():
    door = Door(lookup_timeout_s=0.01)
    door.store.answers.clear()

    refused = door.refusal(signed())

    assert (refused.status, refused.retry_after_s, refused.reason) == (503, 5, "secrets_timeout")


@pytest.mark.parametrize(("took_s", "slept_s"), [(0.2, 0.3), (0.5, 0.5), (0.7, 0.3)])
def test_slow_refusal_leaves_at_the_next_half_second(took_s, slept_s):
    door = Door()
    door.store.on_lookup = lambda: door.time.pass_s(took_s)

    door.refusal(unsigned())

    assert door.time.slept_s == [pytest.approx(slept_s)]


class Crowd:
    """A door at which refusals wait until they are let go."""

    def __init__(self) -> None:
        self.door = Door()
        self.waiting = 0
        self.let_go = asyncio.Event()
        self.gate = Gate(
            secrets=self.door.store,
            public_host=None,
            allow_anonymous=False,
            wall_clock=lambda: NOW_S,
            sleep=self._hold,
        )

    async def _hold(self, _seconds: float) -> None:
        self.waiting += 1
        try:
            await self.let_go.wait()
        finally:
            self.waiting -= 1

    async def refused(self) -> int:
        try:
            await self.gate.admit(unsigned())
        except Refused as refused:
            return refused.status
        return 0


def test_waiting_refusals_are_bounded_and_never_hold_up_a_valid_caller():
    async def scenario() -> None:
        crowd = Crowd()
        attackers = [asyncio.create_task(crowd.refused()) for _ in range(300)]
        while sum(task.done() for task in attackers) < 44:
            await asyncio.sleep(0)

        assert crowd.waiting == 256
        assert crowd.gate.counts.undelayed == 44
        assert (await crowd.gate.admit(with_nonce(1))).session_id == SESSION_ID

        crowd.let_go.set()
        assert await asyncio.gather(*attackers) == [401] * 300
        assert crowd.gate.counts.refused == {Cause.NOT_SIGNED.value: 300}

    run(scenario())


def test_peer_that_leaves_while_it_waits_gives_its_place_back():
    async def scenario() -> None:
        crowd = Crowd()
        attackers = [asyncio.create_task(crowd.refused()) for _ in range(256)]
        while crowd.waiting < 256:
            await asyncio.sleep(0)
        for task in attackers:
            task.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)

        crowd.let_go.set()
        assert await crowd.refused() == 401
        assert crowd.gate.counts.undelayed == 0

    run(scenario())


def anonymous_gate() -> Gate:
    return Gate(
        secrets=None,
        public_host=None,
        allow_anonymous=True,
        wall_clock=lambda: NOW_S,
        clock=time.monotonic,
    )


@pytest.mark.parametrize("request_", [signed(), unsigned(), signed_with_key(UNKNOWN_KEY)])
def test_anonymous_gate_admits_everyone(request_):
    identity = run(anonymous_gate().admit(request_))

    assert identity.session_id == SESSION_ID
    assert identity.api_key_masked is None


def test_anonymous_request_needs_no_header_at_all():
    assert run(anonymous_gate().admit(UpgradeRequest("/audiohook", ()))).session_id is None


def test_configured_credentials_are_asked_for_even_if_anonymous_callers_are_allowed():
    gate = Gate(
        secrets=Store(),
        public_host=None,
        allow_anonymous=True,
        wall_clock=lambda: NOW_S,
        sleep=VirtualTime().sleep,
    )

    with pytest.raises(Refused):
        run(gate.admit(unsigned()))


def test_gate_without_credentials_must_be_told_to_stand_open():
    with pytest.raises(ValueError, match="got neither"):
        Gate(secrets=None, public_host=None, allow_anonymous=False, wall_clock=lambda: NOW_S)


# Bots.


def test_unknown_bot_is_refused_to_whom_is_authentic():
    asked: list[str] = []

    def knows_bot(bot_id: str) -> bool:
        asked.append(bot_id)
        return False

    door = Door(knows_bot=knows_bot)
    refused = door.refusal(signed())

    assert (refused.status, refused.reason) == (404, "bot_unknown")
    assert len(asked) == 1
    assert door.gate.counts.refused == {"bot_unknown": 1}


def test_nobody_learns_which_bots_there_are_without_credentials():
    door = Door(knows_bot=lambda bot_id: False)

    refused = door.refusal(unsigned(x_api_key="unknown-key"))

    assert refused.status == 401


def test_known_bot_is_admitted():
    assert run(Door(knows_bot=lambda bot_id: True).gate.admit(signed()))
