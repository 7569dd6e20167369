"""``adopt`` beside a process of the old library: its inserts are refused, but not what it does to the index's life."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis

from redis_models import Model, Store
from redis_models.client.commands import Command, Reply
from redis_models.migrations.maintenance.adopt import Takeover

_COUNT = 3000  # three pages of a walk
_INDEX = "customer:__index"


class Customer(Model):
    id: str
    name: str

    _primary_key_field = "id"


class _Beside:
    """Has the old library insert a record when the keyspace was walked in part, and waits until the index is gone."""

    def __init__(self, store: Store, old: Any) -> None:
        self._exchange, self._old, self.refusals = store.sync_client.exchange, old, 0

    def __call__(self, commands: Sequence[Command]) -> list[Reply]:
        if self.refusals == 0 and commands and commands[0][0] == "SCAN" and commands[0][1] != "0":
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                self._old.insert("customer:", "late", {"id": "late", "name": "Ann"}, 60)
            self.refusals += 1
            assert self._old.client.pttl(_INDEX) > 0
            self._old.client.pexpire(_INDEX, 1)  # not a minute, for the test
            while self._old.client.exists(_INDEX):
                pass
        return self._exchange(commands)


def test_every_record_is_in_the_index_though_a_refused_insert_had_it_expire(
    old: Any, client: Any, bound: Store, take_over: Callable[..., Takeover], monkeypatch: pytest.MonkeyPatch
) -> None:
    old.fill("customer:", _COUNT)
    beside = _Beside(bound, old)
    monkeypatch.setattr(bound.sync_client, "exchange", beside)

    done = take_over(Customer)

    assert beside.refusals == 1
    assert (done.records, done.problems) == (_COUNT + 1, ())
    assert client.zcard(_INDEX) == Customer.sync.count() == _COUNT + 1
    assert client.pttl(_INDEX) == -1


def test_a_ttl_that_a_refused_insert_gave_to_the_index_does_not_stay(
    old: Any, client: Any, bound: Store, take_over: Callable[..., Takeover], monkeypatch: pytest.MonkeyPatch
) -> None:
    old.fill("customer:", _COUNT)
    exchange, refusals = bound.sync_client.exchange, 0

    def refuse(commands: Sequence[Command]) -> list[Reply]:
        nonlocal refusals
        if refusals == 0 and commands and commands[0][0] == "SCAN":
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                old.insert("customer:", "late", {"id": "late", "name": "Ann"}, 60)
            refusals += 1
        return exchange(commands)

    monkeypatch.setattr(bound.sync_client, "exchange", refuse)

    done = take_over(Customer)

    assert (refusals, done.is_freed) == (1, True)
    assert client.pttl(_INDEX) == -1
    assert client.zscore(_INDEX, "customer:late") == 0
