"""Members of other programs in an index: no verb reads, writes, sweeps or deletes them, or fails because of them."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import ModelDeclarationError

from .conftest import Call


class Item(Model):
    id: str = Field(primary_key=True)
    size: int = 0


class Order(Model):
    _table_name = "item:order"
    id: str = Field(primary_key=True)
    size: int = 0


class Wide(Model):
    class Meta:
        prefix = "Shop"
        table = "item"
        separator = "::"

    id: str = Field(primary_key=True)
    size: int = 0


class Automatic(AutoModel):
    _table_name = "it"
    id: str = Field(primary_key=True)
    size: int = 0


MODELS = (Item, Order, Wide, Automatic)


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in MODELS:
        store.register_model(model)
    yield
    for model in MODELS:
        model._store = None


# Keys of each type that no model of these owns, and those that one owns by name but that hold no record.
CANARIES: dict[bytes, Callable[[Any, bytes], object]] = {
    b"redis_models:{default}:ledger:shop": lambda c, k: c.hset(k, "id", "1"),
    b"redis_models:{default}:lease": lambda c, k: c.hset(k, "epoch", "7"),
    b"item:": lambda c, k: c.hset(k, "id", ""),
    b"item:a:b": lambda c, k: c.hset(k, mapping={"id": "a:b", "size": "1"}),
    b"items:a": lambda c, k: c.hset(k, "id", "a"),
    b"ITEM:a": lambda c, k: c.hset(k, "id", "a"),
    b"it": lambda c, k: c.set(k, "x", px=10**9),
    b"\xff\xfe": lambda c, k: c.set(k, b"\xff"),
    b"shop::item:::x": lambda c, k: c.hset(k, "id", ":x"),
    b"other:list": lambda c, k: c.rpush(k, "a"),
    b"other:set": lambda c, k: c.sadd(k, "a"),
    b"other:zset": lambda c, k: c.zadd(k, {"a": 1}),
    b"other:stream": lambda c, k: c.xadd(k, {"a": "1"}, id="1-1"),
    b"item:string": lambda c, k: c.set(k, "mine by name, but no record"),
    b"it:list": lambda c, k: c.rpush(k, "a"),
    b"shop::item::set": lambda c, k: c.sadd(k, "a"),
}
STRANGE = {b"item:string", b"it:list", b"shop::item::set"}  # under keys that a model owns
_GONE = (b"nothing", b"zzz", b"item:x:gone", b"", b"item:__index", b"it:__index", b"shop::item::__index")
_MEMBERS = st.dictionaries(
    st.one_of(st.sampled_from([*CANARIES, *_GONE]), st.binary(max_size=8), st.just(b"item:order:1")),
    st.sampled_from([0, 0, 0, -1, 1, float("inf")]),
    max_size=20,
)


def _contents(client: Any) -> dict[bytes, object]:
    """Everything that is there but the indexes, byte for byte, and whether it ends."""
    indexes = {model.__mapper__.keys.index.encode() for model in MODELS}
    return {key: (client.dump(key), client.pttl(key) > 0) for key in client.keys("*") if key not in indexes}


def _ids(records: Any) -> list[str]:
    return [record.id for record in records or ()]


@given(members=_MEMBERS, place=st.sampled_from(MODELS), count=st.sampled_from([0, 1, 3, 600]), size=st.integers(1, 4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_verb_touches_what_a_foreign_member_names(
    store: Store, client: Any, members: dict[bytes, float], place: Any, count: int, size: int
) -> None:
    client.flushall()
    for key, put in CANARIES.items():
        put(client, key)
    canaries = _contents(client)
    for model in cast("tuple[Any, ...]", MODELS):
        model.sync.insert([model(id=f"{number:03}") for number in range(count)])
    keys = place.__mapper__.keys
    own = [f"{number:03}" for number in range(count)]
    foreign = {
        member: score for member, score in members.items() if not keys.owns(member.decode("utf-8", "surrogateescape"))
    }
    strange = [member for member in members if member in STRANGE and member not in foreign]
    if foreign:
        client.zadd(keys.index, foreign)
    if strange:
        client.zadd(keys.index, dict.fromkeys(strange, 0))
    index, before = client.zrange(keys.index, 0, -1, withscores=True), _contents(client)
    bad: list[Any] = []

    read: list[Any] = place.sync.select(bad_records=bad) or []
    assert _ids(read) == own
    assert [error.key.encode() for error in bad] == strange
    assert place.sync.count() == count
    if not strange:
        assert _ids(place.sync.iterate(batch_size=max(size, count // 3))) == own
        assert [record["id"] for record in cast("list[Any]", place.sync.select(columns=["id"]) or [])] == own
        assert _ids(place.sync.page(size)) == own[:size]
        assert _ids(place.sync.select(limit=size)) == own[:size]
        if own:
            assert _ids(place.sync.page(size, after=own[0])) == own[1 : 1 + size]
        if all(score == 0 and not member.startswith(keys.start.encode()) for member, score in foreign.items()):
            assert _ids(place.sync.select(skip=1, limit=size)) == own[1 : 1 + size]
    assert _contents(client) == before
    assert client.zrange(keys.index, 0, -1, withscores=True) == index
    for argument in read[:1]:
        argument.size = 5
        argument.sync.save()

    assert place.sync.delete_all() == count

    others = [key for key in before if key not in canaries and not keys.owns(key.decode("utf-8", "surrogateescape"))]
    after = _contents(client)
    assert {key: after.pop(key) for key in others} == {key: before[key] for key in others}
    assert after == canaries
    left = {member for member, _ in index if member in foreign or member in strange}
    assert set(client.zrange(keys.index, 0, -1)) == left
    assert place.sync.count() == 0


async def test_pages_go_on_behind_many_members_that_are_not_the_models(call: Call, client: Any) -> None:
    await Item.insert([Item(id=f"{number:02}") for number in range(10)])
    client.zadd("item:__index", {f"item:04:{number}": 0 for number in range(2500)})

    assert [item.id for item in await call(Item, "page", 4, after="03")] == ["04", "05", "06", "07"]
    assert len(await call(Item, "select")) == 10
    assert [item.id for item in await call(Item, "iterate", batch_size=3)] == [f"{number:02}" for number in range(10)]
    assert await call(Item, "delete_all") == 10
    assert client.zcard("item:__index") == 2500


async def test_members_whose_scores_put_them_out_of_order_keep_no_reader_busy_for_ever(call: Call, client: Any) -> None:
    await Item.insert([Item(id=letter) for letter in "abcdef"])
    client.zadd("item:__index", {"item:b": 1, "item:a": 2, "item:e": -1})

    read = [item.id for item in await call(Item, "iterate", batch_size=2)]
    assert len(read) == len(set(read))
    assert await call(Item, "count") <= 6
    assert await call(Item, "delete_all") <= 6


async def test_a_clean_index_costs_no_further_command(call: Call, client: Any) -> None:
    await Item.insert([Item(id=f"{number:04}") for number in range(1500)])
    client.config_resetstat()

    assert len(await call(Item, "select")) == 1500
    assert await call(Item, "page", 3)

    calls = {name: stats["calls"] for name, stats in client.info("commandstats").items()}
    assert calls["cmdstat_zrangebylex"] == 5  # three pages of 500, and the end; and the one page
    assert "cmdstat_zlexcount" not in calls


@pytest.mark.parametrize(
    ("prefix", "table", "separator"), [("redis_models", "{default}", ":"), ("", "redis_models:", "{")]
)
def test_a_table_among_the_keys_of_the_migrations_is_refused(prefix: str, table: str, separator: str) -> None:
    with pytest.raises(ModelDeclarationError, match="which the migrations use; give it another prefix"):

        class Ledger(Model):
            _redis_prefix, _table_name, _redis_separator = prefix, table, separator
            id: str = Field(primary_key=True)

        Ledger.__mapper__  # noqa: B018 (some classes are compiled when they are first used)


@pytest.mark.parametrize("score", [7, -7])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_members_with_other_scores_do_not_stop_a_scan_or_make_it_endless(
    store: Any, client: Any, score: int, size: int
) -> None:
    """A range by name of an index with several scores begins anew behind some of them."""
    for model in MODELS:
        store.register_model(model)
    place: Any = MODELS[0]
    place.sync.insert([place(id=f"{number:03}") for number in range(6)])
    start = place.__mapper__.keys.start
    strange = ["", "zz", start, *(f"{start}{name}" for name in ("!", "%31", "000x", "003x", "zzz"))]
    client.zadd(place.__mapper__.keys.index, {**dict.fromkeys(strange, score), f"{start}004": score})
    wanted = [f"{number:03}" for number in range(6)]

    read_ids = [record.id for record in itertools.islice(place.sync.iterate(batch_size=size), 20)]
    paged, after = list[str](), None
    while len(paged) < 20 and (page := place.sync.page(size, after=after)):
        paged += [item.id for item in page]
        after = paged[-1]

    assert sorted(read_ids) == wanted
    assert sorted(paged) == wanted
    selected: list[Any] = place.sync.select() or []
    assert sorted(record.id for record in selected) == wanted
    assert place.sync.count() == 6
    assert place.sync.delete_all() == 6
