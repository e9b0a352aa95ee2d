"""Erases a conversation by its Genesys id from the table and the lake, on AWS or locally.

Use: python -m scripts.forget_call CONVERSATION_ID --local DIR
     python -m scripts.forget_call CONVERSATION_ID --table NAME --bucket NAME
Prints one JSON object: how many calls, rows and documents were erased. Exit code 1: it is unknown.
Events that are still on a queue or in a spool are not reached, nor files that somebody exported.
"""

import argparse
import json
import sys
from pathlib import Path

import msgspec

from service.analytics.forgetting import Forgotten, forget_conversation
from service.analytics.local import FileLake, FileTable


def forget_locally(conversation_id: str, directory: Path) -> Forgotten:
    """Erase it from the folder of a local recorder, its announcements included."""
    forgotten = forget_conversation(
        conversation_id, table=FileTable(directory / "table"), lake=FileLake(directory / "lake")
    )
    for name, member in (("completed.ndjson", "conversation_id"), ("analyzed.ndjson", "subject")):
        bus = directory / name
        if bus.exists():
            lines = bus.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line)[member] != conversation_id]
            bus.write_bytes(b"".join(kept))
    return forgotten


def forget_on_aws(conversation_id: str, table: str, bucket: str) -> Forgotten:
    """Erase it from a DynamoDB table and every version of its documents from a bucket."""
    import boto3

    from service.analytics.aws import DynamoTable, S3Lake

    lake = S3Lake(boto3.client("s3"), bucket)
    return forget_conversation(
        conversation_id, table=DynamoTable(boto3.client("dynamodb"), table, lake), lake=lake
    )


def main(arguments: list[str] | None = None) -> int:
    """Erase and say what was erased."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("conversation_id")
    parser.add_argument("--local", type=Path, help="folder of a local recorder")
    parser.add_argument("--table", help="name of the DynamoDB table")
    parser.add_argument("--bucket", help="name of the lake's bucket")
    given = parser.parse_args(arguments)
    if given.local:
        forgotten = forget_locally(given.conversation_id, given.local)
    elif given.table and given.bucket:
        forgotten = forget_on_aws(given.conversation_id, given.table, given.bucket)
    else:
        parser.error("say where: --local DIR, or --table NAME and --bucket NAME")
    print(msgspec.json.encode(forgotten).decode())
    return 0 if forgotten.calls else 1


if __name__ == "__main__":
    sys.exit(main())
