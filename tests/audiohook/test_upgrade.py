import pytest

from service.audiohook.signature import SignatureVerifier
from service.audiohook.upgrade import (
    BadUpgrade,
    Defect,
    UpgradeRequest,
    accepted_authorities,
    bot_id_of,
    identify,
    masked_api_key,
    signed_request,
)
from tests.audiohook.signer import (
    API_KEY,
    CORRELATION_ID,
    FIELDS,
    HOST,
    NOW_S,
    ORGANIZATION_ID,
    SECRET,
    SESSION_ID,
    TARGET,
    Signer,
    plain,
)


def without(*names: str) -> UpgradeRequest:
    fields = {name: value for name, value in FIELDS.items() if name not in names}
    return UpgradeRequest(TARGET, plain(fields))


def defect_of(request: UpgradeRequest, *, api_key: str | None = API_KEY) -> tuple[int, Defect]:
    with pytest.raises(BadUpgrade) as refused:
        identify(request, api_key=api_key)
    return refused.value.status, refused.value.defect


@pytest.mark.parametrize(
    ("target", "bot_id"),
    [
        ("/audiohook", ""),
        ("/audiohook/", ""),
        ("/audiohook?lang=en", ""),
        ("/audiohook/?lang=/x", ""),
        ("/audiohook/bank", "bank"),
        ("/audiohook/bank?lang=en", "bank"),
        ("/audiohookbank", "bank"),
        ("/audiohook/b%C3%A4nk", "b%C3%A4nk"),
        ("/audiohook/../x", "../x"),
        ("/audiohook/a/b/", "a/b/"),
        ("/audiohook//", "/"),
        ("/audiohook/" + "b" * 512, "b" * 512),
    ],
)
def test_bot_id_is_the_raw_rest_of_the_path(target, bot_id):
    assert bot_id_of(target) == bot_id


@pytest.mark.parametrize(
    ("target", "defect"),
    [
        ("/", Defect.PATH_UNKNOWN),
        ("", Defect.PATH_UNKNOWN),
        ("/AudioHook", Defect.PATH_UNKNOWN),
        ("/?/audiohook", Defect.PATH_UNKNOWN),
        ("/audiohook/" + "b" * 513, Defect.BOT_ID_TOO_LONG),
        ("/audiohook/" + "b" * 4096, Defect.BOT_ID_TOO_LONG),
    ],
)
def test_other_paths_are_not_found(target, defect):
    with pytest.raises(BadUpgrade) as refused:
        bot_id_of(target)

    assert (refused.value.status, refused.value.defect) == (404, defect)


def test_query_does_not_count_towards_the_length_of_the_id():
    assert bot_id_of("/audiohook/bank?" + "q" * 4096) == "bank"


@pytest.mark.parametrize(
    ("query", "target"), [(b"", "/audiohook/b%20k"), (b"a=%20", "/audiohook/b%20k?a=%20")]
)
def test_request_of_an_asgi_scope_has_its_raw_target(query, target):
    request = UpgradeRequest.from_asgi(b"/audiohook/b%20k", query, [(b"host", b"h")])

    assert request == UpgradeRequest(target, ((b"host", b"h"),))


def test_raw_bytes_of_a_target_survive_into_the_signed_request():
    request = UpgradeRequest.from_asgi(bytes(range(256)), b"\xff", [])

    target = signed_request(request, API_KEY, public_host=HOST).target

    assert target == bytes(range(256)) + b"?\xff"


def test_target_beyond_latin_1_is_signed_as_something_no_client_sends():
    request = UpgradeRequest("/audiohook/\u20ac", ())

    assert signed_request(request, API_KEY, public_host=HOST).target == b"/audiohook/\\u20ac"


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        (b"h.example", (b"h.example", b"h.example:443", b"h.example:80")),
        (b"H.Example", (b"H.Example", b"h.example", b"h.example:443", b"h.example:80")),
        (b"h:443", (b"h:443", b"h", b"h:80")),
        (b"h:80", (b"h:80", b"h", b"h:443")),
        (b"H:8443", (b"H:8443", b"h:8443")),
        (b"h:4430", (b"h:4430",)),
        (b"[::1]", (b"[::1]", b"[::1]:443", b"[::1]:80")),
        (b"[::1]:443", (b"[::1]:443", b"[::1]", b"[::1]:80")),
    ],
)
def test_authority_is_accepted_in_every_spelling(host, accepted):
    assert set(accepted_authorities(host)) == set(accepted)
    assert len(accepted_authorities(host)) == len(accepted)


def test_host_header_is_the_authority():
    request = UpgradeRequest(TARGET, ((b"host", b" H:8443 "),))

    assert signed_request(request, API_KEY, public_host=None).authorities == (b"H:8443", b"h:8443")


def test_public_host_replaces_the_host_header():
    request = UpgradeRequest(TARGET, ((b"host", b"internal"),))

    authorities = signed_request(request, API_KEY, public_host="public:8443").authorities

    assert authorities == (b"public:8443",)


@pytest.mark.parametrize("hosts", [(), (b"a", b"b")])
def test_missing_or_repeated_host_names_no_host(hosts):
    request = UpgradeRequest(TARGET, tuple((b"host", host) for host in hosts))

    authorities = signed_request(request, API_KEY, public_host=None).authorities

    assert not {b"a", b"b"} & set(authorities)


def test_signed_request_of_an_upgrade_verifies():
    request = UpgradeRequest(TARGET, Signer().headers())

    SignatureVerifier(max_secrets=8).verify(
        signed_request(request, API_KEY, public_host=None), (SECRET,), now_s=NOW_S
    )


def test_identity_is_what_the_headers_and_the_path_say():
    identity = identify(without(), api_key=API_KEY)

    assert identity.session_id == SESSION_ID
    assert identity.organization_id == ORGANIZATION_ID
    assert identity.correlation_id == CORRELATION_ID
    assert identity.bot_id == "bank"
    assert identity.api_key_masked == "SGVs…"


@pytest.mark.parametrize("api_key", [API_KEY, None])
@pytest.mark.parametrize(
    "value", ["", "x", SESSION_ID[:-1], f"{{{SESSION_ID}}}", f"{SESSION_ID}, {SESSION_ID}", "\xe9"]
)
@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("audiohook-session-id", Defect.SESSION_ID_UNUSABLE),
        ("audiohook-organization-id", Defect.ORGANIZATION_ID_UNUSABLE),
    ],
)
def test_id_that_is_no_uuid_is_a_bad_request(api_key, value, name, defect):
    request = UpgradeRequest(TARGET, plain(FIELDS | {name: value}))

    assert defect_of(request, api_key=api_key) == (400, defect)


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("audiohook-session-id", Defect.SESSION_ID_UNUSABLE),
        ("audiohook-organization-id", Defect.ORGANIZATION_ID_UNUSABLE),
    ],
)
def test_missing_id_is_a_bad_request(name, defect):
    assert defect_of(without(name)) == (400, defect)


def test_upper_case_uuid_is_kept_as_sent():
    request = UpgradeRequest(TARGET, plain(FIELDS | {"audiohook-session-id": SESSION_ID.upper()}))

    assert identify(request, api_key=API_KEY).session_id == SESSION_ID.upper()


@pytest.mark.parametrize("value", [None, "trace", "\xe9"])
def test_correlation_id_is_never_worth_a_call(value):
    fields = {name: text for name, text in FIELDS.items() if name != "audiohook-correlation-id"}
    if value is not None:
        fields["audiohook-correlation-id"] = value

    assert identify(UpgradeRequest(TARGET, plain(fields)), api_key=API_KEY).correlation_id is None


def test_without_authentication_every_id_may_be_absent():
    identity = identify(UpgradeRequest("/audiohook", ()), api_key=None)

    assert identity.session_id is None
    assert identity.organization_id is None
    assert identity.correlation_id is None
    assert identity.api_key_masked is None
    assert identity.bot_id == ""


@pytest.mark.parametrize(
    ("api_key", "masked"), [("abcdefghi", "abcd…"), ("abcdefgh", "…"), ("abcd", "…"), ("", "…")]
)
def test_masked_key_shows_no_more_than_four_of_many_characters(api_key, masked):
    assert masked_api_key(api_key) == masked
