"""Where a Realtime conversation is opened: OpenAI or Azure, address and headers.

Source: Realtime specification, 2.1 and 2.3.
"""

from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlsplit, urlunsplit

_SOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Realtime address with its credentials; they never show in `repr`.

    `address` is the URL without its query, `model` the usual model (Azure: the deployment).
    """

    address: str
    model: str
    api_key: str = field(repr=False)
    key_header: str
    key_scheme: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What authenticates us."""
        return {self.key_header: self.key_scheme + self.api_key}

    @property
    def url(self) -> str:
        """The address to open."""
        return f"{self.address}?model={quote(self.model, safe='')}"

    def with_key(self, api_key: str) -> "Endpoint":
        """Return the endpoint with another key."""
        return replace(self, api_key=api_key)

    def of_model(self, model: str) -> "Endpoint":
        """Return the endpoint of another model; of the usual one when `model` is empty."""
        return replace(self, model=model) if model else self


def openai_endpoint(base_url: str, api_key: str, model: str) -> Endpoint:
    """Return the Realtime endpoint below an OpenAI base URL such as `https://host/v1`."""
    address = f"{_socket_url(base_url)}/realtime"
    return Endpoint(address, model, api_key, "Authorization", "Bearer ")


def azure_endpoint(resource_url: str, api_key: str, deployment: str) -> Endpoint:
    """Return the GA Realtime endpoint of an Azure resource such as `https://name.openai.azure.com`."""
    address = f"{_socket_url(resource_url)}/openai/v1/realtime"
    return Endpoint(address, deployment, api_key, "api-key")


def _socket_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    return urlunsplit((_SOCKET_SCHEMES[parts.scheme], parts.netloc, parts.path.rstrip("/"), "", ""))
