"""Makes a report of a folder of calls: HTML that needs no network, no account and no script.

The folder holds event files as the service writes them (`EVENTS_URL=file:`), or the documents of
the recorder. All calls are in the figures; the worst (or the newest) have a page each.
Use: python -m scripts.report FOLDER [-o FILE.html | -o DIR] [--calls 50] [--order worst|newest]
Exit code 1: there is no call that has ended.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from scripts.reporting.call_page import call_body, title_of
from scripts.reporting.calls import Call, Gaps, sources_in
from scripts.reporting.markup import Markup, el, page
from scripts.reporting.overview import CallFacts, Order, Overview
from scripts.reporting.overview_page import Listed, gaps_note, overview_body
from service.analytics.documents import keys_of

PAGES = 50
"""Calls that have a page unless more are asked for: a file of about 1 MB."""
START = "top"


class NoCallsError(Exception):
    """The folder holds no call that has ended; the message says what it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written: `path` to open first, and how many of the calls have a page."""

    path: Path
    calls: int
    pages: int


def write_report(
    folder: Path,
    output: Path,
    *,
    pages: int = PAGES,
    order: Order = "worst",
    recording: Path | None = None,
) -> Written:
    """Write the report of a folder; what was there under the same names is replaced.

    Args:
        folder: with event files, or with documents of the recorder.
        output: one file when its name ends in `.html`, else a folder with a file for each page.
        pages: how many calls have a page.
        order: which ones.
        recording: sound of the only call; else `<session>.wav` beside each call is looked for.

    Raises:
        FileNotFoundError: there is no such folder.
        NoCallsError: no call in it has ended.
    """
    gaps, overview = Gaps(), Overview()
    for source in sources_in(folder):
        for call in source(gaps):
            overview.add(call, source)
    if not overview.calls:
        raise NoCallsError(
            f"{folder} holds no call that has ended"
            f" ({gaps.open_calls} without an end, {gaps.refused_lines} unreadable lines)"
        )
    chosen = overview.chosen(pages, order)
    report = _Report(folder, output, overview, gaps, chosen, order, recording)
    path = report.write_one() if output.suffix == ".html" else report.write_many()
    return Written(path=path, calls=len(overview.calls), pages=len(chosen))


@dataclass(frozen=True, slots=True)
class _Report:
    folder: Path
    output: Path
    overview: Overview
    gaps: Gaps
    chosen: Sequence[CallFacts]
    order: Order
    recording: Path | None

    def write_one(self) -> Path:
        """Write all pages into one file, which shows one at a time by CSS alone."""
        home = self.output.parent
        home.mkdir(parents=True, exist_ok=True)
        if len(self.overview.calls) == 1 and self.chosen:
            [call] = self._calls()
            body = call_body(call, recording=self._recording(call, home))
            document = page(title_of(call), el("main", body, gaps_note(self.gaps)))
        else:
            hrefs = [f"#c{number}" for number in range(1, len(self.chosen) + 1)]
            leaves = (
                el("article", self._leaf(call, number, home), id=f"c{number}", class_="leaf")
                for number, call in enumerate(self._calls(), start=1)
            )
            first = el("div", self._overview(hrefs), id=START, class_="first")
            document = page(self._title, el("main", first, *leaves))
        return _write(self.output, document)

    def write_many(self) -> Path:
        """Write `index.html` and a file for each call."""
        home = self.output / "calls"
        home.mkdir(parents=True, exist_ok=True)
        hrefs = []
        for call in self._calls():
            name = f"{_file_name(call)}.html"
            body = call_body(call, back="../index.html", recording=self._recording(call, home))
            _write(home / name, page(title_of(call), el("main", body)))
            hrefs.append(f"calls/{quote(name)}")
        document = page(self._title, el("main", self._overview(hrefs)))
        return _write(self.output / "index.html", document)

    @property
    def _title(self) -> str:
        return f"Calls in {self.folder.resolve().name}"

    def _overview(self, hrefs: Sequence[str]) -> Markup:
        listed = [Listed(*each) for each in zip(self.chosen, hrefs, strict=True)]
        return overview_body(self.overview, self.gaps, listed, self.order, title=self._title)

    def _leaf(self, call: Call, number: int, home: Path) -> Markup:
        recording = self._recording(call, home)
        return call_body(call, prefix=f"c{number}", back=f"#{START}", recording=recording)

    def _calls(self) -> Iterator[Call]:
        """Read the chosen calls again, one at a time."""
        for facts in self.chosen:
            yield next(
                call for call in facts.source(Gaps()) if call.ended.session_id == facts.session_id
            )

    def _recording(self, call: Call, home: Path) -> str | None:
        """Return the address of the call's sound as seen from a page's folder, if there is one."""
        paths = [call.folder / f"{_file_name(call)}.wav"]
        if len(self.overview.calls) == 1 and self.recording:
            paths.append(self.recording)
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            return None
        return quote(Path(os.path.relpath(found, home)).as_posix())


def _file_name(call: Call) -> str:
    """Return a name that is a file's whatever the id of the call holds."""
    return Path(keys_of(call.ended.session_id, "-")["transcript"]).stem


def _write(path: Path, document: str) -> Path:
    path.write_text(document, encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Write the report and print its path."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.report", description="Makes an HTML report of a folder of calls."
    )
    parser.add_argument("folder", type=Path, help="event files, or documents of the recorder")
    parser.add_argument(
        "-o", "--output", type=Path, help="FILE.html, or a folder (default: FOLDER/report.html)"
    )
    parser.add_argument(
        "--calls", type=int, default=PAGES, metavar="N",
        help="how many calls have a page (default: %(default)s); all are in the figures",
    )  # fmt: skip
    parser.add_argument(
        "--order", choices=("worst", "newest"), default="worst",
        help="which calls have a page (default: %(default)s)",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    output = given.output or given.folder / "report.html"
    try:
        written = write_report(given.folder, output, pages=max(0, given.calls), order=given.order)
    except (NoCallsError, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    print(f"report: {written.calls} calls, {written.pages} of them with a page", file=sys.stderr)
    print(written.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
