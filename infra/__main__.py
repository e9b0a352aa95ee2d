"""The whole stack: reads its settings, makes a component per concern, exports what others need."""

import pulumi

from components.alarms import Alarms
from components.analytics import Analytics
from components.dashboard import Dashboard
from components.events import Events
from components.functions import Functions
from components.identity import Identity
from components.secrets import Secrets
from fargate import Fargate
from outputs import export
from settings import Settings, SettingsError


def main() -> None:
    """Declare every resource of the stack."""
    settings = Settings.load()
    events = Events("events", settings)
    secrets = Secrets("secrets", settings)
    functions = Functions("functions", events, secrets, settings)
    analytics = Analytics("analytics", events, settings)
    fargate = Fargate(events, secrets, settings, settings.fargate) if settings.fargate else None
    registry = fargate.registry if fargate else None
    identity = Identity("identity", events, secrets, registry, settings)
    Alarms("alarms", events, functions, fargate, settings)
    Dashboard("dashboard", events, functions, fargate, settings)
    export(settings, events, secrets, functions, analytics, identity, fargate)


try:
    main()
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None
