"""One record is saved by a script of its own: it does what the script for many does, whatever is stored already."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_models import FOREVER, KEEP, Field, Model, Store
from redis_models.client.commands import RoundTrips, send
from redis_models.errors import (
    ConflictError,
    DecodeError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    WrongKeyTypeError,
)
from redis_models.records.repository import repository_of

INDEX: Final = "item:__index"
ONE: Final = "item:one"
OTHER: Final = "item:other"
WRITTEN: Final = {"id": b"one", "text": b"\0]]'", "size": b"3"}


class Item(Model):
    id: str = Field(primary_key=True)
    text: str = ""
    size: int = 0

    class Meta:
        table = "item"
        version = 10


class Lasting(Model):
    id: str = Field(primary_key=True)
    text: str = ""
    size: int = 0

    class Meta:
        table = "item"
        version = 10
        ttl = 50


class Upgrading:
    """Brings records up by stamping them."""

    def upgrade(self, model: type[Model], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        return {**record, "_v": b"10"}

    def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
        yield from send([("HSET", key, "_v", 10, "brought", "up")])

    def former_names(self, model: Any, field: str) -> dict[int, str | None]:
        return {}

    def write_back(self, model: type[Model], keys: Sequence[str]) -> RoundTrips[None]:
        yield from ()


@dataclass(frozen=True)
class Stored:
    """What is there before.

    Attributes:
        record: Fields of the record; None where there is none, "" where the key holds another type.
        ends_in_s: Its TTL.
        index: What lies where the index should be: the scores of members, or a text.
        index_ends_in_s: Its TTL.
    """

    record: dict[str, bytes] | str | None
    ends_in_s: int | None
    index: dict[str, float] | str
    index_ends_in_s: int | None


_records = st.one_of(
    st.none(),
    st.just(""),
    st.fixed_dictionaries(
        {},
        optional={
            "_v": st.sampled_from(
                [b"10", b"10", b"9", b"1", b"2", b"11", b"010", b"10.0", b"x", b"", b"\xff", b"1e1", b"9" * 5000]
            ),
            "text": st.just(b"before"),
            "size": st.just(b"1"),
            "of others": st.just(b"\xff"),
            "_b9.0.text": st.just(b"kept"),
        },
    ).map(lambda record: record or None),
)
_stored = st.builds(
    Stored,
    _records,
    st.sampled_from([None, 1000]),
    st.sampled_from([{}, {ONE: 0.0}, {ONE: 5.0}, {"item:more": 0.0}, ""]),
    st.sampled_from([None, 1000]),
)


@pytest.fixture
def beside(store: Store) -> Iterator[Store]:
    yield store
    Item._store = Lasting._store = None


def _prepare(client: Any, stored: Stored, other: dict[str, bytes] | None) -> None:
    client.flushall()
    if isinstance(stored.record, dict):
        client.hset(ONE, mapping=stored.record)
    elif stored.record is not None:
        client.set(ONE, "a text")
    if isinstance(stored.index, str):
        client.set(INDEX, "a text")
    elif stored.index:
        client.zadd(INDEX, stored.index)
    if stored.ends_in_s:
        client.expire(ONE, stored.ends_in_s)
    if stored.index_ends_in_s:
        client.expire(INDEX, stored.index_ends_in_s)
    if other:
        client.hset(OTHER, mapping=other)


def _life(client: Any, key: str) -> int | None:
    left: int = client.ttl(key)
    return None if left < 0 else round(left, -1)


def _state(client: Any) -> tuple[object, ...]:
    is_hash = client.type(ONE) == b"hash"
    record = client.hgetall(ONE) if is_hash else client.get(ONE)
    members = (
        set(client.zrange(INDEX, 0, -1)) - {OTHER.encode()} if client.type(INDEX) == b"zset" else client.get(INDEX)
    )
    return record, _life(client, ONE), members


def _refusals(stored: Stored, only: str | None, is_upgraded: bool) -> set[type[RedisModelsError]]:
    """Give all that stand in the way of a write."""
    found: set[type[RedisModelsError]] = set()
    if isinstance(stored.index, str):
        found.add(ConflictError)
    if stored.record is None and only == "existing":
        found.add(NotFoundError)
    if stored.record == "":
        found.add(WrongKeyTypeError)
    if stored.record and only == "new":
        found.add(ConflictError)
    if isinstance(stored.record, dict):
        stamp = stored.record.get("_v", b"1")
        if stamp in (b"9", b"1", b"2") and not is_upgraded:
            found.add(RecordTooOldError)
        if stamp == b"11":
            found.add(RecordTooNewError)
        if not stamp.isdigit() or stamp in (b"010", b"9" * 5000):
            found.add(DecodeError)
    return found


def _expected(stored: Stored, life_s: int | None) -> tuple[object, ...]:
    before = stored.record if isinstance(stored.record, dict) else {}
    is_older = bool(before) and before.get("_v", b"1") != b"10"
    record = {**before, **({"brought": b"up"} if is_older else {}), **WRITTEN, "_v": b"10"}
    ends = stored.ends_in_s if before else None
    members = {member.encode() for member in stored.index} | {ONE.encode()} if isinstance(stored.index, dict) else None
    return {name.encode(): raw for name, raw in record.items()}, ends if life_s == -1 else life_s, members


def _outcome(operation: Any) -> object:
    try:
        return operation()
    except RedisModelsError as exc:
        return type(exc)


_LIVES: Final[dict[str, tuple[Any, int | None]]] = {
    "none": (None, -1), "keep": (KEEP, -1), "forever": (FOREVER, None), "span": (50, 50)
}  # fmt: skip


@given(
    stored=_stored,
    only=st.sampled_from([None, None, "new", "existing"]),
    life=st.sampled_from(sorted(_LIVES)),
    is_lasting=st.booleans(),
    is_upgraded=st.booleans(),
    is_flushed=st.booleans(),
    is_async=st.booleans(),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_record_is_inserted_as_two_are_and_as_is_said(
    beside: Store,
    client: Any,
    stored: Stored,
    only: Any,
    life: str,
    is_lasting: bool,
    is_upgraded: bool,
    is_flushed: bool,
    is_async: bool,
) -> None:
    model: Any = Lasting if is_lasting else Item
    beside.register_model(model)
    beside.upgrader = Upgrading() if is_upgraded else None
    span, life_s = _LIVES[life]
    if life == "none" and is_lasting:
        life_s = 50
    results: list[object] = []
    for count in (1, 2):
        _prepare(client, stored, {"_v": b"10"} if only == "existing" else None)
        if is_flushed:
            client.script_flush()
        before = _state(client)
        records = [model(id="one", text="\0]]'", size=3), model(id="other")][:count]
        operation = repository_of(model).insert(records, span, only=only)

        result: Any = _outcome(lambda: asyncio.run(beside.run_async(operation)) if is_async else beside.run(operation))  # noqa: B023

        refusals = _refusals(stored, only, is_upgraded)
        if refusals:
            assert result in refusals
            if not is_upgraded:
                assert _state(client) == before
        else:
            fields = stored.record or {}
            assert isinstance(fields, dict)
            assert result[0] == len(WRITTEN.keys() - fields.keys())
            assert result[1] == (ONE not in stored.index)
            assert _state(client) == _expected(stored, life_s)
            assert client.ttl(INDEX) == -1
            results.append((*result[:2], _state(client)))
        if count == 2 and refusals:
            assert not client.exists(OTHER) or client.hgetall(OTHER) == {b"_v": b"10"}
    assert results[:1] == results[1:]
    beside._forget(model)


@given(stored=_stored, is_lasting=st.booleans(), is_upgraded=st.booleans(), is_flushed=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_save_of_an_instance_is_the_same_blocking_and_in_a_loop(
    beside: Store, client: Any, stored: Stored, is_lasting: bool, is_upgraded: bool, is_flushed: bool
) -> None:
    model: Any = Lasting if is_lasting else Item
    beside.register_model(model)
    beside.upgrader = Upgrading() if is_upgraded else None
    for way in ("sync", "async"):
        _prepare(client, stored, None)
        if is_flushed:
            client.script_flush()
        record = model(id="one", text="\0]]'", size=3)

        result = _outcome(lambda: record.sync.save() if way == "sync" else asyncio.run(record.save()))  # noqa: B023

        refusals = _refusals(stored, None, is_upgraded)
        if refusals:
            assert result in refusals
        else:
            assert result is None
            assert _state(client) == _expected(stored, 50 if is_lasting and not stored.record else -1)
            assert client.ttl(INDEX) == -1
            # It knows what is stored: a save of what is assigned writes that, and nothing else.
            client.hset(ONE, "size", 8)
            record.text = "later"
            record.sync.save()
            assert client.hmget(ONE, "text", "size") == [b"later", b"8"]
    beside._forget(model)
