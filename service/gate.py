"""The gate: lets an upgrade request in, or tells the app how to refuse it.

Here: the order of the steps, the deadline of the secret store, and the delay of refusals. The rules
themselves are pure and live in `service.audiohook.signature` and `service.audiohook.upgrade`.

Source: AudioHook specification 10.4 and section 17 rows 3 to 18.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

from service.audiohook.claim import SignatureError
from service.audiohook.signature import SignatureVerifier, read_api_key
from service.audiohook.upgrade import (
    BadUpgrade,
    CallIdentity,
    Defect,
    UpgradeRequest,
    bot_id_of,
    identify,
    signed_request,
)
from service.secrets.port import MAX_SECRETS_PER_KEY, SecretsError, SecretService

REFUSAL_STEP_S = 0.5  # the reference's minimum duration of a failure (section 10.4 step 8)
MAX_DELAYED_REFUSALS = 256  # each keeps a request of at most 64 kB: 16 MB
LOOKUP_TIMEOUT_S = 3.5  # only a store far away takes so long, at the start: 5 s in all from here
RETRY_AFTER_S = 5

_BODIES = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 503: "Service Unavailable"}


class StoreFailure(Enum):
    """Why the secret store gave no answer. For metrics and logs."""

    UNAVAILABLE = "secrets_unavailable"
    TIMEOUT = "secrets_timeout"


class Refused(Exception):
    """Answer the upgrade request with `status`, `body` and, if not None, `Retry-After`.

    The body depends on the status alone. `reason` is a fixed word for the log and never sent.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.body = _BODIES[status]
        self.retry_after_s = RETRY_AFTER_S if status == 503 else None


@dataclass(slots=True)
class GateCounts:
    """What the gate did since the start, for the metrics."""

    admitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: the values of `Cause`, `Defect` and `StoreFailure`, no others."""
    undelayed: int = 0
    """Refusals that left at once because too many were waiting: a sign of an attack."""


class Gate:
    """Admits upgrade requests.

    Refusals for what the request says (400, 401) leave a whole number of half seconds after it
    came, so that their time tells nothing. Nothing else waits for that: a valid request is
    admitted at once, whatever an attacker does.
    """

    def __init__(
        self,
        *,
        secrets: SecretService | None,
        public_host: str | None,
        allow_anonymous: bool,
        wall_clock: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        verifier: SignatureVerifier | None = None,
        lookup_timeout_s: float = LOOKUP_TIMEOUT_S,
        knows_bot: Callable[[str], bool] | None = None,
    ) -> None:
        """Make a gate; one per process, because it remembers nonces.

        Args:
            secrets: the store; None without any credentials.
            public_host: the authority that callers use, when a proxy changes `Host`.
            allow_anonymous: admit everyone, but only where `secrets` is None.
            wall_clock: Unix seconds.
            clock: monotonic seconds.
            sleep: delays a refusal, in seconds.
            verifier: checks signatures, with the memory of nonces.
            lookup_timeout_s: deadline of the store.
            knows_bot: tells of a Connector ID whether there is such a bot; None when any will do.

        Raises:
            ValueError: neither credentials nor `allow_anonymous`.
        """
        if secrets is None and not allow_anonymous:
            raise ValueError("expected credentials, or allow_anonymous; got neither")
        self._secrets, self._public_host = secrets, public_host
        self._wall_clock = wall_clock
        self._clock = clock
        self._sleep = sleep
        self._verifier = verifier or SignatureVerifier(max_secrets=MAX_SECRETS_PER_KEY)
        self._lookup_timeout_s = lookup_timeout_s
        self._knows_bot = knows_bot
        self._delayed = 0
        self.counts = GateCounts()

    async def admit(self, request: UpgradeRequest) -> CallIdentity:
        """Return who calls, if the request may become a call.

        Cancel it when the peer goes away; nothing is left behind.

        Raises:
            Refused: 401 not authentic; 400 authentic but unusable ids; 404 no such path or an
                overlong id, without asking the store, or authentic but no such bot; 503 the store
                failed or was too slow.
        """
        began_s = self._clock()
        try:
            identity = await self._judge(request)
            self._check_bot(identity.bot_id)
        except SignatureError as error:
            refused = Refused(401, error.cause.value)
        except BadUpgrade as error:
            refused = Refused(error.status, error.defect.value)
        except SecretsError:
            refused = Refused(503, StoreFailure.UNAVAILABLE.value)
        except TimeoutError:
            refused = Refused(503, StoreFailure.TIMEOUT.value)
        else:
            self.counts.admitted += 1
            return identity
        await self._delay(refused, began_s)
        raise refused

    async def _judge(self, request: UpgradeRequest) -> CallIdentity:
        bot_id_of(request.raw_target)  # a wrong path costs neither a lookup nor an HMAC
        if self._secrets is None:
            return identify(request, api_key=None)
        api_key = read_api_key(request.headers)
        async with asyncio.timeout(self._lookup_timeout_s):
            client_secrets = await self._secrets.get_client_secrets(api_key)
        self._verifier.verify(
            signed_request(request, api_key, public_host=self._public_host),
            client_secrets,
            now_s=self._wall_clock(),
        )
        return identify(request, api_key=api_key)

    def _check_bot(self, bot_id: str) -> None:
        """Refuse an unknown bot, to whom is authentic: others learn nothing of our bots."""
        if self._knows_bot is not None and not self._knows_bot(bot_id):
            raise BadUpgrade(404, Defect.BOT_UNKNOWN)

    async def _delay(self, refused: Refused, began_s: float) -> None:
        self.counts.refused[refused.reason] += 1
        if refused.status not in (400, 401):
            return
        if self._delayed >= MAX_DELAYED_REFUSALS:
            self.counts.undelayed += 1
            return
        self._delayed += 1
        try:
            # A slow lookup moves the answer to the next step, not to a time of its own.
            await self._sleep(REFUSAL_STEP_S - (self._clock() - began_s) % REFUSAL_STEP_S)
        finally:
            self._delayed -= 1
