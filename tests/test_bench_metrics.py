import pytest

pytest.importorskip("uvloop")
pytest.importorskip("picows")

from scripts import bench_metrics
from scripts.benchmark.target import TargetError


def test_a_figure_is_read_from_the_page():
    page = "# TYPE bridge_calls_live gauge\nbridge_calls_live_more 7\nbridge_calls_live 3.0\n"

    assert bench_metrics._figure(page, "bridge_calls_live") == 3


def test_a_page_without_the_figure_is_a_failure():
    with pytest.raises(TargetError, match="bridge_calls_live"):
        bench_metrics._figure("", "bridge_calls_live")


def test_a_pair_of_short_rounds_gives_a_ratio(capsys: pytest.CaptureFixture[str]):
    assert bench_metrics.main(["--calls", "2", "--seconds", "1", "--rounds", "1"]) == 0

    assert "as a multiple of METRICS=off" in capsys.readouterr().out
