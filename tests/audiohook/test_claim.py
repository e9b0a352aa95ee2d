import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audiohook.claim import Cause, Claim, SignatureError, read_claim
from tests.audiohook.signer import API_KEY, NOW_S, PARAMETERS, Signer


def read(signer: Signer) -> Claim:
    return read_claim(signer.signature().encode(), signer.signature_input().encode())


def cause_of(signer: Signer, *, now_s: float = NOW_S) -> Cause | None:
    """Why a request that is otherwise signed correctly is refused; None if it is not."""
    try:
        read(signer).check(api_key=API_KEY, now_s=now_s)
    except SignatureError as error:
        return error.cause
    return None


def with_parameters(**changed: str | None) -> Signer:
    parameters = {**PARAMETERS, **changed}
    return Signer(parameters={name: text for name, text in parameters.items() if text is not None})


def test_claim_keeps_the_order_of_the_signer():
    signer = Signer(
        components=tuple(reversed(Signer().components)),
        parameters=dict(reversed(PARAMETERS.items())),
    )

    claim = read(signer)

    assert claim.components == signer.components
    assert list(claim.parameters) == list(signer.parameters)
    assert claim.mac == signer.mac()


def test_serialised_claim_is_the_text_after_the_label():
    signer = with_parameters(nonce=r'"with \"quotes\" and \\ inside"')

    assert read(signer).serialised() == signer.signature_params().encode()


def test_loose_whitespace_is_serialised_strictly_as_the_reference_does():
    claim = read(Signer(items='  "@authority"   "x-api-key" ', parameters={"created": "007"}))

    assert claim.serialised() == b'("@authority" "x-api-key");created=7'


def test_check_returns_the_nonce():
    assert read(Signer()).check(api_key=API_KEY, now_s=NOW_S) == "AAECAwQFBgcICQoLDA0ODxAR"


@pytest.mark.parametrize("label", ["sig1", "a", "*x-1.y_z"])
def test_any_label_is_taken(label):
    assert read(Signer(label=label)).label == label


def test_the_first_label_that_both_headers_have_counts():
    first, second = Signer(label="one"), Signer(label="two", secret=b"another")
    inputs = f"zero=(), {second.signature_input()}, {first.signature_input()}"
    macs = f"{first.signature()}, {second.signature()}"

    assert read_claim(macs.encode(), inputs.encode()).mac == second.mac()


MALFORMED = {
    "empty": ("", ""),
    "no_dictionary": (":AAAA:", "()"),
    "mac_is_a_string": ('sig1="text"', "sig1=()"),
    "mac_is_a_list": ("sig1=(:AAAA:)", "sig1=()"),
    "mac_is_a_flag": ("sig1", "sig1=()"),
    "input_is_a_string": ("sig1=:AAAA:", 'sig1="@authority"'),
    "bad_base64": ("sig1=:A*A=:", "sig1=()"),
    "base64_without_end": ("sig1=:AAAA", "sig1=()"),
    "list_without_end": ("sig1=:AAAA:", 'sig1=("@authority"'),
    "non_ascii": ("sig1=:AAAA:", 'sig1=("@authority");keyid="\xe9"'),
    "label_twice": ("sig1=:AAAA:, sig1=:AAAA:", "sig1=()"),
    "parameter_twice": ("sig1=:AAAA:", "sig1=();created=1;created=2"),
    "date_out_of_range": ("sig1=:AAAA:", "sig1=();created=@999999999999999"),
}


@pytest.mark.parametrize(("signature", "signature_input"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_headers_are_refused(signature, signature_input):
    with pytest.raises(SignatureError) as refused:
        read_claim(signature.encode("latin-1"), signature_input.encode("latin-1"))

    assert refused.value.cause in {Cause.MALFORMED, Cause.NO_COMMON_LABEL}


def test_labels_that_do_not_match_are_refused():
    with pytest.raises(SignatureError) as refused:
        read_claim(Signer(label="a").signature().encode(), Signer().signature_input().encode())

    assert refused.value.cause is Cause.NO_COMMON_LABEL


@pytest.mark.parametrize("mac_base64", ["", "AAAA", "A" * 40, "A" * 44])
def test_signature_that_is_not_32_bytes_long_is_refused(mac_base64):
    with pytest.raises(SignatureError) as refused:
        read_claim(f"sig1=:{mac_base64}:".encode(), Signer().signature_input().encode())

    assert refused.value.cause is Cause.SIGNATURE_LENGTH


@pytest.mark.parametrize("which", ["signature", "signature_input"])
def test_overlong_header_is_refused_before_it_is_parsed(which):
    headers = {"signature": b"sig1=:AAAA:", "signature_input": b"sig1=()"}
    headers[which] = b" " * 4097

    with pytest.raises(SignatureError) as refused:
        read_claim(**headers)

    assert refused.value.cause is Cause.TOO_LONG


def test_a_hundred_signatures_are_one_bounded_parse():
    inputs = ", ".join(f"s{n}=()" for n in range(100))
    macs = ", ".join(f"s{n}=:AAAA:" for n in range(100))

    with pytest.raises(SignatureError):
        read_claim(macs.encode(), inputs.encode())


@pytest.mark.parametrize("missing", Signer().components)
def test_every_required_component_must_be_covered(missing):
    components = tuple(name for name in Signer().components if name != missing)

    assert cause_of(Signer(components=components)) is Cause.COMPONENT_MISSING


def test_component_covered_twice_is_refused():
    components = (*Signer().components, "x-api-key")

    assert cause_of(Signer(components=components)) is Cause.COMPONENT_REPEATED


def test_unknown_derived_component_is_refused():
    components = (*Signer().components, "@method")

    assert cause_of(Signer(components=components)) is Cause.COMPONENT_UNSUPPORTED


@pytest.mark.parametrize(
    "odd", ['"x-api-key";sf', '"x-api-key";key="a"', "x-api-key", "1", ":AA==:"]
)
def test_component_with_parameters_or_of_another_type_is_refused(odd):
    items = " ".join(f'"{name}"' for name in Signer().components[:-1])

    assert cause_of(Signer(items=f"{items} {odd}")) is Cause.COMPONENT_UNSUPPORTED


def test_seventeen_components_are_refused():
    components = (*Signer().components, *(f"x-{n}" for n in range(11)))

    assert cause_of(Signer(components=components)) is Cause.TOO_LONG


def test_header_of_the_signers_choice_may_be_covered_too():
    assert cause_of(Signer(components=(*Signer().components, "host"))) is None


def test_alg_may_be_absent():
    assert cause_of(with_parameters(alg=None)) is None


PARAMETER_FAULTS = {
    "unknown_parameter": ({"tag": '"x"'}, Cause.PARAMETER_UNKNOWN),
    "keyid_absent": ({"keyid": None}, Cause.KEYID_MISMATCH),
    "keyid_other": ({"keyid": '"other"'}, Cause.KEYID_MISMATCH),
    "keyid_token": ({"keyid": API_KEY}, Cause.KEYID_MISMATCH),
    "keyid_bytes": ({"keyid": ":AAAA:"}, Cause.KEYID_MISMATCH),
    "keyid_display_string": ({"keyid": f'%"{API_KEY}"'}, Cause.KEYID_MISMATCH),
    "nonce_absent": ({"nonce": None}, Cause.NONCE_TOO_SHORT),
    "nonce_21_characters": ({"nonce": f'"{"n" * 21}"'}, Cause.NONCE_TOO_SHORT),
    "nonce_token": ({"nonce": "n" * 24}, Cause.NONCE_TOO_SHORT),
    "nonce_bytes": ({"nonce": f":{'A' * 32}:"}, Cause.NONCE_TOO_SHORT),
    "nonce_number": ({"nonce": "1" * 15}, Cause.NONCE_TOO_SHORT),
    "alg_other": ({"alg": '"hmac-sha512"'}, Cause.ALGORITHM_UNSUPPORTED),
    "alg_token": ({"alg": "hmac-sha256"}, Cause.ALGORITHM_UNSUPPORTED),
    "alg_empty": ({"alg": '""'}, Cause.ALGORITHM_UNSUPPORTED),
    "created_absent": ({"created": None}, Cause.TIMES_MISSING),
    "expires_absent": ({"expires": None}, Cause.TIMES_MISSING),
    "created_decimal": ({"created": f"{NOW_S}.5"}, Cause.TIMES_MISSING),
    "created_boolean": ({"created": "?1"}, Cause.TIMES_MISSING),
    "created_string": ({"created": f'"{NOW_S}"'}, Cause.TIMES_MISSING),
    "created_date": ({"created": f"@{NOW_S}"}, Cause.TIMES_MISSING),
    "expires_boolean": ({"expires": "?1"}, Cause.TIMES_MISSING),
}


@pytest.mark.parametrize(("changed", "cause"), PARAMETER_FAULTS.values(), ids=PARAMETER_FAULTS)
def test_parameter_that_breaks_a_rule_is_refused(changed, cause):
    assert cause_of(with_parameters(**changed)) is cause


def test_nonce_of_22_characters_is_long_enough():
    assert cause_of(with_parameters(nonce=f'"{"n" * 22}"')) is None


@pytest.mark.parametrize(
    ("now_s", "cause"),
    [
        (NOW_S - 5.01, Cause.CREATED_AHEAD),
        (NOW_S - 5, None),
        (NOW_S + 35, None),
        (NOW_S + 35.01, Cause.EXPIRED),
    ],
)
def test_request_is_current_from_5_s_before_created_to_35_s_after(now_s, cause):
    assert cause_of(with_parameters(expires=str(NOW_S + 3600)), now_s=now_s) is cause


@pytest.mark.parametrize(("now_s", "cause"), [(NOW_S + 15, None), (NOW_S + 15.01, Cause.EXPIRED)])
def test_expires_ends_it_5_s_later(now_s, cause):
    assert cause_of(with_parameters(expires=str(NOW_S + 10)), now_s=now_s) is cause


def test_negative_times_are_only_old():
    assert cause_of(with_parameters(created="-1", expires="-1")) is Cause.EXPIRED


FRAGMENTS = [
    *(
        "sig1",
        "=",
        "(",
        ")",
        ";",
        ",",
        " ",
        "\t",
        '"',
        "\\",
        ":",
        "%",
        '%"',
        "%ff",
        "@",
        "?1",
        "?",
        "-",
    ),
    *('"@authority"', '"x-api-key"', "keyid", "nonce", "created", "expires", "alg", ";sf", "*"),
    *(":AAAA:", "1.5", "@1", "@99999999999999", "999999999999999", "-0", "\x00", "\x7f", "\xff"),
    *(Signer().signature(), Signer().signature_input(), Signer().signature_params()),
]
FIELD = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(lambda p: "".join(p).encode("latin-1")),
)


@settings(derandomize=True, database=None, deadline=None, max_examples=500)
@given(signature=st.one_of(st.just(Signer().signature().encode()), FIELD), signature_input=FIELD)
def test_nothing_but_a_signature_error_ever_comes_out(signature, signature_input):
    try:
        claim = read_claim(signature, signature_input)
        claim.check(api_key=API_KEY, now_s=NOW_S)
        serialised = claim.serialised()
    except SignatureError:
        return

    again = read_claim(signature, claim.label.encode() + b"=" + serialised)
    assert again == claim


BARE_ITEMS = st.sampled_from(
    ["1", "-1", "1.5", "?0", "?1", "token", '"text"', ":AAAA:", "@1", '%"a"', '""', str(NOW_S)]
)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(name=st.sampled_from(sorted(PARAMETERS)), text=BARE_ITEMS)
def test_parameter_of_any_type_is_judged_without_a_crash(name, text):
    signer = with_parameters(**{name: text})

    expected_to_pass = PARAMETERS[name] == text or (name == "expires" and text == str(NOW_S))

    assert (cause_of(signer) is None) == expected_to_pass


def test_claim_cannot_be_changed_after_its_check():
    with pytest.raises(dataclasses.FrozenInstanceError):
        read(Signer()).mac = b""  # type: ignore[misc]  # that is the point
