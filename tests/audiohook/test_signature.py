import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audiohook.claim import Cause, SignatureError, read_claim
from service.audiohook.signature import (
    Headers,
    SignatureVerifier,
    SignedRequest,
    field_value,
    read_api_key,
    signature_base,
)
from tests.audiohook.signer import (
    API_KEY,
    COMPONENTS,
    FIELDS,
    HOST,
    NOW_S,
    PARAMETERS,
    SECRET,
    TARGET,
    Signer,
    plain,
)

VECTORS = json.loads(
    (Path(__file__).parent.parent / "data" / "audiohook_signature_vectors.json").read_text()
)["vectors"]
SIGNED_VECTORS = [vector for vector in VECTORS if "signature" in vector["headers"]]
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
each_signed_vector = pytest.mark.parametrize(
    "vector", SIGNED_VECTORS, ids=lambda vector: vector["id"]
)


class CountingHmac:
    """The real HMAC, and how often it was computed."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, key: bytes, message: bytes) -> bytes:
        self.calls += 1
        return hmac.digest(key, message, "sha256")


def make_request(
    headers: Headers, *, target: str = TARGET, authorities: tuple[bytes, ...] = (HOST.encode(),)
) -> SignedRequest:
    return SignedRequest(API_KEY, target.encode("latin-1"), authorities, headers)


def cause_of(
    request: SignedRequest,
    *client_secrets: bytes,
    verifier: SignatureVerifier | None = None,
    now_s: float = NOW_S,
) -> Cause | None:
    verifier = verifier or SignatureVerifier(max_secrets=8)
    try:
        verifier.verify(request, client_secrets, now_s=now_s)
    except SignatureError as error:
        return error.cause
    return None


def vector_request(vector) -> SignedRequest:
    headers = plain(vector["headers"])
    return SignedRequest(
        api_key=read_api_key(headers),
        target=vector["request_target"].encode(),
        authorities=(vector["authority"].encode(),),
        headers=headers,
    )


@each_vector
def test_vector_gets_the_verdict_of_the_policy(vector):
    verifier = SignatureVerifier(max_secrets=8)
    secret = base64.b64decode(vector["client_secret_b64"])

    causes = [
        cause_of(
            vector_request(vector), secret, verifier=verifier, now_s=vector["evaluate_at_unix"]
        )
        for _ in range(vector.get("repeat", 1))
    ]

    if vector["id"] == "N16-replay":
        assert causes == [None, Cause.NONCE_REPLAYED]
    else:
        assert (causes == [None]) == (vector["expect_recommended_policy"] == "accept")


def test_every_kind_of_vector_is_there():
    assert {vector["id"].split("-")[0] for vector in VECTORS} >= {
        *("V1", "C1", "C3", "N1", "N5", "N6", "N7", "N14", "N16")
    }


@each_signed_vector
def test_vector_has_the_signature_base_that_we_build(vector):
    headers = {**vector["headers"], "signature": f"sig1=:{vector['hmac_sha256_b64']}:"}
    request = vector_request({**vector, "headers": headers})
    claim = read_claim(headers["signature"].encode(), headers["signature-input"].encode())

    base = signature_base(claim, request, vector["authority"].encode())

    if vector["id"] == "N1-tampered-session":
        assert base != vector["signature_base"].encode()
    else:
        assert base == vector["signature_base"].encode()
        assert hashlib.sha256(base).hexdigest() == vector["signature_base_sha256"]


def test_unsigned_vector_passes_when_its_key_has_no_secret():
    vector = next(vector for vector in VECTORS if vector["id"] == "N14-unsigned")

    assert cause_of(vector_request(vector), b"") is None


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(
    components=st.permutations([*COMPONENTS, "host"]),
    names=st.permutations(sorted(PARAMETERS)),
)
def test_any_order_of_components_and_parameters_verifies(components, names):
    signer = Signer(
        components=tuple(components), parameters={name: PARAMETERS[name] for name in names}
    )

    assert cause_of(make_request(signer.headers()), SECRET) is None


@pytest.mark.parametrize("component", COMPONENTS[2:5])
def test_changed_header_does_not_verify(component):
    tampered = Signer().fields | {component: "00000000-0000-4000-8000-000000000000"}
    headers = (*plain(tampered), *Signer().headers()[-2:])

    assert cause_of(make_request(headers), SECRET) is Cause.SIGNATURE_MISMATCH


@pytest.mark.parametrize(
    "target", ["/audiohook/other?lang=en", "/audiohook/bank", "/audiohook%2Fbank"]
)
def test_changed_target_does_not_verify(target):
    request = make_request(Signer().headers(), target=target)

    assert cause_of(request, SECRET) is Cause.SIGNATURE_MISMATCH


def test_target_is_signed_as_raw_bytes():
    target = "/audiohook/b%C3%A4nk%2f..?q=\xe4&a=%20"
    request = make_request(Signer(target=target).headers(), target=target)

    assert cause_of(request, SECRET) is None


def test_any_of_the_accepted_authorities_may_be_signed():
    headers = Signer(authority="bridge.example.com:443").headers()
    authorities = (b"Bridge.example.com", b"bridge.example.com", b"bridge.example.com:443")

    assert cause_of(make_request(headers, authorities=authorities), SECRET) is None


def test_other_authority_does_not_verify():
    headers = Signer(authority="other.example.com").headers()

    assert cause_of(make_request(headers), SECRET) is Cause.SIGNATURE_MISMATCH


def test_request_without_any_authority_does_not_verify():
    assert cause_of(make_request(Signer().headers(), authorities=()), SECRET) is (
        Cause.SIGNATURE_MISMATCH
    )


@pytest.mark.parametrize("position", range(8))
def test_any_of_eight_secrets_of_a_key_verifies_while_they_rotate(position):
    client_secrets = [b"another %d" % n for n in range(8)]
    client_secrets[position] = SECRET

    assert cause_of(make_request(Signer().headers()), *client_secrets) is None


def test_only_the_newest_secrets_are_tried():
    request = make_request(Signer().headers())
    verifier = SignatureVerifier(max_secrets=2)

    cause = cause_of(request, b"newest", b"older", SECRET, verifier=verifier)

    assert cause is Cause.SIGNATURE_MISMATCH


def test_text_of_the_secret_is_not_its_key():
    signer = Signer(secret=base64.b64encode(SECRET))

    assert cause_of(make_request(signer.headers()), SECRET) is Cause.SIGNATURE_MISMATCH


def test_unknown_key_is_refused():
    assert cause_of(make_request(Signer().headers())) is Cause.API_KEY_UNKNOWN


def test_signed_request_for_a_key_without_secret_is_refused_even_if_signed_with_nothing():
    headers = Signer(secret=b"").headers()

    assert cause_of(make_request(headers), b"") is Cause.API_KEY_WITHOUT_SECRET


def test_empty_secret_among_others_never_verifies():
    headers = Signer(secret=b"").headers()

    assert cause_of(make_request(headers), SECRET, b"") is Cause.SIGNATURE_MISMATCH


@pytest.mark.parametrize("client_secrets", [(SECRET,), (SECRET, b""), (b"", b"")])
def test_unsigned_request_is_refused_unless_the_key_is_explicitly_without_secret(client_secrets):
    assert cause_of(make_request(plain(FIELDS)), *client_secrets) is Cause.NOT_SIGNED


def test_unsigned_request_for_an_unknown_key_is_refused():
    assert cause_of(make_request(plain(FIELDS))) is Cause.API_KEY_UNKNOWN


@pytest.mark.parametrize("left_out", [b"signature", b"signature-input"])
def test_one_signature_header_without_the_other_is_refused(left_out):
    headers = tuple(header for header in Signer().headers() if header[0] != left_out)

    assert cause_of(make_request(headers), SECRET) is Cause.HALF_SIGNED
    assert cause_of(make_request(headers), b"") is Cause.HALF_SIGNED


@pytest.mark.parametrize(
    "client_secrets",
    [(), (b"",), (b"one",), (b"one", b"two"), tuple(b"%d" % n for n in range(8)), (SECRET,)],
    ids=["unknown", "without_secret", "one", "two", "eight", "right"],
)
def test_every_key_costs_the_same_number_of_hmacs(client_secrets):
    counting = CountingHmac()
    verifier = SignatureVerifier(max_secrets=8, hmac_sha256=counting)
    request = make_request(Signer().headers(), authorities=(HOST.encode(), b"h:443", b"h:80"))

    cause_of(request, *client_secrets, verifier=verifier)

    assert counting.calls == 3 * 8


def test_decoy_secret_never_verifies():
    """Even an HMAC that equals what the decoy gives proves nothing."""
    signer = Signer()
    verifier = SignatureVerifier(max_secrets=8, hmac_sha256=lambda _key, _base: signer.mac())

    assert cause_of(make_request(signer.headers()), verifier=verifier) is Cause.API_KEY_UNKNOWN


def test_request_that_did_not_verify_does_not_use_up_its_nonce():
    verifier = SignatureVerifier(max_secrets=8)
    forged = make_request(Signer(secret=b"forged").headers())

    assert cause_of(forged, SECRET, verifier=verifier) is Cause.SIGNATURE_MISMATCH
    assert cause_of(make_request(Signer().headers()), SECRET, verifier=verifier) is None


def test_covered_header_that_is_absent_is_refused():
    signer = Signer(components=(*COMPONENTS, "x-extra"))

    assert cause_of(make_request(signer.headers()), SECRET) is Cause.COMPONENT_WITHOUT_VALUE


def test_overlong_base_is_refused_before_any_hmac():
    counting = CountingHmac()
    verifier = SignatureVerifier(max_secrets=8, hmac_sha256=counting)
    target = "/audiohook?" + "q" * 8192
    request = make_request(Signer(target=target).headers(), target=target)

    assert cause_of(request, SECRET, verifier=verifier) is Cause.TOO_LONG
    assert counting.calls == 0


def test_repeated_fields_are_joined_in_order():
    headers = ((b"x-a", b" one\t"), (b"x-b", b"other"), (b"x-a", b"two"))

    assert field_value(headers, b"x-a") == b"one, two"


@pytest.mark.parametrize("fold", [b"\r\n ", b"\n\t", b" \r\n \t "])
def test_folded_line_becomes_one_space(fold):
    assert field_value(((b"x-a", b"one" + fold + b"two"),), b"x-a") == b"one two"


@pytest.mark.parametrize("value", [b"one\ntwo", b"one\r\ntwo", b"one\rtwo", b"\n"])
def test_value_with_a_bare_line_break_counts_as_absent(value):
    assert field_value(((b"x-a", value),), b"x-a") is None


def test_empty_value_is_not_absent():
    assert field_value(((b"x-a", b""),), b"x-a") == b""


def test_absent_field_has_no_value():
    assert field_value(((b"x-a", b"one"),), b"x-b") is None


def test_folded_and_repeated_headers_verify():
    fields = FIELDS | {"x-extra": "one two, three"}
    signer = Signer(fields=fields, components=(*COMPONENTS, "x-extra"))
    headers = tuple(header for header in signer.headers() if header[0] != b"x-extra")
    headers += ((b"x-extra", b" one \r\n  two "), (b"x-extra", b"three"))

    assert cause_of(make_request(headers), SECRET) is None


def test_api_key_is_read_trimmed():
    assert read_api_key(((b"x-api-key", b" abc= "),)) == "abc="


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ([], Cause.API_KEY_MISSING),
        ([b"abc", b"abc"], Cause.API_KEY_REPEATED),
        ([b""], Cause.API_KEY_MALFORMED),
        ([b"ab c"], Cause.API_KEY_MALFORMED),
        ([b"abc\n"], Cause.API_KEY_MALFORMED),
        ([b"abc==="], Cause.API_KEY_MALFORMED),
        ([b"\xe9\xff"], Cause.API_KEY_MALFORMED),
        ([b"a" * 513], Cause.API_KEY_MALFORMED),
    ],
)
def test_unusable_api_key_is_refused(values, cause):
    headers = tuple((b"x-api-key", value) for value in values)

    with pytest.raises(SignatureError) as refused:
        read_api_key(headers)

    assert refused.value.cause is cause


def test_repeated_api_key_is_refused_even_when_it_is_signed_joined():
    fields = FIELDS | {"x-api-key": f"{API_KEY}, {API_KEY}"}
    headers = (*Signer(fields=fields).headers(), (b"x-api-key", API_KEY.encode()))

    with pytest.raises(SignatureError):
        read_api_key(headers)


FIELD_NAMES = st.sampled_from([name.encode() for name in (*FIELDS, "signature", "signature-input")])


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(
    replaced=st.dictionaries(FIELD_NAMES, st.binary(max_size=80), max_size=3),
    added=st.lists(st.tuples(FIELD_NAMES, st.binary(max_size=80)), max_size=3),
    target=st.binary(max_size=40),
    authorities=st.lists(st.binary(max_size=20), max_size=3).map(tuple),
)
def test_hostile_request_gets_nothing_but_a_signature_error(replaced, added, target, authorities):
    headers = (*((name, replaced.get(name, value)) for name, value in Signer().headers()), *added)
    request = SignedRequest(API_KEY, target, authorities, headers)

    assert cause_of(request, SECRET) is not None
