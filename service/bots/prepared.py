"""A bot that is ready but for what a call brings: input variables and a language.

Pure. What a flow sends chooses among what the bot's file allows, and fills its gaps with data; it
changes no tool, key, address or rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from service.bots.definition import InputTable
from service.bots.port import Bot
from service.bots.templates import Template, clean


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBot:
    """Makes a `Bot` for each call.

    Attributes:
        bot: as it is for every call; its texts without gaps are complete.
        instructions: standing orders with their gaps.
        facts: the same for what is true of one call only.
        inputs: by name, which variables of the flow fill the gaps.
        voices: among which `BOT_VOICE` may choose.
    """

    bot: Bot
    instructions: Template
    facts: Template
    inputs: Mapping[str, InputTable]
    voices: tuple[str, ...]

    def for_call(self, given: Mapping[str, str], language: str | None) -> Bot:
        """Return the bot for one call.

        Args:
            given: what the flow sent, allowed or not.
            language: tag that the caller's side named, or None.
        """
        warnings: list[str] = []
        inputs = {name: self._input(name, given, warnings) for name in self.inputs}
        languages = self._languages(given, language, warnings)
        facts = self.facts.fill(inputs)
        if languages != self.bot.languages:
            facts = f"{facts}\n\n{_speak(languages[0])}".strip()
        return replace(
            self.bot,
            instructions=self.instructions.fill(inputs),
            facts=facts,
            voice=self._voice(given, warnings),
            languages=languages,
            language=languages[0] if languages else None,
            inputs=inputs,
            warnings=tuple(warnings),
        )

    def _input(self, name: str, given: Mapping[str, str], warnings: list[str]) -> str:
        """Return the value as data; an empty one counts as absent."""
        rule = self.inputs[name]
        value = clean(given.get(name, "")) or clean(rule.default)
        if len(value) > rule.max_chars:
            warnings.append(f"input_cut:{name}")
        return value[: rule.max_chars]

    def _voice(self, given: Mapping[str, str], warnings: list[str]) -> str:
        wanted = given.get("BOT_VOICE", "").strip()
        voice = next((voice for voice in self.voices if voice.lower() == wanted.lower()), None)
        if wanted and voice is None:
            warnings.append("input_refused:BOT_VOICE")
        return voice or self.bot.voice

    def _languages(
        self, given: Mapping[str, str], language: str | None, warnings: list[str]
    ) -> tuple[str, ...]:
        """Return the bot's languages, the one of this call first."""
        wanted = given.get("BOT_LANGUAGE", "").strip()
        chosen = _fitting(wanted, self.bot.languages)
        if wanted and chosen is None:
            warnings.append("input_refused:BOT_LANGUAGE")
        chosen = chosen or _fitting(language or "", self.bot.languages)
        if chosen is None:
            return self.bot.languages
        return (chosen, *(tag for tag in self.bot.languages if tag != chosen))


def _fitting(wanted: str, tags: tuple[str, ...]) -> str | None:
    """Return the tag that is the one wanted, else the first of the same language."""
    wanted = wanted.lower().replace("_", "-")
    same = [tag for tag in tags if tag.lower() == wanted]
    related = [tag for tag in tags if _primary(tag) == _primary(wanted)]
    return next(iter(same + related), None)


def _primary(tag: str) -> str:
    return tag.lower().partition("-")[0]


def _speak(tag: str) -> str:
    return f"Begin in the language with the tag {tag}. Change it when the caller does."
