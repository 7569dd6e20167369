"""Walks: shares of records are under way while the next ones are met. What is told of them, and how long they rest."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from redis.exceptions import OutOfMemoryError

from redis_models.client.client import SyncClient
from redis_models.client.commands import RoundTrips, Sleep
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError, ServerBusyError, ServerOutOfMemoryError
from redis_models.migrations import AddField, CreateModel
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor import pass_runner, strategies
from redis_models.migrations.executor.progress import Policy, Progress
from redis_models.migrations.executor.run import execute_run
from redis_models.migrations.executor.throttle import ThrottleState
from redis_models.migrations.keyspace.results import Outcome, PendingResult
from redis_models.migrations.planner.segments import make_run_plan
from redis_models.migrations.state import store
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.store import StateStore

_COUNT = 30
_FREE = ThrottleState(10, is_unthrottled=True)


class Shop:
    """Records of version 1, and a run that brings them to version 2 through a client whose pauses take no time."""

    def __init__(self, database: Any, links: Chain) -> None:
        self.client, self.links = database.client, links
        self.events: list[Progress] = []
        self.now = 0.0
        self.refuses: Callable[[Any], bool] = lambda _: False
        self._exchange: Any = database.exchange
        for number in range(_COUNT):
            database.put(f"a:{number}", _v="1", id=str(number), x="1")

    def exchange(self, commands: Sequence[Any]) -> list[Any]:
        if isinstance(commands, Sleep):
            self.now += commands.seconds
            return []
        refused = [self.refuses(command) for command in commands]
        rest = iter(self._exchange.exchange([command for command, no in zip(commands, refused, strict=True) if not no]))
        return [OutOfMemoryError("command not allowed") if no else next(rest) for no in refused]

    def migrate(self, policy: Policy) -> int:
        """Bring the database to the end of the chain; give how many records were changed."""
        state_store, target = StateStore("default", self.links.app), self.links.head_position
        with hold_lease(self._exchange, "default", life_s=15) as lease:
            lease.clock, lease._renewed_at = lambda: self.now, self.now
            run_plan = make_run_plan(self.links, run(self._exchange, state_store.read()), target)
            segments = execute_run(
                cast(SyncClient, self),
                lease,
                state_store,
                run_plan,
                lambda state: make_run_plan(self.links, state, target),
                policy=policy,
                report=self.events.append,
            )
            return sum(sum(result.changed.values()) for _, result in segments)


@pytest.fixture
def shop(database: Any, chain: Callable[..., Chain]) -> Shop:
    created = CreateModel("A", {"id": "str", "x": "str"}, "id", "a")
    return Shop(database, chain(({"A": 1}, [created]), ({"A": 2}, [AddField("A", "y", "str", fill="0")])))


def _is_of_the_last(shop: Shop) -> Callable[[Any], bool]:
    """Give what tells the script of the records that a walk meets last."""
    last = shop.client.scan(0, match="a:*[0-9]", count=1000)[1][-1]
    return lambda command: command[0] == "EVALSHA" and last in command


def test_what_was_changed_is_counted_also_where_the_next_script_of_the_same_batch_is_refused(shop: Shop) -> None:
    is_of_the_last, left = _is_of_the_last(shop), 1

    def refuses(command: Any) -> bool:
        nonlocal left
        left -= (is_refused := left > 0 and is_of_the_last(command))
        return is_refused

    shop.refuses = refuses

    assert shop.migrate(Policy(lambda: _FREE, patience_s=60)) == _COUNT


def test_what_goes_on_behind_a_refusal_is_progress_once(shop: Shop) -> None:
    shop.refuses = _is_of_the_last(shop)

    with pytest.raises(ServerOutOfMemoryError, match="timed out after 5 s"):
        shop.migrate(Policy(lambda: _FREE, patience_s=5))

    assert 5 <= shop.now <= 8
    assert shop.events[-1].changed == _COUNT - 10


def test_who_resumes_a_run_that_stopped_at_records_goes_on_counting(shop: Shop) -> None:
    for key in ("a:7", "a:8"):
        shop.client.delete(key)
        shop.client.set(key, "no hash")

    for _ in range(2):
        with pytest.raises(
            IncompleteError, match=rf"\(and 1 more in the same batch\). Stopped; {_COUNT - 2} records were"
        ):
            shop.migrate(Policy(lambda: ThrottleState(_COUNT)))
    shop.client.delete("a:7", "a:8")

    assert shop.migrate(Policy(lambda: ThrottleState(_COUNT))) == _COUNT - 2


def test_each_scan_counts_the_records_from_zero(shop: Shop) -> None:
    shop.migrate(Policy(lambda: ThrottleState(10)))

    assert max(event.seen for event in shop.events) == _COUNT
    assert [event.seen for event in shop.events].count(_COUNT) == 2  # the last scan proves that nothing is left


def test_a_run_that_stops_at_a_record_says_so_also_where_its_count_cannot_be_stored(shop: Shop) -> None:
    shop.client.delete("a:7")
    shop.client.set("a:7", "no hash")
    refused: list[Any] = []

    def refuses(command: Any) -> bool:
        if shop.events and store._CHECKPOINT.sha in command:
            refused.append(command)
            return True
        return False

    shop.refuses = refuses

    with pytest.raises(IncompleteError, match="a:7: does not hold a hash"):
        shop.migrate(Policy(lambda: ThrottleState(_COUNT)))
    assert refused


def test_a_run_that_waited_long_for_its_throttle_says_so_once(shop: Shop) -> None:
    with pytest.raises(ServerBusyError) as stopped:
        shop.migrate(Policy(lambda: ThrottleState(10, hold="memory is full"), patience_s=5))

    assert str(stopped.value) == (
        "A at a:*: timed out after 5 s (--patience): memory is full. Every record is consistent; run 'migrate' again"
        " to go on"
    )


def test_a_run_that_goes_on_does_not_say_that_it_waits(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last scan, which finds nothing to do, is paused."""
    monkeypatch.setattr(pass_runner, "_CHECKPOINT_S", 0.0)
    paces = [b""]

    def throttle() -> ThrottleState:
        is_first = shop.events == [] or shop.events[-1].changed < _COUNT
        is_over = is_first or b"waits: paused by a user" in paces
        return ThrottleState(10) if is_over else ThrottleState(10, hold="paused by a user", is_paused=True)

    def look(_: Any) -> bool:
        raw = shop.client.hget("redis_models:{default}:journal:shop", "pace")
        paces.extend([] if raw is None or raw == paces[-1] else [raw])
        return False

    shop.refuses = look

    shop.migrate(Policy(throttle))

    assert paces == [b"", b"waits: paused by a user", b""]


def test_batches_in_flight_together_cause_one_pause(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are submitted together; the time that each waits for earlier ones does not count as its own."""

    class Slow(strategies.ServerStrategy):
        def start(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
            ends, start = shop.now + 1.0, super().start
            yield ()

            def work() -> RoundTrips[Outcome]:
                while shop.now < ends:
                    yield Sleep(0.1)
                pending = yield from start(keys, throttle)
                return (yield from pending.wait())

            return PendingResult(lambda: shop.now >= ends, work())

    monkeypatch.setattr(strategies, "ServerStrategy", Slow)

    shop.migrate(Policy(lambda: ThrottleState(10, rest=1.0, reason="others wait") if shop.now else ThrottleState(10)))

    assert 2.0 <= shop.now < 2.5
