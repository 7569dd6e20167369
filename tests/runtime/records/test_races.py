"""The verbs at bad moments: a record that goes in between, a full memory, an unbound model."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import (
    ConflictError,
    ModelDeclarationError,
    NotFoundError,
    ServerOutOfMemoryError,
    UnboundModelError,
)

from .conftest import Call

T = TypeVar("T")


class Item(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    size: int = 0


class Live(AutoModel):
    id: str = Field(primary_key=True)
    size: int = 0


class Box(Model, Generic[T]):
    id: str = Field(primary_key=True)
    value: T


class Parent(AutoModel):
    id: str = Field(primary_key=True)
    size: int = 0


class Child(Parent):
    extra: int = 0


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in (Item, Live, Parent):
        store.register_model(model)
    yield
    for model in (Item, Live, Parent):
        model._store = None


def _expired(client: Any, key: str) -> None:
    client.pexpire(key, 1)
    while client.exists(key):
        pass


def _deleted(client: Any, key: str) -> None:
    client.delete(key)


def _everything(client: Any) -> dict[bytes, tuple[bytes, int]]:
    keys: list[bytes] = client.keys()
    return {key: (client.dump(key), client.ttl(key)) for key in keys}


# Each way to write a record that is there; none may make a new one of what it has.
UPDATES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "save": ("save", (), {}),
    "save with a TTL": ("save", (60,), {}),
    "save of an existing one": ("save", (), {"only": "existing"}),
    "save if unchanged": ("save", (), {"if_unchanged": True}),
    "patch": ("patch", ("a",), {"name": "new"}),
    "increment": ("increment", ("a", "size"), {}),
    "expire": ("expire", ("a", 60), {}),
    "persist": ("persist", ("a",), {}),
}


@pytest.mark.parametrize("gone", [_deleted, _expired])
@pytest.mark.parametrize("way", UPDATES)
async def test_a_record_that_went_in_between_is_not_made_again(
    call: Call, client: Any, way: str, gone: Callable[[Any, str], None]
) -> None:
    item = Item(id="a", name="old")
    await Item.insert([item, Item(id="b")])
    item.name = "new"
    gone(client, "item:a")
    verb, arguments, options = UPDATES[way]

    with pytest.raises(NotFoundError, match="Item: no record at 'item:a'"):
        await call(item if verb == "save" else Item, verb, *arguments, **options)

    assert not client.exists("item:a")


@pytest.mark.parametrize("gone", [_deleted, _expired])
def test_an_assignment_to_what_went_in_between_raises_and_is_undone(
    client: Any, gone: Callable[[Any, str], None]
) -> None:
    live = Live(id="a", size=1)
    gone(client, "live:a")

    with pytest.raises(NotFoundError):
        live.size = 2

    assert (live.size, client.exists("live:a")) == (1, 0)


@pytest.mark.parametrize("way", [*UPDATES, "insert", "insert new", "insert more"])
async def test_a_full_memory_refuses_the_whole_write(call: Call, new_server: Any, way: str) -> None:
    server = new_server()
    store = Store.from_url(server.url)
    store.register_model(Item)
    item = Item(id="a", name="old")
    await Item.insert([item, Item(id="b")], 1000)
    with server.client() as client:
        before = _everything(client)
        client.config_set("maxmemory", "1")
        item.name = "new" * 1000
        verb, arguments, options = UPDATES.get(way, ("insert", ([item, Item(id="c")], 60), {}))
        if way == "insert new":
            arguments, options = ([Item(id="c")],), {"only": "new"}
        elif way == "insert more":
            arguments = ([Item(id=f"{number}") for number in range(300)],)

        if verb in ("expire", "persist"):  # these need no memory
            await call(Item, verb, *arguments)
        else:
            with pytest.raises(ServerOutOfMemoryError, match="memory is full"):
                await call(item if verb == "save" else Item, verb, *arguments, **options)
            assert _everything(client) == before

        client.config_set("maxmemory", "0")
        await call(item, "save")
        assert client.hget("item:a", "name") == b"new" * 1000
    await store.aclose()


VERBS: dict[str, tuple[Any, ...]] = {
    "get": ("a",),
    "get_many": (["a"],),
    "exists": ("a",),
    "count": (),
    "ttl": ("a",),
    "page": (3,),
    "iterate": (),
    "select": (),
    "patch": ("a",),
    "increment": ("a", "size"),
    "delete": ("a",),
    "delete_all": (),
    "expire": ("a", 5),
    "persist": ("a",),
}


@pytest.mark.parametrize("verb", [*VERBS, "insert", "save", "delete its own"])
async def test_a_model_bound_to_no_store_says_so_at_every_verb(call: Call, verb: str) -> None:
    class Loose(Model):
        id: str = Field(primary_key=True)
        size: int = 0

    record = Loose(id="a")

    with pytest.raises(
        UnboundModelError, match=r"Loose: is not bound to a store; call redis_models\.setup\(\)"
    ) as caught:
        if verb == "insert":
            await call(Loose, "insert", record)
        elif verb in ("save", "delete its own"):
            await call(record, verb.partition(" ")[0])
        else:
            await call(Loose, verb, *VERBS[verb])

    assert isinstance(caught.value, ModelDeclarationError) and isinstance(caught.value, AttributeError)
    assert "type object 'Loose' has no attribute '_store'" in str(caught.value)


def test_the_error_of_an_unbound_model_can_be_sent_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(UnboundModelError("Loose")))

    assert (error.model, str(error)) == ("Loose", str(UnboundModelError("Loose")))
    conflict = pickle.loads(pickle.dumps(ConflictError("k", "r", ["a", "b"])))
    assert (conflict.key, conflict.reason, conflict.fields) == ("k", "r", ("a", "b"))


async def test_an_auto_model_bound_to_no_store_is_an_object_like_any_other() -> None:
    class Loose(AutoModel):
        id: str = Field(primary_key=True)
        size: int = 0

    loose = Loose(id="a")
    loose.size = 1
    async with loose.update():
        loose.size = 2
    with loose.sync.update():
        loose.size = 3

    assert loose.size == 3


async def test_a_child_of_a_bound_model_is_not_bound_by_that(client: Any) -> None:
    child = Child(id="a")
    child.size = 1

    with pytest.raises(UnboundModelError, match="Child: is not bound to a store"):
        await child.save()

    assert client.dbsize() == 0


async def test_a_generic_model_is_bound_for_each_of_its_types(call: Call, store: Store) -> None:
    store.register_model(Box[int])
    await call(Box[int], "insert", Box[int](id="a", value=5))

    assert (await call(Box[int], "get", "a")).value == 5
    with pytest.raises(UnboundModelError):
        await call(Box[str], "get", "a")
    Box[int]._store = None


@pytest.mark.parametrize("ids", [(), (None,)])
async def test_delete_needs_ids_and_names_the_verb_for_all(call: Call, client: Any, ids: tuple[Any, ...]) -> None:
    await Item.insert(Item(id="a"))

    with pytest.raises(TypeError, match=r"Item\.delete needs primary keys: .* Item\.delete_all\(\) deletes all"):
        await call(Item, "delete", *ids)

    assert client.exists("item:a")


async def test_an_instance_deletes_its_own_record_alone(call: Call, client: Any) -> None:
    first, second = Item(id="a"), Item(id="b")
    await Item.insert([first, second])

    assert await call(first, "delete") == [1, 1]
    assert await call(first, "delete") == [0, 0]
    assert client.zrange("item:__index", 0, -1) == [b"item:b"]


async def test_thousands_of_ids_are_deleted_in_bounded_steps(call: Call, client: Any) -> None:
    await Item.insert([Item(id=f"{number:04}") for number in range(2345)])

    assert await call(Item, "delete", [f"{number:04}" for number in range(1, 2345)]) == [2344, 2344]
    assert client.keys("item:[0-9]*") == [b"item:0000"]


async def test_counts_of_insert_are_the_same_with_a_ttl(call: Call) -> None:
    items = [Item(id="a"), Item(id="b")]

    assert await call(Item, "insert", items, 60) == [3, 1, 3, 1]
    assert await call(Item, "insert", items, 60) == [0, 0, 0, 0]
    assert await call(Item, "insert", []) == []
