"""Functions as a builder of bots would write them."""

import asyncio
import threading
from typing import Any

from service.tools.port import ToolContext, ToolError, TransferToAgent
from service.tools.python import tool

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}


@tool(description="Says the weather.", parameters=PARAMETERS)
def weather(arguments: dict[str, Any], call: ToolContext) -> object:
    return {"city": arguments["city"], "language": call.language}


@tool()
async def later(arguments: dict[str, Any], call: ToolContext) -> object:
    await asyncio.sleep(0)
    return arguments


@tool()
def to_a_person(arguments: dict[str, Any], call: ToolContext) -> object:
    return TransferToAgent(reason="asked")


@tool()
def thread(arguments: dict[str, Any], call: ToolContext) -> object:
    return threading.current_thread().name


@tool()
def refuses(arguments: dict[str, Any], call: ToolContext) -> object:
    raise ToolError("closed", "The office is closed.")


@tool()
def breaks(arguments: dict[str, Any], call: ToolContext) -> object:
    return 1 / 0


@tool()
def runs_out(arguments: dict[str, Any], call: ToolContext) -> object:
    return next(iter(()))


@tool()
def leaves(arguments: dict[str, Any], call: ToolContext) -> object:
    raise arguments["by"]


@tool()
def gives_no_json(arguments: dict[str, Any], call: ToolContext) -> object:
    return {"lock": threading.Lock()}


@tool()
async def waits(arguments: dict[str, Any], call: ToolContext) -> object:
    try:
        return await asyncio.Event().wait()
    finally:
        arguments["stopped"] = True


@tool()
def blocks(arguments: dict[str, Any], call: ToolContext) -> object:
    assert arguments["go"].wait(timeout=10)
    return "went"


@tool()  # type: ignore[arg-type]  # wrong on purpose
def takes_one(arguments: dict[str, Any]) -> object:
    return arguments


def not_marked(arguments: dict[str, Any], call: ToolContext) -> object:
    return arguments
