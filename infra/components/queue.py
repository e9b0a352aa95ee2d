"""Queues: encrypted, for TLS alone, and those that are read with dead letters behind them."""

from typing import Any

import pulumi
import pulumi_aws as aws

from policies import Statement, document, tls_only

KEEP_S = 4 * 86_400
KEEP_DEAD_S = 14 * 86_400
"""The most that SQS keeps, and longer than the queue: a dead letter keeps its first date."""
TRIES = 5
TIMEOUTS_HIDDEN = 6
"""A message is hidden six times as long as its function may work. Source: Lambda's guide to SQS."""

RECEIVE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""What Lambda does with a queue in the function's name."""


def dead_letter_queue(name: str, child: pulumi.ResourceOptions) -> aws.sqs.Queue:
    """Make a queue for what could not be processed."""
    return _queue(name, [], child, message_retention_seconds=KEEP_DEAD_S)


def work_queue(
    name: str,
    dead: aws.sqs.Queue,
    *,
    timeout_s: int,
    child: pulumi.ResourceOptions,
    sender: pulumi.Input[str] | None = None,
) -> aws.sqs.Queue:
    """Make a queue for a function.

    Args:
        name: of the queue in Pulumi.
        dead: where a message goes after `TRIES`; it takes them from no other queue.
        timeout_s: of the function.
        child: whose part the queue is.
        sender: ARN of the rule of EventBridge that may send; None: only roles that say so.
    """
    queue = _queue(
        name,
        [sender] if sender else [],
        child,
        message_retention_seconds=KEEP_S,
        visibility_timeout_seconds=TIMEOUTS_HIDDEN * timeout_s,
        redrive_policy=pulumi.Output.json_dumps(
            {"deadLetterTargetArn": dead.arn, "maxReceiveCount": TRIES}
        ),
    )
    aws.sqs.RedriveAllowPolicy(
        name,
        queue_url=dead.id,
        redrive_allow_policy=pulumi.Output.json_dumps(
            {"redrivePermission": "byQueue", "sourceQueueArns": [queue.arn]}
        ),
        opts=child,
    )
    return queue


def _queue(
    name: str, senders: list[pulumi.Input[str]], child: pulumi.ResourceOptions, **how: Any
) -> aws.sqs.Queue:
    queue = aws.sqs.Queue(name, sqs_managed_sse_enabled=True, opts=child, **how)
    rights = [tls_only("sqs:*", queue.arn), *(_sending(queue, each) for each in senders)]
    aws.sqs.QueuePolicy(name, queue_url=queue.id, policy=document(*rights), opts=child)
    return queue


def _sending(queue: aws.sqs.Queue, rule_arn: pulumi.Input[str]) -> Statement:
    return {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
    }
