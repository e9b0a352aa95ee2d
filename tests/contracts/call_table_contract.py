"""The contract of `CallTable`: every implementation's tests subclass it."""

from pathlib import Path

import pytest

from service.analytics.port import CallState, CallTable, IndexEntry, Row

EXPIRES_AT = 1_800_000_000


def row(
    part: str = "ENDED", *, session_id: str = "s", precedence: int = 0, body: str = "{}"
) -> Row:
    return Row(
        session_id=session_id, part=part, precedence=precedence, body=body, expires_at=EXPIRES_AT
    )


def meta(session_id: str, day: str = "2026-11-22", *, state: CallState = "open") -> Row:
    return Row(
        session_id=session_id,
        part="META",
        precedence=("open", "ended", "published").index(state),
        expires_at=EXPIRES_AT,
        index=IndexEntry(
            day=day,
            started_at=f"{day}T09:00:0{session_id[-1]}+00:00",
            conversation_id=f"conversation of {session_id}",
            state=state,
        ),
    )


class CallTableContract:
    """What the functions may rely on, wherever calls are kept."""

    def make(self, tmp_path: Path) -> CallTable:
        """The empty table under test."""
        raise NotImplementedError

    def test_first_row_of_a_part_stays(self, tmp_path: Path):
        table = self.make(tmp_path)

        assert table.add(row(body="first"))
        assert not table.add(row(body="second"))
        assert table.rows("s") == [row(body="first")]

    def test_only_higher_precedence_replaces(self, tmp_path: Path):
        table = self.make(tmp_path)
        table.add(row(precedence=1, body="first"))

        assert not table.add(row(precedence=0, body="lower"))
        assert table.add(row(precedence=2, body="higher"))
        assert table.rows("s") == [row(precedence=2, body="higher")]

    def test_rows_of_a_call_come_in_the_order_of_their_parts(self, tmp_path: Path):
        table = self.make(tmp_path)
        for part in ("TURN#00010", "ENDED", "TURN#00009", "META"):
            table.add(row(part))
        table.add(row("TURN#00001", session_id="other"))

        parts = [each.part for each in table.rows("s")]

        assert parts == ["ENDED", "META", "TURN#00009", "TURN#00010"]
        assert table.rows("nobody") == []

    def test_row_is_there_or_not(self, tmp_path: Path):
        table = self.make(tmp_path)
        table.add(row("ENDED"))

        assert table.has("s", "ENDED")
        assert not table.has("s", "STARTED")
        assert not table.has("other", "ENDED")

    def test_calls_are_found_by_their_day_earliest_first(self, tmp_path: Path):
        table = self.make(tmp_path)
        rows = [meta("call 2"), meta("call 1"), meta("call 3", "2026-11-23"), row("ENDED")]
        for each in rows:
            table.add(each)

        assert table.calls_of_day("2026-11-22") == [rows[1], rows[0]]
        assert table.calls_of_day("2026-11-24") == []

    def test_call_is_found_by_its_conversation_in_its_newest_state(self, tmp_path: Path):
        table = self.make(tmp_path)
        table.add(meta("call 1"))
        table.add(meta("call 2"))
        table.add(meta("call 1", state="published"))

        found = table.calls_of_conversation("conversation of call 1")

        assert found == [meta("call 1", state="published")]

    def test_erased_call_is_gone_and_others_stay(self, tmp_path: Path):
        table = self.make(tmp_path)
        for each in (meta("call 1"), row("ENDED", session_id="call 1"), meta("call 2")):
            table.add(each)

        assert table.erase("call 1") == 2
        assert table.erase("call 1") == 0
        assert table.rows("call 1") == table.calls_of_conversation("conversation of call 1") == []
        assert table.rows("call 2") == [meta("call 2")]

    @pytest.mark.parametrize(
        "session_id", ["../up", "a/b", "a_b", "A", "a", "..", "\u4f60\n", "x#y"]
    )
    def test_hostile_id_is_one_call_and_nothing_else(self, tmp_path: Path, session_id: str):
        table = self.make(tmp_path / "table")
        table.add(row(session_id=session_id))
        table.add(row(session_id="a.b"))

        assert table.rows(session_id) == [row(session_id=session_id)]
        assert {path.name for path in tmp_path.iterdir()} <= {"table"}
