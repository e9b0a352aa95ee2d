"""Clients of AWS. To import this file loads boto3, which takes half a second: do so in a thread.

Credentials and region are found by boto3's own rules: environment, role of the task, profile.
"""

from typing import Any

import boto3
from botocore.config import Config

CONNECT_S = 2
READ_S = 3
ATTEMPTS = 2


def make_client(service: str, region: str = "") -> Any:
    """Return a client that answers or fails within `(CONNECT_S + READ_S) * ATTEMPTS` and a pause.

    Args:
        service: such as `secretsmanager`.
        region: such as `eu-central-1`; the usual one when empty.

    Raises:
        botocore.exceptions.BotoCoreError: no region is known, or a profile is broken.
    """
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    return boto3.session.Session().client(service, region_name=region or None, config=config)
