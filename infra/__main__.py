"""The whole stack: reads its settings, makes a component per concern, exports what others need."""

import pulumi

from components.events import Events
from components.functions import Functions
from components.identity import Identity
from components.secrets import Secrets
from outputs import export
from settings import Settings, SettingsError


def main() -> None:
    """Declare every resource of the stack."""
    settings = Settings.load()
    events = Events("events", settings)
    secrets = Secrets("secrets", settings)
    Functions("functions", events, settings)
    identity = Identity("identity", events, secrets, settings)
    export(settings, events, secrets, identity)


try:
    main()
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None
