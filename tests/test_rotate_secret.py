"""Rotation on an emulated Secrets Manager; what the service would accept is read as it does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from scripts.rotate_secret import main
from service.aws_session import make_client
from service.secrets.aws import AwsSecret
from service.secrets.keys import parse_client_secrets, parse_versions
from tests.secrets.cloud import NAME, secrets_manager

KEY, OTHER = "first-api-key-of-two", "other-api-key-of-two"
OLD, OTHERS = "b2xkIHNlY3JldCBvZiB0aGUga2V5", "c2VjcmV0IG9mIHRoZSBvdGhlciBvbmU="
MODEL_KEY = "sk-the-key-of-the-model"
NEITHER_SHOWN = (OLD, OTHERS, MODEL_KEY, KEY, OTHER)


@dataclass
class Told:
    code: int
    out: str
    err: str


class Bench:
    def __init__(self, client: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self.client = client
        self._capsys = capsys

    def store(self, **members: object) -> None:
        self.client.create_secret(Name=NAME, SecretString=json.dumps(members))

    def run(self, *arguments: str) -> Told:
        code = main(list(arguments))
        told = self._capsys.readouterr()
        for secret in NEITHER_SHOWN:
            assert secret not in told.out + told.err
        return Told(code, told.out, told.err)

    def begin(self, *arguments: str) -> str:
        """The new client secret that was printed."""
        told = self.run("begin", NAME, *arguments)
        assert (told.code, told.err) == (0, "")
        return next(line.strip() for line in told.out.splitlines() if line.startswith("    "))

    def good(self, api_key: str = KEY) -> tuple[bytes, ...]:
        return parse_versions(AwsSecret(NAME, make_client).read()).of(api_key)

    def current(self) -> dict[str, object]:
        text = self.client.get_secret_value(SecretId=NAME)["SecretString"]
        members: dict[str, object] = json.loads(text)
        return members


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    with secrets_manager(monkeypatch) as client:
        yield Bench(client, capsys)


def decoded(client_secret: object) -> bytes:
    (only,) = parse_client_secrets(json.dumps({"k": client_secret})).of("k")
    return only


def test_after_begin_both_client_secrets_are_good(bench: Bench):
    bench.store(**{KEY: OLD})

    new = bench.begin()

    assert bench.good() == (decoded(new), decoded(OLD))
    assert len(decoded(new)) == 32


def test_begin_changes_nothing_else(bench: Bench):
    bench.store(**{KEY: OLD, "OPENAI_API_KEY": MODEL_KEY, OTHER: [OTHERS]})

    new = bench.begin("--api-key", KEY[:5])

    assert bench.current() == {KEY: new, "OPENAI_API_KEY": MODEL_KEY, OTHER: [OTHERS]}
    assert bench.good(OTHER) == (decoded(OTHERS),)


def test_begin_says_what_to_do_in_genesys_and_then(bench: Bench):
    bench.store(**{KEY: OLD})

    told = bench.run("begin", NAME)

    steps = ("firs…", "5 minutes", "Genesys Cloud: Admin", f"rotate_secret finish {NAME}")
    assert [step for step in steps if step not in told.out] == []


def test_client_secrets_are_never_the_same(bench: Bench):
    bench.store(**{KEY: OLD})
    first = bench.begin()
    bench.run("finish", NAME)

    assert bench.begin() != first


def test_after_finish_the_new_one_alone_is_good(bench: Bench):
    bench.store(**{KEY: OLD})
    new = bench.begin()

    told = bench.run("finish", NAME)

    assert (told.code, "Finished: firs…" in told.out) == (0, True)
    assert bench.good() == (decoded(new),)


def test_after_undo_the_old_one_is_the_first_again_and_both_are_good(bench: Bench):
    bench.store(**{KEY: OLD})
    new = bench.begin()

    told = bench.run("undo", NAME)

    assert (told.code, "Undone: firs…" in told.out) == (0, True)
    assert bench.good() == (decoded(OLD), decoded(new))
    assert bench.run("finish", NAME).code == 0
    assert bench.good() == (decoded(OLD),)


def test_second_begin_is_refused_because_it_would_drop_the_old_secret(bench: Bench):
    bench.store(**{KEY: OLD, OTHER: OTHERS})
    bench.begin("--api-key", KEY[:5])
    before = bench.good()

    told = bench.run("begin", NAME, "--api-key", "other")

    assert told.code == 1
    assert told.err == "firs…: a rotation is under way; finish or undo it first\n"
    assert bench.good() == before


def test_list_of_client_secrets_stays_good_too(bench: Bench):
    bench.store(**{KEY: [OLD, OTHERS]})

    new = bench.begin()

    assert bench.good() == (decoded(new), decoded(OLD), decoded(OTHERS))


def test_key_added_by_hand_is_no_rotation(bench: Bench):
    bench.store(**{KEY: OLD})
    bench.client.put_secret_value(SecretId=NAME, SecretString=json.dumps({KEY: OLD, OTHER: OTHERS}))

    assert bench.run("finish", NAME).out == "No rotation is under way: nothing to finish.\n"
    assert bench.run("undo", NAME).out == "No rotation is under way: nothing to undo.\n"
    assert bench.begin("--api-key", "other")


def test_status_tells_which_keys_there_are_and_what_is_under_way(bench: Bench):
    bench.store(**{KEY: OLD, OTHER: OTHERS})
    quiet = bench.run("status", NAME).out
    bench.begin("--api-key", "other")

    assert quiet == "firs…\nothe…\n"
    assert bench.run("status", NAME).out == (
        "firs…\nothe…: a rotation is under way, two client secrets are good\n"
    )


def test_status_of_an_empty_secret_says_what_that_means(bench: Bench):
    bench.store()

    assert bench.run("status", NAME).out == "no API key: every caller is refused\n"


# What cannot be done.


@pytest.mark.parametrize("start", [[], ["--api-key", "x"], ["--api-key", ""]])
def test_key_must_be_clear(bench: Bench, start: list[str]):
    bench.store(**{KEY: OLD, OTHER: OTHERS})

    told = bench.run("begin", NAME, *start)

    assert told.code == 1
    assert "expected the beginning of one API key" in told.err
    assert "there are: firs…, othe…" in told.err
    assert bench.good() == (decoded(OLD),)


def test_whole_key_is_clear_even_if_another_begins_with_it(bench: Bench):
    bench.store(**{KEY: OLD, f"{KEY}-2": OTHERS})
    main(["begin", NAME, "--api-key", KEY])

    assert len(bench.good()) == 2
    assert bench.good(f"{KEY}-2") == (decoded(OTHERS),)


def test_key_without_signature_is_left_alone(bench: Bench):
    bench.store(**{KEY: None})

    told = bench.run("begin", NAME)

    assert (told.code, "not signed" in told.err) == (1, True)
    assert bench.good() == (b"",)


def test_secret_in_another_form_is_left_alone(bench: Bench):
    bench.client.create_secret(Name=NAME, SecretString=f'{{"{KEY}": "not base64: {OLD}"}}')

    told = bench.run("begin", NAME)

    assert (told.code, told.err) == (1, "entry 1 (firs…): a client secret is not base64\n")


def test_missing_secret_is_an_error_with_advice(bench: Bench):
    told = bench.run("begin", NAME)

    assert told.code == 1
    assert told.err.startswith(f"{NAME}: ResourceNotFoundException; there is no such secret")


def test_refusal_of_the_change_is_an_error_without_traceback(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bench.store(**{KEY: OLD})
    from botocore.exceptions import ClientError

    class ReadOnly:
        def get_secret_value(self, **request: Any) -> Any:
            return bench.client.get_secret_value(**request)

        def put_secret_value(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutSecretValue")

    monkeypatch.setattr(boto3, "client", lambda *_, **__: ReadOnly())

    told = bench.run("begin", NAME)

    assert told.code == 1
    assert told.err == f"{NAME}: AccessDeniedException; --help says which rights it takes\n"


def test_help_tells_the_steps(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help"])

    told = capsys.readouterr().out
    assert "begin NAME    makes a new client secret; the old one stays good" in told
    assert "secretsmanager:GetSecretValue" in told
