"""The words of one call as its events may tell them.

Pure. Bots come and go on a call; the strictest of them counts from then on.
"""

from service.bots.port import Privacy
from service.call_events import CallPrivacy
from service.privacy import Redactor, Retention, strictest
from service.transcript import Turn

OWN_OUTPUTS = frozenset({"BOT_STATUS", "END_REASON"})
"""Output variables whose values are words of ours."""


class PrivateWords:
    """Masks turns and output variables, as far as the bots of the call want it."""

    def __init__(self) -> None:
        self._retention: Retention | None = None
        self._latest: Privacy | None = None
        # A number may be spread over several turns of its speaker, with others in between.
        self._of_speaker = {"caller": Redactor(), "agent": Redactor()}

    def follow(self, privacy: Privacy) -> None:
        """Reckon with a bot that serves the call."""
        if privacy is self._latest:
            return
        self._latest = privacy
        known = () if self._retention is None else (self._retention,)
        self._retention = strictest((*known, privacy.retention))
        for redactor in self._of_speaker.values():
            redactor.add_patterns(privacy.patterns)

    @property
    def told(self) -> CallPrivacy:
        """What `call.ended` says of it."""
        counts = self._of_speaker["caller"].counts + self._of_speaker["agent"].counts
        return CallPrivacy(retention=self._retention or "redacted", redactions=dict(counts))

    def of_turn(self, turn: Turn) -> tuple[str, str]:
        """Return the heard and the generated words of a turn."""
        if self._retention == "full":
            return turn.heard, turn.text
        if self._retention == "none":
            return "", ""
        redactor = self._of_speaker[turn.speaker]
        generated = redactor.mask_spoken(turn.text)
        if turn.heard == turn.text:
            return generated, generated
        if turn.text.startswith(turn.heard):
            return redactor.mask_prefix(turn.text, len(turn.heard)), generated
        return redactor.mask(turn.heard), generated

    def of_outputs(self, outputs: dict[str, str]) -> dict[str, str]:
        """Return output variables; what the model or the caller put into them may be private."""
        if self._retention == "full":
            return outputs
        if self._retention == "none":
            return {name: text if name in OWN_OUTPUTS else "" for name, text in outputs.items()}
        redactor = self._of_speaker["agent"]
        return {name: redactor.mask(text) for name, text in outputs.items()}
