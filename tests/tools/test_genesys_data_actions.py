import asyncio
from typing import Any

import msgspec
import pytest

from service.tools.genesys_data_actions import DataActionDeclaration, DataActionKind
from service.tools.port import (
    DeclarationError,
    Surroundings,
    Tool,
    ToolContext,
    ToolError,
    ToolKind,
)
from tests.tools.genesys import ACTION_ID, Clock, Genesys, action, serving
from tests.tools.web import Behaviour, drop, endless, json_reply, reply

CALL = ToolContext(call_id="c", session_id="s", conversation_id="v", bot_id="b")
AROUND = Surroundings(input_names=frozenset(), allowed_hosts=(), values={})
PARAMETERS = {"type": "object", "properties": {"id": {"type": "string"}}}
CUSTOMER = {"name": "Ann", "ssn": "secret", "cards": [{"no": "secret", "kind": "visa"}]}


def declared(**keys: Any) -> DataActionDeclaration:
    table = {"kind": "genesys_data_action", "name": "find", "action_id": ACTION_ID, **keys}
    return msgspec.convert(table, DataActionDeclaration)


class Bench:
    """Runs Data Actions at a stand-in; pauses only move the clock."""

    def __init__(self, *api: Behaviour) -> None:
        self.genesys = Genesys(api=list(api))
        self.clock = Clock()
        self.pauses: list[float] = []

    def run(self, arguments: dict[str, Any] | None = None, **keys: Any) -> object:
        async def scenario(tool: Tool) -> object:
            return await tool.run(arguments or {}, CALL)

        return asyncio.run(self._with_tool(scenario, keys))

    def parameters(self, **keys: Any) -> object:
        async def scenario(tool: Tool) -> object:
            assert tool.parameters is None
            assert tool.fetch_parameters is not None
            return await tool.fetch_parameters()

        return asyncio.run(self._with_tool(scenario, keys))

    async def _with_tool(self, scenario, keys: dict[str, Any]) -> object:
        async with serving(self.genesys):
            kind = DataActionKind(
                region="",
                client_id="i",
                client_secret="s",
                places=self.genesys.places,
                clock=self.clock,
                pause=self._pause,
            )
            try:
                return await scenario(kind.make(declared(**keys), AROUND))
            finally:
                await kind.aclose()

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.now += seconds


def busy(after: str) -> Behaviour:
    return reply(b"secret", status=429, headers={"Retry-After": after})


def test_the_kind_has_the_shape_of_one():
    kind: ToolKind = DataActionKind(region="", client_id="", client_secret="")

    assert kind.declaration is DataActionDeclaration


def test_an_action_is_executed_with_the_arguments():
    bench = Bench(json_reply(CUSTOMER))

    assert bench.run({"id": "7"}, parameters=PARAMETERS) == CUSTOMER

    (call,) = bench.genesys.calls
    assert call.method == "POST"
    assert call.target == f"/api/v2/integrations/actions/{ACTION_ID}/execute"
    assert call.headers["content-type"] == "application/json"
    assert call.json == {"id": "7"}


def test_redacted_fields_do_not_reach_the_model():
    result = Bench(json_reply(CUSTOMER)).run(redact=["ssn", "cards.*.no"])

    assert result == {"name": "Ann", "cards": [{"kind": "visa"}]}


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (reply(b"secret", status=400), "failed"),
        (reply(b"secret", status=404), "not_found"),
        (reply(b"secret", status=504), "failed"),
        (reply(b"secret"), "bad_answer"),
        (endless, "too_large"),
        (drop, "failed"),
    ],
)
def test_a_failed_action_is_an_error_without_the_words_of_the_server(behaviour, code):
    bench = Bench(behaviour)

    with pytest.raises(ToolError) as failed:
        bench.run()

    assert failed.value.code == code
    assert "secret" not in str(failed.value)
    assert len(bench.genesys.calls) == 1


def test_an_action_that_came_too_early_runs_again_in_time():
    bench = Bench(busy("3"), json_reply(1))

    assert bench.run(timeout_s=10.0) == 1
    assert bench.pauses == [3.0]


@pytest.mark.parametrize("after", ["10", "3600", "", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_an_action_that_would_run_too_late_does_not_run_again(after):
    bench = Bench(busy(after))

    with pytest.raises(ToolError, match="rate_limited"):
        bench.run(timeout_s=10.0)

    assert len(bench.genesys.calls) == 1
    assert bench.pauses == []


def test_an_action_runs_again_only_once():
    bench = Bench(busy("1"))

    with pytest.raises(ToolError, match="rate_limited"):
        bench.run()

    assert len(bench.genesys.calls) == 2


def test_parameters_of_the_file_are_not_fetched():
    kind = DataActionKind(region="mypurecloud.de", client_id="i", client_secret="s")

    tool = kind.make(declared(parameters=PARAMETERS, timeout_s=4.0, max_calls=2), AROUND)

    assert (tool.parameters, tool.fetch_parameters) == (PARAMETERS, None)
    assert (tool.timeout_s, tool.max_calls) == (4.0, 2)


def test_fetched_parameters_leave_out_what_the_caller_keys_in():
    schema = {
        "type": "object",
        "required": ["id", "pin"],
        "properties": {"id": {"type": "string"}, "pin": {"type": "string"}},
    }

    parameters = Bench(action(schema)).parameters(fill={"pin": "pin_field"})

    assert parameters == {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string"}},
    }


def test_arguments_that_cannot_be_sent_are_invalid():
    with pytest.raises(ToolError, match="invalid_arguments"):
        Bench().run({"id": "\ud800"})


@pytest.mark.parametrize(
    ("settings", "expectation"),
    [
        ({}, "GENESYS_REGION, GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET"),
        ({"region": "mypurecloud.de", "client_id": "i"}, "the settings GENESYS_CLIENT_SECRET"),
        ({"region": "x", "client_id": "i", "client_secret": "s"}, "GENESYS_REGION is a domain"),
    ],
)
def test_without_its_settings_the_kind_makes_no_tool(settings, expectation):
    given = {"region": "", "client_id": "", "client_secret": "", **settings}

    with pytest.raises(DeclarationError) as refused:
        DataActionKind(**given).make(declared(), AROUND)

    ((key, expected),) = refused.value.problems
    assert key == "kind"
    assert expectation in expected


def test_paths_to_redact_have_a_form():
    kind = DataActionKind(region="mypurecloud.de", client_id="i", client_secret="s")

    with pytest.raises(DeclarationError, match="redact: dotted names"):
        kind.make(declared(redact=["a", "b[0]..c"]), AROUND)


@pytest.mark.parametrize("action_id", ["", "a/b", "..", "a?b", "a b", "x" * 101, "a\n", "ü"])
def test_other_texts_are_no_action(action_id):
    with pytest.raises(msgspec.ValidationError):
        declared(action_id=action_id)
