"""A provider that makes resources in moto by boto3, which checks their shapes, and remembers them.

An unknown type of resource fails: nothing can be added to the program that is not made here.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any

import boto3

Inputs = dict[str, Any]
Made = tuple[str, Inputs]
Maker = Callable[["Moto", str, Inputs], Made]

MAKERS: dict[str, Maker] = {}


def makes(kind: str) -> Callable[[Maker], Maker]:
    """Note a function as what makes a type of resource."""

    def noted(maker: Maker) -> Maker:
        MAKERS[f"aws:{kind}"] = maker
        return maker

    return noted


class Moto:
    """The provider and the state of its stack; `changed` has resources whose inputs differ."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._state: dict[str, tuple[Inputs, Made]] = {}
        self.changed: list[str] = []
        self.made = 0

    def client(self, name: str) -> Any:
        return _client(name, self._region)

    def make(self, kind: str, urn: str, inputs: Inputs) -> Made:
        if urn in self._state:
            before, made = self._state[urn]
            if before != inputs:
                self.changed.append(urn)
            return made
        assert kind in MAKERS, f"nothing here makes {kind}"
        name = inputs.get("name") or f"{urn.rpartition('::')[2]}-0a1b2c3"
        id_, outputs = MAKERS[kind](self, name, copy.deepcopy(inputs))
        kept = {key: value for key, value in inputs.items() if key != "code"}
        self.made += 1
        self._state[urn] = (inputs, (id_, {"name": name} | kept | outputs))
        return self._state[urn][1]


@functools.cache
def _client(name: str, region: str) -> Any:
    return boto3.client(name, region_name=region)


def upper(value: Any) -> Any:
    """Return nested keys as botocore's: `queueUrl` becomes `QueueUrl`."""
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: upper(each) for key, each in value.items()}
    return [upper(each) for each in value] if isinstance(value, list) else value


@makes("sqs/queue:Queue")
def _queue(moto: Moto, name: str, inputs: Inputs) -> Made:
    named = {
        "messageRetentionSeconds": "MessageRetentionPeriod",
        "visibilityTimeoutSeconds": "VisibilityTimeout",
        "sqsManagedSseEnabled": "SqsManagedSseEnabled",
        "redrivePolicy": "RedrivePolicy",
    }
    attributes = {named[key]: str(value).strip() for key, value in inputs.items()}
    sqs = moto.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    about = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, {"url": url, "arn": about["Attributes"]["QueueArn"]}


@makes("sqs/queuePolicy:QueuePolicy")
def _queue_policy(moto: Moto, name: str, inputs: Inputs) -> Made:
    url, attributes = inputs["queueUrl"], {"Policy": inputs["policy"]}
    moto.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url, {}


@makes("sqs/redriveAllowPolicy:RedriveAllowPolicy")
def _redrive(moto: Moto, name: str, inputs: Inputs) -> Made:
    url, attributes = inputs["queueUrl"], {"RedriveAllowPolicy": inputs["redriveAllowPolicy"]}
    moto.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url, {}


@makes("dynamodb/table:Table")
def _table(moto: Moto, name: str, inputs: Inputs) -> Made:
    indexes = [
        {
            "IndexName": index["name"],
            "KeySchema": upper(index["keySchemas"]),
            "Projection": {"ProjectionType": index["projectionType"]},
        }
        for index in inputs["globalSecondaryIndexes"]
    ]
    dynamodb = moto.client("dynamodb")
    table = dynamodb.create_table(
        TableName=name,
        BillingMode=inputs["billingMode"],
        AttributeDefinitions=[
            {"AttributeName": each["name"], "AttributeType": each["type"]}
            for each in inputs["attributes"]
        ],
        KeySchema=[
            {"AttributeName": inputs["hashKey"], "KeyType": "HASH"},
            {"AttributeName": inputs["rangeKey"], "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=indexes,
        DeletionProtectionEnabled=inputs["deletionProtectionEnabled"],
    )["TableDescription"]
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=upper(inputs["ttl"]))
    return name, {"arn": table["TableArn"]}


@makes("s3/bucket:Bucket")
def _bucket(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("s3").create_bucket(Bucket=name)
    return name, {"bucket": name, "arn": f"arn:aws:s3:::{name}"}


@makes("s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
def _block(moto: Moto, name: str, inputs: Inputs) -> Made:
    bucket = inputs.pop("bucket")
    moto.client("s3").put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration=upper(inputs)
    )
    return bucket, {}


@makes("s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
def _encryption(moto: Moto, name: str, inputs: Inputs) -> Made:
    [rule] = inputs["rules"]
    algorithm = rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"]
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}]
    moto.client("s3").put_bucket_encryption(
        Bucket=inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
    )
    return inputs["bucket"], {}


@makes("s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
def _lifecycle(moto: Moto, name: str, inputs: Inputs) -> Made:
    rules = [upper(rule) | {"ID": rule["id"]} for rule in inputs["rules"]]
    for rule in rules:
        del rule["Id"]
    moto.client("s3").put_bucket_lifecycle_configuration(
        Bucket=inputs["bucket"], LifecycleConfiguration={"Rules": rules}
    )
    return inputs["bucket"], {}


@makes("s3/bucketPolicy:BucketPolicy")
def _bucket_policy(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("s3").put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
    return inputs["bucket"], {}


@makes("cloudwatch/eventBus:EventBus")
def _bus(moto: Moto, name: str, inputs: Inputs) -> Made:
    arn = moto.client("events").create_event_bus(Name=name)["EventBusArn"]
    return name, {"arn": arn}


@makes("cloudwatch/eventArchive:EventArchive")
def _archive(moto: Moto, name: str, inputs: Inputs) -> Made:
    arn = moto.client("events").create_archive(ArchiveName=name, **upper(inputs))["ArchiveArn"]
    return name, {"arn": arn}


@makes("cloudwatch/eventRule:EventRule")
def _rule(moto: Moto, name: str, inputs: Inputs) -> Made:
    arn = moto.client("events").put_rule(Name=name, **upper(inputs))["RuleArn"]
    return name, {"arn": arn}


@makes("cloudwatch/eventTarget:EventTarget")
def _target(moto: Moto, name: str, inputs: Inputs) -> Made:
    bus = {"EventBusName": inputs["eventBusName"]} if "eventBusName" in inputs else {}
    answer = moto.client("events").put_targets(
        Rule=inputs["rule"], Targets=[{"Id": name, "Arn": inputs["arn"]}], **bus
    )
    assert answer["FailedEntryCount"] == 0
    return name, {}


@makes("secretsmanager/secret:Secret")
def _secret(moto: Moto, name: str, inputs: Inputs) -> Made:
    arn = moto.client("secretsmanager").create_secret(Name=name)["ARN"]
    return arn, {"arn": arn}


@makes("secretsmanager/secretVersion:SecretVersion")
def _secret_version(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("secretsmanager").put_secret_value(**upper(inputs))
    return name, {}


@makes("iam/role:Role")
def _role(moto: Moto, name: str, inputs: Inputs) -> Made:
    role = moto.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=inputs["assumeRolePolicy"]
    )
    return name, {"arn": role["Role"]["Arn"]}


@makes("iam/rolePolicy:RolePolicy")
def _role_policy(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("iam").put_role_policy(
        RoleName=inputs["role"], PolicyName=name, PolicyDocument=inputs["policy"]
    )
    return f"{inputs['role']}:{name}", {}


@makes("iam/rolePolicyAttachment:RolePolicyAttachment")
def _attachment(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return name, {}


@makes("iam/openIdConnectProvider:OpenIdConnectProvider")
def _oidc(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("iam").create_open_id_connect_provider(
        Url=inputs["url"], ClientIDList=inputs["clientIdLists"]
    )
    return made["OpenIDConnectProviderArn"], {"arn": made["OpenIDConnectProviderArn"]}


@makes("cloudwatch/logGroup:LogGroup")
def _log_group(moto: Moto, name: str, inputs: Inputs) -> Made:
    logs = moto.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=inputs["retentionInDays"])
    [group] = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return name, {"arn": group["arn"].removesuffix(":*")}


@makes("lambda/function:Function")
def _function(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("lambda").create_function(
        FunctionName=name,
        Runtime=inputs["runtime"],
        Role=inputs["role"],
        Handler=inputs["handler"],
        Code={"ZipFile": b"what is in it is tested elsewhere"},
        Timeout=inputs["timeout"],
        MemorySize=inputs["memorySize"],
        Architectures=inputs["architectures"],
        Environment={"Variables": inputs["environment"]["variables"]},
        LoggingConfig=upper(inputs["loggingConfig"]),
    )
    return name, {"arn": made["FunctionArn"]}


@makes("lambda/eventSourceMapping:EventSourceMapping")
def _mapping(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("lambda").create_event_source_mapping(**upper(inputs))
    return made["UUID"], {}


@makes("lambda/permission:Permission")
def _permission(moto: Moto, name: str, inputs: Inputs) -> Made:
    request = upper(inputs)
    request["FunctionName"] = request.pop("Function")
    moto.client("lambda").add_permission(StatementId=name, **request)
    return name, {}


@makes("lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
def _invoke_config(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("lambda").put_function_event_invoke_config(**upper(inputs))
    return name, {}


@makes("lambda/functionUrl:FunctionUrl")
def _function_url(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("lambda").create_function_url_config(
        FunctionName=inputs["functionName"], AuthType=inputs["authorizationType"]
    )
    return name, {"functionUrl": made["FunctionUrl"]}


@makes("glue/catalogDatabase:CatalogDatabase")
def _database(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("glue").create_database(DatabaseInput={"Name": name})
    return name, {}


@makes("glue/catalogTable:CatalogTable")
def _catalog_table(moto: Moto, name: str, inputs: Inputs) -> Made:
    database = inputs.pop("databaseName")
    table = upper(inputs)
    table["StorageDescriptor"]["SerdeInfo"] = table["StorageDescriptor"].pop("SerDeInfo")
    # What botocore calls a map's keys is not to be changed.
    table["Parameters"] = inputs["parameters"]
    moto.client("glue").create_table(DatabaseName=database, TableInput=table)
    return f"{database}:{name}", {}


@makes("athena/workgroup:Workgroup")
def _workgroup(moto: Moto, name: str, inputs: Inputs) -> Made:
    wanted = inputs["configuration"]
    result = wanted["resultConfiguration"]
    moto.client("athena").create_work_group(
        Name=name,
        Configuration={
            "EnforceWorkGroupConfiguration": wanted["enforceWorkgroupConfiguration"],
            "PublishCloudWatchMetricsEnabled": wanted["publishCloudwatchMetricsEnabled"],
            "BytesScannedCutoffPerQuery": wanted["bytesScannedCutoffPerQuery"],
            "ResultConfiguration": upper(result),
        },
    )
    return name, {}


@makes("athena/namedQuery:NamedQuery")
def _named_query(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("athena").create_named_query(
        Name=name,
        Description=inputs["description"],
        Database=inputs["database"],
        QueryString=inputs["query"],
        WorkGroup=inputs["workgroup"],
    )
    return made["NamedQueryId"], {}


@makes("sns/topic:Topic")
def _topic(moto: Moto, name: str, inputs: Inputs) -> Made:
    arn = moto.client("sns").create_topic(Name=name)["TopicArn"]
    return arn, {"arn": arn}


@makes("sns/topicSubscription:TopicSubscription")
def _subscription(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("sns").subscribe(
        TopicArn=inputs["topic"], Protocol=inputs["protocol"], Endpoint=inputs["endpoint"]
    )
    return made["SubscriptionArn"], {}


@makes("cloudwatch/metricAlarm:MetricAlarm")
def _alarm(moto: Moto, name: str, inputs: Inputs) -> Made:
    request = upper(inputs)
    request["OKActions"] = request.pop("OkActions")
    request["Dimensions"] = [
        {"Name": key, "Value": value} for key, value in inputs["dimensions"].items()
    ]
    moto.client("cloudwatch").put_metric_alarm(AlarmName=name, **request)
    return name, {}


@makes("cloudwatch/dashboard:Dashboard")
def _dashboard(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("cloudwatch").put_dashboard(**upper(inputs))
    return name, {}
