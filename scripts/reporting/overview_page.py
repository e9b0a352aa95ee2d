"""The page of all calls: figures, plots, and the calls that have a page of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.reporting import words
from scripts.reporting.blocks import bar_row, card, name, row, table, tile
from scripts.reporting.calls import Gaps
from scripts.reporting.markup import Child, Markup, el, join
from scripts.reporting.overview import (
    DISPOSITIONS,
    WAIT_PARTS,
    CallFacts,
    Day,
    Order,
    Overview,
    histogram,
    percentile,
    shares,
)
from scripts.reporting.plots import Mark, Segment, bar, histogram_plot, legend

MAX_DAYS = 62
"""Rows of a table by day; older days are in the other figures only."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A call with a page, and where that is."""

    facts: CallFacts
    href: str


def overview_body(
    overview: Overview, gaps: Gaps, listed: Sequence[Listed], order: Order, *, title: str
) -> Markup:
    """Return the content of the page; `title` names the folder."""
    days = sorted(overview.days.items())
    period = f"{days[0][0]} to {days[-1][0]}" if len(days) > 1 else days[0][0]
    return join(
        el("header", el("h1", title), el("p", f"Calls of {period} (UTC).", class_="lead")),
        _tiles(overview),
        el(
            "div",
            _outcomes(days),
            _ends(overview),
            _talk(overview),
            _talk_shares(overview),
            _latency(overview),
            _waits_by_day(days),
            _cost(overview),
            _cost_by_day(days),
            class_="columns",
        ),
        _calls(overview, listed, order),
        gaps_note(gaps),
    )


def gaps_note(gaps: Gaps) -> Markup | None:
    """Return what is in no figure, or None where all was counted."""
    notes: list[Child] = []
    if gaps.open_calls:
        notes.append(
            el("p", f"Without an end, and in no figure: {words.some(gaps.open_calls, 'call')}.")
        )
    if gaps.refused_lines:
        notes.append(el("p", f"Not to be read: {words.some(gaps.refused_lines, 'line')}, such as:"))
        notes.append(el("ul", *(el("li", line) for line in gaps.refused)))
    if not notes:
        return None
    return el("section", el("h2", "What is not counted"), *notes, class_="card note")


def _tiles(overview: Overview) -> Markup:
    calls = len(overview.calls)
    priced = calls - overview.unpriced_calls
    outcomes = overview.outcomes
    spoken_ms = overview.caller_ms + overview.agent_ms
    p50, p95 = (percentile(overview.waits_ms, rank) for rank in (50, 95))
    unpriced = overview.unpriced_calls
    return el(
        "dl",
        tile("calls", words.count(calls), f"{_average_length(overview)} on average"),
        tile("contained", words.per_cent(outcomes["contained"], calls),
             words.some(outcomes["contained"], "call")),
        tile("handed over", words.per_cent(outcomes["escalated"], calls),
             words.some(outcomes["escalated"], "call")),
        tile("answer, median", words.wait(p50), f"95 % within {words.wait(p95)}"),
        tile("cost of the model", words.usd(overview.usd if priced else None),
             f"{words.some(unpriced, 'call')} without a price" if unpriced
             else f"{words.usd(overview.usd / calls)} a call"),
        tile(
            "talk by the agent",
            words.per_cent(overview.agent_ms, spoken_ms),
            words.some(overview.interruptions, "interruption"),
        ),
        class_="tiles",
    )  # fmt: skip


def _average_length(overview: Overview) -> str:
    return words.length(
        round(sum(call.duration_ms for call in overview.calls) / len(overview.calls))
    )


def _card(title: str, lead: str, *body: Child) -> Markup:
    return card(title, el("p", lead), *body)


def _outcomes(days: list[tuple[str, Day]]) -> Markup:
    most = max(day.calls for _, day in days)
    rows = [
        bar_row(
            _day(date),
            _outcome_bar(day, most, date),
            *(words.count(day.outcomes[each]) for each in DISPOSITIONS),
        )
        for date, day in days[-MAX_DAYS:]
    ]
    names = [words.OUTCOMES[each] for each in DISPOSITIONS]
    return _card(
        "Outcomes by day",
        "What became of the calls, by the day they began.",
        legend([(each, words.OUTCOMES[each]) for each in DISPOSITIONS]),
        table(("day", "", *names), rows),
        _older(days),
    )


def _outcome_bar(day: Day, most: int, date: str) -> Markup:
    return bar(
        [
            Segment(day.outcomes[each], each, f"{words.OUTCOMES[each]}: {day.outcomes[each]:,}")
            for each in DISPOSITIONS
        ],
        most,
        label=f"outcomes of {date}",
    )


def _ends(overview: Overview) -> Markup:
    ends = sorted(overview.ends.items(), key=lambda end: (-end[1], end[0]))
    most = ends[0][1]
    rows = [
        bar_row(
            name(words.ENDS[reason], words.OUTCOMES[outcome]),
            bar([Segment(n, outcome, f"{n:,}")], most, label=words.ENDS[reason]),
            words.count(n),
            words.per_cent(n, len(overview.calls)),
        )
        for (outcome, reason), n in ends
    ]
    return _card(
        "Why calls ended",
        "A hang-up after an answer that was heard in full counts as contained.",
        table(("end", "", "calls", "of all"), rows),
    )


def _latency(overview: Overview) -> Markup:
    if not overview.waits_ms:
        return _card("Waiting for an answer", "No caller was answered.")
    p50, p95 = (percentile(overview.waits_ms, rank) or 0 for rank in (50, 95))
    return _card(
        "Waiting for an answer",
        f"{words.some(len(overview.waits_ms), 'answer')}, from the end of the caller's speech to"
        f" the agent's first packet; the longest took {words.wait(max(overview.waits_ms))}.",
        histogram_plot(
            histogram(overview.waits_ms),
            [Mark(p50, f"median: {words.wait(p50)}"), Mark(p95, f"95 %: {words.wait(p95)}")],
            label="how many answers took how long",
            unit=lambda ms: words.wait(round(ms)),
        ),
        _wait_parts(overview),
    )


def _wait_parts(overview: Overview) -> Markup | None:
    medians = {part: percentile(overview.parts_ms.get(part, ()), 50) for part in WAIT_PARTS}
    if all(median is None for median in medians.values()):
        return None
    most = max(median or 0 for median in medians.values())
    rows = [
        bar_row(
            name(words.PARTS[part]),
            bar([Segment(ms or 0, part, words.wait(ms))], most, label=words.PARTS[part]),
            words.wait(ms),
        )
        for part, ms in medians.items()
    ]
    return join(el("h3", "What was waited for (medians)"), table(("part", "", "median"), rows))


def _waits_by_day(days: list[tuple[str, Day]]) -> Markup:
    figures = [
        (date, len(day.waits_ms), percentile(day.waits_ms, 50), percentile(day.waits_ms, 95))
        for date, day in days[-MAX_DAYS:]
    ]
    most = max((p95 or 0 for *_, p95 in figures), default=0)
    rows = [
        bar_row(
            _day(date),
            bar(
                [
                    Segment(p50 or 0, "value", f"median: {words.wait(p50)}"),
                    Segment((p95 or 0) - (p50 or 0), "beyond", f"95 %: {words.wait(p95)}"),
                ],
                most,
                label=f"waits of {date}",
            ),
            words.count(answers),
            words.wait(p50),
            words.wait(p95),
        )
        for date, answers, p50, p95 in figures
    ]
    return _card(
        "Waiting by day",
        "The median, and what 95 % of the answers do not exceed.",
        legend([("value", "median"), ("beyond", "95 %")]),
        table(("day", "", "answers", "median", "95 %"), rows),
        _older(days),
    )


def _cost(overview: Overview) -> Markup:
    costs = [call.usd for call in overview.calls if call.usd is not None]
    if not costs:
        return _card("Cost of a call", "No call has a known price.")
    ordered = sorted(round(cost * 1e6) for cost in costs)
    p50, p95 = ((percentile(ordered, rank) or 0) / 1e6 for rank in (50, 95))
    return _card(
        "Cost of a call",
        f"The speech model of {words.some(len(costs), 'call')}, by list prices;"
        f" the dearest cost {words.usd(max(costs))}.",
        histogram_plot(
            histogram(costs),
            [Mark(p50, f"median: {words.usd(p50)}"), Mark(p95, f"95 %: {words.usd(p95)}")],
            label="how many calls cost how much",
            unit=words.axis_usd,
        ),
    )


def _cost_by_day(days: list[tuple[str, Day]]) -> Markup:
    most = max(day.usd for _, day in days)
    rows = [
        bar_row(
            _day(date),
            bar([Segment(day.usd, "value", words.usd(day.usd))], most, label=f"cost of {date}"),
            words.usd(day.usd if day.unpriced_calls < day.calls else None),
            words.usd(day.usd / day.outcomes["contained"] if day.outcomes["contained"] else None),
            words.count(day.unpriced_calls),
        )
        for date, day in days[-MAX_DAYS:]
    ]
    return _card(
        "Cost by day",
        "In US dollars; calls without a known price are in no sum.",
        table(("day", "", "sum", "per contained call", "calls without price"), rows),
        _older(days),
    )


def _talk(overview: Overview) -> Markup:
    parts = {
        "agent": ("the agent, as heard", overview.agent_ms),
        "caller": ("the caller", overview.caller_ms),
        "silence": ("nobody", overview.silence_ms),
    }
    whole = sum(ms for _, ms in parts.values())
    rows = [
        bar_row(
            name(who),
            bar([Segment(ms, key, words.length(ms))], whole, label=who),
            words.length(ms),
            words.per_cent(ms, whole),
        )
        for key, (who, ms) in parts.items()
    ]
    return _card(
        "Who spoke",
        "Time of all calls together. An agent that was interrupted counts as far as it was heard.",
        table(("who", "", "time", "of all"), rows),
    )


def _talk_shares(overview: Overview) -> Markup:
    known = [call.agent_share for call in overview.calls if call.agent_share is not None]
    if not known:
        return _card("The agent's part of the talk", "Nobody spoke in these calls.")
    median = percentile([round(share * 1_000) for share in known], 50) or 0
    return _card(
        "The agent's part of the talk",
        "Per call: 0 % is an agent that never spoke, 100 % a caller who never did.",
        histogram_plot(
            shares(known),
            [Mark(median / 10, f"median: {median / 10:.0f} %")],
            label="how many calls have which part of the talk by the agent",
            unit=lambda share: f"{share:.0f} %",
        ),
    )


def _calls(overview: Overview, listed: Sequence[Listed], order: Order) -> Markup:
    rows = [
        row(
            join(el("a", words.moment(call.started_at), href=href), el("small", call.bot_id)),
            el("span", words.OUTCOMES[call.disposition], class_=f"badge {call.disposition}"),
            words.ENDS[call.end_reason],
            words.length(call.duration_ms),
            words.wait(call.longest_wait_ms),
            words.count(call.interruptions),
            words.usd(call.usd),
            texts=3,
        )
        for call, href in ((each.facts, each.href) for each in listed)
    ]
    which = "worst" if order == "worst" else "newest"
    left_out = len(overview.calls) - len(listed)
    lead = f"The {words.count(len(listed))} {which} calls have a page each."
    if left_out:
        lead += f" {words.count(left_out)} others are in the figures above only (--calls)."
    if order == "worst":
        lead += " Worst: failed, then abandoned, then the longest wait."
    head = ("began", "outcome", "end", "length", "longest wait", "interruptions", "cost")
    return el(
        "section", el("h2", "Calls"), el("p", lead), table(head, rows, texts=3), class_="card"
    )


def _day(date: str) -> Markup:
    """Return a date whose year goes where the page is narrow; the period above has it."""
    return el("span", el("span", date[:5], class_="spare"), date[5:], class_="day")


def _older(days: Sequence[object]) -> Markup | None:
    older = len(days) - MAX_DAYS
    return el("p", f"{words.count(older)} older days are left out here.") if older > 0 else None
