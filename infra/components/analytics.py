"""The lake as tables for SQL: Glue without a crawler, Athena, and the analysts' questions."""

from collections.abc import Mapping
from pathlib import Path

import pulumi
import pulumi_aws as aws

from columns import ANALYSES, CALLS, TURNS
from components.events import Events
from settings import ROOT, Settings

QUESTIONS = ROOT / "service" / "analytics" / "sql"
MOST_BYTES_PER_QUERY = 10 * 2**30
"""Athena stops a question there: five cents at list price. Millions of calls are less."""
TEXT = "org.apache.hadoop.mapred.TextInputFormat"
IGNORE_KEY = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
JSON_SERDE = "org.openx.data.jsonserde.JsonSerDe"


class Analytics(pulumi.ComponentResource):
    """`workgroup` and `database`: where the questions are asked."""

    def __init__(self, name: str, events: Events, settings: Settings) -> None:
        super().__init__("audiobridge:index:Analytics", name)
        self._child = pulumi.ResourceOptions(parent=self)
        self._lake = events.lake
        self.database = aws.glue.CatalogDatabase("calls", opts=self._child)
        for table, columns in (("calls", CALLS), ("turns", TURNS), ("analysis", ANALYSES)):
            self._table(table, columns, settings.retention_days)
        self.workgroup = self._workgroup()
        for path in sorted(QUESTIONS.glob("*.sql")):
            self._question(path)
        self.register_outputs({})

    def _table(self, name: str, columns: Mapping[str, str], retention_days: int) -> None:
        folder = pulumi.Output.concat("s3://", self._lake.bucket, "/", name, "/")
        aws.glue.CatalogTable(
            name,
            name=name,
            database_name=self.database.name,
            table_type="EXTERNAL_TABLE",
            partition_keys=[{"name": "dt", "type": "string"}],
            # Athena reckons the partitions from the dates: nothing crawls, nothing is repaired.
            parameters={
                "EXTERNAL": "TRUE",
                "classification": "json",
                "projection.enabled": "true",
                "projection.dt.type": "date",
                "projection.dt.format": "yyyy-MM-dd",
                "projection.dt.range": f"NOW-{retention_days}DAYS,NOW",
                "storage.location.template": pulumi.Output.concat(folder, "dt=${dt}/"),
            },
            storage_descriptor={
                "location": folder,
                "input_format": TEXT,
                "output_format": IGNORE_KEY,
                "ser_de_info": {"serialization_library": JSON_SERDE},
                "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
            },
            opts=self._child,
        )

    def _workgroup(self) -> aws.athena.Workgroup:
        return aws.athena.Workgroup(
            "calls",
            configuration={
                "enforce_workgroup_configuration": True,
                "publish_cloudwatch_metrics_enabled": True,
                "bytes_scanned_cutoff_per_query": MOST_BYTES_PER_QUERY,
                "result_configuration": {
                    "output_location": pulumi.Output.concat("s3://", self._lake.bucket, "/athena/"),
                    "encryption_configuration": {"encryption_option": "SSE_S3"},
                },
            },
            force_destroy=True,
            opts=self._child,
        )

    def _question(self, path: Path) -> None:
        """Keep a file's statement; its first line says what it answers."""
        text = path.read_text(encoding="utf-8")
        aws.athena.NamedQuery(
            path.stem,
            name=path.stem.replace("_", " "),
            description=text.splitlines()[0].removeprefix("-- "),
            database=self.database.name,
            workgroup=self.workgroup.id,
            query=text,
            opts=self._child,
        )
