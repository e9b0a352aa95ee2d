"""Where a Realtime conversation is opened (specification 2.1 and 2.3)."""

import pytest

from service.speech.endpoints import azure_endpoint, openai_endpoint

KEY = "sk-very-secret"


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime?model=m"),
        ("https://api.openai.com/v1/", "wss://api.openai.com/v1/realtime?model=m"),
        ("https://eu.api.openai.com/v1", "wss://eu.api.openai.com/v1/realtime?model=m"),
        ("wss://api.openai.com/v1", "wss://api.openai.com/v1/realtime?model=m"),
        ("http://127.0.0.1:9090/v1", "ws://127.0.0.1:9090/v1/realtime?model=m"),
        ("ws://[::1]:9090/v1", "ws://[::1]:9090/v1/realtime?model=m"),
        ("https://proxy.example/openai/v1", "wss://proxy.example/openai/v1/realtime?model=m"),
        ("HTTPS://api.openai.com/v1?x=1#y", "wss://api.openai.com/v1/realtime?model=m"),
    ],
)
def test_openai_realtime_is_below_the_base_url_as_a_socket(base_url, url):
    assert openai_endpoint(base_url, KEY, "m").url == url


def test_openai_takes_the_key_as_a_bearer_and_nothing_of_the_beta():
    endpoint = openai_endpoint("https://api.openai.com/v1", KEY, "gpt-realtime-2.1")

    assert endpoint.headers == {"Authorization": f"Bearer {KEY}"}
    assert endpoint.model == "gpt-realtime-2.1"


@pytest.mark.parametrize(
    "resource_url", ["https://name.openai.azure.com", "https://name.openai.azure.com/"]
)
def test_azure_has_its_own_path_without_an_api_version(resource_url):
    endpoint = azure_endpoint(resource_url, KEY, "my-bot")

    assert endpoint.url == "wss://name.openai.azure.com/openai/v1/realtime?model=my-bot"


def test_azure_takes_the_key_in_a_header_of_its_own():
    endpoint = azure_endpoint("https://name.openai.azure.com", KEY, "my-bot")

    assert endpoint.headers == {"api-key": KEY}
    assert endpoint.model == "my-bot"


@pytest.mark.parametrize("make", [openai_endpoint, azure_endpoint])
def test_a_model_name_cannot_add_to_the_query(make):
    endpoint = make("https://host", KEY, "a&call_id=b/c d")

    assert endpoint.url.endswith("/realtime?model=a%26call_id%3Db%2Fc%20d")
    assert endpoint.model == "a&call_id=b/c d"


@pytest.mark.parametrize("make", [openai_endpoint, azure_endpoint])
def test_the_key_never_shows(make):
    endpoint = make("https://host", KEY, "m")

    assert KEY not in repr(endpoint)
    assert KEY not in str(endpoint)
    assert KEY not in endpoint.url


def test_a_bots_own_model_takes_the_place_of_the_usual_one():
    usual = openai_endpoint("https://api.openai.com/v1", KEY, "m")

    own = usual.of_model("gpt-realtime-2.1-mini")

    assert own.model == "gpt-realtime-2.1-mini"
    assert own.url == "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1-mini"
    assert own.headers == usual.headers
    assert usual.url == "wss://api.openai.com/v1/realtime?model=m"


@pytest.mark.parametrize("make", [openai_endpoint, azure_endpoint])
def test_a_bot_without_a_model_gets_the_usual_one(make):
    endpoint = make("https://host", KEY, "m")

    assert endpoint.of_model("") == endpoint


def test_a_bots_model_cannot_add_to_the_query_either():
    endpoint = azure_endpoint("https://host", KEY, "m").of_model("a&call_id=b/c d")

    assert endpoint.url == "wss://host/openai/v1/realtime?model=a%26call_id%3Db%2Fc%20d"


def test_the_key_does_not_show_with_another_model():
    assert KEY not in repr(openai_endpoint("https://host", KEY, "m").of_model("other"))
