"""A folder of bots' files for tests, and what a deployment gives to bots."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from service.bots.files import FileBots
from service.bots.functions import Deployment
from service.bots.making import make_bots
from service.bots.prepared import PreparedBot
from service.tools.arguments import compiled
from service.tools.port import (
    Arguments,
    DeclarationError,
    Surroundings,
    Tool,
    ToolContext,
    ToolDeclaration,
    ToolKind,
)

VOICES = ("marin", "cedar")
MINIMAL = 'instructions = "Be brief."\n'


class EchoDeclaration(ToolDeclaration, kw_only=True):
    """A kind with a required key, a bounded one, and one that may hold anything."""

    url: str
    retries: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1
    body: Any = None


class EchoKind:
    """Makes tools that give back what they got; remembers in what surroundings."""

    declaration = EchoDeclaration

    def __init__(self) -> None:
        self.seen: list[Surroundings] = []

    def make(self, declared: Any, surroundings: Surroundings) -> Tool:
        self.seen.append(surroundings)
        if not declared.url.startswith("https://"):
            raise DeclarationError([("url", "https"), ("", "another tool")])
        return Tool(
            name=declared.name,
            description=declared.description,
            parameters=declared.parameters,
            run=_echo,
            fill=declared.fill,
        )

    async def aclose(self) -> None:
        pass


async def _echo(arguments: Arguments, context: ToolContext) -> object:
    del context
    return arguments


def fake_control_tools(
    names: Sequence[str],
    *,
    targets: Sequence[str],
    specialists: Mapping[str, str],
    digit_fields: Mapping[str, str],
    outputs: Mapping[str, str],
) -> tuple[Tool, ...]:
    """Tools that carry what they were made of in their parameters."""
    made_of = {
        "targets": list(targets),
        "specialists": dict(specialists),
        "digit_fields": dict(digit_fields),
        "outputs": dict(outputs),
    }
    return tuple(Tool(name=name, description="", parameters=made_of, run=_echo) for name in names)


def deployment(kinds: Mapping[str, ToolKind] | None = None) -> Deployment:
    return Deployment(
        kinds={"echo": EchoKind()} if kinds is None else kinds,
        values={"TOKEN": "s3cret"},
        control_tools=fake_control_tools,
        check_schema=compiled,
        voices=VOICES,
        default_voice="marin",
    )


def no_clip(name: str) -> bytes:
    raise AssertionError(name)


def problems_of(text: str, **others: str) -> list[str]:
    """What is wrong with a bot that is called `bot`, beside others."""
    files = {name: content.encode() for name, content in {"bot": text, **others}.items()}
    return make_bots(files, deployment(), no_clip)[1]


def prepared(text: str, **others: str) -> PreparedBot:
    """The bot of a file without mistakes, beside others."""
    files = {name: content.encode() for name, content in {"bot": text, **others}.items()}
    bots, problems = make_bots(files, deployment(), lambda name: name.encode())
    assert problems == []
    return bots["bot"]


class BotBench:
    """Bots over a folder that tests edit; every edit is seen as one, however fast they come."""

    def __init__(self, path: Path, **files: str) -> None:
        self.path = path
        self._mtime_ns = 1_000_000_000
        for name, text in ({"default": MINIMAL} | files).items():
            self.edit(f"{name}.toml", text)
        self.bots = FileBots(path, deployment())

    def edit(self, name: str, content: str | bytes) -> None:
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self._mtime_ns += 1_000_000_000
        os.utime(path, ns=(self._mtime_ns, self._mtime_ns))

    def instructions(self, path: str = "default") -> str:
        """What the bot is told after the next look at the folder."""
        self.bots.look()
        return self.bots.get_bot(path).instructions
