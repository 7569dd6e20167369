"""One runner at a time: the lease is taken, renewed, waited for, taken over from the dead, and never confused."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import LockedError
from redis_models.migrations.state import lease as module
from redis_models.migrations.state.lease import Lease, hold_lease, take_lease, this_process

_KEY = "redis_models:{ns}:lease"


@pytest.fixture
def exchange(client: Any) -> SyncClient:
    return SyncClient(client, "test")


@pytest.fixture
def stranger(client: Any) -> Iterator[Any]:
    """Write down another holder, whose lease ends in so many milliseconds."""

    def write(until_ms: int, **holder: object) -> None:
        seconds, micros = client.time()
        known = {"host": "elsewhere", "machine": "another", "pid": 7, "started": "1", **holder}
        until = seconds * 1000 + micros // 1000 + until_ms
        client.hset(_KEY, mapping={"epoch": 41, "holder": json.dumps(known), "until": until})

    yield write


def _hold(exchange: SyncClient, life_s: float = 30.0, wait_s: float = 0.0) -> Any:
    return hold_lease(exchange, "ns", life_s=life_s, wait_s=wait_s)


def test_a_held_lease_is_refused_and_the_refusal_names_the_holder_and_how_long(
    exchange: SyncClient, client: Any, stranger: Any
) -> None:
    stranger(20_000)
    before = client.hgetall(_KEY)

    with pytest.raises(LockedError) as refused, _hold(exchange):
        pass

    assert "elsewhere (process 7)" in str(refused.value)
    assert "--wait SECONDS" in str(refused.value)
    assert "20 s" in str(refused.value)
    assert client.hgetall(_KEY) == before


def test_a_holder_whose_name_cannot_be_read_is_refused_all_the_same(
    exchange: SyncClient, client: Any, stranger: Any
) -> None:
    stranger(20_000)
    client.hset(_KEY, "holder", "?")

    with pytest.raises(LockedError, match="another runner"), _hold(exchange):
        pass


def test_a_lease_that_ended_is_taken_with_a_greater_epoch(exchange: SyncClient, stranger: Any) -> None:
    stranger(0)

    with _hold(exchange) as lease:
        assert lease.epoch > 41


def test_after_its_end_a_lease_is_free_and_its_epoch_is_not_used_again(exchange: SyncClient, client: Any) -> None:
    with _hold(exchange) as first:
        pass
    with _hold(exchange) as second:
        pass

    assert second.epoch > first.epoch
    assert client.hgetall(_KEY).keys() == {b"epoch"}


def test_an_epoch_is_not_used_again_after_everything_was_flushed(exchange: SyncClient, client: Any) -> None:
    with _hold(exchange) as first:
        client.flushall()
        with _hold(exchange) as second:
            assert second.epoch > first.epoch
            with pytest.raises(LockedError):
                Lease(exchange, first.key, first.epoch, 30.0, _renewed_at=0.0).renew_if_due()


def test_the_lease_is_given_back_when_the_block_fails(exchange: SyncClient, client: Any) -> None:
    with pytest.raises(ZeroDivisionError), _hold(exchange):
        raise ZeroDivisionError

    assert client.hget(_KEY, "holder") is None


def test_a_lost_lease_is_noticed_on_renewal_and_the_successors_is_left_alone(
    exchange: SyncClient, client: Any, stranger: Any
) -> None:
    with _hold(exchange) as lease:
        stranger(20_000)
        client.hset(_KEY, "epoch", lease.epoch + 1)
        before = client.hgetall(_KEY)
        late = Lease(exchange, lease.key, lease.epoch, 30.0, _renewed_at=0.0)
        with pytest.raises(LockedError, match="took the lease over"):
            late.renew_if_due()

    assert client.hgetall(_KEY) == before


def test_a_lease_is_renewed_after_a_third_of_its_ttl_and_not_before(exchange: SyncClient, client: Any) -> None:
    with _hold(exchange) as lease:
        client.hset(_KEY, "until", 0)
        lease.renew_if_due()
        early = int(client.hget(_KEY, "until") or 0)
        Lease(exchange, lease.key, lease.epoch, 30.0, _renewed_at=0.0).renew_if_due()
        late = int(client.hget(_KEY, "until") or 0)

    assert early == 0
    assert late > 0


def test_a_holder_of_this_machine_that_is_dead_is_succeeded_at_once(
    exchange: SyncClient, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        alive = module._identity(process.pid)
        stranger(20_000, **alive)
        with pytest.raises(LockedError), _hold(exchange):
            pass
        process.kill()
        process.wait()

    with _hold(exchange) as lease:
        assert lease.epoch > 41


def test_a_process_number_that_was_given_to_another_process_does_not_keep_the_lease(
    exchange: SyncClient, stranger: Any
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        stranger(20_000, **{**module._identity(process.pid), "started": "1"})
        with _hold(exchange) as lease:
            assert lease.epoch > 41
        process.kill()


def test_a_dead_process_number_of_another_machine_says_nothing(exchange: SyncClient, stranger: Any) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    stranger(20_000, pid=process.pid)

    with pytest.raises(LockedError), _hold(exchange):
        pass


def test_two_that_find_the_same_dead_holder_do_not_both_get_the_lease(
    exchange: SyncClient, stranger: Any, server: Any
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        stranger(20_000, **module._identity(process.pid))
        process.kill()
    start = threading.Barrier(4)
    taken: list[int] = []
    refused: list[LockedError] = []

    def take() -> None:
        with server.client() as client:
            mine = SyncClient(client, "test")
            start.wait()
            try:
                taken.append(run(mine, take_lease(mine, _KEY, 30.0)).epoch)
            except LockedError as exc:
                refused.append(exc)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(taken), len(refused)) == (1, 3)


def test_waiting_ends_when_the_holder_gives_back(exchange: SyncClient, server: Any) -> None:
    got = threading.Event()

    def wait() -> None:
        with server.client() as client, _hold(SyncClient(client, "test"), wait_s=30.0):
            got.set()

    with _hold(exchange) as first:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.is_set()
        assert int(first.epoch) > 0

    waiting.join(30)
    assert got.is_set()


def test_waiting_ends_with_the_refusal_when_time_is_up(exchange: SyncClient, stranger: Any) -> None:
    stranger(20_000)

    with pytest.raises(LockedError), _hold(exchange, wait_s=0.3):
        pass


def test_a_project_of_another_namespace_has_its_own_lease(exchange: SyncClient, stranger: Any) -> None:
    stranger(20_000)

    with hold_lease(exchange, "other", life_s=30.0) as lease:
        assert lease.key == "redis_models:{other}:lease"


def test_taking_the_lease_may_be_sent_twice_where_the_first_answer_was_lost(exchange: SyncClient) -> None:
    first, second = (run(exchange, module._lease_call(_KEY, "take", '{"pid": 1}', 30_000, "")) for _ in range(2))

    assert (first[0], second[0]) == (b"TAKEN", b"TAKEN")
    assert second[1] > first[1]  # type: ignore[operator]


def test_a_script_that_is_sent_twice_renews_and_releases_but_once_in_effect(exchange: SyncClient, client: Any) -> None:
    with _hold(exchange) as lease:
        for word in ("renew", "release", "release"):
            arguments = (lease.epoch, 30_000) if word == "renew" else (lease.epoch,)
            answers = [run(exchange, module._lease_call(lease.key, word, *arguments)) for _ in range(2)]
            assert answers == [[b"OK"], [b"OK"]]

    assert client.hget(_KEY, "holder") is None


def test_the_ledger_names_host_and_process() -> None:
    assert this_process().endswith(f" pid {os.getpid()}")
