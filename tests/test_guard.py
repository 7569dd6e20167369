"""The guard of every write: what a process must not touch stays as it is, to the byte."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pydantic
import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.batches import Batches, send
from redis_models.errors import (
    ConflictError,
    DecodeError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    WrongKeyTypeError,
)


class Item(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    price: int = 0

    class Meta:
        version = 3


class Live(AutoModel):
    id: str = Field(primary_key=True)
    name: str = ""

    class Meta:
        version = 3
        table = "item"


class Brand(Model):
    """The model of the same table one version ago."""

    id: str = Field(primary_key=True)
    title: str = ""

    class Meta:
        table = "item"
        version = 2


class Upgrade:
    """Knows the way from versions 1 and 2 to 3: ``title`` became ``name``."""

    def __init__(self, interfering: Callable[[str], object] = str) -> None:
        self.rewritten: list[str] = []
        self._interfering = interfering

    def upgrade(self, model: type[Model], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        if record.get("title") == b"unfit":
            raise DecodeError(key, "title", b"unfit", "no way up")
        return {"name": record.get("title", b""), **{name: raw for name, raw in record.items() if name != "title"}}

    def write_back(self, model: type[Model], keys: Sequence[str]) -> Batches[None]:
        yield from ()

    def rewrite(self, model: type[Model], key: str) -> Batches[None]:
        self.rewritten.append(key)
        [title] = yield from send([("HGET", key, "title")])
        name = title if isinstance(title, bytes) else b""
        yield from send([("HSET", key, "_v", 3, "name", name), ("HDEL", key, "title")])
        self._interfering(key)


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    store.register_model(Item)
    # Other versions and faces of the same table live in other processes, hence in other stores.
    Live._store = Brand._store = store
    yield
    for model in (Item, Live, Brand):
        model._store = None


def _everything(client: Any) -> dict[bytes, object]:
    keys: list[bytes] = client.keys()
    return {key: client.dump(key) for key in keys}


def _loaded(client: Any, key: str) -> Item:
    """An instance that was read before something happened to its record."""
    client.hset(key, mapping={"_v": 3, "id": key.partition(":")[2], "name": "old", "price": 1})
    return Item.sync.get(key.partition(":")[2])


def _insert(item: Item) -> None:
    Item.sync.insert([Item(id="before"), item, Item(id="zafter")])


def _save(item: Item) -> None:
    item.name = "new"
    item.sync.save()


def _save_new(item: Item) -> None:
    Item(id=item.id, name="new").sync.save()


def _patch(item: Item) -> None:
    Item.sync.patch(item.id, name="new")


def _update(item: Item) -> None:
    with item.sync.update():
        item.name, item.price = "new", 7


def _make(item: Item) -> None:
    Live(id=item.id, name="new")


def _assign(item: Item) -> None:
    live = Live(id=item.id, name="new", auto_save=False)
    live.name = "newer"


def _replace(item: Item) -> None:
    Item.sync.insert([Item(id=item.id, name="new")], only="existing")


def _save_with_a_life_span(item: Item) -> None:
    item.sync.save(60)


def _save_if_unchanged(item: Item) -> None:
    item.name = "new"
    item.sync.save(if_unchanged=True)


def _increment(item: Item) -> None:
    Item.sync.increment(item.id, "price")


# Those that need a record.
UPDATES = [_save, _patch, _update, _replace, _save_with_a_life_span, _save_if_unchanged, _increment]
WRITES = [_insert, _save_new, _make, _assign, *UPDATES]


@pytest.fixture(params=WRITES, ids=lambda write: write.__name__.strip("_"))
def write(request: pytest.FixtureRequest) -> Callable[[Item], None]:
    """Each of the ways to write fields of a record."""
    value: Callable[[Item], None] = request.param
    return value


def test_a_newer_record_is_refused_by_every_write_and_nothing_changes(
    write: Callable[[Item], None], client: Any
) -> None:
    item = _loaded(client, "item:a")
    client.hset("item:a", "_v", 4)
    before = _everything(client)

    with pytest.raises(RecordTooNewError, match=r"item:a: stored at version 4, but .* only up to version 3") as caught:
        write(item)

    assert _everything(client) == before
    assert (caught.value.key, caught.value.stored, caught.value.supported) == ("item:a", 4, 3)


@pytest.mark.parametrize("stamp", ["2", "1", None])
def test_an_older_record_is_refused_by_every_write_where_no_way_up_is_known(
    write: Callable[[Item], None], client: Any, stamp: str | None
) -> None:
    item = _loaded(client, "item:a")
    client.hset("item:a", "_v", stamp) if stamp else client.hdel("item:a", "_v")
    before = _everything(client)

    with pytest.raises(RecordTooOldError, match=r"item:a: stored at version \d, but its model is at version 3"):
        write(item)

    assert _everything(client) == before


def test_a_stamp_that_is_no_number_is_refused_by_every_write(write: Callable[[Item], None], client: Any) -> None:
    item = _loaded(client, "item:a")
    client.hset("item:a", "_v", "soon")
    before = _everything(client)

    with pytest.raises(DecodeError, match="item:a: field '_v' holds b'soon': the stamp must be a whole number"):
        write(item)

    assert _everything(client) == before


@pytest.mark.parametrize("kind", ["string", "list", "set", "zset", "stream"])
def test_a_key_that_holds_no_hash_is_refused_by_every_write(
    write: Callable[[Item], None], client: Any, kind: str
) -> None:
    item = _loaded(client, "item:a")
    client.delete("item:a")
    {
        "string": lambda: client.set("item:a", "x"),
        "list": lambda: client.rpush("item:a", "x"),
        "set": lambda: client.sadd("item:a", "x"),
        "zset": lambda: client.zadd("item:a", {"x": 1}),
        "stream": lambda: client.xadd("item:a", {"x": "1"}),
    }[kind]()
    before = _everything(client)

    with pytest.raises(WrongKeyTypeError, match="item:a: holds no hash; look at it with 'TYPE item:a'"):
        write(item)

    assert _everything(client) == before


@pytest.mark.parametrize("write", UPDATES, ids=lambda write: write.__name__.strip("_"))
def test_a_deleted_record_is_not_brought_back(write: Callable[[Item], None], client: Any) -> None:
    item = _loaded(client, "item:a")
    client.delete("item:a")

    with pytest.raises(NotFoundError, match="Item: no record at 'item:a'"):
        write(item)

    assert client.dbsize() == 0


def test_a_hundred_records_are_written_all_or_none(client: Any) -> None:
    Item.sync.insert([Item(id=f"{number:03}") for number in range(0, 250, 2)])
    client.hset("item:150", "_v", 4)

    with pytest.raises(RecordTooNewError, match="item:150"):
        Item.sync.insert([Item(id=f"{number:03}", name="new") for number in range(250)])

    names = [client.hget(f"item:{number:03}", "name") for number in range(250)]
    assert names[:100] == [b"new"] * 100
    assert names[100:200] == [b"" if number % 2 == 0 else None for number in range(100, 200)]
    members: list[bytes] = client.zrange("item:__index", 100, 149)
    assert not [one for one in members if 100 <= int(one[5:]) < 200 and int(one[5:]) % 2]


def test_records_without_a_stamp_are_of_version_one(store: Store, client: Any) -> None:
    class First(Model):
        id: str = Field(primary_key=True)
        name: str = ""

        class Meta:
            table = "item"

    First._store = store
    client.hset("item:a", mapping={"id": "a", "name": "x"})

    first = First.sync.get("a")
    first.name = "y"
    first.sync.save()

    assert client.hgetall("item:a") == {b"id": b"a", b"name": b"y", b"_v": b"1"}


def _reads(id: str) -> list[Callable[[], object]]:
    return [
        lambda: Item.sync.get(id),
        lambda: Item.sync.get_many(["x", id]),
        lambda: Item.sync.select(ids=[id]),
        lambda: Item.sync.select(),
        lambda: Item.sync.select(columns=["name"]),
        lambda: list(Item.sync.iterate()),
        lambda: Item.sync.page(9),
    ]


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize(
    ("stamp", "error"), [("4", RecordTooNewError), ("2", RecordTooOldError), ("soon", DecodeError)]
)
def test_a_record_of_another_version_is_read_by_no_verb(
    client: Any, place: int, stamp: str, error: type[RedisModelsError]
) -> None:
    Item.sync.insert([Item(id="a"), Item(id="b")])
    client.hset("item:a", "_v", stamp)

    with pytest.raises(error, match="item:a"):
        _reads("a")[place]()


@pytest.mark.parametrize("place", range(7))
def test_a_key_that_holds_no_hash_is_named_by_every_reading_verb(client: Any, place: int) -> None:
    Item.sync.insert([Item(id="a"), Item(id="b")])
    client.delete("item:a")
    client.set("item:a", "x")

    with pytest.raises(WrongKeyTypeError, match="item:a"):
        _reads("a")[place]()


def test_records_of_other_versions_and_kinds_do_not_block_a_table(client: Any) -> None:
    Item.sync.insert([Item(id=id) for id in "abcd"])
    client.hset("item:a", "_v", 4)
    client.hset("item:b", "_v", 2)
    client.delete("item:c")
    client.set("item:c", "x")
    bad: list[Any] = []

    found = Item.sync.select(bad_records=bad)

    assert [item.id for item in found or []] == ["d"]
    assert [type(one) for one in bad] == [RecordTooNewError, RecordTooOldError, WrongKeyTypeError]
    assert client.zcard("item:__index") == 4


def test_deleting_takes_records_of_any_version_but_no_other_keys(client: Any) -> None:
    Item.sync.insert([Item(id=id) for id in "abc"])
    client.hset("item:a", "_v", 4)
    client.delete("item:b")
    client.set("item:b", "mine")

    with pytest.raises(WrongKeyTypeError, match="item:b"):
        Item.sync.delete(["a", "b", "c"])
    assert client.exists("item:a", "item:c") == 2

    assert Item.sync.delete(["a", "c"]) == [2, 2]
    assert client.get("item:b") == b"mine"


def test_a_sibling_whose_prefix_begins_with_ours_is_not_touched(store: Store, client: Any) -> None:
    class Part(Model):
        id: str = Field(primary_key=True)

        class Meta:
            prefix = "item"

    store.register_model(Part)
    Part.sync.insert([Part(id="7"), Part(id="8")])
    before = _everything(client)

    Item.sync.insert([Item(id="part:7"), Item(id="part:__index")])
    assert Item.sync.count() == 2
    Item.sync.delete("part:8")
    assert Item.sync.delete_all() == 2

    assert _everything(client) == before


def test_an_older_record_is_read_and_written_as_new_where_the_way_up_is_known(store: Store, client: Any) -> None:
    store.upgrader = upgrade = Upgrade()
    Brand.sync.insert([Brand(id=f"{number:03}", title=f"t{number}") for number in range(120)])
    client.hdel("item:005", "_v")

    item = Item.sync.get("005")
    assert (item.name, client.hget("item:005", "title")) == ("t5", b"t5")
    item.price = 9
    item.sync.save()
    assert client.hgetall("item:005") == {b"id": b"005", b"name": b"t5", b"_v": b"3", b"price": b"9"}
    assert upgrade.rewritten == ["item:005"]

    assert [one.name for one in Item.sync.select() or []] == [f"t{number}" for number in range(120)]
    assert (Item.sync.select(columns=["name"], ids="006")) == [{"name": "t6"}]
    assert upgrade.rewritten == ["item:005"]

    # More of them in one script than any number of tries.
    Item.sync.insert([Item(id=f"{number:03}", name="new") for number in range(120)])
    assert len(upgrade.rewritten) == 120
    assert client.hgetall("item:119") == {b"id": b"119", b"name": b"new", b"_v": b"3", b"price": b"0"}


@pytest.mark.parametrize("write", UPDATES, ids=lambda write: write.__name__.strip("_"))
def test_each_way_to_write_brings_an_older_record_up_first(
    write: Callable[[Item], None], store: Store, client: Any
) -> None:
    store.upgrader = upgrade = Upgrade()
    Brand.sync.insert(Brand(id="a", title="t"))
    item = Item.sync.get("a")

    write(item)

    assert upgrade.rewritten == ["item:a"]
    record = client.hgetall("item:a")
    assert (record[b"_v"], b"title" in record) == (b"3", False)
    assert record[b"name"] in (b"t", b"new")
    assert Item.sync.get("a").id == "a"


def test_what_somebody_changed_in_an_older_record_is_met_after_it_is_brought_up(store: Store, client: Any) -> None:
    store.upgrader = Upgrade()
    Brand.sync.insert(Brand(id="a", title="t"))
    item = Item.sync.get("a")
    client.hset("item:a", "title", "theirs")

    item.price = 5
    with pytest.raises(ConflictError) as caught:
        item.sync.save(if_unchanged=True)

    assert caught.value.fields == ("name",)
    assert client.hmget("item:a", "name", "price") == [b"theirs", None]


def test_a_number_of_an_older_record_is_added_to_once_it_is_brought_up(store: Store, client: Any) -> None:
    store.upgrader = Upgrade()
    client.hset("item:a", mapping={"id": "a", "title": "t", "price": 4})

    assert Item.sync.increment("a", "price", 3) == 7
    assert client.hgetall("item:a") == {b"id": b"a", b"name": b"t", b"price": b"7", b"_v": b"3"}


def test_what_cannot_be_added_to_is_found_after_an_older_record_is_brought_up(store: Store, client: Any) -> None:
    store.upgrader = Upgrade()
    client.hset("item:a", mapping={"id": "a", "title": "t", "price": "many"})

    with pytest.raises(DecodeError, match="item:a: field 'price' holds b'many'"):
        Item.sync.increment("a", "price")


def test_life_spans_of_records_of_any_version_can_be_changed(client: Any) -> None:
    client.hset("item:a", mapping={"_v": 9, "id": "a"})

    Item.sync.expire("a", 60)
    left = Item.sync.ttl("a") or 0.0
    Item.sync.persist("a")

    assert 0 < left <= 60
    assert (client.pttl("item:a"), client.hgetall("item:a")) == (-1, {b"_v": b"9", b"id": b"a"})


def test_an_old_record_whose_every_field_was_renamed_is_not_taken_for_absent(store: Store, client: Any) -> None:
    client.hset("item:a", mapping={"title": "t"})

    with pytest.raises(RecordTooOldError):
        Item.sync.get("a")
    store.upgrader = Upgrade()
    with pytest.raises(DecodeError, match="item:a: field 'id' is missing"):
        Item.sync.get("a")


def test_a_record_that_cannot_be_brought_up_does_not_block_a_table(store: Store) -> None:
    store.upgrader = Upgrade()
    Brand.sync.insert([Brand(id="a", title="unfit"), Brand(id="b", title="t")])
    bad: list[Any] = []

    found = Item.sync.select(bad_records=bad)

    assert [item.id for item in found or []] == ["b"]
    assert [str(one) for one in bad] == ["item:a: field 'title' holds b'unfit': no way up"]


def test_a_record_that_becomes_newer_while_it_is_brought_up_is_refused(store: Store, client: Any) -> None:
    store.upgrader = Upgrade(lambda key: client.hset(key, "_v", 4))
    Brand.sync.insert(Brand(id="a", title="t"))

    with pytest.raises(RecordTooNewError):
        Item.sync.patch("a", price=9)

    assert client.hget("item:a", "price") is None


def test_a_record_that_is_put_back_again_and_again_ends_in_an_error(store: Store, client: Any) -> None:
    store.upgrader = Upgrade(lambda key: client.hset(key, "_v", 2))
    Brand.sync.insert(Brand(id="a", title="t"))

    with pytest.raises(ConflictError, match="item:a: not written, because somebody puts it"):
        Item.sync.patch("a", price=9)

    assert client.hget("item:a", "price") is None


def test_a_record_that_is_deleted_while_it_is_brought_up_is_not_brought_back(store: Store, client: Any) -> None:
    store.upgrader = Upgrade(client.delete)
    Brand.sync.insert(Brand(id="a", title="t"))

    with pytest.raises(NotFoundError):
        Item.sync.patch("a", price=9)

    assert not client.exists("item:a")


def test_records_with_thousands_of_fields_are_written_whole(store: Store, client: Any) -> None:
    fields: dict[str, Any] = {f"f{number}": (int, number) for number in range(4500)}
    Wide: Any = pydantic.create_model("Wide", __base__=Model, id=(str, Field(primary_key=True)), **fields)
    store.register_model(Wide)

    Wide.sync.insert([Wide(id="a"), Wide(id="b")])

    assert client.hlen("wide:a") == client.hlen("wide:b") == 4502
    assert Wide.sync.get("b") == Wide(id="b")
