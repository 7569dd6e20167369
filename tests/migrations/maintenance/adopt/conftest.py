"""Tables as pydantic-aioredis 1.4.0 wrote them, and what takes them over."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import redis

from redis_models import Model, Store
from redis_models.migrations.executor.progress import Progress
from redis_models.migrations.maintenance.adopt import Takeover, adopt, survey
from redis_models.migrations.state.lease import hold_lease


class OldLibrary:
    """Sends what one insert of pydantic-aioredis sends: the same commands, in one MULTI."""

    def __init__(self, client: redis.Redis) -> None:
        self.client: Any = client  # whose types leave much unknown

    def insert(self, start: str, pk: str, fields: Mapping[str, str], life_s: int | None = None) -> None:
        """Write a record below ``start``, as ``shop:customer:``; ``pk`` goes into the key as it is."""
        key, index = f"{start}{pk}", f"{start}__index"
        pipeline = self.client.pipeline(transaction=True)
        pipeline.hset(key, mapping=dict(fields))
        if life_s is not None:
            pipeline.expire(key, life_s)
        pipeline.sadd(index, key)
        if life_s is not None:
            pipeline.expire(index, life_s)
        pipeline.execute()

    def fill(self, start: str, count: int) -> None:
        """Write customers with the primary keys 0, 1, 2, ..., in an instant."""
        self.client.eval(_FILL, 0, start, count)


_FILL = """
for i = 0, tonumber(ARGV[2]) - 1 do
  local key = ARGV[1] .. i
  redis.call('HSET', key, 'id', i, 'name', 'n' .. i)
  redis.call('SADD', ARGV[1] .. '__index', key)
  if i % 10 == 0 then redis.call('PEXPIREAT', key, 4000000000000 + i) end
end
"""


@pytest.fixture
def old(client: redis.Redis) -> OldLibrary:
    """The old library, on the empty server."""
    return OldLibrary(client)


@pytest.fixture
def bound(server: Any) -> Iterator[Store]:
    """A store on the empty server, for blocking use."""
    store = Store.from_url(server.url)
    yield store
    store.close()


def _nowhere(_now: Progress) -> None:
    pass


@pytest.fixture
def take_over(bound: Store) -> Callable[..., Takeover]:
    """Take over the table of a model, which is bound to the server after that."""

    def call(model: type[Model], report: Callable[[Progress], None] = _nowhere, *, batch_size: int = 100) -> Takeover:
        bound.register_model(model)
        with hold_lease(bound.sync_client, "default", life_s=15) as lease:
            return adopt(bound.sync_client, lease, model.__mapper__, batch_size=batch_size, report=report)

    return call


@pytest.fixture
def look_over(bound: Store) -> Callable[..., Takeover]:
    """Tell what taking over the table of a model would do."""

    def call(model: type[Model]) -> Takeover:
        bound.register_model(model)
        return survey(bound.sync_client, model.__mapper__, _nowhere)

    return call


@pytest.fixture
def contents(client: redis.Redis) -> Callable[[], dict[bytes, object]]:
    """Read everything on the server but the bookkeeping, and whether it expires."""
    return lambda: _contents(client)


def _contents(client: Any) -> dict[bytes, object]:
    keys = sorted(key for key in client.scan_iter(count=5000) if not key.startswith(b"redis_models:"))
    reading = client.pipeline(transaction=False)
    for key, kind in zip(keys, _all(client, "type", keys), strict=True):
        if kind == b"hash":
            reading.hgetall(key)
        elif kind == b"zset":
            reading.zrange(key, 0, -1, withscores=True)
        else:
            reading.smembers(key)
    lives = [left > 0 for left in _all(client, "pttl", keys)]
    return dict(zip(keys, zip(reading.execute(), lives, strict=True), strict=True))


def _all(client: Any, command: str, keys: list[bytes]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.execute_command(command, key)
    replies: list[Any] = pipeline.execute()
    return replies
