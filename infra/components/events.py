"""Where the events of calls go: queue and dead-letter queue, table, lake, bus and its archive."""

import pulumi
import pulumi_aws as aws

from components.queue import dead_letter_queue, work_queue
from policies import document, tls_only
from settings import Settings

FUNCTION_TIMEOUT_S = 30
RESULTS_DAYS = 7
"""Answers of Athena repeat what is in the lake: they need not last."""
EVENT_SOURCE = "audioconnector-bridge"
COMPLETED = {"source": [EVENT_SOURCE], "detail-type": ["CallCompleted"]}
"""The pattern of rules that follow a call's end (`service/analytics/aws.py`)."""


class Events(pulumi.ComponentResource):
    """The road of the events. `queue`, `dead`, `table`, `lake`, `bus`."""

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__("audiobridge:index:Events", name)
        self._child = pulumi.ResourceOptions(parent=self)
        # What holds callers' words is neither lost to a slip nor by removing the stack.
        self._data = pulumi.ResourceOptions(
            parent=self,
            protect=settings.protect_data,
            retain_on_delete=settings.protect_data,
        )
        self.dead = dead_letter_queue("dead", self._child)
        self.queue = work_queue("calls", self.dead, timeout_s=FUNCTION_TIMEOUT_S, child=self._child)
        self.table = self._table(settings)
        self.lake = self._lake(settings.retention_days)
        self.bus = self._bus(settings.retention_days)
        self.register_outputs({})

    def _table(self, settings: Settings) -> aws.dynamodb.Table:
        """Keys and indexes as `service/analytics/aws.py` reads and writes them."""
        names = ("pk", "sk", "day", "started_at", "conversation_id")
        return aws.dynamodb.Table(
            "calls",
            billing_mode="PAY_PER_REQUEST",
            hash_key="pk",
            range_key="sk",
            attributes=[{"name": name, "type": "S"} for name in names],
            global_secondary_indexes=[
                _index("day", "day"),
                _index("conversation", "conversation_id"),
            ],
            ttl={"attribute_name": "expires", "enabled": True},
            point_in_time_recovery={"enabled": settings.protect_data},
            deletion_protection_enabled=settings.protect_data,
            opts=self._data,
        )

    def _lake(self, retention_days: int) -> aws.s3.Bucket:
        lake = aws.s3.Bucket("lake", opts=self._data)
        aws.s3.BucketPublicAccessBlock(
            "lake",
            bucket=lake.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            "lake",
            bucket=lake.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=self._child,
        )
        aws.s3.BucketPolicy(
            "lake",
            bucket=lake.id,
            policy=document(tls_only("s3:*", [lake.arn, pulumi.Output.concat(lake.arn, "/*")])),
            opts=self._child,
        )
        aws.s3.BucketLifecycleConfiguration(
            "lake",
            bucket=lake.id,
            rules=[
                _expiry("calls", "", retention_days),
                _expiry("answers", "athena/", min(RESULTS_DAYS, retention_days)),
            ],
            opts=self._child,
        )
        return lake

    def _bus(self, retention_days: int) -> aws.cloudwatch.EventBus:
        bus = aws.cloudwatch.EventBus("calls", opts=self._child)
        aws.cloudwatch.EventArchive(
            "calls",
            event_source_arn=bus.arn,
            event_pattern=pulumi.Output.json_dumps({"source": [EVENT_SOURCE]}),
            retention_days=retention_days,
            opts=self._child,
        )
        return bus


def _index(name: str, key: str) -> aws.dynamodb.TableGlobalSecondaryIndexArgsDict:
    return {
        "name": name,
        "key_schemas": [
            {"attribute_name": key, "key_type": "HASH"},
            {"attribute_name": "started_at", "key_type": "RANGE"},
        ],
        "projection_type": "ALL",
    }


def _expiry(name: str, prefix: str, days: int) -> aws.s3.BucketLifecycleConfigurationRuleArgsDict:
    return {
        "id": name,
        "status": "Enabled",
        "filter": {"prefix": prefix},
        "expiration": {"days": days},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
    }
