import base64
import hashlib
import hmac
from random import Random

import pytest

from scripts.emulators.genesys import CallSetup, Chaos
from scripts.emulators.genesys_signing import (
    DOCUMENTED_ORDER,
    OBSERVED_ORDER,
    SignatureParameters,
    authority_of,
    new_nonce,
    request_target,
    signature_base,
    signature_headers,
)
from scripts.emulators.genesys_wire import upgrade_headers

SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
IDS = {
    "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
    "audiohook-session-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "audiohook-correlation-id": "e160e428-53e2-487c-977d-96989bf5c99d",
    "x-api-key": KEY,
}
DOC_NAMES = " ".join(f'"{name}"' for name in DOCUMENTED_ORDER)
# Each: target, authority, order, parameters, Signature-Input, HMAC. V1 is the example of the
# protocol's documentation; C1 and C3 were checked with the reference verifier.
Vector = tuple[str, str, tuple[str, ...], SignatureParameters, str, str]
VECTORS: dict[str, Vector] = {
    "V1": (
        "/api/v1/voicebiometrics/ws",
        "audiohook.example.com",
        DOCUMENTED_ORDER,
        SignatureParameters(KEY, "VGhpc0lzQVVuaXF1ZU5vbmNl", 1641013200, 3282026430),
        f'sig1=({DOC_NAMES});keyid="{KEY}";nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256"'
        ";created=1641013200;expires=3282026430",
        "NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=",
    ),
    "C1": (
        "/x?bot=1&lang=en",
        "voice.example.com:8443",
        OBSERVED_ORDER,
        SignatureParameters(KEY, "AAECAwQFBgcICQoLDA0ODxAR", 1700000000, 1700000030),
        'sig1=("@request-target" "audiohook-session-id" "audiohook-organization-id" '
        '"audiohook-correlation-id" "x-api-key" "@authority")'
        f';keyid="{KEY}";nonce="AAECAwQFBgcICQoLDA0ODxAR";alg="hmac-sha256"'
        ";created=1700000000;expires=1700000030",
        "yghE7BJF6KAORRuQ5uNuGBP/cgtF3F24NXC/E03IXA4=",
    ),
    "C3": (
        "/api/v1/voicebiometrics/ws",
        "audiohook.example.com",
        DOCUMENTED_ORDER,
        SignatureParameters(
            KEY, "AAECAwQFBgcICQoLDA0ODxAR", 1700000000, 1700000030, algorithm=None
        ),
        f'sig1=({DOC_NAMES});keyid="{KEY}";nonce="AAECAwQFBgcICQoLDA0ODxAR"'
        ";created=1700000000;expires=1700000030",
        "JjqAH3GIQ4B0RSu8hw05ycbO8CoVOrfvmiZ+IiK01mo=",
    ),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS.keys())
def test_signature_equals_the_vector(vector: Vector) -> None:
    target, authority, order, parameters, signature_input, mac = vector
    values = {**IDS, "@request-target": target, "@authority": authority}

    headers = signature_headers(values, order, parameters, client_secret=SECRET)

    assert headers == {"Signature-Input": signature_input, "Signature": f"sig1=:{mac}:"}


def test_signature_base_has_one_line_per_component_and_no_last_newline() -> None:
    parameters = SignatureParameters("k", "n", 1, 31)

    base = signature_base({"b": " two ", "a": "one"}, ("b", "a"), parameters)

    assert base.decode() == (
        '"b": two\n"a": one\n'
        '"@signature-params": ("b" "a");keyid="k";nonce="n";alg="hmac-sha256";created=1;expires=31'
    )


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("wss://Voice.Example.com:443/a/b?x=1&y=%20", "voice.example.com", "/a/b?x=1&y=%20"),
        ("ws://127.0.0.1:8080", "127.0.0.1:8080", "/"),
        ("ws://[::1]:80/audiohook/", "[::1]", "/audiohook/"),
        ("wss://example.com:80/", "example.com:80", "/"),
    ],
)
def test_authority_and_target_are_those_of_the_request_line(
    url: str, authority: str, target: str
) -> None:
    assert authority_of(url) == authority
    assert request_target(url) == target


def test_nonce_is_18_bytes_in_base64() -> None:
    assert len(base64.b64decode(new_nonce(Random(1)))) == 18
    assert new_nonce(Random(1)) != new_nonce(Random(2))


def test_upgrade_signs_in_either_order_for_30_seconds() -> None:
    setup = CallSetup("ws://h:81/bot", KEY, SECRET)

    seen = set()
    for seed in range(20):
        headers = dict(upgrade_headers(setup, random=Random(seed), unix_s=1000))
        parameters = headers["Signature-Input"].removeprefix("sig1=")
        assert parameters.endswith(";created=1000;expires=1030")
        order = tuple(parameters[1 : parameters.index(")")].replace('"', "").split())
        values = {name.lower(): value for name, value in headers.items()}
        values |= {"@authority": "h:81", "@request-target": "/bot"}
        lines = [f'"{name}": {values[name]}' for name in order]
        base = "\n".join([*lines, f'"@signature-params": {parameters}']).encode()
        mac = hmac.new(base64.b64decode(SECRET), base, hashlib.sha256).digest()
        assert headers["Signature"] == f"sig1=:{base64.b64encode(mac).decode()}:"
        seen.add(order)

    assert seen == {DOCUMENTED_ORDER, OBSERVED_ORDER}


def test_a_configured_authority_is_signed_instead_of_the_host() -> None:
    plain = CallSetup("ws://h/bot", KEY, SECRET)
    proxied = CallSetup(
        "ws://127.0.0.1:9/bot",
        KEY,
        SECRET,
        session_id=plain.session_id,
        organization_id=plain.organization_id,
        correlation_id=plain.correlation_id,
        authority="h",
    )

    first = upgrade_headers(plain, random=Random(1), unix_s=1000)
    second = upgrade_headers(proxied, random=Random(1), unix_s=1000)

    assert first == second


def test_without_a_secret_the_request_is_unsigned() -> None:
    headers = upgrade_headers(CallSetup("ws://h/", KEY), random=Random(1), unix_s=1000)

    assert {name for name, _ in headers} == {
        "Audiohook-Organization-Id",
        "Audiohook-Correlation-Id",
        "Audiohook-Session-Id",
        "X-API-KEY",
    }


def test_chaos_may_omit_and_repeat_headers() -> None:
    chaos = Chaos(omitted_headers=frozenset({"signature"}), extra_headers=(("X-API-KEY", "two"),))

    headers = upgrade_headers(
        CallSetup("ws://h/", KEY, SECRET, chaos=chaos), random=Random(1), unix_s=1000
    )

    assert [value for name, value in headers if name == "X-API-KEY"] == [KEY, "two"]
    assert "Signature" not in dict(headers)
    assert "Signature-Input" in dict(headers)
