"""A bank's web service with two accounts, for the demo and tests: what the `bank` bot looks up.

POST /balance {"account": "12345678"}  ->  {"balance": "1250.40", "currency": "euros", "holder": …}
"""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

ACCOUNTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "12345678": {"balance": "1250.40", "currency": "euros", "holder": "Anna Keller"},
        "87654321": {"balance": "17.05", "currency": "euros", "holder": "Otto Berg"},
    }
)

MAX_BODY_BYTES = 1_000


class SampleBank:
    """Listens on a free loopback port while the context lasts.

    Attributes:
        asked: the accounts whose balance was asked for, in order.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "SampleBank":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        asked = self.asked

        class Desk(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                number = self._asked_for() if self.path == "/balance" else ""
                asked.append(number)
                account = ACCOUNTS.get(number)
                body = json.dumps(account or {"error": "no such account"}).encode()
                self.send_response(200 if account else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _asked_for(self) -> str:
                length = int(self.headers.get("Content-Length", 0))
                return str(json.loads(self.rfile.read(min(length, MAX_BODY_BYTES)))["account"])

            def log_message(self, *_: Any) -> None:
                pass  # account numbers are nobody's business

        return Desk
