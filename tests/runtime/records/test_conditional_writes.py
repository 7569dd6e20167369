"""Writes with a condition: of new records only, of existing ones only, of those that no other client changed."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import ConflictError, NotFoundError, RecordTooNewError, ServerUnreachableError

from .conftest import Call, Wire


class Item(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    price: int = 0
    tags: list[str] = Field(default_factory=list)


class Live(AutoModel):
    id: str = Field(primary_key=True)
    size: int = 0


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in (Item, Live):
        store.register_model(model)
    yield
    for model in (Item, Live):
        model._store = None


async def test_only_new_inserts_what_is_not_there(call: Call, client: Any) -> None:
    assert await call(Item, "insert", [Item(id="a"), Item(id="b")], only="new") == [4, 1, 4, 1]
    assert await call(Item, "insert", [], only="new") == []
    await call(Item(id="c"), "save", only="new")

    assert client.zrange("item:__index", 0, -1) == [b"item:a", b"item:b", b"item:c"]


async def test_only_new_refuses_what_is_there_and_writes_none_of_its_hundred(call: Call, client: Any) -> None:
    await Item.insert(Item(id="150", name="theirs"))
    before = client.dump("item:150")
    items = [Item(id=f"{number:03}", name="mine") for number in range(250)]

    with pytest.raises(ConflictError, match="item:150: exists already, but only new records of Item") as caught:
        await call(Item, "insert", items, 60, only="new")

    assert caught.value.key == "item:150"
    assert client.dump("item:150") == before
    assert not [number for number in range(100, 200) if number != 150 and client.exists(f"item:{number:03}")]


async def test_only_new_refuses_an_existing_record_of_any_version(call: Call, client: Any) -> None:
    client.hset("item:a", mapping={"_v": 7, "id": "a"})

    with pytest.raises(ConflictError):
        await call(Item, "insert", Item(id="a"), only="new")

    assert client.hgetall("item:a") == {b"_v": b"7", b"id": b"a"}


async def test_only_new_takes_no_record_twice(call: Call, client: Any) -> None:
    with pytest.raises(ConflictError, match="item:a: is inserted twice"):
        await call(Item, "insert", [Item(id="b"), Item(id="a"), Item(id="a")], only="new")

    assert client.dbsize() == 0


async def test_only_existing_writes_what_is_there_and_makes_nothing(call: Call, client: Any) -> None:
    await Item.insert([Item(id="a"), Item(id="b")])

    assert await call(Item, "insert", [Item(id="a", name="x"), Item(id="b", name="x")], only="existing") == [0, 0, 0, 0]
    with pytest.raises(NotFoundError, match="item:c"):
        await call(Item, "insert", [Item(id="a", name="y"), Item(id="c")], only="existing")
    with pytest.raises(NotFoundError):
        await call(Item(id="c"), "save", only="existing")

    assert client.hget("item:a", "name") == b"x"
    assert not client.exists("item:c")


async def test_a_saved_instance_is_updated_or_refused_by_the_same_words(call: Call, client: Any) -> None:
    item = Item(id="a")
    await Item.insert(item)

    item.name = "x"
    await call(item, "save", only="existing")
    with pytest.raises(ConflictError, match="exists already"):
        await call(item, "save", only="new")
    client.delete("item:a")
    with pytest.raises(NotFoundError):
        item.name = "y"
        await call(item, "save", only="existing")
    await call(item, "save", only="new")

    assert client.hget("item:a", "name") == b"y"


@pytest.mark.parametrize("only", ["old", "NEW", "", True, 1])
async def test_another_word_is_refused_before_anything_is_sent(call: Call, client: Any, only: Any) -> None:
    for owner, verb, arguments in ((Item, "insert", [Item(id="a")]), (Item(id="a"), "save", [])):
        with pytest.raises(ValueError, match="Item: only must be 'new', 'existing' or None, not"):
            await call(owner, verb, *arguments, only=only)

    assert client.dbsize() == 0


def test_of_many_inserting_threads_one_wins() -> None:
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def insert(name: str) -> None:
        start.wait()
        try:
            Item.sync.insert(Item(id="a", name=name), only="new")
            outcomes.append(name)
        except ConflictError:
            outcomes.append("")

    threads = [threading.Thread(target=insert, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [winner] = [name for name in outcomes if name]
    assert Item.sync.get("a").name == winner


async def test_if_unchanged_writes_if_no_other_client_wrote(call: Call, client: Any) -> None:
    item = Item(id="a")
    await call(item, "save", if_unchanged=True)
    item.name = "x"
    await call(item, "save", if_unchanged=True)
    again = await Item.get("a")
    again.tags.append("t")
    await call(again, "save", if_unchanged=True)
    again.price = 2
    await call(again, "save", 60, if_unchanged=True)

    assert client.hmget("item:a", "name", "tags", "price") == [b"x", b'["t"]', b"2"]
    assert 0 < client.pttl("item:a") <= 60_000


async def test_if_unchanged_names_what_another_client_changed_and_writes_nothing(call: Call, client: Any) -> None:
    await Item.insert(Item(id="a", name="old"))
    item, other = await Item.get("a"), await Item.get("a")
    other.name, other.tags = "theirs", ["theirs"]
    await other.save()
    before = client.dump("item:a")

    item.price = 5
    with pytest.raises(
        ConflictError, match=r"item:a: another client changed name, tags since .* Get the record"
    ) as caught:
        await call(item, "save", if_unchanged=True)

    assert caught.value.fields == ("name", "tags")
    assert client.dump("item:a") == before
    await call(item, "save")
    assert client.hmget("item:a", "name", "price") == [b"theirs", b"5"]


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (("HSET", "item:a", "price", "9"), ("price",)),
        (("HDEL", "item:a", "name"), ("name",)),
        (("HSET", "item:a", "tags", '["x"]'), ("tags",)),
    ],
)
async def test_if_unchanged_minds_a_change_even_where_it_has_nothing_to_write(
    call: Call, client: Any, command: tuple[str, ...], fields: tuple[str, ...]
) -> None:
    await Item.insert(Item(id="a"))
    item = await Item.get("a")
    client.execute_command(*command)

    with pytest.raises(ConflictError) as caught:
        await call(item, "save", if_unchanged=True)

    assert caught.value.fields == fields


async def test_if_unchanged_minds_a_field_that_was_not_there(call: Call, client: Any) -> None:
    client.hset("item:a", mapping={"id": "a"})
    item = await Item.get("a")
    client.hset("item:a", "name", "")

    item.price = 1
    with pytest.raises(ConflictError) as caught:
        await call(item, "save", if_unchanged=True)

    assert caught.value.fields == ("name",)


async def test_if_unchanged_lets_others_keep_fields_that_the_model_does_not_know(call: Call, client: Any) -> None:
    await Item.insert(Item(id="a"))
    item = await Item.get("a")
    client.hset("item:a", mapping={"other": "x", "_b7": "y"})

    item.price = 1
    await call(item, "save", if_unchanged=True)

    assert client.hmget("item:a", "price", "other", "_b7") == [b"1", b"x", b"y"]


async def test_if_unchanged_of_an_instance_that_was_never_stored_means_that_there_must_be_none(
    call: Call, client: Any
) -> None:
    await Item.insert(Item(id="a", name="theirs"))

    with pytest.raises(ConflictError, match="exists already"):
        await call(Item(id="a"), "save", if_unchanged=True)
    with pytest.raises(ValueError, match="contradict each other"):
        await call(Item(id="a"), "save", if_unchanged=True, only="existing")
    with pytest.raises(ValueError, match="contradict each other"):
        await call(await Item.get("a"), "save", if_unchanged=True, only="new")

    assert client.hget("item:a", "name") == b"theirs"


async def test_if_unchanged_tells_a_deleted_and_a_newer_record(call: Call, client: Any) -> None:
    await Item.insert([Item(id="a"), Item(id="b")])
    gone, newer = await Item.get("a"), await Item.get("b")
    client.delete("item:a")
    client.hset("item:b", mapping={"_v": 9, "name": "z"})

    with pytest.raises(NotFoundError):
        await call(gone, "save", if_unchanged=True)
    with pytest.raises(RecordTooNewError):
        await call(newer, "save", if_unchanged=True)

    assert client.exists("item:a") == 0


def test_two_writers_who_try_again_on_conflict_lose_nothing() -> None:
    Item.sync.insert(Item(id="a"))

    def add() -> None:
        done = 0
        while done < 25:
            item = Item.sync.get("a")
            item.price += 1
            try:
                item.sync.save(if_unchanged=True)
                done += 1
            except ConflictError:
                continue

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Item.sync.get("a").price == 100


async def test_a_conflicting_save_of_an_auto_model_leaves_it_as_it_is(client: Any) -> None:
    live = Live(id="a")
    client.hset("live:a", "size", 9)

    with pytest.raises(ConflictError):
        await live.save(if_unchanged=True)

    assert live.size == 0


@pytest.mark.parametrize("condition", [{"only": "new"}, {"if_unchanged": True}])
async def test_a_write_whose_reply_is_lost_is_recognised_as_our_own(
    call: Call, client: Any, wire: Wire, store: Store, condition: dict[str, Any]
) -> None:
    broken = Store.from_url(wire.url)
    broken.register_model(Item)
    item = Item(id="a")
    if "if_unchanged" in condition:
        await call(item, "save")
    item.name = "mine"

    wire.lose_answer(b"EVALSHA")
    with pytest.raises(ServerUnreachableError, match="may have been executed"):
        await call(item, "save", **condition)

    assert (wire.lost, client.hget("item:a", "name")) == (1, b"mine")
    await broken.aclose()
