"""Lets a model judge local calls, as the enricher does in the cloud; the report then shows it.

FOLDER is that of a local recorder, or it holds event files (`EVENTS_URL=file:`), which are recorded
into DIR first. What a model has judged before is not judged again: after an outage, run it again.
The turns go to the endpoint as they were recorded. Its key is in the environment, `JUDGE_API_KEY`;
for OpenAI itself `OPENAI_API_KEY` will do.
Use: python -m scripts.judge_calls FOLDER [-o DIR] --model NAME [--base-url URL]
Prints one JSON object. Exit code 1: calls are left that could not be judged now.
"""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

from scripts.recorder_folder import add_folder, check_folder
from service.analytics.enricher import CallNotThereError, Enricher
from service.analytics.judge_openai import OPENAI, OpenAIJudge
from service.analytics.judging import Judge, JudgeBusyError, JudgeSetupError
from service.analytics.local import FileBus, FileLake, FileTable
from service.analytics.local_calls import record_files

MAX_BUSY = 3
"""Calls one after the other that the judge cannot take: it is down, and the rest would wait."""


class Judged(msgspec.Struct, kw_only=True):
    """How many calls: `without` have no judgement and a reason, `left` wait for another run.

    `before`: judged by an earlier run; `open`: without an end; `folder`: for `scripts.report`.
    """

    judged: int = 0
    without: int = 0
    before: int = 0
    open: int = 0
    left: int = 0
    folder: str


def judge_calls(
    folder: Path, judge: Judge, tell: Callable[[str], None] = lambda line: None
) -> Judged:
    """Judge the calls of a local recorder's folder; `tell` gets a line for each.

    Raises:
        JudgeSetupError: address, key or model must be put right.
    """
    table = FileTable(folder / "table")
    enricher = Enricher(
        judge,
        table=table,
        lake=FileLake(folder / "lake"),
        bus=FileBus(folder / "completed.ndjson"),
        retention=timedelta(0),  # files are erased by hand, whatever a row says
    )
    done, busy = Judged(folder=str(folder)), 0
    calls = table.calls()
    for number, row in enumerate(calls, start=1):
        if busy >= MAX_BUSY:
            done.left += 1
            continue
        try:
            told = _judge(enricher, row.session_id, done)
            busy = 0
        except JudgeBusyError as error:
            done.left, busy, told = done.left + 1, busy + 1, f"left: {error}"
        tell(f"{number} of {len(calls)}, {row.session_id}: {told}")
    return done


def _judge(enricher: Enricher, session_id: str, done: Judged) -> str:
    try:
        analysis = enricher.enrich(session_id)
    except CallNotThereError:
        done.open += 1
        return "has not ended"
    if analysis is None:
        done.before += 1
        return "judged before"
    if analysis.data.judgement is None:
        done.without += 1
    else:
        done.judged += 1
    return analysis.data.status


def main(arguments: list[str] | None = None) -> int:
    """Judge and say how many were judged."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.judge_calls",
        description="Lets a model judge local calls. Its key: JUDGE_API_KEY in the environment.",
    )
    add_folder(parser)
    parser.add_argument("--model", required=True, metavar="NAME", help="which model judges")
    parser.add_argument(
        "--base-url", default=OPENAI, metavar="URL",
        help="of an endpoint with OpenAI's chat completions (default: %(default)s)",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    check_folder(parser, given)
    try:
        judge = OpenAIJudge(given.base_url, _key(given.base_url), given.model)
    except ValueError as error:
        parser.error(str(error))
    folder = given.output or given.folder
    if given.output:
        for line in record_files(given.folder, given.output).refused:
            _tell(f"refused {line}")
    try:
        done = judge_calls(folder, judge, _tell)
    except JudgeSetupError as error:
        print(f"judge_calls: {error}", file=sys.stderr)
        return 1
    print(msgspec.json.encode(done).decode())
    return 1 if done.left else 0


def _key(base_url: str) -> str:
    """Return the key; OpenAI's own goes to OpenAI alone."""
    own = os.environ.get("OPENAI_API_KEY", "") if base_url.rstrip("/") == OPENAI else ""
    return (os.environ.get("JUDGE_API_KEY") or own).strip()


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
