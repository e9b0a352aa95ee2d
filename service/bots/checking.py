"""The rules between the keys of a bot's file, and between the files. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from service.bots.definition import (
    FLOW_OVERRIDES,
    BotTable,
    DigitsTable,
    GreetingTable,
    KeyTable,
)
from service.bots.reading import Problems, entry_key, join, shown, suggestion
from service.bots.templates import names_in
from service.outputs import STANDARD_NAMES
from service.privacy_patterns import problem_with
from service.tools.port import CONTROL_NAMES

_USED_BY = {
    "digits": "collect_digits",
    "specialists": "switch_bot",
    "targets": "transfer_to_agent",
}


def check_bot(table: BotTable, voices: tuple[str, ...], problems: Problems) -> None:
    """Note what does not fit together in one file; `voices` are those that can speak."""
    _check_texts(table, problems)
    _check_voices(table, voices, problems)
    _check_greeting(table.greeting, problems)
    _check_privacy(table, problems)
    _check_controls(table, problems)
    _check_variables(table, problems)
    _check_keypad(table, problems)
    for name, digits in table.digits.items():
        _check_digits(join("digits", name), digits, table.outputs, problems)
    _check_tools(table, problems)
    _check_mcp(table, problems)
    longest_s = table.limits.max_call_s
    if longest_s is not None and table.limits.warn_before_s >= longest_s:
        problems.expect("limits.warn_before_s", "less than max_call_s", table.limits.warn_before_s)


def linked_bots(table: BotTable) -> Iterator[tuple[str, str]]:
    """Give the bots that may take over from this one, each after the key that names it."""
    for number, bot_id in enumerate(table.specialists, 1):
        yield f"specialists.{number}", bot_id
    for key, action in table.keypad.keys.items():
        if action.do == "switch_bot" and action.bot:
            yield f"{join('keypad.keys', key)}.bot", action.bot


def check_links(
    table: BotTable,
    tables: Mapping[str, BotTable],
    names: Collection[str],
    problems: Problems,
) -> None:
    """Note bots that cannot take over: unknown, of another model, or for nobody knows what.

    Args:
        table: the bot that names them.
        tables: the bots whose files can be read.
        names: of all bots.
        problems: takes what is wrong.
    """
    for key, bot_id in linked_bots(table):
        if bot_id not in names:
            problems.add(key, f"no such bot{suggestion(bot_id, names)}")
        elif bot_id in tables and tables[bot_id].model != table.model:
            expected = "expected a bot with the same model, which cannot change in a call"
            problems.add(key, f"{expected}; {bot_id} has another")
    for number, bot_id in enumerate(table.specialists, 1):
        specialist = tables.get(bot_id)
        if specialist is not None and not specialist.description.strip():
            problems.add(
                f"specialists.{number}",
                f"expected a bot with a description, by which the model chooses; {bot_id} has none",
            )


def _check_texts(table: BotTable, problems: Problems) -> None:
    for key, text in (("instructions", table.instructions), ("facts", table.facts)):
        for name in names_in(text):
            if name not in table.inputs:
                near = suggestion(name, table.inputs)
                problems.add(key, f"{shown(name)} is not among the inputs of this file{near}")
    for key, text in _texts_without_gaps(table):
        if names_in(text):
            problems.add(key, "{{…}} is filled in instructions and facts only")


def _texts_without_gaps(table: BotTable) -> Iterator[tuple[str, str]]:
    for key in ("farewell", "handover", "waiting", "takeover"):
        yield key, getattr(table, key)
    for key in ("instruction", "words", "disclosure"):
        yield f"greeting.{key}", getattr(table.greeting, key)
    yield "limits.warning", table.limits.warning
    if table.silence is not None:
        for number, text in enumerate(table.silence.reprompts, 1):
            yield f"silence.reprompts.{number}", text


def _check_voices(table: BotTable, voices: tuple[str, ...], problems: Problems) -> None:
    named = [("voice", table.voice)] if table.voice else []
    named += [(f"voices.{number}", voice) for number, voice in enumerate(table.voices, 1)]
    for key, voice in named:
        if voice not in voices and not voice.startswith("voice_"):
            problems.expect(key, f"one of {', '.join(voices)}, or voice_… for your own", voice)


def _check_privacy(table: BotTable, problems: Problems) -> None:
    for number, pattern in enumerate(table.privacy.patterns, 1):
        if expected := problem_with(pattern):
            problems.expect(f"privacy.patterns.{number}", expected, pattern)


def _check_greeting(greeting: GreetingTable, problems: Problems) -> None:
    if greeting.instruction and (greeting.words or greeting.clip):
        problems.add("greeting", "expected either instruction, or words, or clip with words")
    if greeting.clip and not greeting.words:
        problems.add("greeting.words", "expected what the clip says, got nothing")
    if not greeting.disclosure:
        return
    if greeting.clip and not contains(greeting.words, greeting.disclosure):
        problems.add("greeting.words", "expected the disclosure among what the clip says")
    if not (greeting.instruction or greeting.words):
        problems.add("greeting.disclosure", "expected instruction or words beside it")


def contains(text: str, sentence: str) -> bool:
    """True when the sentence stands in the text, whatever the blanks and capitals."""
    return " ".join(sentence.lower().split()) in " ".join(text.lower().split())


def _check_controls(table: BotTable, problems: Problems) -> None:
    needs: dict[str, tuple[str, Collection[str]]] = {
        "collect_digits": ("digits", table.digits),
        "switch_bot": ("specialists", table.specialists),
        "set_output_variable": ("outputs", free_outputs(table)),
    }
    for control, (key, things) in needs.items():
        if control in table.controls and not things:
            problems.add("controls", f"{control} needs {key}")
    for key, control in _USED_BY.items():
        if getattr(table, key) and control not in table.controls:
            problems.add(key, f"needs {control} among the controls")
    for key in ("controls", "targets", "specialists", "languages"):
        _check_repeats(key, getattr(table, key), problems)


def free_outputs(table: BotTable) -> dict[str, str]:
    """Return the outputs that the model may set, with what they hold: those without digits."""
    keyed = {digits.output for digits in table.digits.values()}
    return {name: output.description for name, output in table.outputs.items() if name not in keyed}


def _check_repeats(key: str, values: Sequence[str], problems: Problems) -> None:
    for value in sorted({value for value in values if value and values.count(value) > 1}):
        problems.add(key, f"{shown(value)} stands there twice")


def _check_variables(table: BotTable, problems: Problems) -> None:
    for name in table.outputs:
        if name in STANDARD_NAMES:
            problems.add(join("outputs", name), "the service sets it for every bot")
    for name, variable in table.inputs.items():
        if name in FLOW_OVERRIDES:
            problems.add(join("inputs", name), "every bot has it; see languages and voices")
        if len(variable.default) > variable.max_chars:
            problems.add(f"{join('inputs', name)}.default", "is longer than max_chars")


def _check_keypad(table: BotTable, problems: Problems) -> None:
    if table.keypad.cancel and table.keypad.cancel == table.keypad.terminator:
        problems.expect("keypad.cancel", "another key than terminator", table.keypad.cancel)
    if table.keypad.to_model and any(digits.sensitive for digits in table.digits.values()):
        # Nobody can tell a note from a number that is keyed in before it was asked for.
        expected = "expected false beside digits that are sensitive"
        problems.add(
            "keypad.to_model", f"{expected}: the model would get those that come too early or late"
        )
    for key, action in table.keypad.keys.items():
        _check_key(join("keypad.keys", key), action, table.targets, problems)


def _check_key(key: str, action: KeyTable, targets: list[str], problems: Problems) -> None:
    if action.do == "switch_bot" and not action.bot:
        problems.add(f"{key}.bot", "expected a bot's name, got nothing")
    if action.do != "switch_bot" and action.bot:
        problems.add(f"{key}.bot", "goes with switch_bot only")
    if action.do == "end_call" and action.reason:
        problems.add(f"{key}.reason", "goes with transfer_to_agent and switch_bot only")
    if action.do != "transfer_to_agent" and action.target:
        problems.add(f"{key}.target", "goes with transfer_to_agent only")
    elif action.target and targets and action.target not in targets:
        problems.expect(f"{key}.target", "one of the targets of this file", action.target)


def _check_digits(
    key: str, digits: DigitsTable, outputs: Collection[str], problems: Problems
) -> None:
    if digits.min > digits.max:
        problems.expect(f"{key}.max", f"at least min, which is {digits.min}", digits.max)
    if digits.cancel and digits.cancel == digits.terminator:
        problems.expect(f"{key}.cancel", "another key than terminator", digits.cancel)
    if digits.sensitive and digits.to_model:
        problems.add(f"{key}.to_model", "the model never gets digits that are sensitive")
    if digits.output and digits.output not in outputs:
        near = suggestion(digits.output, outputs)
        problems.add(
            f"{key}.output", f"{shown(digits.output)} is not among the outputs of this file{near}"
        )


def _check_tools(table: BotTable, problems: Problems) -> None:
    names = [raw.get("name") for raw in table.tools]
    for number, (raw, name) in enumerate(zip(table.tools, names, strict=True), 1):
        key = entry_key("tools", raw, number)
        if name in CONTROL_NAMES:
            problems.add(f"{key}.name", "is the name of a control; see controls")
        elif isinstance(name, str) and name in names[: number - 1]:
            problems.add(f"{key}.name", "another tool of this file has it")


def _check_mcp(table: BotTable, problems: Problems) -> None:
    labels = [server.label for server in table.mcp]
    _check_repeats("mcp", labels, problems)
    for server in table.mcp:
        key = join("mcp", server.label)
        _check_within(
            f"{key}.needs_approval", server.needs_approval, server.allowed_tools, problems
        )
        _check_within(f"{key}.approved", server.approved, server.needs_approval, problems)
        _check_repeats(f"{key}.allowed_tools", server.allowed_tools, problems)


def _check_within(
    key: str, names: Sequence[str], allowed: Collection[str], problems: Problems
) -> None:
    where = "needs_approval" if key.endswith(".approved") else "allowed_tools"
    for name in names:
        if name not in allowed:
            problems.expect(key, f"names that stand in {where}", name)
