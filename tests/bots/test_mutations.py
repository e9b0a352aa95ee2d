"""Files that people have spoiled in whatever way: the answer is bots or problems, never a crash."""

import random

import pytest

from service.bots.functions import Deployment
from service.bots.making import make_bots
from service.tools.arguments import compiled
from service.tools.call_control import control_tools
from service.tools.http import HttpKind
from service.tools.python import PythonKind
from service.wiring import CATALOG

MUTATIONS = 300
"""For each seed; enough to meet each value at most keys."""
VALUES = (
    "1", "-1", "1.5", "nan", "true", "''", "'x'", "'{{x}}'", "'${X'", "[]", "[1]", "['x']",
    "[['x']]", "[{}]", "{}", "{ a = 1 }", "{ type = 'object', properties = 1 }",
    "{ type = 'object', required = 'x' }", "{ type = 'object', properties = { a = true } }",
    "2026-11-22", "07:32:00", "'\\u0000'", "'" + "x" * 3_000 + "'", "[[[[[[1]]]]]]",
)  # fmt: skip
EXTRAS = (
    "\n[[tools]]\nkind = 'python'\nname = 'p'\nfunction = 'tests.tools.python_leaving:f'\n",
    "\n[[tools]]\nkind = 'python'\nname = 'w'\nfunction = 'tests.tools.python_examples:weather'\n",
    "\n[[mcp]]\nlabel = 'm'\nurl = 'https://x/${T:-}'\nallowed_tools = ['a']\n",
    "\n[keypad.keys]\n5 = { do = 'switch_bot', bot = 'bot' }\n",
    "\n[tools.parameters.properties.a]\n'$ref' = 'https://x/'\n",
    "\n[inputs.default]\nmax_chars = 1\n",
)


def spoiled(text: str, chance: random.Random) -> str:
    """The text after a few of the things that happen to files."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        key, is_key, _ = lines[at].partition(" = ")
        match chance.randrange(8):
            case 0:
                del lines[at : at + chance.randint(1, 3)]
            case 1:
                lines.insert(chance.randrange(len(lines)), lines[at])
            case 2:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case 3:
                lines.append(chance.choice(EXTRAS))
            case _ if is_key:
                lines[at] = f"{key} = {chance.choice(VALUES)}"
        lines = lines or [""]
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(3))
def test_a_spoiled_file_gives_bots_or_problems(seed):
    chance = random.Random(seed)
    texts = {path.stem: path.read_text(encoding="utf-8") for path in CATALOG.glob("*.toml")}
    deployment = Deployment(
        kinds={"http": HttpKind(), "python": PythonKind()},
        values={},
        control_tools=control_tools,
        check_schema=compiled,
        voices=("marin", "cedar"),
        default_voice="marin",
    )

    for _ in range(MUTATIONS):
        text = spoiled(texts[chance.choice(sorted(texts))], chance)
        files = {"bot": text, "billing": texts["billing"], "support": texts["support"]}
        contents = {name: content.encode() for name, content in files.items()}

        bots, problems = make_bots(contents, deployment, lambda name: b"\xff")

        assert bool(bots) is not bool(problems), text
        assert all(len(line) < 1_000 and "\n" not in line for line in problems), text
        for bot in bots.values():
            bot.for_call({"CUSTOMER_NAME": "Ann"}, "de")
