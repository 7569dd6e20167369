"""A chain of migrations of one app, run in this process on the shared server."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import redis

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.loaded_migration import LoadedMigration
from redis_models.migrations.executor.progress import Policy
from redis_models.migrations.executor.run import execute_run
from redis_models.migrations.executor.throttle import fixed_throttle
from redis_models.migrations.operations import Operation
from redis_models.migrations.planner.segments import make_run_plan
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.store import StateStore

Step = tuple[Mapping[str, int], Sequence[Operation]]


def chain_of(*steps: Step, app: str = "shop") -> Chain:
    """Make a chain; each step is the versions afterwards, and the operations."""
    links: list[LoadedMigration] = []
    for number, (versions, operations) in enumerate(steps, start=1):
        previous = links[-1].id if links else None
        name = f"{number:04d}_step"
        links.append(
            LoadedMigration(number, name, f"{name}.py", f"{app}{number}", previous, versions, tuple(operations), name)
        )
    return Chain(app, tuple(links))


class Database:
    """The shared server, and what migrates it in this process."""

    def __init__(self, client: redis.Redis) -> None:
        self.client: Any = client
        self.exchange = SyncClient(client, "test")

    def migrate(
        self,
        chain: Chain,
        target: int | None = None,
        exchange: Any = None,
        *,
        includes_stragglers: bool = False,
        **policy: Any,
    ) -> int:
        """Bring the database to a position of the chain; give how many records were moved."""
        exchange = exchange or self.exchange
        state_store = StateStore("default", chain.app)
        position = chain.head_position if target is None else target
        with hold_lease(exchange, "default", life_s=10) as lease:
            run_plan = make_run_plan(
                chain, run(exchange, state_store.read()), position, includes_stragglers=includes_stragglers
            )
            segments = execute_run(
                exchange,
                lease,
                state_store,
                run_plan,
                lambda state: make_run_plan(chain, state, position, includes_stragglers=includes_stragglers),
                policy=Policy(fixed_throttle(10), **policy),
                report=lambda _: None,
            )
            return sum(result.moved for _, result in segments)

    def put(self, key: str, life_ms: int = 0, **fields: str | bytes) -> None:
        """Store a record, and its key in the index beside it."""
        self.client.hset(key, mapping=fields)
        if life_ms:
            self.client.pexpire(key, life_ms)
        self.client.zadd(key.rpartition(":")[0] + ":__index", {key: 0})

    def dump(self) -> dict[str, Any]:
        """Give everything but the bookkeeping: hashes with the instants at which they end, and members of indexes."""
        keys = sorted(key for key in self.client.scan_iter(count=1000) if not key.startswith(b"redis_models"))
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.type(key)
        kinds = pipeline.execute()
        for key, kind in zip(keys, kinds, strict=True):
            if kind == b"zset":
                pipeline.zrange(key, 0, -1)
            elif kind == b"string":
                pipeline.get(key)
            else:
                pipeline.hgetall(key)
            pipeline.pexpiretime(key)
        replies = pipeline.execute()
        return {
            key.decode(): value if kind == b"zset" else [value] if kind == b"string" else (value, ends_ms)
            for key, kind, value, ends_ms in zip(keys, kinds, replies[::2], replies[1::2], strict=True)
        }


class Watched:
    """Passes exchanges on to a client, and calls a function after each."""

    def __init__(self, exchange: SyncClient, then: Callable[[], None]) -> None:
        self._exchange: Any = exchange
        self._then = then

    def exchange(self, *arguments: Any, **options: Any) -> Any:
        reply = self._exchange.exchange(*arguments, **options)
        self._then()
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)


@pytest.fixture
def watched(database: Database) -> Callable[[Callable[[], None]], Watched]:
    """Give what makes a client of the database after each exchange of which something happens."""
    return lambda then: Watched(database.exchange, then)


@pytest.fixture
def dying(database: Database) -> Callable[[int], Watched]:
    """Give what makes a client whose process dies after so many exchanges: no word of it arrives any more."""

    def make(passes: int) -> Watched:
        left = passes

        def die() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                database.client.delete("redis_models:{default}:lease")
                raise KeyboardInterrupt

        return Watched(database.exchange, die)

    return make


@pytest.fixture
def database(client: redis.Redis) -> Iterator[Database]:
    """The shared server, empty."""
    yield Database(client)


@pytest.fixture
def chain() -> Callable[..., Chain]:
    """Give what makes a chain."""
    return chain_of


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Give what waits until something is true, as long as a busy machine may need."""

    def wait(is_true: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not is_true():
            assert time.monotonic() < end, "it did not come true in a minute"
            time.sleep(0.02)

    return wait
