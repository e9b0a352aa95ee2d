import logging
from pathlib import Path

import pytest

from service.price_list import prices_of
from service.prices import PriceTable


def test_price_list_is_read_once():
    assert prices_of() is prices_of()
    assert prices_of() == PriceTable.load()


def test_without_a_price_list_calls_end_all_the_same_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "prices.toml"
    path.write_text("[speech")

    with caplog.at_level(logging.WARNING):
        tables = [prices_of(path), prices_of(path)]

    assert tables == [PriceTable()] * 2
    assert [line.getMessage() for line in caplog.records] == ["the price list cannot be used"]
