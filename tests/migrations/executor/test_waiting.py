"""Patience: a run waits for a server that cannot do it now, and goes on by itself; else it stops well, and says why."""

import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, cast

import pytest
import redis
from redis.exceptions import MasterDownError

from redis_models.client.client import SyncClient
from redis_models.client.commands import Sleep
from redis_models.client.drivers import run
from redis_models.errors import ServerUnreachableError
from redis_models.migrations import AddField, CreateModel
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.progress import Policy, Progress
from redis_models.migrations.executor.run import execute_run
from redis_models.migrations.executor.throttle import ThrottleState, fixed_throttle
from redis_models.migrations.planner.segments import make_run_plan
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.store import StateStore

from .slow import SlowShop, await_progress

_COUNT = 200


@pytest.fixture
def shop(new_server: Callable[..., Any], new_project: Callable[..., Any]) -> SlowShop:
    """A project on a server that writes its AOF, and calls a script of 50 ms slow."""
    return SlowShop(new_project(new_server("--appendonly", "yes", "--lua-time-limit", "50")), _COUNT)


def _fill_up(server: Any) -> None:
    _configure(server, "maxmemory", 1_000_000)


def _make_room(server: Any) -> None:
    _configure(server, "maxmemory", 0)


def _keep_busy(server: Any) -> None:
    def spin() -> None:
        with server.client() as client, suppress(redis.ResponseError):
            client.eval("while true do end", 0)

    threading.Thread(target=spin, daemon=True).start()


def _relieve(server: Any) -> None:
    with server.client() as client:
        client.execute_command("SCRIPT", "KILL")


def _miss_replicas(server: Any) -> None:
    _configure(server, "min-replicas-to-write", 1)


def _need_no_replicas(server: Any) -> None:
    _configure(server, "min-replicas-to-write", 0)


def _make_replica(server: Any) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)


def _make_primary(server: Any) -> None:
    with server.client() as client:
        client.replicaof("no", "one")


def _configure(server: Any, name: str, value: int) -> None:
    with server.client() as client:
        client.config_set(name, value)


def _kill(server: Any) -> None:
    server.kill()


def _restart(server: Any) -> None:
    server.start()


def _limit_files(server: Any, most: int) -> None:
    """Let files of the server grow no further, as where the disk is full."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def _fill_disk(server: Any) -> None:
    _limit_files(server, 100)


def _empty_disk(server: Any) -> None:
    _limit_files(server, resource.RLIM_INFINITY)


def _fail_to_save(server: Any) -> None:
    with server.client() as client:
        client.config_set("appendonly", "no")
        client.config_set("save", "3600 1")
        _limit_files(server, 10)
        client.bgsave()
        _await_saved(client, "err")


def _save(server: Any) -> None:
    _limit_files(server, resource.RLIM_INFINITY)
    with server.client() as client:
        client.bgsave()
        _await_saved(client, "ok")


def _await_saved(client: Any, status: str) -> None:
    until = time.monotonic() + 30
    while True:
        info = client.info("persistence")
        if not info["rdb_bgsave_in_progress"] and info["rdb_last_bgsave_status"] == status:
            return
        assert time.monotonic() < until
        time.sleep(0.01)


_TROUBLES = {
    "full": (_fill_up, _make_room, "memory is full"),
    "busy": (_keep_busy, _relieve, "BUSY"),
    "killed": (_kill, _restart, "cannot be reached"),
    "without replicas": (_miss_replicas, _need_no_replicas, "NOREPLICAS"),
    "a replica": (_make_replica, _make_primary, "read-only replica"),
}
if sys.platform == "linux":  # elsewhere no process can be given a limit from outside
    _NO_DISK = "cannot write to its disk, and takes no writes until it can: make room"
    _TROUBLES["full disk"] = (_fill_disk, _empty_disk, _NO_DISK)
    _TROUBLES["no snapshots"] = (_fail_to_save, _save, _NO_DISK)
_troubles = pytest.mark.parametrize(("begin", "end", "says"), _TROUBLES.values(), ids=_TROUBLES)


@_troubles
def test_a_run_waits_says_for_what_and_goes_on_by_itself(
    shop: SlowShop, begin: Callable[[Any], None], end: Callable[[Any], None], says: str
) -> None:
    running = shop.start("--patience", "300")
    begin(shop.server)
    waiting = await_progress(running, lambda info: info["pace"].startswith("waits: ") and says in info["pace"])

    end(shop.server)
    shop.hurry()
    done = shop.project.end(running)

    assert done.code == 0, done.err
    assert 0 < waiting["changed"] <= waiting["seen"] < waiting["total"] == _COUNT
    [changed] = json.loads(done.out)["apps"]["shop"]["changed"].values()
    assert _COUNT - 5 <= changed <= _COUNT  # the outcome of a script is unknown if its reply was lost
    shop.assert_whole()


def test_a_run_goes_on_at_the_new_primary_behind_a_failover_that_keeps_connections_open(
    new_server: Callable[..., Any], new_project: Callable[..., Any], new_box: Callable[[str], Any]
) -> None:
    old, new = new_server(), new_server()
    box = new_box(old.socket_path)
    shop = SlowShop(new_project(old, box.url), _COUNT)
    running = shop.start("--patience", "300")
    _make_replica(old)
    waiting = await_progress(running, lambda info: info["pace"].startswith("waits: "))

    with old.client() as client, new.client() as other:
        for key in client.keys("*"):
            other.restore(key, max(0, client.pttl(key)), client.dump(key))
    box.upstream = new.socket_path
    shop.project.server = shop.server = new
    shop.hurry()
    done = shop.project.end(running)

    assert f"{box.url.removeprefix('redis://').removesuffix('/0')} is a read-only replica" in waiting["pace"]
    assert done.code == 0, done.err
    shop.assert_whole()


@_troubles
def test_a_run_that_waited_long_enough_ends_with_7_and_says_for_what(
    shop: SlowShop, begin: Callable[[Any], None], end: Callable[[Any], None], says: str
) -> None:
    running = shop.start("--patience", "0")
    begin(shop.server)

    ended = shop.project.end(running)
    end(shop.server)
    torn = shop.project.records()
    done = shop.migrate()

    assert (ended.code, done.code) == (7, 0)
    message = json.loads(ended.out)["message"]
    assert message.startswith("Customer at customer:*: stopped: ")
    assert says in message
    assert message.endswith(". Every record is consistent; run 'migrate' again to go on")
    assert "resuming an unfinished run" in done.out
    after = shop.project.records()
    assert all(torn[key] in (shop.before[key], after[key]) for key in shop.before)
    assert 0 < sum(torn[key] == after[key] for key in torn) < _COUNT
    shop.assert_whole()


class Flaky:
    """A client whose server fails when a test says so, and whose rests take no time but on its own clock."""

    def __init__(self, database: Any) -> None:
        self._exchange: Any = database.exchange
        self.now = 0.0
        self.rests: list[float] = []
        self.renewed: list[float] = []
        self.events: list[Progress] = []
        self.fails: Callable[[Sequence[Any]], bool] = lambda _: False
        self.refusal: Exception | None = None  # what the server says instead of being gone
        self.works_s = 0.0

    def exchange(self, commands: Sequence[Any]) -> Any:
        if isinstance(commands, Sleep):
            self.rests.append(commands.seconds)
            self.now += commands.seconds
            return []
        self.now += self.works_s
        if _has("renew")(commands):
            self.renewed.append(self.now)
        if self.fails(commands) and self.refusal is not None:
            return [self.refusal for _ in commands]
        if self.fails(commands):
            raise ServerUnreachableError("the server is gone")
        return self._exchange.exchange(commands)

    def migrate(self, links: Chain, policy: Policy, life_s: float = 15) -> int:
        """Bring the database to the end of a chain; give how many records were changed."""
        state_store, target = StateStore("default", links.app), links.head_position
        with hold_lease(self._exchange, "default", life_s=life_s) as lease:
            lease.clock, lease._renewed_at = lambda: self.now, self.now
            run_plan = make_run_plan(links, run(self._exchange, state_store.read()), target)
            segments = execute_run(
                cast(SyncClient, self),
                lease,
                state_store,
                run_plan,
                lambda state: make_run_plan(links, state, target),
                policy=policy,
                report=self.events.append,
            )
            return sum(sum(result.changed.values()) for _, result in segments)


@pytest.fixture
def flaky(database: Any) -> Flaky:
    """Thirty records of version 1, behind a client that fails."""
    for number in range(30):
        database.put(f"a:{number}", _v="1", id=str(number), x="1")
    return Flaky(database)


@pytest.fixture
def links(chain: Callable[..., Chain]) -> Chain:
    """A chain whose second migration is done by the server."""
    created = CreateModel("A", {"id": "str", "x": "str"}, "id", "a")
    return chain(({"A": 1}, [created]), ({"A": 2}, [AddField("A", "y", "str", fill="0")]))


def _has(word: str) -> Callable[[Sequence[Any]], bool]:
    def asks(command: Sequence[Any]) -> bool:
        return command[0] != "SCRIPT" and any(word in str(part) for part in command)  # a script's text asks nothing

    return lambda commands: any(map(asks, commands))


def test_a_long_rest_is_taken_in_pieces_so_that_the_lease_lasts(flaky: Flaky, links: Chain) -> None:
    flaky.works_s = 0.2  # and nine times as long to rest: more than the lease lasts

    changed = flaky.migrate(links, Policy(lambda: ThrottleState(10, rest=9.0, reason="others wait")), life_s=1.6)

    assert changed == 30
    assert len(flaky.rests) > 30
    assert max(later - earlier for earlier, later in pairwise(flaky.renewed)) < 1.6


def test_a_pause_of_the_throttle_ends_with_its_reason(flaky: Flaky, links: Chain) -> None:
    flaky.works_s = 10.0
    policy = Policy(lambda: ThrottleState(10) if flaky.rests else ThrottleState(10, rest=9.0, reason="others wait"))

    flaky.migrate(links, policy)

    assert len(flaky.rests) == 1


def test_progress_before_a_failure_does_not_restart_the_patience(flaky: Flaky, links: Chain, database: Any) -> None:
    bad = database.client.scan(0, match="a:*")[1][-1]
    flaky.fails = lambda commands: any(command[0] == "EVALSHA" and bad in command for command in commands)

    with pytest.raises(ServerUnreachableError, match="timed out after 5 s"):
        flaky.migrate(links, Policy(fixed_throttle(10), patience_s=5))

    assert 5 <= flaky.now <= 7


_MASTERDOWN = MasterDownError("MASTERDOWN Link with MASTER is down")


@pytest.mark.parametrize(
    ("word", "refusal"),
    [(word, None) for word in ("HPEXPIRETIME", "server", "history", "a:__index", "SCAN", "renew")]
    + [(word, _MASTERDOWN) for word in ("history", "a:__index", "SCAN")],  # the others are answered by such a replica
)
def test_any_command_that_meets_a_failing_server_is_sent_again(
    flaky: Flaky, links: Chain, database: Any, word: str, refusal: Exception | None
) -> None:
    failures, flaky.refusal = 0, refusal

    def fails(commands: Sequence[Any]) -> bool:
        nonlocal failures
        # How long the history is, is asked while nothing runs yet that could wait.
        is_asked = _has(word)(commands) and ("LLEN", "redis_models:{default}:history:shop") not in commands
        failures += is_asked
        return is_asked and failures <= 3

    flaky.fails = fails

    flaky.migrate(links, Policy(fixed_throttle(10), patience_s=60))

    assert {database.client.hget(f"a:{number}", "_v") for number in range(30)} == {b"2"}
    assert not database.client.exists("redis_models:{default}:journal:shop")
