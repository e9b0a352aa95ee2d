"""The functions by which a model acts on its own call: to end it, to hand it over, and so on.

Each does nothing by itself: it returns the command that `service.agent` carries out. What the
model may name (targets, bots, fields, variables) is an enumeration in the function's schema, so
that an argument which names anything else is refused before it runs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.audiohook.variables import MAX_OUTPUT_CHARS
from service.tools.port import (
    Arguments,
    CollectDigits,
    Command,
    EndCall,
    Run,
    SetOutputVariable,
    SwitchBot,
    Tool,
    ToolContext,
    TransferToAgent,
)

LONGEST_COLLECTION_S = 120.0
"""For a caller to key a number in, the question included."""

_REASON = {"type": "string", "description": "Why, in a few words.", "maxLength": MAX_OUTPUT_CHARS}


def control_tools(
    names: Sequence[str],
    *,
    targets: Sequence[str] = (),
    specialists: Mapping[str, str] | None = None,
    digit_fields: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
) -> tuple[Tool, ...]:
    """Return the control functions of a bot.

    Args:
        names: of `CONTROL_NAMES`, in the order in which the model sees them.
        targets: whom the caller may be handed to; empty leaves it to the flow.
        specialists: bot ids that may take over, with what they are for.
        digit_fields: numbers that the caller may be asked to key in, with what they are.
        outputs: output variables that the bot may set, with what they hold.
    """
    made = {
        "end_call": _end_call(),
        "transfer_to_agent": _transfer(targets),
        "collect_digits": _collect_digits(digit_fields or {}),
        "switch_bot": _switch_bot(specialists or {}),
        "set_output_variable": _set_output_variable(outputs or {}),
    }
    return tuple(made[name] for name in names)


def _end_call() -> Tool:
    return Tool(
        name="end_call",
        description="End the call. Use it when the caller says goodbye or wants nothing more.",
        parameters=_object({}),
        run=_returns(lambda given: EndCall()),
    )


def _transfer(targets: Sequence[str]) -> Tool:
    properties: dict[str, Any] = {
        "reason": _REASON,
        "summary": {
            "type": "string",
            "description": "The call so far, for the person.",
            "maxLength": MAX_OUTPUT_CHARS,
        },
    }
    if targets:
        properties["target"] = {
            "type": "string",
            "enum": list(targets),
            "description": "Who should take over.",
        }
    return Tool(
        name="transfer_to_agent",
        description="Hand the caller to a person. Use it when the caller asks for one, or when "
        "you cannot help.",
        parameters=_object(properties, "reason"),
        run=_returns(
            lambda given: TransferToAgent(
                given["reason"],
                given.get("summary", ""),
                # Where none is offered no schema has looked at it.
                given.get("target", "") if targets else "",
            )
        ),
    )


def _collect_digits(fields: Mapping[str, str]) -> Tool:
    return Tool(
        name="collect_digits",
        description="Wait until the caller has keyed in a number on the telephone. Ask for it "
        f"first, in the same answer. {_listing('Numbers', fields)}",
        parameters=_object({"field": _one_of(fields, "Which number.")}, "field"),
        run=_returns(lambda given: CollectDigits(given["field"])),
        timeout_s=LONGEST_COLLECTION_S,
    )


def _switch_bot(specialists: Mapping[str, str]) -> Tool:
    return Tool(
        name="switch_bot",
        description="Let a specialist go on with the call. Tell the caller first. "
        f"{_listing('Specialists', specialists)}",
        parameters=_object(
            {"bot": _one_of(specialists, "Which specialist."), "reason": _REASON}, "bot"
        ),
        run=_returns(lambda given: SwitchBot(given["bot"], given.get("reason", ""))),
    )


def _set_output_variable(outputs: Mapping[str, str]) -> Tool:
    value = {"type": "string", "maxLength": MAX_OUTPUT_CHARS}
    return Tool(
        name="set_output_variable",
        description="Note a value for those who go on with the call. "
        f"{_listing('Variables', outputs)}",
        parameters=_object(
            {"name": _one_of(outputs, "Which variable."), "value": value}, "name", "value"
        ),
        run=_returns(lambda given: SetOutputVariable(given["name"], given["value"])),
        max_calls=100,
    )


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """Return a schema; what a model writes beyond it is ignored: an end must not fail by that."""
    return {"type": "object", "properties": properties, "required": list(required)}


def _one_of(names: Mapping[str, str], description: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(names), "description": description}


def _listing(title: str, described: Mapping[str, str]) -> str:
    """Return names with their descriptions as one sentence for the model."""
    entries = (f"{name} ({text})" if text else name for name, text in described.items())
    return f"{title}: {', '.join(entries)}."


def _returns(read: Callable[[Arguments], Command]) -> Run:
    async def run(arguments: Arguments, context: ToolContext) -> object:
        del context
        return read(arguments)

    return run
