import pytest

from service.bots.definition import BotTable, DigitsTable, InputTable, McpTable
from service.bots.functions import make_mcp_servers, make_tools
from service.bots.reading import Problems
from tests.bots.bot_folder import EchoKind, deployment, problems_of

BASE = 'instructions = "Be brief."\n'
TOOL = BASE + "[[tools]]\nkind = 'echo'\nname = 'look_up'\nurl = 'https://x'\n"
FILLED = (
    BASE
    + 'controls = ["collect_digits"]\n[digits.card]\ndescription = "a card"\n'
    + "[[tools]]\nkind = 'echo'\nname = 'look_up'\nurl = 'https://x'\n"
)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (TOOL.replace("echo", "ecco"), ['tools.look_up.kind: expected one of echo, got "ecco"']),
        (TOOL.replace("kind = 'echo'\n", ""),
         ["tools.look_up.kind: expected one of echo, got nothing"]),
        (TOOL + "retries = 9\nurk = 1",
         ["tools.look_up.urk: no such key; did you mean url?",
          "tools.look_up.retries: expected a whole number from 0 to 3, got 9"]),
        (TOOL.replace("name = 'look_up'\n", ""),
         ["tools.1.name: expected a text that matches ^[a-zA-Z0-9_-]{1,64}\\Z, got nothing"]),
        (TOOL + "parameters = { type = 'object', properties = { a = { type = 'numbr' } } }",
         ["tools.look_up.parameters: expected a JSON Schema (draft 7) that refers to no other "
          "document"]),
        (TOOL.replace("https", "http"),
         ["tools.look_up.url: expected https", "tools.look_up: expected another tool"]),
        (FILLED + "fill = { number = 'cart' }",
         ['tools.look_up.fill.number: "cart" is not among the digits of this file; '
          "did you mean card?"]),
        (FILLED + "fill = { number = 'card' }\n"
         "parameters = { type = 'object', properties = { number = { type = 'string' } } }",
         ["tools.look_up.fill.number: the model writes it as well; take it out of parameters"]),
        (TOOL + "parameters = { type = 'array' }",
         ['tools.look_up.parameters.type: expected "object", got "array"']),
        (TOOL + "parameters = { properties = {} }",
         ['tools.look_up.parameters.type: expected "object", got ""']),
        (TOOL + "parameters = { type = 'object', properties = 1 }",
         ["tools.look_up.parameters.properties: expected a table of tables, got 1"]),
        (TOOL + "parameters = { type = 'object', properties = { a = 'string', b = {} } }",
         ['tools.look_up.parameters.properties.a: expected a table, got "string"']),
        (TOOL + "parameters = { type = 'object', required = 'a' }",
         ['tools.look_up.parameters.required: expected a list of texts, got "a"']),
        (TOOL + "parameters = { type = 'object', required = [1] }",
         ["tools.look_up.parameters.required: expected a list of texts, got a list"]),
        (FILLED + "fill = { number = 'card' }\n"
         "parameters = { type = 'object', required = ['number'] }",
         ["tools.look_up.fill.number: the model writes it as well; take it out of parameters"]),
    ],
)  # fmt: skip
def test_mistakes_of_a_tool_are_lines_with_its_name(text, problems):
    assert problems_of(text) == [f"bot.toml: {problem}" for problem in problems]


def test_a_kind_gets_what_its_declarations_may_refer_to():
    kind = EchoKind()
    table = BotTable(
        instructions="x",
        allowed_hosts=["api.example.com"],
        digits={
            "card": DigitsTable(description="a card", sensitive=True),
            "day": DigitsTable(description="a day"),
        },
        inputs={"NAME": InputTable()},
        tools=[{"kind": "echo", "name": "look_up", "url": "https://x", "body": [1]}],
    )

    tools = make_tools(table, deployment(kinds={"echo": kind}), Problems())

    assert [tool.name for tool in tools] == ["look_up"]
    assert kind.seen[0].input_names == {"NAME"}
    assert kind.seen[0].allowed_hosts == ("api.example.com",)
    assert kind.seen[0].values == {"TOKEN": "s3cret"}
    assert kind.seen[0].sensitive_fields == {"card"}


def server(**changes: object) -> McpTable:
    given = {"label": "crm", "url": "https://mcp.example.com", "allowed_tools": ["find"]}
    return McpTable(**(given | changes))  # type: ignore[arg-type]  # each test its own keys


def test_values_of_the_deployment_reach_a_remote_server():
    table = BotTable(
        instructions="x",
        mcp=[
            server(
                url="https://${HOST:-mcp.example.com}/sse",
                authorization="${TOKEN}",
                headers={"X-Key": "k-${TOKEN}"},
                needs_approval=["find"],
                approved=["find"],
            )
        ],
    )
    problems = Problems()

    (made,) = make_mcp_servers(table, {"TOKEN": "s3cret"}, problems)

    assert problems.lines == []
    assert made.url == "https://mcp.example.com/sse"
    assert (made.authorization, made.headers) == ("s3cret", {"X-Key": "k-s3cret"})
    assert (made.allowed_tools, made.needs_approval, made.approved) == (("find",),) * 3
    assert "s3cret" not in repr(made)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"url": "https://${HOST}/x"},
            "mcp.crm.url: expected a value for HOST, which the deployment lacks",
        ),
        (
            {"authorization": "${T}"},
            "mcp.crm.authorization: expected a value for T, which the deployment lacks",
        ),
        (
            {"headers": {"X": "${T}"}},
            "mcp.crm.headers.X: expected a value for T, which the deployment lacks",
        ),
        (
            {"headers": {"X": "${T"}},
            "mcp.crm.headers.X: expected placeholders in the form ${NAME} or ${NAME:-default}",
        ),
        ({"headers": {"X": "a\r\nY: b"}}, "mcp.crm.headers.X: expected no control characters"),
        ({"authorization": "${SPLIT}"}, "mcp.crm.authorization: expected no control characters"),
    ],
)
def test_what_a_remote_server_lacks_is_named_without_values(changes, problem):
    problems = Problems()

    make_mcp_servers(
        BotTable(instructions="x", mcp=[server(**changes)]), {"SPLIT": "s3\ncret"}, problems
    )

    assert problems.lines == [problem]


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://mcp.example.com/sse", True),
        ("http://localhost:9000/sse", True),
        ("http://127.0.0.1/sse", True),
        ("http://[::1]:9000/sse", True),
        ("http://mcp.example.com/sse", False),
        ("http://127.0.0.1.example.com/", False),
        ("https://user:word@mcp.example.com/", False),
        ("https:///sse", False),
        ("https://host:port/", False),
        ("https://[::1/", False),
        ("wss://mcp.example.com/", False),
        ("${SECRET}", False),
    ],
)
def test_a_remote_server_is_asked_over_https(url, is_safe):
    problems = Problems()

    make_mcp_servers(
        BotTable(instructions="x", mcp=[server(url=url)]), {"SECRET": "s3cret"}, problems
    )

    expected = "mcp.crm.url: expected an https address (http only on this machine)"
    assert problems.lines == ([] if is_safe else [expected])
