import pytest

from scripts import chaos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_no_call_is_lost_while_the_way_to_the_model_is_cut_stalled_and_refused(capsys):
    arguments = ["--calls", "12", "--minutes", "0.3", "--per-minute", "240", "--seed", "7"]
    assert chaos.main(arguments) == 0

    told = capsys.readouterr().out
    assert "'cut'" in told
    assert "lost" not in told
    assert "{'connections to the model': 0, 'calls': 0}" in told


def test_a_service_that_does_not_start_is_told(capsys, monkeypatch):
    monkeypatch.setattr(chaos, "_settings", lambda port, calls: {"PORT": "nonsense"})
    assert chaos.main(["--calls", "1", "--minutes", "0"]) == 1
    assert "chaos: the service did not start" in capsys.readouterr().err
