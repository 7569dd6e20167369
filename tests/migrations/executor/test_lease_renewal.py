"""Whatever a run does, and for however long: its lease is renewed in time. Time passes only by what it does."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final, cast

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.commands import Sleep
from redis_models.client.drivers import run
from redis_models.migrations import AddField, AlterField, AlterKeys, CreateModel, RemoveField
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.progress import Policy
from redis_models.migrations.executor.run import execute_run
from redis_models.migrations.executor.throttle import ThrottleState, fixed_throttle
from redis_models.migrations.keyspace import scan
from redis_models.migrations.maintenance.purge import purge
from redis_models.migrations.maintenance.retry import drop_record, retry_records
from redis_models.migrations.planner.segments import make_run_plan
from redis_models.migrations.state.lease import Lease, hold_lease
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore

_COUNT: Final = 60
_LIFE_S: Final = 30.0
_STATE_STORE: Final = StateStore("default", "shop")
_CREATED: Final = ({"A": 1}, [CreateModel("A", {"id": "str", "x": "str"}, "id", "a")])
_FILLED: Final = ({"A": 2}, [AddField("A", "y", "str", fill="0")])
_REMOVED: Final = ({"A": 2}, [RemoveField("A", "x")])
_CONVERTED: Final = ({"A": 2}, [AlterField("A", "x", old="str", new="int", convert=int, back=str)])
_MOVED: Final = ({"A": 2}, [AlterKeys("A", table="b")])


class Slow:
    """A client whose every exchange takes as long as said, by its own clock, and whose pauses take no other time."""

    def __init__(self, database: Any) -> None:
        self.client, self._exchange = database.client, database.exchange
        self.now, self.renewed, self.works_s = 0.0, [0.0], 1.0

    def exchange(self, commands: Sequence[Any]) -> Any:
        if isinstance(commands, Sleep):
            self.now += commands.seconds
            return []
        self.now += self.works_s
        if any("renew" in command for command in commands):
            self.renewed.append(self.now)
        return self._exchange.exchange(commands)

    @contextmanager
    def lease(self) -> Generator[Lease]:
        """Hold the lease, which the time of this client wears away."""
        with hold_lease(self._exchange, "default", life_s=_LIFE_S) as lease:
            lease.clock, lease._renewed_at = lambda: self.now, self.now
            yield lease
        self.renewed.append(self.now)

    def migrate(self, chain: Chain, throttle: Callable[[], ThrottleState]) -> None:
        with self.lease() as lease:
            run_plan = make_run_plan(chain, run(self._exchange, _STATE_STORE.read()), chain.head_position)
            segments = execute_run(
                cast(SyncClient, self),
                lease,
                _STATE_STORE,
                run_plan,
                lambda state: make_run_plan(chain, state, chain.head_position),
                policy=Policy(throttle, most_errors=_COUNT),
                report=lambda _: None,
            )
            assert list(segments)

    def run(self, batches: Any) -> Any:
        return run(cast(SyncClient, self), batches)

    def assert_renewed_in_time(self) -> None:
        assert self.now > 2 * _LIFE_S, "it was over before anything had to be renewed"
        assert max(later - earlier for earlier, later in pairwise(self.renewed)) < _LIFE_S


@pytest.fixture
def slow(database: Any) -> Slow:
    for number in range(_COUNT):
        database.put(f"a:{number}", _v="1", id=str(number), x=str(number))
    return Slow(database)


@pytest.mark.parametrize("step", [_FILLED, _CONVERTED, _MOVED], ids=["in the server", "by Python", "to other keys"])
def test_while_records_of_one_page_are_rewritten(slow: Slow, chain: Callable[..., Chain], step: Any) -> None:
    slow.migrate(chain(_CREATED, step), fixed_throttle(1))

    slow.assert_renewed_in_time()


def test_while_only_keys_of_others_are_met(
    slow: Slow, chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow.client.flushall()
    slow.client.mset({f"other:{number}": "" for number in range(4000)})
    monkeypatch.setattr(scan, "_COUNT", 1)
    slow.works_s = 0.1  # many are met before a walk comes round

    slow.migrate(chain(_CREATED, _FILLED), fixed_throttle(100))

    slow.assert_renewed_in_time()


def test_while_keys_that_would_collide_are_looked_for(
    slow: Slow, chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_COUNT", 1)
    for number in range(_COUNT, 5 * _COUNT):
        slow.client.hset(f"a:{number}", mapping={"_v": 1, "id": number, "x": number})
    slow.works_s = 0.1  # many are met before a walk comes round

    slow.migrate(chain(_CREATED, _MOVED), fixed_throttle(100))

    slow.assert_renewed_in_time()


def test_while_the_run_is_paused(slow: Slow, chain: Callable[..., Chain]) -> None:
    def throttle() -> ThrottleState:
        return ThrottleState(100, hold="paused by a user", is_paused=True) if slow.now < 100 else ThrottleState(100)

    slow.migrate(chain(_CREATED, _FILLED), throttle)

    slow.assert_renewed_in_time()


@pytest.mark.parametrize("paused_s", [0, 200])
def test_while_undo_fields_are_purged_or_the_purge_is_paused(
    slow: Slow, chain: Callable[..., Chain], paused_s: int
) -> None:
    links = chain(_CREATED, _REMOVED)
    slow.migrate(links, fixed_throttle(100))
    slow.now, slow.renewed = 0.0, [0.0]

    def throttle() -> ThrottleState:
        return ThrottleState(1, hold="paused by a user", is_paused=True) if slow.now < paused_s else ThrottleState(1)

    with slow.lease() as lease:
        purged = slow.run(purge(lease, _STATE_STORE, links, None, pace=throttle, report=lambda _: None))

    assert purged.records == _COUNT
    slow.assert_renewed_in_time()


@pytest.mark.parametrize("what", ["retry", "drop"])
def test_while_records_are_let_out_of_quarantine(slow: Slow, chain: Callable[..., Chain], what: str) -> None:
    links = chain(_CREATED, _CONVERTED)
    for number in range(_COUNT):
        slow.client.hset(f"a:{number}", "x", "odd")
    slow.migrate(links, fixed_throttle(100))
    slow.now, slow.renewed = 0.0, [0.0]
    entries = list(run(slow._exchange, Quarantine("default", "shop").read()).values())
    assert len(entries) == _COUNT

    with slow.lease() as lease:
        if what == "retry":
            assert all(slow.run(retry_records(lease, "default", links, entries)).values())
        else:
            assert all(slow.run(drop_record(lease, "default", links, entry, lambda _: None)) for entry in entries)

    slow.assert_renewed_in_time()
