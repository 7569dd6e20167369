"""Select reads ahead: whatever is gone, bad or of an older version, it gives the records that it should, in order."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict

from redis_models import Field, Model, Store
from redis_models.client.client import SyncClient
from redis_models.client.commands import Command, Reply, RoundTrips, send
from redis_models.client.drivers import run
from redis_models.errors import DataError
from redis_models.records import read, select
from redis_models.records.repository import repository_of

INDEX: Final = "item:__index"
GOOD, GONE, BAD, OLDER, OTHER_TYPE = "good", "gone", "bad", "older", "other type"
IDS: Final = [f"{number:02}" for number in range(40)]


class Plain(Model):
    id: str = Field(primary_key=True)
    size: int = 0

    class Meta:
        table = "item"
        version = 10


class Extra(Model):
    model_config = ConfigDict(extra="allow")
    id: str = Field(primary_key=True)
    size: int = 0

    class Meta:
        table = "item"
        version = 10


class Upgrading:
    """Brings records up, in memory and in Redis."""

    def upgrade(self, model: type[Model], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        return {**record, "size": b"7", "_v": b"10"}

    def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
        yield from send([("HSET", key, "_v", 10, "size", 7)])

    def former_names(self, model: Any, field: str) -> dict[int, str | None]:
        return {}

    def write_back(self, model: type[Model], keys: Sequence[str]) -> RoundTrips[None]:
        yield from send([("HSET", key, "_v", 10, "size", 7) for key in keys])


class Naive:
    """Exchanges, and nothing else."""

    def __init__(self, inner: SyncClient) -> None:
        self._inner = inner

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        return self._inner.exchange(commands)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (read, select):
        monkeypatch.setattr(module, "READ_CHUNK", 5)
        monkeypatch.setattr(module, "SWEEP_CHUNK", 8)
    yield
    Plain._store = Extra._store = None


def _prepare(client: Any, kinds: Mapping[str, str]) -> None:
    client.flushall()
    with client.pipeline(transaction=False) as pipeline:
        for pk, kind in kinds.items():
            key = f"item:{pk}"
            pipeline.zadd(INDEX, {key: 0})
            if kind == OTHER_TYPE:
                pipeline.set(key, "a text")
            elif kind == OLDER:
                pipeline.hset(key, mapping={"id": pk, "size": 1, "_v": 2})
            elif kind != GONE:
                pipeline.hset(key, mapping={"id": pk, "size": "no number" if kind == BAD else 7, "_v": 10})
        pipeline.execute()


def _long(text: st.SearchStrategy[str], most: int) -> st.SearchStrategy[list[str]]:
    """Draw lists of every length; those that hypothesis likes have one page."""
    return st.integers(0, most).flatmap(lambda count: st.lists(text, min_size=count, max_size=count))


_kinds = _long(st.sampled_from([GOOD] * 6 + [GONE, GONE, BAD, OLDER, OTHER_TYPE]), len(IDS)).map(
    lambda kinds: dict(zip(IDS, kinds, strict=False))
)
_counts = st.none() | st.integers(0, 25)


def _chosen(kinds: Mapping[str, str], ids: list[str] | None, skip: int, limit: int | None) -> list[str]:
    """Give the primary keys of the records that are met."""
    if ids is None:
        expected = [pk for pk in list(kinds)[skip:] if kinds[pk] != GONE]
    else:
        expected = [pk for pk in ids if kinds.get(pk, GONE) != GONE][skip:]
    return expected[:limit]


@given(
    kinds=_kinds,
    ids=st.none() | _long(st.sampled_from(IDS), 30),
    skip=_counts,
    limit=_counts,
    is_extra=st.booleans(),
    is_strict=st.booleans(),
    way=st.sampled_from(["sync", "async", "naive"]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_select_gives_what_is_there_in_order(
    store: Store,
    client: Any,
    kinds: dict[str, str],
    ids: list[str] | None,
    skip: int | None,
    limit: int | None,
    is_extra: bool,
    is_strict: bool,
    way: str,
) -> None:
    model: Any = Extra if is_extra else Plain
    store.register_model(model)
    store.upgrader = Upgrading()
    _prepare(client, kinds)
    bad: list[DataError] = []
    operation = repository_of(model).select(ids, skip, limit, None if is_strict else bad)

    error = None
    found: Any = None
    try:
        if way == "naive":
            found = run(Naive(store.sync_client), operation)
        else:
            found = store.run(operation) if way == "sync" else asyncio.run(store.run_async(operation))
    except DataError as exc:
        error = exc
    given: list[Any] = found or []

    chosen = _chosen(kinds, ids, skip or 0, limit)
    unreadable = [f"item:{pk}" for pk in chosen if kinds[pk] in (BAD, OTHER_TYPE)]
    if is_strict and unreadable:
        assert error is not None
        assert getattr(error, "key", None) == unreadable[0]
    else:
        assert error is None
        readable = [pk for pk in chosen if kinds[pk] in (GOOD, OLDER)]
        assert [(record.id, record.size) for record in given] == [(pk, 7) for pk in readable]
        assert [getattr(error, "key", None) for error in bad] == unreadable
        older = {pk for pk in readable if kinds[pk] == OLDER}
        assert all(client.hget(f"item:{pk}", "_v") == b"10" for pk in older)
        for record in given[:2]:  # each remembers its own record
            record.size = 9
            record.sync.save()
            assert client.hmget(f"item:{record.id}", "id", "size") == [record.id.encode(), b"9"]
    members = {raw.decode().partition(":")[2] for raw in client.zrange(INDEX, 0, -1)}
    assert members >= {pk for pk, kind in kinds.items() if kind != GONE}, "a living record left the index"
    store._forget(model)


@given(kinds=_kinds, limit=st.integers(1, 12), columns=st.sampled_from([["id"], ["size", "id"], ["id", "size"]]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_and_columns_meet_each_record_once(
    store: Store, client: Any, kinds: dict[str, str], limit: int, columns: list[str]
) -> None:
    store.register_model(Plain)
    store.upgrader = Upgrading()
    kinds = {pk: GOOD if kind in (BAD, OTHER_TYPE) else kind for pk, kind in kinds.items()}
    there = [pk for pk, kind in kinds.items() if kind != GONE]
    _prepare(client, kinds)

    rows = Plain.sync.select(columns, limit=limit) or []
    paged: list[str] = []
    while page := Plain.sync.page(limit, paged[-1] if paged else None):
        paged += [item.id for item in page]

    assert [tuple(row) for row in rows] == [tuple(columns)] * len(there[:limit])
    assert [row["id"] for row in rows] == there[:limit]
    assert paged == there


@pytest.mark.parametrize("way", ["sync", "async"])
def test_records_that_come_and_go_between_pages_do_not_double_or_hide_others(
    store: Store, client: Any, way: str
) -> None:
    store.register_model(Plain)
    for deleted, inserted in ((0, 7), (3, 4), (4, 5), (9, 12), (5, 39)):
        _prepare(client, {pk: GOOD for pk in IDS if pk != IDS[inserted]})
        number = 0

        def disturbed(batches: RoundTrips[Any]) -> RoundTrips[Any]:
            nonlocal number
            commands = next(batches)
            while True:
                number += 1
                if number == 4:
                    client.delete(f"item:{IDS[deleted]}")  # noqa: B023
                    _add(client, IDS[inserted])  # noqa: B023
                replies = yield commands
                try:
                    commands = batches.send(replies)
                except StopIteration as end:
                    return end.value

        operation = disturbed(repository_of(Plain).select(None, None, None, None))
        found = store.run(operation) if way == "sync" else asyncio.run(store.run_async(operation))

        given = [record.id for record in found]
        assert given == sorted(set(given))
        assert set(given) >= set(IDS) - {IDS[deleted], IDS[inserted]}


def _add(client: Any, pk: str) -> None:
    client.hset(f"item:{pk}", mapping={"id": pk, "size": 7, "_v": 10})
    client.zadd(INDEX, {f"item:{pk}": 0})
