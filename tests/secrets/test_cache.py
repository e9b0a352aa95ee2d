import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from service.gate import LOOKUP_TIMEOUT_S
from service.secrets.cache import (
    ASK_AGAIN_S,
    FIRST_WAIT_S,
    JITTER,
    MAX_RETRY_S,
    PAUSE_S,
    STALE_S,
    TTL_S,
    WAIT_S,
    CachedClientSecrets,
    CachedSecret,
)
from service.secrets.keys import ClientSecrets, parse_versions
from service.secrets.port import SecretsError, SecretService
from tests.contracts.secret_service_contract import KNOWN, SecretServiceContract
from tests.virtual_time import now_s, run

DOWN = SecretsError(["bridge/keys: the store is down"])
OLD, NEW = '{"key": "b2xk"}', '{"key": "bmV3", "further": "bW9yZQ=="}'
SECRET_TEXT = "c2VjcmV0IHZhbHVl"


class Store:
    """What is read, and when; an answer takes `takes_s`."""

    def __init__(self, *texts: str) -> None:
        self.answer: Sequence[str] | SecretsError = texts or (OLD,)
        self.takes_s = 0.0
        self.reads: list[float] = []
        self.made = self.at_work = self.most_at_work = 0

    def make(self) -> "Store":
        self.made += 1
        return self

    def read(self) -> tuple[str, ...]:
        if isinstance(self.answer, SecretsError):
            raise self.answer
        return tuple(self.answer)

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        self.reads.append(now_s())
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        await asyncio.sleep(self.takes_s)
        self.at_work -= 1
        return work()

    def cached(self, jitter: float = 0.0) -> CachedSecret[ClientSecrets]:
        return CachedSecret(
            "SECRETS_URL",
            self.make,
            parse_versions,
            in_thread=self.in_thread,
            random=lambda: jitter,
        )


@asynccontextmanager
async def watched(secret: CachedSecret[ClientSecrets]) -> AsyncIterator[CachedClientSecrets]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(secret.watch())
        await asyncio.sleep(0)
        yield CachedClientSecrets(secret)
        task.cancel()


def play(store: Store, scene: Callable[[CachedClientSecrets], Awaitable[Any]]) -> Any:
    """The scene, beside the task that reads."""

    async def scenario() -> Any:
        async with watched(store.cached()) as secrets:
            return await scene(secrets)

    return run(scenario())


async def lookup(
    secrets: CachedClientSecrets, key: str = "key", most_s: float = WAIT_S + 0.01
) -> object:
    """The answer, or the problems; and that no lookup takes longer than that."""
    began_s = now_s()
    try:
        found: object = await secrets.get_client_secrets(key)
    except SecretsError as error:
        found = error.problems
    assert now_s() - began_s <= most_s
    return found


class Running:
    """A cache whose task runs while there are lookups."""

    def __init__(self, secret: CachedSecret[ClientSecrets]) -> None:
        self._secret = secret
        self._lookups = 0
        self._task: asyncio.Task[None] | None = None

    async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
        if self._task is None:
            self._task = asyncio.create_task(self._secret.watch())
        self._lookups += 1
        if self._secret._value is None:  # to load an SDK takes longer than a lookup waits
            await self._secret._finished.wait()
        try:
            return await CachedClientSecrets(self._secret).get_client_secrets(api_key)
        finally:
            self._lookups -= 1
            if not self._lookups:
                self._task.cancel()
                self._task = None


class TestContractOfTheCache(SecretServiceContract):
    def make(self, credentials: dict[str, object], tmp_path: Path) -> SecretService:
        return Running(CachedSecret("X", Store(json.dumps(credentials)).make, parse_versions))

    def test_secrets_never_show_in_a_representation(self, tmp_path):
        store = Store(json.dumps({KNOWN: SECRET_TEXT}))

        async def scene(secrets: CachedClientSecrets) -> str:
            await secrets.get_client_secrets(KNOWN)
            parts = [secrets, *vars(secrets).values(), *vars(secrets._secret).values()]
            return " ".join(map(repr, parts))

        shown = play(store, scene)
        assert "secret value" not in shown and SECRET_TEXT not in shown and KNOWN not in shown


def test_nothing_is_read_before_the_service_runs():
    store = Store()

    async def scenario() -> object:
        return await lookup(CachedClientSecrets(store.cached()), most_s=FIRST_WAIT_S)

    assert run(scenario()) == ("it has not been read yet",)
    assert store.made == 0


def test_first_calls_wait_for_the_first_read_together():
    store = Store()
    store.takes_s = 2.5  # a small machine that loads an SDK and takes a role

    async def scene(secrets: CachedClientSecrets) -> list[object]:
        return await asyncio.gather(*(lookup(secrets, most_s=2.6) for _ in range(50)))

    assert play(store, scene) == [(b"old",)] * 50
    assert store.reads == [0.0]


def test_first_calls_do_not_wait_longer_than_an_upgrade_may_take():
    store = Store()
    store.takes_s = FIRST_WAIT_S + 1

    async def scene(secrets: CachedClientSecrets) -> tuple[object, object]:
        early = await lookup(secrets, most_s=LOOKUP_TIMEOUT_S - 0.1)
        await asyncio.sleep(1)
        return early, await lookup(secrets)

    assert play(store, scene) == (("it has not been read yet",), (b"old",))
    assert store.reads == [0.0]


def test_lookups_of_a_fresh_value_read_nothing():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> None:
        for _ in range(1_000):
            assert await lookup(secrets) == (b"old",)
            await asyncio.sleep(0.2)

    play(store, scene)
    assert store.reads == [0.0]


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_value_is_read_again_before_it_is_old(jitter: float):
    store = Store()

    async def scenario() -> object:
        async with watched(store.cached(jitter)) as secrets:
            await asyncio.sleep(PAUSE_S)
            store.answer = (NEW,)
            await asyncio.sleep(TTL_S)
            return await secrets.get_client_secrets("key")

    assert run(scenario()) == (b"new",)
    assert store.reads == [0.0, pytest.approx(TTL_S * (1 - JITTER * jitter))]


def test_new_key_is_found_by_one_read():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> tuple[object, object]:
        await asyncio.sleep(ASK_AGAIN_S)
        store.answer = (NEW,)
        return await lookup(secrets, "further"), await lookup(secrets)

    assert play(store, scene) == ((b"more",), (b"new",))
    assert store.reads == [0.0, ASK_AGAIN_S]


def test_flood_of_unknown_keys_reads_once_a_minute():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> None:
        for second in range(int(TTL_S) - 1):
            found = await asyncio.gather(*(lookup(secrets, f"{second}-{n}") for n in range(20)))
            assert found == [()] * 20
            await asyncio.sleep(1)

    play(store, scene)
    assert [round(at_s / ASK_AGAIN_S) for at_s in store.reads] == [0, 1, 2, 3, 4]


def test_unknown_key_while_the_store_is_down_is_not_called_unknown():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> tuple[object, object, object]:
        await asyncio.sleep(ASK_AGAIN_S)
        store.answer = DOWN
        first, second = await lookup(secrets, "further"), await lookup(secrets, "further")
        return first, second, await lookup(secrets)

    assert play(store, scene) == (DOWN.problems, DOWN.problems, (b"old",))


def test_unknown_key_while_the_store_hangs_is_not_called_unknown():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> object:
        await asyncio.sleep(ASK_AGAIN_S)
        store.takes_s = 10
        return await lookup(secrets, "further")

    assert play(store, scene) == ("the store has not answered in time",)


def test_unknown_keys_while_the_store_hangs_wait_for_one_read():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> None:
        await asyncio.sleep(ASK_AGAIN_S)
        store.takes_s = 10
        for _ in range(100):
            await asyncio.gather(*(lookup(secrets, "further") for _ in range(10)))

    play(store, scene)
    assert store.most_at_work == 1


def test_last_good_version_serves_a_day_without_waiting():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> tuple[object, object]:
        await asyncio.sleep(1)
        store.answer = DOWN
        store.takes_s = 0.3
        await asyncio.sleep(STALE_S - 100)
        began_s = now_s()
        served = await lookup(secrets)
        assert now_s() == began_s
        await asyncio.sleep(200)
        return served, await lookup(secrets)

    assert play(store, scene) == ((b"old",), DOWN.problems)


def test_call_after_a_day_of_failures_gets_what_the_store_says_now():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> object:
        await asyncio.sleep(1)
        store.answer = DOWN
        await asyncio.sleep(STALE_S + 2 * MAX_RETRY_S)
        await lookup(secrets)  # a try has just failed
        store.answer = (NEW,)
        return await lookup(secrets)

    assert play(store, scene) == (b"new",)


def test_store_that_works_again_says_again_which_keys_are_unknown():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> tuple[object, object]:
        await asyncio.sleep(ASK_AGAIN_S)
        store.answer = DOWN
        during = await lookup(secrets, "unknown")
        store.answer = (OLD,)
        await asyncio.sleep(MAX_RETRY_S)
        return during, await lookup(secrets, "unknown")

    assert play(store, scene) == (DOWN.problems, ())


def test_store_that_is_down_is_asked_less_and_less_often():
    store = Store()
    store.answer = DOWN

    async def scene(secrets: CachedClientSecrets) -> None:
        await asyncio.sleep(600)

    play(store, scene)
    pauses = [later - sooner for sooner, later in zip(store.reads, store.reads[1:], strict=False)]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == MAX_RETRY_S


def test_calls_that_need_a_first_value_make_it_be_tried_at_once_but_not_in_a_flood():
    store = Store()
    store.answer = DOWN

    async def scene(secrets: CachedClientSecrets) -> object:
        await asyncio.sleep(100)
        store.reads.clear()
        for _ in range(10):
            await asyncio.gather(*(lookup(secrets) for _ in range(30)))
        assert len(store.reads) <= (now_s() - 100) / PAUSE_S + 1
        store.answer = (OLD,)
        return await lookup(secrets)

    assert play(store, scene) == (b"old",)


def test_failing_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    store = Store(f'{{"a-long-key": "{SECRET_TEXT}"}}')

    async def scene(secrets: CachedClientSecrets) -> None:
        await asyncio.sleep(1)
        store.answer = (f'{{"a-long-key": "{SECRET_TEXT}!"}}',)
        await asyncio.sleep(2_000)
        store.answer = (OLD,)
        await asyncio.sleep(100)

    play(store, scene)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    told = str([record.__dict__ for record in caplog.records])
    assert "client secret is not base64" in told
    assert SECRET_TEXT not in told and "a-long-key" not in told


def test_start_without_a_value_is_an_error_in_the_log(caplog: pytest.LogCaptureFixture):
    store = Store()
    store.answer = DOWN

    async def scene(secrets: CachedClientSecrets) -> object:
        return await lookup(secrets)

    assert play(store, scene) == DOWN.problems
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.__dict__["problems"] == DOWN.problems


def test_secret_without_any_key_is_told_of_each_time_it_becomes_so(
    caplog: pytest.LogCaptureFixture,
):
    store = Store("{}")

    async def scene(secrets: CachedClientSecrets) -> None:
        for text in ("{}", "{}", OLD, "{}"):
            store.answer = (text,)
            await asyncio.sleep(TTL_S)
            await lookup(secrets, "unknown")

    play(store, scene)
    told = [(record.levelname, record.message) for record in caplog.records]
    assert told == [("ERROR", "the secret holds no API key: every caller is refused")] * 2


def test_secret_that_is_emptied_locks_everybody_out():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> tuple[object, object]:
        before = await lookup(secrets)
        store.answer = ("{}", OLD)
        await asyncio.sleep(TTL_S + 1)
        return before, await lookup(secrets)

    assert play(store, scene) == ((b"old",), ())


def test_lookup_that_is_cancelled_stops_no_read():
    store = Store()
    store.takes_s = 0.5

    async def scene(secrets: CachedClientSecrets) -> object:
        task = asyncio.create_task(secrets.get_client_secrets("key"))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await lookup(secrets)

    assert play(store, scene) == (b"old",)
    assert store.reads == [0.0]


def test_reader_is_made_once():
    store = Store()

    async def scene(secrets: CachedClientSecrets) -> None:
        await asyncio.sleep(10 * TTL_S)

    play(store, scene)
    assert store.made == 1
