"""What the documentation says must be what the code does."""

import ast
import re
from pathlib import Path

from service.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")


def _names_read() -> set[str]:
    tree = ast.parse((ROOT / "service/settings.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    readers = {
        "_text", "_texts", "_choice", "_integer", "_flag", "_url", "_voice", "_address", "_host",
        "_usd", "_bucket", "_chain",
    }  # fmt: skip
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in readers
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def test_every_setting_is_in_the_readme_and_in_the_example():
    names = _names_read()

    assert len(names) >= len(Settings.__dataclass_fields__)
    assert {name for name in names if f"`{name}`" not in README} == set()
    assert {name for name in names if not re.search(rf"^{name}=", EXAMPLE, re.MULTILINE)} == set()


def test_the_example_names_no_setting_that_does_not_exist():
    named = set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE))

    assert named - _names_read() == set()


def test_defaults_in_the_example_are_the_defaults():
    lines = dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    minimal = {"OPENAI_API_KEY": "k", "ALLOW_ANONYMOUS": "1"}

    assert Settings.from_env(lines | minimal) == Settings.from_env(minimal)


def test_every_script_and_file_that_the_readme_names_exists():
    named = set(re.findall(r"`\.?/?((?:scripts|service|tests|\.github)/[\w./-]+)`", README))

    assert named
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_links_between_our_pages_lead_somewhere():
    folders = ("", ".github/", "infra/**/", "scripts/**/", "service/**/")
    pages = [page for folder in folders for page in ROOT.glob(f"{folder}*.md")]

    missing = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert missing == []
