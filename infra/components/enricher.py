"""The enricher, where a judge is set: a queue behind the bus, the function, and its rights."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.events import COMPLETED, Events
from components.function import Function
from components.queue import RECEIVE, dead_letter_queue, work_queue
from components.secrets import Secrets
from judging import JudgeSettings
from policies import Statement, allow, bedrock_models
from settings import Settings

TIMEOUT_S = 180
"""Two answers of a minute each (`service/analytics/enricher.py`, TRIES), and the rest."""
AT_ONCE = 5
"""Calls at a time at most: judges have limits of their own, and nobody waits for a judgement."""


class Enricher(pulumi.ComponentResource):
    """`queue` and `dead`: the calls to judge, and those that could not be; `function` judges."""

    def __init__(
        self,
        name: str,
        *,
        parent: pulumi.Resource,
        code: pulumi.Archive,
        environment: Mapping[str, pulumi.Input[str]],
        events: Events,
        secrets: Secrets,
        settings: Settings,
        judge: JudgeSettings,
    ) -> None:
        super().__init__(
            "audiobridge:index:Enricher", name, opts=pulumi.ResourceOptions(parent=parent)
        )
        self._child = pulumi.ResourceOptions(parent=self)
        self.dead = dead_letter_queue("judging-dead", self._child)
        self.queue = self._filled(name, events)
        key = _key_secret(judge, secrets)
        self.function = Function(
            name,
            parent=self,
            code=code,
            handler=f"service.analytics.functions.{name}",
            environment={**environment, **_environment(judge, key)},
            statements=[*self._recording(events), *_asking(judge, key, settings.region)],
            log_retention_days=settings.log_retention_days,
            timeout_s=TIMEOUT_S,
        ).function
        self._mapping(name)
        self.register_outputs({})

    def _filled(self, name: str, events: Events) -> aws.sqs.Queue:
        """Make the queue, and what brings the completed calls of the bus into it."""
        rule = aws.cloudwatch.EventRule(
            name,
            event_bus_name=events.bus.name,
            event_pattern=pulumi.Output.json_dumps(COMPLETED),
            opts=self._child,
        )
        queue = work_queue(
            "judging", self.dead, timeout_s=TIMEOUT_S, child=self._child, sender=rule.arn
        )
        aws.cloudwatch.EventTarget(
            name,
            rule=rule.name,
            arn=queue.arn,
            event_bus_name=events.bus.name,
            opts=self._child,
        )
        return queue

    def _recording(self, events: Events) -> list[Statement]:
        keys = pulumi.Output.concat(events.lake.arn, "/")
        return [
            allow(RECEIVE, self.queue.arn),
            allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], events.table.arn),
            allow(["s3:GetObject"], pulumi.Output.concat(keys, "oversize/rows/*")),
            allow(["s3:PutObject"], pulumi.Output.concat(keys, "analysis/*")),
            allow(["events:PutEvents"], events.bus.arn),
        ]

    def _mapping(self, name: str) -> None:
        # One call at a time: a batch would wait for its slowest, and be judged again with it.
        aws.lambda_.EventSourceMapping(
            name,
            event_source_arn=self.queue.arn,
            function_name=self.function.arn,
            batch_size=1,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config={"maximum_concurrency": AT_ONCE},
            opts=self._child,
        )


def _key_secret(judge: JudgeSettings, secrets: Secrets) -> pulumi.Input[str] | None:
    """Return the ARN of the key's secret: OpenAI's own key is for no other address."""
    if judge.api_key_secret or judge.kind != "openai" or judge.base_url:
        return judge.api_key_secret
    return secrets.openai_api_key.arn


def _environment(
    judge: JudgeSettings, key: pulumi.Input[str] | None
) -> dict[str, pulumi.Input[str]]:
    variables: dict[str, pulumi.Input[str]] = {"JUDGE": judge.kind}
    if judge.model:
        variables["JUDGE_MODEL"] = judge.model
    if judge.base_url:
        variables["JUDGE_BASE_URL"] = judge.base_url
    if key is not None:
        variables["JUDGE_API_KEY_SECRET"] = key
    if judge.kind == "comprehend":
        variables["JUDGE_LANGUAGE"] = judge.language
    return variables


def _asking(judge: JudgeSettings, key: pulumi.Input[str] | None, region: str) -> list[Statement]:
    """Return what the function may do to ask its judge."""
    if judge.kind == "comprehend":
        return [allow(["comprehend:BatchDetectSentiment"], "*")]  # it has no resources to name
    if judge.kind == "bedrock":
        return [allow(["bedrock:InvokeModel"], bedrock_models(judge.model, region))]
    return [] if key is None else [allow(["secretsmanager:GetSecretValue"], key)]
