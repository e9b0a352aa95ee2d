"""The page of one call: timeline, waits, transcript, and what else is known of it."""

from collections.abc import Sequence
from dataclasses import replace

from scripts.reporting import words
from scripts.reporting.blocks import bar_row, card, pairs, row, table, tile
from scripts.reporting.calls import Call
from scripts.reporting.judgement import judgement_card
from scripts.reporting.markup import Child, Markup, el, join
from scripts.reporting.overview import WAIT_PARTS
from scripts.reporting.plots import Segment, bar, legend
from scripts.reporting.timeline import spoken_of, timeline
from service.call_events import AnswerLatency, CallEndedData, TurnData

MAX_TURNS = 500
"""Shown on a page; the longest call of Genesys (15 minutes) seldom has 200."""
MAX_TURN_CHARS = 5_000
"""Shown of a turn: more than five minutes of speech."""


def call_body(call: Call, *, prefix: str = "", back: str | None = None,
              recording: str | None = None) -> Markup:  # fmt: skip
    """Return the content of the page.

    Args:
        call: what to show.
        prefix: of the ids on the page, so that calls of one document differ.
        back: where the overview is, if there is one.
        recording: address of the call's sound, if there is one.
    """
    ended = call.ended
    shown = replace(call, turns=call.turns[:MAX_TURNS])
    return join(
        el("nav", el("a", "← all calls", href=back)) if back else None,
        el(
            "header",
            el("h1", f"Call of {words.moment(ended.started_at)}"),
            el("p", el("span", words.OUTCOMES[ended.disposition],
                       class_=f"badge {ended.disposition}"),
               f" {words.ENDS[ended.end_reason]}", class_="lead"),
        ),
        _tiles(call),
        card("Timeline", timeline(shown, prefix), _sound(recording)),
        el(
            "div",
            _transcript(call, prefix),
            el(
                "div",
                judgement_card(call, prefix, MAX_TURNS),
                _waits(ended),
                _interruptions(call),
                _outputs(ended),
                _tools(ended),
                _money(ended),
                _facts(call),
            ),
            class_="split",
        ),
    )  # fmt: skip


def title_of(call: Call) -> str:
    """Return the title of the page."""
    return f"Call of {words.moment(call.ended.started_at)}"


def _tiles(call: Call) -> Markup:
    ended = call.ended
    agent_ms, caller_ms = spoken_of(call.turns, "agent"), spoken_of(call.turns, "caller")
    longest = max(ended.answer_latency_ms, default=None)
    return el(
        "dl",
        tile("length", words.length(ended.duration_ms), words.some(len(call.turns), "turn")),
        tile(
            "longest wait", words.wait(longest), words.some(len(ended.answer_latency_ms), "answer")
        ),
        tile("interruptions", words.count(ended.counts.interruptions_by_caller)),
        tile("talk by the agent", words.per_cent(agent_ms, agent_ms + caller_ms)),
        tile("cost of the model", words.usd(ended.cost.total if ended.cost else None)),
        class_="tiles",
    )


def _sound(recording: str | None) -> Markup | None:
    if recording is None:
        return None
    return el(
        "p",
        el("audio", controls="", preload="none", src=recording),
        el("a", "The recording", href=recording),
        " (left: caller, right: agent).",
        class_="sound",
    )


def _waits(ended: CallEndedData) -> Markup:
    if not ended.answer_latency_ms:
        return card("Waiting for answers", el("p", "The caller was never answered."))
    most = max(ended.answer_latency_ms)
    has_parts = len(ended.answers) == len(ended.answer_latency_ms)
    rows = (
        [_parted(answer, most) for answer in ended.answers]
        if has_parts
        else [_plain(number, ms, most) for number, ms in enumerate(ended.answer_latency_ms, 1)]
    )
    used = [part for part in WAIT_PARTS if any(_part(a, part) for a in ended.answers)]
    return card(
        "Waiting for answers",
        el("p", "From the end of the caller's speech to the agent's first packet."),
        legend([(part, words.PARTS[part]) for part in used]) if has_parts else None,
        table(("at" if has_parts else "answer", "", "wait"), rows),
    )


def _parted(answer: AnswerLatency, most: int) -> Markup:
    segments = [
        Segment(
            _part(answer, part), part, f"{words.PARTS[part]}: {words.wait(_part(answer, part))}"
        )
        for part in WAIT_PARTS
    ]
    told = ", ".join(segment.title for segment in segments if segment.amount)
    return _bar_row(words.clock(answer.at_ms), segments, most, answer.leaving_ms, told)


def _plain(number: int, ms: int, most: int) -> Markup:
    return _bar_row(str(number), [Segment(ms, "value", words.wait(ms))], most, ms, words.wait(ms))


def _bar_row(name: str, segments: Sequence[Segment], most: int, total_ms: int, told: str) -> Markup:
    return bar_row(name, bar(segments, most, label=told), words.wait(total_ms))


def _part(answer: AnswerLatency, part: str) -> int:
    value: int = getattr(answer, f"{part}_ms")
    return max(0, value)


def _interruptions(call: Call) -> Markup:
    cut = [turn for turn in call.turns if turn.interrupted]
    barge_ins = call.ended.barge_ins
    if not cut and not barge_ins:
        return card("Interruptions", el("p", "The caller let the agent speak."))
    rows = [
        row(words.clock(each.at_ms), words.wait(each.stop_ms), words.wait(each.silent_ms))
        for each in barge_ins
    ]
    turns = f"{words.some(len(cut), 'turn')} {'was' if len(cut) == 1 else 'were'}"
    if not rows:
        return card(
            "Interruptions", el("p", f"{turns} cut. How fast the agent stopped is not known.")
        )
    return card(
        "Interruptions",
        el("p", f"{turns} cut. From the start of the caller's speech:"),
        table(("at", "stopped after", "silent after"), rows),
    )


def _transcript(call: Call, prefix: str) -> Markup:
    missing, hidden = call.missing_turns, len(call.turns) - MAX_TURNS
    return card(
        "Transcript",
        el("p", f"{words.some(hidden, 'more turn')} are left out here.") if hidden > 0 else None,
        el("p", f"{words.some(missing, 'turn')} never came.", class_="note") if missing else None,
        el("ol", *(_turn(turn, prefix) for turn in call.turns[:MAX_TURNS]), class_="transcript")
        if call.turns
        else el("p", "Nobody said anything."),
    )


def _turn(turn: TurnData, prefix: str) -> Markup:
    badges = [
        el("span", "interrupted", class_="badge cut") if turn.interrupted else None,
        None if turn.recognised else el("span", "not recognised", class_="badge quiet"),
        el("span", f"after {words.wait(turn.latency.leaving_ms)}", class_="badge quiet")
        if isinstance(turn.latency, AnswerLatency)
        else None,
    ]
    return el(
        "li",
        el(
            "p",
            el("strong", turn.speaker),
            el("span", f" {words.clock(turn.start_ms)} – {words.clock(turn.end_ms)} ",
               class_="quiet"),
            *badges,
            class_="who",
        ),
        el("p", *_said(turn), class_="said", dir="auto"),
        id=f"{prefix}t{turn.seq}",
        class_=turn.speaker,
        tabindex="-1",
    )  # fmt: skip


def _said(turn: TurnData) -> list[Child]:
    """Return the words heard, and those never heard, struck out."""
    heard = (
        el("span", words.cut(turn.text, MAX_TURN_CHARS))
        if turn.text
        else el("em", "(nothing was heard)")
    )
    if turn.speaker == "caller" and not turn.text:
        heard = el("em", "(no words)")
    if not isinstance(turn.text_generated, str) or turn.text_generated == turn.text:
        return [heard]
    unheard = turn.text_generated
    if unheard.startswith(turn.text):
        return [heard, " ", _never(unheard[len(turn.text) :].strip())]
    return [heard, el("br"), "meant to say: ", _never(unheard)]


def _never(text: str) -> Markup:
    return el(
        "del",
        el("span", "never heard: ", class_="spoken-only"),
        words.cut(text, MAX_TURN_CHARS),
        title="never heard",
    )


def _facts(call: Call) -> Markup:
    ended = call.ended
    setup = ended.setup
    greeting = ended.greeting_ms if setup is None else setup.greeting_heard_ms
    transport = ended.transport
    facts: list[tuple[str, str]] = [
        ("session", ended.session_id),
        ("conversation", ended.conversation_id),
        ("bots", " → ".join(ended.bot_ids or (ended.bot_id,))),
        ("dialled", call.dnis or words.NOTHING),
        ("language", call.language or words.NOTHING),
        ("model", ended.model),
        ("set up in", words.wait(ended.setup_ms)),
        ("greeting after", words.wait(greeting)),
        ("keys pressed", words.count(ended.counts.dtmf_events)),
        ("frames in / out", f"{transport.frames_in:,} / {transport.frames_out:,}"),
        ("gaps in the speech", words.count(transport.underruns)),
        ("refused for their rate", words.count(transport.rate_limited)),
        ("errors", ", ".join(ended.errors) or "none"),
    ]
    return card("Facts", pairs(facts))


def _money(ended: CallEndedData) -> Markup:
    tokens, cost = ended.tokens, ended.cost
    if tokens is None:
        return card("Tokens and cost", el("p", "Nothing is known."))
    rows = []
    for part in (*tokens.__struct_fields__, "transcription"):
        number = getattr(tokens, part, None)
        price = getattr(cost.parts, part, None) if cost else None
        price = price if isinstance(price, float | int) else None
        if number or price:
            shown = words.NOTHING if number is None else words.count(number)
            rows.append(row(part.replace("_", " "), shown, words.usd(price)))
    lead = "No price is known for this model."
    if cost and cost.total is not None:
        lead = f"{words.usd(cost.total)} by list prices noted {cost.price_date or 'once'}."
    unpriced = f"Without a price: {', '.join(cost.unpriced)}." if cost and cost.unpriced else None
    return card(
        "Tokens and cost",
        el("p", lead),
        el("p", unpriced) if unpriced else None,
        table(("kind", "tokens", "cost"), rows),
    )


def _outputs(ended: CallEndedData) -> Markup:
    if not ended.output_variables:
        return card("Given to the flow", el("p", "Nothing."))
    return card("Given to the flow", pairs(list(ended.output_variables.items())))


def _tools(ended: CallEndedData) -> Markup:
    if not ended.tools:
        return card("Functions", el("p", "None were used."))
    rows = [
        row(words.clock(use.at_ms), use.name, use.outcome, words.wait(use.duration_ms), texts=3)
        for use in ended.tools
    ]
    return card("Functions", table(("at", "function", "outcome", "took"), rows, texts=3))
