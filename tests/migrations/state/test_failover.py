"""A failover at every point of a run: what the new primary had not got is gone, and "applied" stays true.

The stream of replication is one: the new primary has what the old one had some exchanges ago, records and bookkeeping
alike, and calls itself another run of a server. The run goes on there, or stops and is run again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from redis_models.client.drivers import run
from redis_models.errors import RedisModelsError
from redis_models.migrations import AddField, AlterKeys, CreateModel, RenameField
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.keyspace import scan
from redis_models.migrations.operations import Operation
from redis_models.migrations.state.store import StateStore

Step = tuple[Mapping[str, int], Sequence[Operation]]
Saved = list[tuple[bytes, int, bytes]]
_FIELDS = {"id": "str", "name": "str"}
_RECORDS = 24
_CREATE: Step = (
    {"Customer": 1, "Order": 1},
    [CreateModel(name, _FIELDS, "id", name.lower()) for name in ("Customer", "Order")],
)


def _initial(old: Any) -> str:
    return str(old.name[:1].upper())


_CHANGES: dict[str, list[Step]] = {
    "two models": [
        (
            {"Customer": 2, "Order": 2},
            [RenameField("Customer", "name", "full_name"), AddField("Order", "initial", "str", fill=_initial)],
        )
    ],
    "other keys": [({"Customer": 2}, [AlterKeys("Customer", table="client")])],
}


class Rewound:
    """Passes exchanges on until the primary is another one, that is some exchanges behind.

    Args:
        database: The server.
        at: After so many exchanges.
        lag: How many exchanges the new primary has not got.
    """

    def __init__(self, database: Any, at: int, lag: int) -> None:
        self._database, self._at, self._last_got = database, at, max(0, at - lag)
        self._exchange: Any = database.exchange
        self._got = _save(database.client)
        self._count = 0
        self.is_rewound = False

    def exchange(self, commands: Sequence[tuple[Any, ...]]) -> Any:
        replies = self._exchange.exchange(commands)
        if commands and commands[0] == ("INFO", "server") and self.is_rewound:
            return [reply.replace(b"run_id:", b"run_id:f") for reply in replies]
        if not self.is_rewound and commands:
            self._count += 1
            if self._count == self._last_got:
                self._got = _save(self._database.client)
            if self._count == self._at:
                self.is_rewound = True
                _restore(self._database.client, self._got)
        return replies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)


def _save(client: Any) -> Saved:
    keys = sorted(client.keys("*"))
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.dump(key)
    return [(key, 0, raw) for key, raw in zip(keys, pipeline.execute(), strict=True)]


def _restore(client: Any, saved: Saved) -> None:
    pipeline = client.pipeline(transaction=False)
    pipeline.flushall()
    pipeline.script_flush()
    for key, ends_ms, raw in saved:
        pipeline.restore(key, ends_ms, raw)
    pipeline.execute()


@pytest.mark.parametrize("lag", [1, 12, 40])
@pytest.mark.parametrize("name", _CHANGES)
def test_what_a_failover_takes_back_is_done_again_before_anything_is_called_applied(
    database: Any, chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch, name: str, lag: int
) -> None:
    monkeypatch.setattr(scan, "_COUNT", 12)
    links = chain(_CREATE, *_CHANGES[name])
    database.migrate(links, 1)
    for number in range(_RECORDS):
        for table in ("customer", "order"):
            database.put(f"{table}:{number}", id=f"{number}", name=f"n{number}", _v="1")
    start = _save(database.client)
    database.migrate(links)
    wanted, too_early = database.dump(), list[int]()

    at = 0
    while True:
        at += 1
        _restore(database.client, start)
        rewound = Rewound(database, at, lag)
        try:
            database.migrate(links, exchange=rewound, patience_s=5)
        except RedisModelsError:
            assert rewound.is_rewound
        if not rewound.is_rewound:
            break
        state = run(database.exchange, StateStore("default", "shop").read())
        if len(state.ledger) == 2 and database.dump() != wanted:
            too_early.append(at)
        database.client.hdel("redis_models:{default}:lease", "holder", "until")
        database.migrate(links)
        if database.dump() != wanted and at not in too_early:
            too_early.append(at)

    assert too_early == []
    assert at > 15
