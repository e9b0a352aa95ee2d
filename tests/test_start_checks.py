from pathlib import Path

from service.settings import Settings
from service.start_checks import problems_of

GOOD = {"OPENAI_API_KEY": "k", "ALLOW_ANONYMOUS": "1"}


def problems(**changes: str) -> list[str]:
    return problems_of(Settings.from_env(GOOD | changes))


def test_good_settings_have_no_problem():
    assert problems() == []


def test_problems_of_all_rooms_are_told_together(tmp_path: Path):
    bots = f"file:{tmp_path / 'nowhere'}"
    found = problems(BOTS_URL=bots, CLIPS_DIR=str(tmp_path), SECRETS_URL=f"file:{tmp_path}/keys")

    assert list(dict.fromkeys(problem.partition(":")[0] for problem in found)) == [
        "SECRETS_URL",
        "BOTS_URL",
        "CLIPS_DIR",
    ]
