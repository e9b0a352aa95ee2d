"""What a model thought of a call, on its page: always as an opinion, with whose it is."""

from collections import Counter

from scripts.reporting import words
from scripts.reporting.blocks import card, pairs, row, table
from scripts.reporting.calls import Call
from scripts.reporting.markup import Child, Markup, el
from service.call_documents import AnalysisStatus, Judgement, Score

MAX_SCORES = 20
MAX_EVIDENCE = 20
MAX_CHARS = 2_000
"""Shown of each text: a document in a folder may hold anything."""
WITHOUT: dict[AnalysisStatus, str] = {
    "judged": "",
    "refused": "The model refused to judge this call",
    "malformed": "The model's answers could not be used",
    "nothing_said": "Nobody was asked: no words of the caller are known",
}
PASSED = {True: "yes", False: "no", None: words.NOTHING}


def judgement_card(call: Call, prefix: str, shown: int) -> Markup | None:
    """Return the judgement, None for a call that nobody judged.

    Args:
        call: with its turns.
        prefix: of the ids on the page.
        shown: so many of its turns are on the page, and can be led to.
    """
    analysis = call.analysis
    if analysis is None:
        return None
    whose = f"An opinion of {analysis.model} ({analysis.judge}), no fact."
    part = f" It was shown {analysis.turns_judged} of {words.some(analysis.turns, 'turn')}."
    is_part = analysis.judgement is not None and analysis.turns_judged < analysis.turns
    lead = el("p", whose + part * is_part)
    if analysis.judgement is None:
        reason = f": {analysis.status_reason}" if analysis.status_reason else ""
        return card("Judgement", lead, el("p", f"{WITHOUT[analysis.status]}{reason}."))
    numbers = {turn.seq for turn in call.turns[:shown]}
    judgement = analysis.judgement
    return card(
        "Judgement",
        lead,
        el("p", words.cut(judgement.summary, MAX_CHARS), dir="auto") if judgement.summary else None,
        pairs(_opinions(judgement)),
        _scores(judgement.scorecard[:MAX_SCORES], prefix, numbers),
    )


def _opinions(judgement: Judgement) -> list[tuple[str, str]]:
    heard = Counter(each.sentiment for each in judgement.sentiments)
    moods = ", ".join(f"{words.some(number, 'turn')} {mood}" for mood, number in heard.items())
    return [
        ("intent", words.cut(judgement.intent or "", MAX_CHARS)),
        ("resolution", judgement.resolution or ""),
        ("the caller", moods),
    ]


def _scores(scores: tuple[Score, ...], prefix: str, numbers: set[int]) -> Markup | None:
    if not scores:
        return None
    rows = [
        row(
            words.cut(score.id, MAX_CHARS).replace("_", " "),
            PASSED[score.passed],
            el("span", *_evidence(score, prefix, numbers)),
            el("span", words.cut(score.reason, MAX_CHARS), dir="auto", class_="prose"),
            texts=4,
        )
        for score in scores
    ]
    return table(("line", "passed", "turns", "why"), rows, texts=4)


def _evidence(score: Score, prefix: str, numbers: set[int]) -> list[Child]:
    leading: list[Child] = []
    for seq in score.evidence_turns[:MAX_EVIDENCE]:
        if leading:
            leading.append(" ")
        link = el("a", str(seq), href=f"#{prefix}t{seq}") if seq in numbers else str(seq)
        leading.append(link)
    return leading or [words.NOTHING]
