"""Python functions of the shop: one awaits, one blocks its thread."""

import asyncio
import time
from typing import Any

from service.tools.port import ToolContext
from service.tools.python import tool

BLOCKS_S = 0.9


@tool(description="Thinks about it.")
async def ponder(arguments: dict[str, Any], call: ToolContext) -> object:
    await asyncio.sleep(0.1)
    return {"thought": f"{call.bot_id} has pondered"}


@tool(description="Thinks hard.")
def grind(arguments: dict[str, Any], call: ToolContext) -> object:
    time.sleep(BLOCKS_S)
    return {"thought": "that was hard"}
