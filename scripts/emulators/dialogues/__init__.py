"""The conversations of the demo's bots, as data, one file each.

Sources of the tools' and arguments' names: the service's documentation of its bots; nothing is
imported from there.
"""

from collections.abc import Mapping

from scripts.emulators.dialogue import Dialogue
from scripts.emulators.dialogues.bank import BANK
from scripts.emulators.dialogues.bilingual import BILINGUAL
from scripts.emulators.dialogues.electricity import ELECTRICITY_COMPANY
from scripts.emulators.dialogues.reception import RECEPTION

__all__ = ["DIALOGUES"]

DIALOGUES: Mapping[str, Dialogue] = {
    "default": ELECTRICITY_COMPANY,
    "bank": BANK,
    "bilingual": BILINGUAL,
    "reception": RECEPTION,
}
"""By the bot's id."""
