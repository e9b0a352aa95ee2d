"""What a deployed address does: handshake times, refusal, close, and a long quiet.

Sessions are activation probes (section 5.3), so no model is called and no event written.
"""

from dataclasses import replace

from scripts.emulators.genesys import CallFailed, CallReport, CallSetup, GenesysCall, play_call
from scripts.emulators.genesys_setup import NULL_UUID, PROBE_OFFERS


class NobodyThereError(Exception):
    """The address does not answer; the message says what to look at."""


ROUNDS = 5  # the first may find the service asleep


async def look_at(
    url: str, api_key: str, client_secret: str | None, *, quiet_s: float
) -> dict[str, object]:
    """Facts of the address as plain JSON values; what failed is said in place.

    Args:
        url: The bare base URI.
        api_key: Known to the service.
        client_secret: Base64 text, or None for unsigned requests.
        quiet_s: How long a session is held with nothing but pings, as in a secure pause: longer
            than the idle timeout of any proxy on the way (often 60 s).

    Raises:
        NobodyThereError: The first try found no server.
    """
    setup = _probe(url, api_key, client_secret)
    first = await _hold(setup, 0)
    if first.http_status is None:
        raise NobodyThereError(
            f"no server answers at {url} ({first.failure}): look at the address, and whether the"
            " service runs"
        )
    rounds = [_facts(first), *[_facts(await _hold(setup, 0)) for _ in range(1, ROUNDS)]]
    quiet = await _hold(replace(setup), quiet_s)
    refused = await _hold(replace(setup, api_key="unknown-key-of-the-field-probe"), 0)
    return {
        "rounds": rounds,
        "quiet": {"held_s": quiet_s, **_facts(quiet)},
        "unknown_key": {"http_status": refused.http_status},
    }


def _probe(url: str, api_key: str, client_secret: str | None) -> CallSetup:
    return CallSetup(
        url,
        api_key,
        client_secret,
        is_probe=True,
        conversation_id=NULL_UUID,
        participant_id=NULL_UUID,
        ani="",
        ani_name="",
        dnis="",
        media=PROBE_OFFERS,
    )


async def _hold(setup: CallSetup, quiet_s: float) -> CallReport:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(quiet_s)

    try:
        return await play_call(setup, script)
    except CallFailed as failed:
        if failed.report is None:
            raise
        return failed.report


def _facts(report: CallReport) -> dict[str, object]:
    names = (
        "http_status", "connect_ms", "opened_ms", "duration_ms", "rtts_ms", "close_reason",
        "close_code", "server_closed_first", "violations", "failure",
    )  # fmt: skip
    return {name: getattr(report, name) for name in names}
