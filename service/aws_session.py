"""Sessions and clients of AWS.

To import this file loads boto3, which takes half a second: do so in a thread. Credentials and
region are found by boto3's own rules (environment, role of the task, profile), and on a Fly Machine
by `service.fly_identity`.
"""

from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from service.fly_identity import with_fly_identity

CONNECT_S = 2
READ_S = 3
ATTEMPTS = 2


def make_session(region: str = "", role_arn: str = "") -> boto3.session.Session:
    """Return a session; it asks for credentials when a client first needs them.

    Args:
        region: such as `eu-central-1`; the usual one when empty.
        role_arn: the role that we take on a Fly Machine; of no meaning elsewhere.
    """
    session = botocore.session.get_session()
    if role_arn:
        with_fly_identity(session, role_arn)
    return boto3.session.Session(botocore_session=session, region_name=region or None)


def make_client(service: str, region: str = "", role_arn: str = "") -> Any:
    """Return a client that answers or fails within `(CONNECT_S + READ_S) * ATTEMPTS` and a pause.

    Args:
        service: such as `secretsmanager`.
        region: as for `make_session`.
        role_arn: as for `make_session`.

    Raises:
        botocore.exceptions.BotoCoreError: no region is known, or a profile is broken.
    """
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    return make_session(region, role_arn).client(service, config=config)
