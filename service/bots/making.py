"""Makes bots of their files' content, or tells all that is wrong with them. Pure."""

from collections.abc import Callable, Iterator, Mapping

from service.audio.clip_file import ClipError
from service.bots.checking import check_bot, check_links, contains, linked_bots
from service.bots.definition import (
    BotTable,
    DigitsTable,
    GreetingTable,
    KeypadTable,
    KeyTable,
    LimitsTable,
    SilenceTable,
    VadTable,
)
from service.bots.functions import (
    Deployment,
    make_control_tools,
    make_mcp_servers,
    make_tools,
)
from service.bots.port import (
    Bot,
    DigitField,
    Greeting,
    Keypad,
    Limits,
    McpServer,
    Privacy,
    VoiceActivity,
)
from service.bots.prepared import PreparedBot
from service.bots.reading import Problems, parse_toml, read_table
from service.bots.templates import DATA_RULE, Template, names_in
from service.dtmf import DigitRules
from service.silence import SilencePolicy
from service.tools.port import Command, EndCall, SwitchBot, Tool, TransferToAgent

ReadClip = Callable[[str], bytes]
"""Gives the PCMU of a clip by its name; raises `ClipError`."""


def make_bots(
    files: Mapping[str, bytes], deployment: Deployment, read_clip: ReadClip
) -> tuple[dict[str, PreparedBot], list[str]]:
    """Return the bots, and all problems; with problems there are no bots.

    Args:
        files: content of each bot's file, by the bot's id.
        deployment: what it gives to all bots.
        read_clip: see `ReadClip`.
    """
    problems = {bot_id: Problems() for bot_id in files}
    tables: dict[str, BotTable] = {}
    for bot_id, content in files.items():
        raw = parse_toml(content, problems[bot_id])
        if raw is not None:
            tables[bot_id] = read_table(raw, BotTable, problems[bot_id])
    parts = {}
    for bot_id, table in tables.items():
        check_bot(table, deployment.voices, problems[bot_id])
        check_links(table, tables, files, problems[bot_id])
        parts[bot_id] = _Parts(table, deployment, read_clip, problems[bot_id])
    lines = [f"{bot_id}.toml: {line}" for bot_id, found in problems.items() for line in found.lines]
    if lines:
        return {}, lines
    return {bot_id: parts[bot_id].bot(bot_id, tables, deployment) for bot_id in tables}, []


class _Parts:
    """What a bot is made of, as far as making it can show a problem."""

    def __init__(
        self, table: BotTable, deployment: Deployment, read_clip: ReadClip, problems: Problems
    ) -> None:
        self._table = table
        self._tools: tuple[Tool, ...] = make_tools(table, deployment, problems)
        self._servers: tuple[McpServer, ...] = make_mcp_servers(table, deployment.values, problems)
        self._clip = b""
        if table.greeting.clip:
            try:
                self._clip = read_clip(table.greeting.clip)
            except ClipError as error:
                problems.add("greeting.clip", str(error))

    def bot(
        self, bot_id: str, tables: Mapping[str, BotTable], deployment: Deployment
    ) -> PreparedBot:
        """Return the bot; no file has problems."""
        table = self._table
        instructions = Template.of(_instructions(table))
        noise = None if table.noise_reduction == "off" else table.noise_reduction
        bot = Bot(
            bot_id=bot_id,
            instructions="",
            greeting=_greeting(table.greeting, self._clip),
            farewell=table.farewell,
            handover=table.handover,
            waiting=table.waiting,
            takeover=table.takeover,
            voice=table.voice or deployment.default_voice,
            model=table.model,
            reasoning=table.reasoning,
            languages=tuple(table.languages),
            keywords=tuple(table.transcription.keywords),
            transcription_model=table.transcription.model,
            noise_reduction=noise,
            vad=_vad(table.vad),
            max_output_tokens=table.max_output_tokens,
            tools=make_control_tools(table, tables, deployment) + self._tools,
            mcp_servers=self._servers,
            keypad=_keypad(table.keypad),
            digit_fields={name: _digits(name, digits) for name, digits in table.digits.items()},
            silence=_silence(table.silence),
            limits=_limits(table.limits),
            privacy=Privacy(table.privacy.retention, tuple(table.privacy.patterns)),
            outputs=_outputs(bot_id, tables),
        )
        return PreparedBot(
            bot=bot,
            instructions=instructions,
            facts=Template.of(table.facts),
            inputs=table.inputs,
            voices=tuple(table.voices),
        )


def _instructions(table: BotTable) -> str:
    takes_texts = names_in(table.instructions) or names_in(table.facts)
    return f"{table.instructions.strip()}\n\n{DATA_RULE}" if takes_texts else table.instructions


def _greeting(table: GreetingTable, clip: bytes) -> Greeting:
    words, disclosure = " ".join(table.words.split()), " ".join(table.disclosure.split())
    if clip:
        return Greeting(clip=clip, words=words)
    if words:
        is_disclosed = not disclosure or contains(words, disclosure)
        return Greeting(f"Say exactly: '{words if is_disclosed else f'{disclosure} {words}'}'")
    if disclosure:
        sentence = f"Say this sentence in it, word for word: '{disclosure}'"
        return Greeting(f"{table.instruction.strip()} {sentence}")
    return Greeting(table.instruction.strip())


def _vad(table: VadTable) -> VoiceActivity:
    by_sound = table.kind == "server_vad"
    return VoiceActivity(
        kind=table.kind,
        threshold=table.threshold,
        prefix_padding_ms=table.prefix_padding_ms if by_sound else 0,
        silence_duration_ms=table.silence_duration_ms if by_sound else 0,
        eagerness=table.eagerness,
    )


def _keypad(table: KeypadTable) -> Keypad:
    rules = DigitRules(terminator=table.terminator, cancel=table.cancel, gap_s=table.gap_s)
    return Keypad(
        rules=rules,
        is_told_to_model=table.to_model,
        interrupts=table.interrupts,
        keys={key: _command(action) for key, action in table.keys.items()},
    )


def _command(action: KeyTable) -> Command:
    match action.do:
        case "transfer_to_agent":
            return TransferToAgent(action.reason, target=action.target)
        case "end_call":
            return EndCall()
        case "switch_bot":
            return SwitchBot(action.bot or "", action.reason)


def _digits(name: str, table: DigitsTable) -> DigitField:
    return DigitField(
        name=name,
        description=table.description,
        rules=DigitRules(
            min_digits=table.min,
            max_digits=table.max,
            terminator=table.terminator,
            cancel=table.cancel,
            first_s=table.first_s,
            gap_s=table.gap_s,
        ),
        is_sensitive=table.sensitive,
        is_told_to_model=table.to_model,
        output=table.output,
    )


def _silence(table: SilenceTable | None) -> SilencePolicy:
    if table is None:
        return SilencePolicy()
    return SilencePolicy(table.after_s, tuple(table.reprompts), table.then)


def _limits(table: LimitsTable) -> Limits:
    longest_s = Limits().max_call_s if table.max_call_s is None else table.max_call_s
    return Limits(longest_s, table.warn_before_s, table.warning)


def _outputs(bot_id: str, tables: Mapping[str, BotTable]) -> dict[str, str]:
    """Return the defaults of a bot and of all that may take over; the nearer bot's count."""
    outputs: dict[str, str] = {}
    for reached in _reachable(bot_id, tables):
        for name, output in tables[reached].outputs.items():
            outputs.setdefault(name, output.default)
    return outputs


def _reachable(bot_id: str, tables: Mapping[str, BotTable]) -> Iterator[str]:
    """Give the bot, then those that may take over from it, then those after them."""
    found = {bot_id: None}
    waiting = [bot_id]
    while waiting:
        reached = waiting.pop(0)
        yield reached
        for _, linked in linked_bots(tables[reached]):
            if linked not in found:
                found[linked] = None
                waiting.append(linked)
