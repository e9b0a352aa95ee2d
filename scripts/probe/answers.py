"""What the observations say about each open question of the protocol, in a line of Markdown each.

Pure. A question without observations says which experiment to call; one that no server can see
says where a person must look. Source: AudioHook specification section 19.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from scripts.probe.line import RESET
from scripts.probe.notebook import Visit

Answer = Callable[[Sequence[Visit]], list[str]]
"""Visits of the question's experiments to findings; none: it was not observed."""


@dataclass(frozen=True, slots=True)
class Question:
    """One row."""

    number: int
    text: str
    experiments: tuple[str, ...]  # names, or their beginnings
    answer: Answer
    look: str = ""  # what only a person can see


def report(visits: Sequence[Visit]) -> str:
    """The table: one row for each of the sixteen questions."""
    rows = [_row(question, visits) for question in QUESTIONS]
    head = "| # | open question | observed | look yourself |\n| --- | --- | --- | --- |\n"
    return head + "".join(rows)


def _row(question: Question, visits: Sequence[Visit]) -> str:
    fitting = [v for v in visits if v.experiment.startswith(question.experiments)]
    findings = question.answer(fitting if question.experiments else visits)
    calls = ", ".join(f"`{_full(name)}`" for name in question.experiments) or "`observe`"
    is_visible = question.answer is not _nothing
    missing = f"not observed: call experiment {calls}" if is_visible else "no server can see this"
    cells = (question.text, "; ".join(findings) or missing, question.look or "–")
    return f"| {question.number} | " + " | ".join(_cell(cell) for cell in cells) + " |\n"


def _full(name: str) -> str:
    """Beginnings of names with what may follow."""
    return {"slow-101-": "slow-101-N", "status-": "status-503", "disconnect-": "disconnect-…"}.get(
        name, name
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _upgrades(visits: Sequence[Visit]) -> list[str]:
    findings = []
    for name in sorted({visit.experiment for visit in visits}):
        tries = [visit for visit in visits if visit.experiment == name]
        runs = [float(str(line["run_s"])) for visit in tries for line in visit.all("request")]
        gaps = ", ".join(f"{b - a:.1f} s" for a, b in pairwise(sorted(runs))) or "none"
        gone = [at for visit in tries for at in visit.times("gave_up_before_101")]
        opened = sum(bool(visit.all("received", type="open")) for visit in tries)
        ends = "".join(f", client gone after {at:.1f} s" for at in gone)
        findings.append(
            f"{name}: {len(tries)} requests (gaps: {gaps}), {opened} led to a session{ends}"
        )
    return findings


def _timers(visits: Sequence[Visit]) -> list[str]:
    findings = []
    gaps = [
        b - a
        for visit in visits
        if visit.experiment == "observe"
        for a, b in pairwise(visit.times("received", type="ping"))
    ]
    if gaps:
        findings.append(
            f"pings every {median(gaps):.2f} s (median of {len(gaps)}, {min(gaps):.2f} to"
            f" {max(gaps):.2f})"
        )
    for visit in visits:
        trigger = {"withhold-pong": "ping", "withhold-closed": "close"}.get(visit.experiment, "")
        for began in visit.times("received", type=trigger)[:1]:
            findings.append(f"{visit.experiment}: {_after(visit, began)}")
    return findings


def _after(visit: Visit, began_s: float) -> str:
    """What the client did about it (errors, `close`, the end of the socket), then what we did."""
    seen = [
        f"{_name(line)} after {float(str(line['at_s'])) - began_s:.1f} s"
        for line in visit.lines
        if float(str(line["at_s"])) >= began_s
        and (line["what"] == "socket_gone" or line.get("type") in {"error", "close"})
        and not (line["what"] == "socket_gone" and _resets(visit))
        and line["what"] != "sent"
    ]
    return ", ".join([*seen[:6], *_own_endings(visit, began_s)]) or "no reaction"


def _own_endings(visit: Visit, began_s: float) -> list[str]:
    """What the probe did to end it: without this, an answer to it looks like the client's wish."""
    endings = (
        ("disconnected", visit.times("sent", type="disconnect")),
        ("reset the socket", _resets(visit)),
        ("closed the socket", _closed(visit)),
        ("gave up", _given_up(visit)),
    )
    return [
        f"the probe {did} after {at - began_s:.1f} s"
        for did, times in endings
        for at in times
        if at > began_s
    ]


def _resets(visit: Visit) -> list[float]:
    return visit.times("sent", type=RESET)


def _closed(visit: Visit) -> list[float]:
    return visit.times("probe_closed")


def _given_up(visit: Visit) -> list[float]:
    return visit.times("probe_gave_up")


def _name(line: dict[str, object]) -> str:
    if line["what"] == "socket_gone":
        return f"socket gone (code {line.get('code')})"
    if line.get("type") == "close":
        return f"close({line.get('reason')})"
    retry = f", retryAfter {line['retryAfter']}" if "retryAfter" in line else ""
    return f"error {line.get('code')} “{line.get('message')}”{retry}"


def _overrun(visits: Sequence[Visit]) -> list[str]:
    findings = []
    for visit in visits:
        errors = visit.all("received", type="error")
        if visit.all("received", type="open"):
            first = (
                f"first error after {errors[0]['audio_sent']} audio and {errors[0]['seq']} text"
                " messages: "
                if errors
                else ""
            )
            findings.append(f"{visit.experiment}: {first}{_after(visit, 0.0)}")
    return findings


def _sizes(visits: Sequence[Visit]) -> list[str]:
    findings = []
    for visit in visits:
        for step, until in _steps(visit):
            at = float(str(step["at_s"]))
            done = [t for t in visit.times("received", type="playback_completed") if at < t < until]
            expected = int(str(step["bytes"])) / 8000
            played = f"played out after {done[0] - at:.1f} s" if done else _after(visit, at)
            findings.append(f"{step['bytes']} bytes ({expected:.1f} s): {played}")
    return findings


def _steps(visit: Visit) -> list[tuple[dict[str, object], float]]:
    """Each step with the time at which the next one began."""
    steps = visit.all("step")
    begins = visit.times("step")
    return list(zip(steps, [*begins[1:], float("inf")], strict=False))


def _playback(visits: Sequence[Visit]) -> list[str]:
    findings = []
    for visit in visits:
        for step, until in _steps(visit):
            at = float(str(step["at_s"]))
            counts = [
                sum(at < t < until for t in visit.times("received", type=f"playback_{kind}"))
                for kind in ("started", "completed")
            ]
            findings.append(
                f"gap of {step['gap_ms']} ms: {counts[0]} started, {counts[1]} completed"
            )
        if visit.experiment == "barge-in":
            for at in visit.times("sent", type="event")[:1]:
                done = [t - at for t in visit.times("received", type="playback_completed")]
                late = [f"{t:.2f} s" for t in done if t >= 0]
                findings.append(f"barge_in: playback_completed after {', '.join(late) or 'never'}")
    return findings


def _farewell(visits: Sequence[Visit]) -> list[str]:
    return [
        f"disconnect with 5 s of audio queued: {_after(visit, at)}"
        + (", playback_completed came" if _came_after(visit, "playback_completed", at) else "")
        for visit in visits
        for at in visit.times("sent", type="disconnect")[:1]
    ]


def _came_after(visit: Visit, kind: str, at_s: float) -> bool:
    return any(at > at_s for at in visit.times("received", type=kind))


def _reactions(visits: Sequence[Visit]) -> list[str]:
    return [
        f"{visit.experiment}: {_after(visit, visit.times('received', type='open')[0])}"
        for visit in visits
        if visit.all("received", type="open") and not visit.all("received", is_probe=True)
    ]


def _paths(visits: Sequence[Visit]) -> list[str]:
    paths = {str(line["path"]) for visit in visits for line in visit.all("request")}
    return [f"paths that came: {', '.join(f'`{path}`' for path in sorted(paths))}"] if paths else []


def _long(visits: Sequence[Visit]) -> list[str]:
    opened = [visit for visit in visits if visit.all("received", type="open")]
    ended = [
        f"socket gone after {end:.0f} s; at the end: {_after(visit, end - 15)}"
        for visit in opened
        for end in visit.times("socket_gone")
    ]
    open_still = [
        f"still open after {end:.0f} s, when the probe {did}"
        for visit in opened
        for did, ends in (
            ("gave up (`--max-call`)", _given_up(visit)),
            ("closed the socket", _closed(visit)),
        )
        for end in ends
    ]
    return ended + open_still


def _opens(visits: Sequence[Visit]) -> list[str]:
    found = {
        f"{'activation probe' if line['is_probe'] else 'call'}: offers {line['offers']},"
        f" language {line['language']}"
        for visit in visits
        for line in visit.all("received", type="open")
    }
    return sorted(found)


def _handshakes(visits: Sequence[Visit]) -> list[str]:
    return _distinct(visits, "extensions", "subprotocol", "user_agent")


def _signatures(visits: Sequence[Visit]) -> list[str]:
    return _distinct(visits, "is_signed", "components", "parameters", "lifetime_s")


def _distinct(visits: Sequence[Visit], *names: str) -> list[str]:
    found = {
        ", ".join(f"{name}: {line.get(name)}" for name in names)
        for visit in visits
        for line in visit.all("request")
    }
    return sorted(found)


def _keys(visits: Sequence[Visit]) -> list[str]:
    heard = sum(len(visit.all("dual_tone")) for visit in visits)
    pressed = sum(len(visit.all("received", type="dtmf")) for visit in visits)
    return [f"{pressed} keys reported, {heard} dual tones in the audio"] if pressed else []


def _rare(visits: Sequence[Visit]) -> list[str]:
    if not any(visit.all("received", type="open") for visit in visits):
        return []
    kinds: Iterable[str] = ("update", "paused", "resumed", "discarded")
    counts = (f"{k}: {sum(len(v.all('received', type=k)) for v in visits)}" for k in kinds)
    return [", ".join(counts)]


def _nothing(_visits: Sequence[Visit]) -> list[str]:
    return []


_FLOW = "the flow's execution history and the Operational Console: which path, which errorType"
QUESTIONS = (
    Question(
        1, "upgrade timeout; reaction to refusals; retries", ("slow-101-", "status-"),
        _upgrades, _FLOW,
    ),
    Question(
        2, "ping interval, pong and close timeouts",
        ("observe", "withhold-pong", "withhold-closed"), _timers,
    ),
    Question(3, "429: fatal? retryAfter? a bucket for each class?", ("overrun",), _overrun),
    Question(4, "largest binary message, queue depth", ("big-message", "deep-queue"), _sizes),
    Question(5, "playback events on under-run and barge-in", ("gaps", "barge-in"), _playback),
    Question(
        6, "is audio played out after `disconnect`?", ("farewell-disconnect",), _farewell,
        "listen: of five beeps, one a second, how many came?",
    ),
    Question(
        7, "Success or Failure, errorType, outputs by disconnect reason",
        ("disconnect-", "drop-socket"), _reactions,
        "for each call: path taken, errorType, and whether PROBE_RESULT is `set`",
    ),
    Question(
        8, "all errorTypes; how base and Connector ID are joined", (), _paths,
        "hover over the action's errorType in Architect",
    ),
    Question(9, "what is sent at the 15-minute limit", ("long-call",), _long),
    Question(10, "media offers, language", ("observe",), _opens),
    Question(
        11, "extensions, subprotocol, User-Agent; least TLS version", (), _handshakes,
        "least TLS version: let the proxy in front refuse 1.2 and activate again",
    ),
    Question(12, "order in signatures; expires − created", (), _signatures),
    Question(13, "are DTMF tones removed from the audio", ("observe",), _keys),
    Question(
        14, "how strict are pong.clientseq, startPaused, seq",
        ("bad-pong", "no-start-paused", "seq-gap"), _reactions,
    ),
    Question(
        15, "catalogue of AUDIOHOOK-xxxx events", (), _nothing,
        "developer.genesys.cloud/platform/operational-event-catalog/audiohook",
    ),
    Question(
        16, "do update, paused, discarded occur", ("observe",), _rare,
        "call `observe` through a flow with a secure pause",
    ),
)  # fmt: skip
