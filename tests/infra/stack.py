"""The real `infra/__main__.py`, run without Pulumi's engine and without AWS.

`apply` gives what the program registered. What a resource becomes is decided by a `Provider`: the
usual one invents its outputs, that of `moto_provider.py` makes it in an emulated AWS.
"""

import asyncio
import runpy
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pulumi = pytest.importorskip(
        "pulumi", reason="no Pulumi here: ./scripts/test runs these in .venv-infra"
    )
    pytest.importorskip("pulumi_aws", reason="no Pulumi here: see .venv-infra")
    from pulumi.runtime import mocks, rpc, set_all_config, set_mocks, settings, stack

INFRA = Path(__file__).parents[2] / "infra"
PROJECT = "audioconnector-bridge"
REGION, ACCOUNT = "us-east-1", "123456789012"
DIGEST = "sha256:" + "0" * 64
FARGATE = {
    "fargate": "true",
    "domain": "bridge.example.com",
    "hostedZoneId": "Z0123456789",
    "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/bridge@{DIGEST}",
}


@dataclass(kw_only=True)
class Resource:
    """A registered resource. `sensitive`: names of inputs that are marked as secret."""

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    sensitive: set[str] = field(default_factory=set)
    is_protected: bool = False
    is_retained: bool = False
    depends_on: list[str] = field(default_factory=list)


class Provider(Protocol):
    """What makes resources real."""

    def make(self, kind: str, urn: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the new resource's id and outputs."""
        ...


class Inventing:
    """Outputs that look like AWS's."""

    def make(self, kind: str, urn: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = urn.rpartition("::")[2]
        service = kind.split(":")[1].split("/")[0]
        outputs: dict[str, Any] = {
            "name": f"{name}-1a2b3c4",
            "bucket": f"{name}-1a2b3c4",
            "arn": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind.rpartition(':')[2].lower()}/{name}",
            "url": f"https://{service}.example.com/{name}",
            "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}",
            "arnSuffix": f"suffix/{name}",
            "dnsName": f"{name}.elb.example.com",
            "functionUrl": "https://wake.example.com/",
        }
        if kind == "aws:acm/certificate:Certificate":
            option: Any = dict.fromkeys(
                ("resourceRecordName", "resourceRecordType", "resourceRecordValue"), "record"
            )
            outputs["domainValidationOptions"] = [option | {"domainName": inputs["domainName"]}]
        # An archive is no output that Pulumi could read back.
        return f"{name}-id", outputs | {k: v for k, v in inputs.items() if k != "code"}


@dataclass
class Stack:
    """What a run of the program declared and said."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[Resource]:
        """Return the resources of a type, such as `sqs/queue:Queue`."""
        return [each for each in self.resources if each.type == f"aws:{kind}"]

    def one(self, kind: str, name: str) -> Resource:
        """Return the one resource of a type with this name."""
        [found] = [each for each in self.of(kind) if each.name == name]
        return found


class _Monitor(mocks.MockMonitor):  # type: ignore[misc]  # where there is no Pulumi
    def __init__(self, provider: Provider) -> None:
        super().__init__(None)
        self._provider = provider
        self._lock = threading.Lock()
        self._urns: set[str] = set()
        self.stack = Stack()

    def RegisterResource(self, request: Any) -> Any:
        with self._lock:
            return self._register(request)

    def _register(self, request: Any) -> Any:
        from google.protobuf.json_format import MessageToDict
        from pulumi.runtime.proto import resource_pb2

        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        assert urn not in self._urns, f"two resources are {urn}"
        self._urns.add(urn)
        raw = MessageToDict(request.object)
        inputs = _plain(raw)
        self.stack.resources.append(
            Resource(
                type=request.type,
                name=request.name,
                parent=request.parent,
                inputs=inputs,
                sensitive={name for name, value in raw.items() if _has_secret(value)},
                is_protected=request.protect,
                is_retained=request.retainOnDelete,
                depends_on=list(request.dependencies),
            )
        )
        id_: str = ""
        outputs: dict[str, Any] = {}
        if request.custom:
            id_, outputs = self._provider.make(request.type, urn, inputs)
        answer = resource_pb2.RegisterResourceResponse(urn=urn, id=id_)
        answer.object.update(outputs)
        return answer

    def Invoke(self, request: Any) -> Any:
        from pulumi.runtime.proto import resource_pb2

        if request.tok != "aws:index/getAvailabilityZones:getAvailabilityZones":
            raise AssertionError(f"the program asks AWS for {request.tok}")
        answer = resource_pb2.ResourceInvokeResponse()
        zones = [f"{REGION}{letter}" for letter in "abc"]
        getattr(answer, "return").update({"names": zones, "id": REGION})
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if "pulumi:pulumi:Stack" in request.urn:
            from google.protobuf.json_format import MessageToDict

            self.stack.outputs = _plain(MessageToDict(request.outputs))
        return super().RegisterResourceOutputs(request)


def apply(
    config: Mapping[str, str] | None = None,
    *,
    secret: Sequence[str] = (),
    provider: Provider | None = None,
) -> Stack:
    """Run the program with settings (names without the project) and return what it declared."""
    values = {"aws:region": REGION}
    values |= {_key(name): value for name, value in (config or {}).items()}
    monitor = _Monitor(provider or Inventing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loop = asyncio.new_event_loop()
        try:
            asyncio.set_event_loop(loop)
            set_mocks(None, project=PROJECT, stack="test", preview=False, monitor=monitor)
            settings.set_root_resource(None)
            set_all_config(values, [_key(name) for name in secret])
            loop.run_until_complete(stack.run_in_stack(_program))
        finally:
            # What a failed run left must not wait in the next one.
            settings.SETTINGS.rpc_manager.clear()
            settings.SETTINGS.outputs.clear()
            asyncio.set_event_loop(None)
            loop.close()
    return monitor.stack


def _key(name: str) -> str:
    return name if ":" in name else f"{PROJECT}:{name}"


def _program() -> None:
    # The folder, as Pulumi does: it is then where imports are looked for.
    runpy.run_path(str(INFRA), run_name="__main__")


def _has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        is_secret = value.get(rpc._special_sig_key) == rpc._special_secret_sig
        return is_secret or any(map(_has_secret, value.values()))
    return isinstance(value, list) and any(map(_has_secret, value))


def _plain(value: Any) -> Any:
    """Return a value of Pulumi's wire as Python's: secrets unwrapped, whole numbers as `int`."""
    if isinstance(value, dict):
        signature = value.get(rpc._special_sig_key)
        if signature == rpc._special_secret_sig:
            return _plain(value["value"])
        if signature is not None and "path" in value:
            return value["path"]
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
