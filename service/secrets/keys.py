"""The JSON form of the credentials, shared by all backends.

An object: API key -> base64 client secret, or a list of them while rotating (newest first), or null
for "no signature". The keys of the model may stand in the same object, by the names of their
settings (`VENDOR_KEYS`). Decoded and checked here as a whole, so that an operator sees every
problem at once; neither problems nor representations show a secret.

Source: the settings table of the README; regular expressions of AudioHook specification 10.1.
"""

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from service.audiohook.signature import API_KEY
from service.audiohook.upgrade import masked_api_key
from service.secrets.port import MAX_SECRETS_PER_KEY, SecretsError

_CLIENT_SECRET = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=?|[A-Za-z0-9+/]{2}(?:==)?)?")
_WITHOUT_SIGNATURE = (b"",)
VENDOR_KEYS = frozenset({"OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"})
"""Members of the object that are no API key of ours."""
_VENDOR_KEY = re.compile(r"[!-~]{1,1024}")
"""What a header can hold. OpenAI's keys have less than 200 characters."""


@dataclass(frozen=True, slots=True)
class ClientSecrets:
    """The decoded credentials: what `SecretService.get_client_secrets` answers, for every key."""

    by_key: Mapping[str, tuple[bytes, ...]] = field(repr=False)

    def of(self, api_key: str) -> tuple[bytes, ...]:
        """The answer for one key, in the terms of `SecretService`."""
        return self.by_key.get(api_key, ())


@dataclass(frozen=True, slots=True)
class _Pairs:
    """A JSON object with its repetitions, which a dict would hide."""

    items: list[tuple[str, object]] = field(repr=False)


def parse_client_secrets(text: str) -> ClientSecrets:
    """Decode credentials; an empty object is valid and knows no key.

    Raises:
        SecretsError: with every problem found; each names its entry by position and masked key.
    """
    entries = [(key, value) for key, value in _entries(text) if key not in VENDOR_KEYS]
    keys = [key for key, _ in entries]
    problems: list[str] = []
    by_key: dict[str, tuple[bytes, ...]] = {}
    for position, (key, value) in enumerate(entries, start=1):
        found = [*_key_problems(key, keys), *_value_problems(value)]
        where = f"entry {position} ({masked_api_key(key)})"
        problems += [f"{where}: {problem}" for problem in found]
        if not found:
            by_key[key] = _decoded(value)
    if problems:
        raise SecretsError(problems)
    return ClientSecrets(by_key)


def parse_versions(texts: Sequence[str]) -> ClientSecrets:
    """Decode the versions of one secret, newest first, which are valid side by side.

    The newest says which API keys there are, and which of them are not signed: an older version
    only adds client secrets to a key that has one, and is left out when it is not readable.

    Raises:
        SecretsError: with every problem of the newest version.
    """
    newest = parse_client_secrets(texts[0])
    older: list[ClientSecrets] = []
    for text in texts[1:]:
        with contextlib.suppress(SecretsError):
            older.append(parse_client_secrets(text))
    return ClientSecrets(
        {
            key: _merged(client_secrets, [version.of(key) for version in older])
            for key, client_secrets in newest.by_key.items()
        }
    )


def parse_vendor_key(texts: Sequence[str], name: str) -> str:
    """Return the key of a vendor: the newest text, or the member `name` of it as a JSON object.

    Raises:
        SecretsError: there is none.
    """
    text = texts[0]
    key: object = text.strip()
    if text.lstrip().startswith("{"):
        key = next((value for member, value in _entries(text) if member == name), None)
    if isinstance(key, str) and _VENDOR_KEY.fullmatch(key):
        return key
    raise SecretsError([f"expected a key, or a JSON object with the member {name}"])


def _merged(newest: tuple[bytes, ...], older: list[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    if newest == _WITHOUT_SIGNATURE:
        return newest
    signed = [secret for version in older for secret in version if secret]
    return tuple(dict.fromkeys([*newest, *signed]))[:MAX_SECRETS_PER_KEY]


def _entries(text: str) -> list[tuple[str, object]]:
    try:
        parsed = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        # `from None`, here and below: the error holds the whole text.
        problem = f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        raise SecretsError([problem]) from None
    except (ValueError, RecursionError):  # a number with thousands of digits, or deep nesting
        raise SecretsError(["not JSON that can be decoded"]) from None
    if not isinstance(parsed, _Pairs):
        raise SecretsError(["expected a JSON object: API key -> client secret, list or null"])
    return parsed.items


def _key_problems(key: str, keys: list[str]) -> Iterator[str]:
    if API_KEY.fullmatch(key) is None:
        yield "the API key may have letters, digits and + / _ - only, then at most two ="
    if keys.count(key) > 1:
        yield "this API key is there more than once"


def _value_problems(value: object) -> Iterator[str]:
    if value is None:
        return
    client_secrets = value if isinstance(value, list) else [value]
    if not 1 <= len(client_secrets) <= MAX_SECRETS_PER_KEY:
        yield f"expected 1 to {MAX_SECRETS_PER_KEY} client secrets, found {len(client_secrets)}"
    for client_secret in client_secrets:
        if not isinstance(client_secret, str):
            yield "a client secret must be a string"
        elif not client_secret:
            yield 'a client secret is empty; use null for "no signature"'
        elif _CLIENT_SECRET.fullmatch(client_secret) is None:
            yield "a client secret is not base64"


def _decoded(value: object) -> tuple[bytes, ...]:
    """Decode a value without problems."""
    match value:
        case str(client_secret):
            return (_from_base64(client_secret),)
        case list(client_secrets):
            return tuple(_from_base64(client_secret) for client_secret in client_secrets)
        case _:
            return _WITHOUT_SIGNATURE


def _from_base64(text: str) -> bytes:
    unpadded = text.rstrip("=")  # the padding is optional in Genesys' form
    return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4))
